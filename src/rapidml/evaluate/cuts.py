"""Metrics read off the ROC curve at one cut: signal_efficiency@background=x and background_rejection@signal=x.

Cuts lie between groups of equal scores. Where the wanted efficiency falls between two cuts, the curve between them is a
straight line, as ``numpy.interp`` draws it through the points of scikit-learn's ``roc_curve``; of several cuts with the
wanted efficiency the loosest counts. With negative weights, where the curve may turn back, it is the tightest cut at
which the wanted efficiency is passed. Efficiencies within 1e-9 of the wanted one are equal to it, so that rounding
decides nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.evaluate.ranking import cumulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.ranking import RankedRows

_ROUNDING = 1e-9


def compute_cut(metric: Metric, true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    """The metric of the rows themselves; NaN where undefined.

    Args:
        metric: What to read off.
        true: Weight of positive rows in each group of equal scores, from the highest. Shape ``(n_groups,)``.
        false: Weight of negative rows. Shape ``(n_groups,)``.
    """
    assert metric.cut is not None
    sums = np.zeros((2, len(true) + 1))
    for row, weights in zip(sums, (true, false) if metric.cut.fixed == "signal" else (false, true), strict=True):
        np.cumsum(weights, out=row[1:])
    total, total_read = float(sums[0, -1]), float(sums[1, -1])
    if not min(total, total_read) > 0:
        return math.nan
    wanted = metric.cut.at * total
    above = sums[0] > wanted * (1 + _ROUNDING)
    place = int(above.argmax())
    found = _interpolate(wanted, sums[:, place - 1], sums[:, place]) if place else total_read
    efficiency = float(found) / total_read
    return efficiency if metric.cut.fixed == "background" else _reject(efficiency)


def _interpolate(wanted: Any, low: Any, high: Any) -> Any:
    """The other sum of weights where the fixed one is as wanted, between two points of the curve."""
    share = np.clip((wanted - low[0]) / (high[0] - low[0]), 0.0, 1.0)
    return low[1] + share * (high[1] - low[1])


def _reject(efficiency: float) -> float:
    return 1 / efficiency if efficiency > 0 else math.nan


class CutSums:
    """The metric in all replicas at once, over blocks of sorted rows, until every replica has passed its cut.

    Args:
        metric: What to read off.
        ranked: The sorted rows; blocks must be added in their order.
        totals: Weights of all positive and of all negative rows in each replica. Shape ``(2, n_draws)``.

    Attributes:
        order: The order of the rows. Shape ``(n_rows,)``.
    """

    def __init__(self, metric: Metric, ranked: RankedRows, totals: NDArray[np.float64]) -> None:
        assert metric.cut is not None
        first, second = (0, 1) if metric.cut.fixed == "signal" else (1, 0)
        weights = ranked.true, ranked.false
        self.order = ranked.order
        self._fixed = metric.cut.fixed
        self._weights = weights[first], weights[second]
        self._ends = ranked.is_end
        self._totals = np.where(totals > 0, totals, np.nan)[[first, second]]
        self._wanted = metric.cut.at * self._totals[0]
        self._is_open = np.asarray(np.isfinite(self._totals).all(axis=0))
        self._found = self._totals[1].copy()
        self._running = np.zeros_like(self._totals)
        self._at_end = np.zeros_like(self._totals)

    @property
    def is_finished(self) -> bool:
        """Whether further rows change nothing."""
        return not self._is_open.any()

    def add(self, draws: NDArray[np.float64], start: int) -> None:
        """Add the next block of sorted rows.

        Args:
            draws: How often each replica drew each row. Shape ``(n_draws, n_block)``.
            start: Place of the block's first row in the order.
        """
        block = slice(start, start + draws.shape[1])
        parts = [draws * weights[block] for weights in self._weights]
        ends = self._ends[block]
        sums = np.stack([cumulate(part, ends, self._running[i], self._at_end[i]) for i, part in enumerate(parts)])
        # The first column was looked at with the block before, so an open replica passes at a later one.
        above = sums[0] > (self._wanted * (1 + _ROUNDING))[:, None]
        passed = np.flatnonzero(above.any(axis=1) & self._is_open)
        place = above[passed].argmax(axis=1)
        self._found[passed] = _interpolate(self._wanted[passed], sums[:, passed, place - 1], sums[:, passed, place])
        self._is_open[passed] = False
        self._running += [part.sum(axis=1) for part in parts]
        self._at_end = sums[:, :, -1]

    def finish(self) -> NDArray[np.float64]:
        """The metric; NaN where undefined. Shape ``(n_draws,)``."""
        efficiency = self._found / self._totals[1]
        if self._fixed == "background":
            return np.asarray(efficiency)
        return np.asarray(1 / np.where(efficiency > 0, efficiency, np.nan))
