"""Curves over all cuts on a score: exact first, then few enough points to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dataset.frame import Task
from rapidml.evaluate.rows import check_rows
from rapidml.evaluate.scores import ScoredRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_POINTS = 2000
"""Points of a curve that is shown."""


@dataclass(frozen=True)
class RocCurve:
    """Efficiencies of the cuts ``score >= threshold``, from the tightest cut to none.

    Attributes:
        false_positive_rate: Background efficiency. Shape ``(n_points,)``.
        true_positive_rate: Signal efficiency. Shape ``(n_points,)``.
        threshold: The cut; infinity at the first point. Shape ``(n_points,)``.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    threshold: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area below the points by the trapezoid rule; equal to roc_auc when no point was left out."""
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))


def roc_curve(
    truth: NDArray[Any],
    score: NDArray[Any],
    weight: NDArray[np.float64] | None = None,
    *,
    max_points: int | None = MAX_POINTS,
) -> RocCurve:
    """Weighted ROC curve of one class against the rest.

    Args:
        truth: 1 for the class, 0 for the rest. Shape ``(n_rows,)``.
        score: Score that is cut on. Shape ``(n_rows,)``.
        weight: Weight of each row; all equal if None. Rows of weight 0 leave no point. With negative weights rates
            may fall and leave [0, 1]. Shape ``(n_rows,)``.
        max_points: Most points to keep, at least 4; None keeps one for every distinct score.

    Returns:
        The curve, from (0, 0) to (1, 1).

    Raises:
        ValueError: Shapes differ, a number is not finite, or a class has no positive sum of weights.

    Reference:
        Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, 861-874.
    """
    truth = np.asarray(truth)
    ids = np.zeros(len(truth), dtype=np.uint64)
    rows = check_rows(ScoredRows(ids, truth, score, weight), Task("binary", ("0", "1")))
    totals = rows.sum_classes()
    if not np.all(totals > 0):
        raise ValueError(f"a ROC curve needs both classes; the weights sum to {totals[1]:.6g} and {totals[0]:.6g}")
    order = np.argsort(-rows.prediction, kind="stable")
    ranked, positive = rows.prediction[order].astype(np.float64), rows.truth[order] == 1
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    rates = []
    for chosen in (~positive, positive):
        sums = np.cumsum(np.where(chosen, rows.weight[order], 0.0))[ends]
        rates.append(np.append(0.0, sums / sums[-1]))
    curve = RocCurve(rates[0], rates[1], np.append(np.inf, ranked[ends]))
    return curve if max_points is None else _decimate(curve, max_points)


def _decimate(curve: RocCurve, max_points: int) -> RocCurve:
    """Keep the corners, and of these at most ``max_points``: half evenly along the curve, half in log of the rate.

    The second half keeps the region of small false positive rates smooth where it is drawn on a logarithmic axis.
    """
    kept = _find_corners(curve)
    if len(kept) > max_points:
        false, true = curve.false_positive_rate[kept], curve.true_positive_rate[kept]
        path = np.append(0.0, np.cumsum(np.abs(np.diff(false)) + np.abs(np.diff(true))))
        half = max_points // 2
        even = np.searchsorted(path, np.linspace(0.0, path[-1], half))
        highest = np.maximum.accumulate(false)
        first = highest[highest > 0][0]
        small = np.searchsorted(highest, np.geomspace(first, highest[-1], max_points - half - 2))
        kept = kept[np.unique(np.clip([*even, *small, 0, len(kept) - 1], 0, len(kept) - 1))]
    return RocCurve(curve.false_positive_rate[kept], curve.true_positive_rate[kept], curve.threshold[kept])


def _find_corners(curve: RocCurve) -> NDArray[np.intp]:
    """Points without those in the middle of a horizontal or vertical line, which change neither form nor area."""
    flat = np.diff(curve.true_positive_rate) == 0
    steep = np.diff(curve.false_positive_rate) == 0
    middle = (flat[1:] & flat[:-1]) | (steep[1:] & steep[:-1])
    return np.flatnonzero(np.concatenate([[True], ~middle, [True]]))
