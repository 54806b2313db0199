"""Metrics of the order of the predictions: roc_auc and average_precision.

The rows are sorted once; replicas change their weights only. Both metrics then are sums over the cumulated weights of
positive and negative rows at the ends of groups of equal scores, gathered block by block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class RankSums:
    """Sums for the rank metrics of one class against the rest, over blocks of sorted rows, for all replicas at once.

    Args:
        score: Predicted score of the class. Shape ``(n_rows,)``.
        positive: Which rows are of the class. Shape ``(n_rows,)``, bool.
        weight: Weight of each row. Shape ``(n_rows,)``.
        names: Metrics to compute.
        n_draws: Number of replicas.

    Attributes:
        order: Rows from the highest score to the lowest; blocks must be added in this order. Shape ``(n_rows,)``.

    Reference:
        Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, 861-874; ties as in
        its algorithm 2. Average precision: Manning, Raghavan, Schütze (2008), section 8.4, without interpolation.
    """

    def __init__(
        self,
        score: NDArray[Any],
        positive: NDArray[np.bool_],
        weight: NDArray[np.float64],
        names: Sequence[str],
        n_draws: int,
    ) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        self._ends = np.append(ranked[1:] != ranked[:-1], np.ones(min(len(score), 1), dtype=bool))
        weight, positive = weight[self.order], positive[self.order]
        self._weights = (np.where(positive, weight, 0.0), np.where(positive, 0.0, weight))
        self._names = tuple(names)
        self._running = np.zeros((2, n_draws))
        self._at_end = np.zeros((2, n_draws))
        self._sums = {name: np.zeros(n_draws) for name in names}

    def add(self, draws: NDArray[np.float64], start: int) -> None:
        """Add the next block of sorted rows.

        Args:
            draws: How often each replica drew each row. Shape ``(n_draws, n_block)``.
            start: Place of the block's first row in ``order``.
        """
        block = slice(start, start + draws.shape[1])
        ends = self._ends[block]
        true, false = (self._cumulate(draws, ends, block, which) for which in (0, 1))
        if true.shape[1] == 1:
            return
        if "roc_auc" in self._sums:
            steps = false[:, 1:] - false[:, :-1]
            self._sums["roc_auc"] += np.einsum("rg,rg->r", true[:, 1:] + true[:, :-1], steps) / 2
        if "average_precision" in self._sums:
            steps = true[:, 1:] - true[:, :-1]
            total = true[:, 1:] + false[:, 1:]
            precision = np.divide(true[:, 1:], total, out=np.zeros_like(total), where=total != 0)
            self._sums["average_precision"] += np.einsum("rg,rg->r", precision, steps)

    def _cumulate(
        self, draws: NDArray[np.float64], ends: NDArray[np.bool_], block: slice, which: int
    ) -> NDArray[np.float64]:
        """Cumulated weights at the last group end before the block and at those in it. ``(n_draws, 1 + n_ends)``."""
        sums = np.empty((len(draws), draws.shape[1] + 1))
        sums[:, 0] = self._running[which]
        np.multiply(draws, self._weights[which][block], out=sums[:, 1:])
        np.cumsum(sums, axis=1, out=sums)
        self._running[which] = sums[:, -1]
        sums[:, 0] = self._at_end[which]
        if not ends.all():
            sums = sums.take(np.append(0, np.flatnonzero(ends) + 1), axis=1)
        self._at_end[which] = sums[:, -1]
        return sums

    def finish(self) -> dict[str, NDArray[np.float64]]:
        """The metrics; NaN where a class they need has no positive sum of weights. Shape ``(n_draws,)`` each."""
        true, false = (np.where(total > 0, total, np.nan) for total in self._running)
        scale = {"roc_auc": true * false, "average_precision": true}
        return {name: self._sums[name] / scale[name] for name in self._names}
