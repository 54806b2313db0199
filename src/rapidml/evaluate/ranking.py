"""Metrics of the order of the predictions: roc_auc and average_precision.

The rows are sorted once; replicas change their weights only. Both metrics then are sums over cumulated weights,
gathered block by block: of positive rows above each negative one, or of both at the ends of groups of equal scores.
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
        # Within a group of equal scores negative rows come first, so that none of its pairs is counted in order.
        self.order = np.lexsort((positive, -score))
        ranked = score[self.order]
        self._ends = np.append(ranked[1:] != ranked[:-1], np.ones(min(len(score), 1), dtype=bool))
        weight, positive = weight[self.order], positive[self.order]
        self._weights = (np.where(positive, weight, 0.0), np.where(positive, 0.0, weight))
        self._is_mixed = self._find_mixed(positive)
        self._names = tuple(names)
        self._running = np.zeros((2, n_draws))
        self._at_end = np.zeros((2, n_draws))
        self._tied = np.zeros((2, n_draws))
        self._sums = {name: np.zeros(n_draws) for name in names}

    def _find_mixed(self, positive: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows in groups of equal scores that hold rows of both kinds. Shape ``(n_rows,)``."""
        if not len(positive):
            return positive
        starts = np.append(0, np.flatnonzero(self._ends[:-1]) + 1)
        sizes = np.diff(np.append(starts, len(positive)))
        counts = np.add.reduceat(positive.astype(np.int64), starts)
        return np.repeat((counts > 0) & (counts < sizes), sizes)

    def add(self, draws: NDArray[np.float64], start: int) -> None:
        """Add the next block of sorted rows.

        Args:
            draws: How often each replica drew each row. Shape ``(n_draws, n_block)``.
            start: Place of the block's first row in ``order``.
        """
        block = slice(start, start + draws.shape[1])
        true, false = (draws * self._weights[which][block] for which in (0, 1))
        if "average_precision" in self._sums:
            self._add_precision(true, false, self._ends[block])
        if "roc_auc" in self._sums:
            self._add_area(true, false, block)
        self._running += [true.sum(axis=1), false.sum(axis=1)]

    def _add_area(self, true: NDArray[np.float64], false: NDArray[np.float64], block: slice) -> None:
        """Weights of pairs with the positive row above, and half of those of pairs with equal scores."""
        above = np.cumsum(true, axis=1)
        area = self._sums["roc_auc"]
        area += np.einsum("rg,rg->r", above, false) + self._running[0] * false.sum(axis=1)
        mixed = np.flatnonzero(self._is_mixed[block])
        if not len(mixed):
            return
        # Sums over each group; those of the last one go on in the next block.
        last = self._ends[block][mixed]
        starts = np.append(0, np.flatnonzero(last[:-1]) + 1)
        sums = np.stack([np.add.reduceat(part[:, mixed], starts, axis=1) for part in (true, false)])
        sums[:, :, 0] += self._tied
        n_ended = int(last.sum())
        area += np.einsum("rg,rg->r", sums[0][:, :n_ended], sums[1][:, :n_ended]) / 2
        self._tied = np.zeros_like(self._tied) if last[-1] else sums[:, :, -1].copy()

    def _add_precision(self, true: NDArray[np.float64], false: NDArray[np.float64], ends: NDArray[np.bool_]) -> None:
        true, false = (self._cumulate(part, ends, which) for which, part in enumerate((true, false)))
        steps = true[:, 1:] - true[:, :-1]
        total = true[:, 1:] + false[:, 1:]
        precision = np.divide(true[:, 1:], total, out=np.zeros_like(total), where=total != 0)
        self._sums["average_precision"] += np.einsum("rg,rg->r", precision, steps)

    def _cumulate(self, weights: NDArray[np.float64], ends: NDArray[np.bool_], which: int) -> NDArray[np.float64]:
        """Cumulated weights at the last group end before the block and at those in it. ``(n_draws, 1 + n_ends)``."""
        sums = np.cumsum(weights, axis=1) + self._running[which][:, None]
        sums = np.concatenate([self._at_end[which][:, None], sums[:, ends]], axis=1)
        self._at_end[which] = sums[:, -1]
        return sums

    def finish(self) -> dict[str, NDArray[np.float64]]:
        """The metrics; NaN where a class they need has no positive sum of weights. Shape ``(n_draws,)`` each."""
        true, false = (np.where(total > 0, total, np.nan) for total in self._running)
        scale = {"roc_auc": true * false, "average_precision": true}
        return {name: self._sums[name] / scale[name] for name in self._names}
