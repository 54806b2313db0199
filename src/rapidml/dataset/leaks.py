"""Finds features that give the answer away: alone they tell the target, or they follow the weight."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Column, Task

LARGEST_AUC = 0.99
LARGEST_TARGET_SPEARMAN = 0.999
LARGEST_WEIGHT_SPEARMAN = 0.99
NEAR_AUC = 0.93
NEAR_TARGET_SPEARMAN = 0.98
NEAR_WEIGHT_SPEARMAN = 0.93


@dataclass(frozen=True)
class Leak:
    """What a feature alone says of the target or weight; a leak if the statistic is beyond its limit.

    Attributes:
        feature: Its name.
        kind: What it follows: the target, or the weight within a class.
        value: The statistic: an area under the ROC curve, or Spearman's rank correlation.
        class_name: Class it tells from the rest, or within which it follows the weight; empty for regression.
        is_weighted: Whether the statistic counts weights.
        also: The worst statistic against the weight, in words, where the feature follows the target and the weight.
    """

    feature: str
    kind: Literal["target", "weight"]
    value: float
    class_name: str = ""
    is_weighted: bool = False
    also: str = ""

    def describe(self) -> str:
        """The statistic in words."""
        own = self._describe_own()
        return f"{own}; {self.also}" if self.also else own

    def _describe_own(self) -> str:
        if self.kind == "weight":
            within = f" within {self.class_name}" if self.class_name else ""
            return f"rank correlation {self.value:.4f} with the weight{within}"
        if not self.class_name:
            return f"rank correlation {self.value:.4f} with the target"
        weighted = ", weighted" if self.is_weighted else ""
        return f"ROC AUC {self.value:.4f} for {self.class_name}{weighted}"

    @property
    def distance(self) -> float:
        """How strong the statistic is, whatever its direction: 1 is the most."""
        is_area = self.kind == "target" and self.class_name
        return max(self.value, 1 - self.value) if is_area else abs(self.value)

    @property
    def is_leak(self) -> bool:
        """Whether the statistic is beyond its limit."""
        if self.kind == "weight":
            return self.distance > LARGEST_WEIGHT_SPEARMAN
        return self.distance > (LARGEST_AUC if self.class_name else LARGEST_TARGET_SPEARMAN)

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Leak:
        """The leak that ``to_json`` wrote."""
        return cls(**content)


def find_leaks(
    columns: Iterable[Column], target: NDArray[np.float64], weight: NDArray[np.float64] | None, task: Task
) -> list[Leak]:
    """Features that alone reach a ROC AUC above 0.99 or below 0.01, weighted or not, or that follow the weight.

    Several classes: any one against the rest. Regression: a rank correlation beyond 0.999. The weight: a rank
    correlation beyond 0.99 within a class. Weights count by their absolute value. A category counts as the mean target
    of its rows in the other half of the table, so that many rare categories are no leak by chance. Array features are
    not looked at.

    A statistic counts only where rows are enough that one beyond its limit is no chance: an area of 0.99 must lie 6
    standard deviations from 0.5 if the column had nothing to do with the class (25 rows of each of two classes, or 13
    rows of one among very many), a rank correlation likewise from 0 (38 rows). The chance of that is below 2e-9.
    Weighted rows count as their effective number.

    Every statistic is computed over all rows. With many rows that is done only for columns that come near a limit in a
    sample of each class (drawn by weight, for weighted areas). With 5,000 rows of each of two classes a column beyond
    the limit of 0.99 has an area below 0.93 in the sample with a chance below exp(-2 * 5000 * 0.06**2), 3e-16, by
    Hoeffding's bound on U-statistics. The sample is always the same.

    Args:
        columns: Features, loaded one at a time. Each of shape ``(n_rows,)``.
        target: Class index, or value. Shape ``(n_rows,)``.
        weight: Physics weight; None if all rows weigh the same. Shape ``(n_rows,)``.
        task: What is learned.

    Returns:
        At most one leak a feature: the worst against the target, else the worst against the weight.

    Reference:
        Mann and Whitney (1947), "On a test of whether one of two random variables is stochastically larger than the
        other", Annals of Mathematical Statistics 18, 50-60 (the standard deviation).
        Hoeffding (1963), "Probability inequalities for sums of bounded random variables", JASA 58, 13-30.
    """
    from rapidml.dataset.leak_looks import list_looks, list_samples

    looks = list_looks(target, weight, task)
    samples = list_samples(target, weight, task)
    found: list[Leak] = []
    for column in columns:
        if column.values.ndim > 1:
            continue
        if samples is not None and not any(_is_near(leak) for look in samples for leak in look.statistics(column)):
            continue
        leaks = [leak for look in looks for leak in look.statistics(column) if leak.is_leak]
        found += _worst(leaks)
    return found


def _is_near(leak: Leak) -> bool:
    """Whether a statistic of a sample leaves open that the whole column leaks."""
    if leak.kind == "weight":
        return abs(leak.value) > NEAR_WEIGHT_SPEARMAN
    return leak.distance > (NEAR_AUC if leak.class_name else NEAR_TARGET_SPEARMAN)


def _worst(leaks: list[Leak]) -> Iterator[Leak]:
    """The worst statistic, of the target if it is beyond its limit; the other is said beside it."""
    worst = []
    for kind in ("target", "weight"):
        own = [leak for leak in leaks if leak.kind == kind]
        worst += [max(own, key=lambda leak: leak.distance)] if own else []
    if len(worst) == 2:
        yield replace(worst[0], also=worst[1].describe())
    else:
        yield from worst
