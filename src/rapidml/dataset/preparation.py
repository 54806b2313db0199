"""`prepare:` of a model: steps that are fitted on a fit's own training rows and then applied to any rows.

- `impute: median | mean | most_frequent`, or `impute: {constant: {value: 0}}`: fills missing values. Categorical
  columns get their most frequent label; a constant that is a number fills numbers, one that is text fills categories.
- `standardize`: numbers to mean 0 and standard deviation 1; a constant column to 0.
- `one_hot`: every categorical column to columns of 0 and 1 such as `sex=female`; a missing or unseen label is all 0.
- `pca: 10`, or `pca: {n_components: 10}`: all numbers to their first principal components, `pca_1` to `pca_10`.

All statistics are weighted with the training weight (a negative one by its absolute value), so that weight 2 is a row
twice and weight 0 no row. Without numpy at import: the check of a recipe reads only the names. The arithmetic is in
`preparation_steps` and `preparation_pca`; what candidates of a search share is kept by `preparation_keeping`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.recipe.ranges import VALUE
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, TrainingRows
    from rapidml.dataset.preparation_keeping import KeptSteps
    from rapidml.dataset.preparation_pca import AllComponents
    from rapidml.dataset.preparation_steps import Step
    from rapidml.dataset.profile import Feature
    from rapidml.recipe.schema import Choice

STEPS = ("impute", "standardize", "one_hot", "pca")
STRATEGIES = ("median", "mean", "most_frequent", "constant")
FORMAT = 2
"""Newest format of a stored preparation: 2 knows ``pca``. What has none is written as 1, which older versions read."""
N_COMPONENTS = "n_components"
"""Option of ``pca``; may be left out, as in ``pca: 10``."""

_STEPS_TEXT = "impute, standardize, one_hot or pca"
_PCA_TEXT = "pca: 10, or pca: {n_components: 10}, a whole number of at least 1"
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
        elif step.name == "pca":
            yield from ((index, *problem) for problem in _check_pca(step.options))
        elif step.options:
            yield index, f"{step.name} without options", f"write '{step.name}'"


def check_counts(steps: Sequence[Choice], features: Sequence[Feature]) -> Iterator[tuple[int, str, str]]:
    """Steps ``pca`` that want more components than there can be numbers; otherwise as ``check_steps``.

    Args:
        steps: The entry's ``prepare``, without problems.
        features: Features of the training rows.
    """
    if all(step.name != "pca" for step in steps):
        return
    numbers = sum(math.prod(feature.shape) for feature in features if feature.kind != "categorical")
    labels = sum(len(feature.categories) for feature in features if feature.kind == "categorical")
    for index, step in enumerate(steps):
        if step.name == "one_hot":
            numbers, labels = numbers + labels, 0
        wanted = read_components(step)
        if wanted is None:
            continue
        if numbers == 0:
            yield index, "features that are numbers, as pca takes no categories", "add 'one_hot' before it"
        elif wanted > numbers:
            have = "1 number" if numbers == 1 else f"{numbers:,} numbers"
            yield index, f"at most {numbers} components, as its rows have {have}", f"write {numbers} or less"
        numbers = wanted


def check_missing(steps: Sequence[Choice], features: Sequence[Feature]) -> Iterator[tuple[int, str, str]]:
    """Steps ``pca`` that would see missing values; otherwise as ``check_steps``.

    Args:
        steps: The entry's ``prepare``.
        features: Features of the training rows.
    """
    missing = [feature for feature in features if feature.nulls and feature.kind != "categorical"]
    for index, step in enumerate(steps):
        if not missing or (step.name == "impute" and not isinstance(_read_impute(step.options)[1], str)):
            return
        if step.name == "pca":
            more = f" and {len(missing) - 1} more features" if len(missing) > 1 else ""
            expected = (
                f"numbers without missing values; pca cannot take those of "
                f"'{missing[0].name}' ({missing[0].nulls:,} rows){more}"
            )
            yield index, expected, "add 'impute: median' before it"
            return


def read_components(step: Choice) -> Any:
    """Number of components of a step ``pca`` as written; None for other steps, and if it is not there."""
    if step.name != "pca" or len(step.options) != 1:
        return None
    return step.options.get(N_COMPONENTS, step.options.get(VALUE))


def fit_preparation(
    steps: Sequence[Choice], rows: TrainingRows, *, kept: KeptSteps | None = None, which: str = ""
) -> Preparation:
    """Fit all steps, each on the rows as the steps before it leave them.

    Args:
        steps: The entry's ``prepare``, without problems.
        rows: Training rows of the fit.
        kept: Steps that were fitted before; changes nothing but the time.
        which: Tells the rows apart from others whose steps are in ``kept``.

    Returns:
        The fitted steps.

    Raises:
        DatasetError: A column holds infinite values, or nothing that could fill its missing values; or ``pca`` finds
            missing values, or fewer numbers than it wants components.
        ValueError: The steps have problems.
    """
    from rapidml.dataset.preparation_steps import drop_weightless

    problems = list(check_steps(steps))
    if problems:
        raise ValueError(f"expected {problems[0][1]}")
    whole = [] if kept is None else list(kept.find(which, steps))
    fitted = [_cut(found, step) for found, step in zip(whole, steps, strict=False)]
    if len(fitted) < len(steps):
        frame, weight = drop_weightless(rows.features, rows.weight)
        n_applied = 0
        for step in steps[len(fitted) :]:
            frame = Preparation(tuple(fitted[n_applied:])).apply(frame)
            n_applied = len(fitted)
            whole.append(_fit_whole(step, frame, weight))
            fitted.append(_cut(whole[-1], step))
        if kept is not None:
            kept.put(which, steps, whole)
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
            Prepared columns, in the same order; those of one category column stand in its place, principal components
            before all others.

        Raises:
            DatasetError: ``pca`` finds missing or infinite values.
        """
        for step in self.steps:
            frame = step.apply(frame)
        return frame

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; floats come back to the bit."""
        trees = [step.to_json() for step in self.steps]
        return {"format": FORMAT if any(tree["name"] == "pca" for tree in trees) else 1, "steps": trees}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Preparation:
        """The preparation that ``to_json`` wrote.

        Raises:
            DatasetError: It was written by a newer version.
        """
        from rapidml.errors import DatasetError

        if tree["format"] > FORMAT:
            raise DatasetError(f"the preparation has format {tree['format']}; this version reads up to {FORMAT}")
        return cls(tuple(map(_read_step, tree["steps"])))


def _fit_whole(step: Choice, frame: Frame, weight: NDArray[np.float64] | None) -> Step | AllComponents:
    """What a step finds in rows: with ``pca`` more than it keeps."""
    from rapidml.dataset.preparation_steps import fit_step

    if step.name == "pca":
        from rapidml.dataset.preparation_pca import fit_components

        return fit_components(frame, weight)
    strategy, value = _read_impute(step.options) if step.name == "impute" else ("", None)
    return fit_step(step.name, strategy, value, frame, weight)


def _cut(whole: Step | AllComponents, step: Choice) -> Step:
    """The fitted step, with as many components as written."""
    from rapidml.dataset.preparation_pca import AllComponents

    return whole.cut(read_components(step)) if isinstance(whole, AllComponents) else whole


def _read_step(tree: Mapping[str, Any]) -> Step:
    if tree["name"] == "pca":
        from rapidml.dataset.preparation_pca import Pca

        return Pca.from_json(tree)
    from rapidml.dataset.preparation_steps import read_step

    return read_step(tree)


def _check_pca(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = options.get(N_COMPONENTS, options.get(VALUE))
    is_right = isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1
    if len(options) != 1 or not is_right:
        yield _PCA_TEXT, f"write 'pca: {wanted if is_right else 10}'"


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
