"""`prepare:` of a model: steps that are fitted on a fit's own training rows and then applied to any rows.

- `impute: median | mean | most_frequent`, or `impute: {constant: {value: 0}}`: fills missing values. Categorical
  columns get their most frequent label; a constant that is a number fills numbers, one that is text fills categories.
- `standardize`: numbers to mean 0 and standard deviation 1; a constant column to 0.
- `one_hot`: every categorical column to columns of 0 and 1 such as `sex=female`; a missing or unseen label is all 0.

All statistics are weighted with the training weight (a negative one by its absolute value), so that weight 2 is a row
twice and weight 0 no row. Without numpy at import: the check of a recipe reads only the names. The arithmetic is in
`preparation_steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rapidml.dataset.frame import Frame, TrainingRows
    from rapidml.dataset.preparation_steps import Step
    from rapidml.recipe.schema import Choice

STEPS = ("impute", "standardize", "one_hot")
STRATEGIES = ("median", "mean", "most_frequent", "constant")
FORMAT = 1

_STEPS_TEXT = "impute, standardize or one_hot"
_IMPUTE_TEXT = "impute: median, mean, most_frequent, or {constant: {value: ..}}"


def check_steps(steps: Sequence[Choice]) -> Iterator[tuple[int, str, str]]:
    """Everything wrong with the steps as written.

    Args:
        steps: The entry's ``prepare``.

    Yields:
        Position of the step, what was expected, and the fix.
    """
    for index, step in enumerate(steps):
        if step.name not in STEPS:
            known = suggest(step.name, [*STEPS, *STRATEGIES])
            fix = f"write {known!r}" if known in STEPS else f"write 'impute: {known}'" if known else "use one of these"
            yield index, _STEPS_TEXT, fix
        elif step.name == "impute":
            yield from ((index, *problem) for problem in _check_impute(step.options))
        elif step.options:
            yield index, f"{step.name} without options", f"write '{step.name}'"


def fit_preparation(steps: Sequence[Choice], rows: TrainingRows) -> Preparation:
    """Fit all steps, each on the rows as the steps before it leave them.

    Args:
        steps: The entry's ``prepare``, without problems.
        rows: Training rows of the fit.

    Returns:
        The fitted steps.

    Raises:
        DatasetError: A column holds infinite values, or nothing that could fill its missing values.
        ValueError: The steps have problems.
    """
    from rapidml.dataset.preparation_steps import fit_step

    problems = list(check_steps(steps))
    if problems:
        raise ValueError(f"expected {problems[0][1]}")
    frame, fitted = rows.features, []
    for step in steps:
        strategy, value = _read_impute(step.options) if step.name == "impute" else ("", None)
        fitted.append(fit_step(step.name, strategy, value, frame, rows.weight))
        frame = fitted[-1].apply(frame)
    return Preparation(tuple(fitted))


@dataclass(frozen=True)
class Preparation:
    """Fitted steps.

    Attributes:
        steps: In the order in which they are applied.
    """

    steps: tuple[Step, ...]

    def apply(self, frame: Frame) -> Frame:
        """Prepare rows.

        Args:
            frame: The columns that the steps were fitted on; categories may be other ones, or in another order.

        Returns:
            Prepared columns, in the same order; those of one category column stand in its place.
        """
        for step in self.steps:
            frame = step.apply(frame)
        return frame

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; floats come back to the bit."""
        return {"format": FORMAT, "steps": [step.to_json() for step in self.steps]}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Preparation:
        """The preparation that ``to_json`` wrote.

        Raises:
            DatasetError: It was written by a newer version.
        """
        from rapidml.dataset.preparation_steps import read_step
        from rapidml.errors import DatasetError

        if tree["format"] > FORMAT:
            raise DatasetError(f"the preparation has format {tree['format']}; this version reads up to {FORMAT}")
        return cls(tuple(read_step(step) for step in tree["steps"]))


def _check_impute(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    strategy, value = _read_impute(options)
    if len(options) != 1 or not isinstance(strategy, str) or strategy not in STRATEGIES:
        known = suggest(strategy, STRATEGIES) if isinstance(strategy, str) else None
        yield _IMPUTE_TEXT, f"write 'impute: {known or 'median'}'"
    elif strategy == "constant" and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        yield "a number or text as the constant", "write 'impute: {constant: {value: 0}}'"
    elif strategy != "constant" and "value" not in options:
        yield f"{strategy} without options", f"write 'impute: {strategy}'"


def _read_impute(options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Strategy and constant of ``{value: median}`` or ``{constant: {value: 0}}``; None for what is not there."""
    if len(options) != 1:
        return None, None
    (name, value), *_ = options.items()
    if name == "value":
        return value, None
    inner = value if isinstance(value, dict) and set(value) == {"value"} else {}
    return name, inner.get("value")
