"""Whether a candidate can be stopped after some folds because it is clearly behind the best one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDING = 1e-9


def is_behind(
    candidate: Sequence[float],
    best: Sequence[float],
    *,
    greater_is_better: bool,
    folds: int,
    looks: int,
    level: float = 0.05,
) -> bool:
    """Whether a candidate is clearly worse than the best on the folds that both have.

    The differences of the two scores, fold by fold, are compared with zero by Student's t, one-sided. Folds share most
    of their training rows, so the variance of the mean difference is ``(1/n + 1/(folds - 1)) s^2`` for n folds with
    differences of variance ``s^2``, which is the correction of Nadeau and Bengio. A candidate that is as good as the
    best is stopped with a chance of at most ``level`` over all looks together. That the best was chosen as the best is
    not corrected for: where many are equally good, some of them are stopped more often, which loses nothing.

    Args:
        candidate: Scores of the candidate, fold by fold; NaN, or the end of the list, where there is none.
        best: Scores of the best one on the same folds.
        greater_is_better: Direction of the metric.
        folds: Number of folds of the split, at least 2.
        looks: How often a candidate is looked at in all; each look gets its share of ``level``.
        level: Chance of stopping a candidate that is as good.

    Returns:
        Whether it can be stopped; never with fewer than two common folds, nor if all differences are equal, which
        leaves no spread to judge by.

    Raises:
        ValueError: ``folds``, ``looks`` or ``level`` is out of range.

    Reference:
        Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52, 239-281.
    """
    if folds < 2 or looks < 1 or not 0 < level < 1:
        raise ValueError(f"needs folds >= 2, looks >= 1 and 0 < level < 1; got {folds}, {looks} and {level}")
    lead = [b - c if greater_is_better else c - b for c, b in zip(candidate, best, strict=False)]
    lead = [step for step in lead if not math.isnan(step)]
    n_common = len(lead)
    if n_common < 2:
        return False
    mean = math.fsum(lead) / n_common
    variance = math.fsum((step - mean) ** 2 for step in lead) / (n_common - 1)
    if not (mean > 0 and variance > (_ROUNDING * mean) ** 2):
        return False
    error = math.sqrt((1 / n_common + 1 / (folds - 1)) * variance)
    return mean / error > _find_quantile(n_common - 1, 1 - level / looks)


def _find_quantile(freedom: int, share: float) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))
