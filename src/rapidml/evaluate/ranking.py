"""Metrics of the order of the predictions: roc_auc and average_precision.

The rows are sorted once; replicas change their weights only. Both metrics then are sums over cumulated weights: of
the rows as they are at once, of the replicas gathered block by block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_INDEX_BITS = 31


@dataclass(frozen=True)
class RankedRows:
    """Rows from the highest score to the lowest, of one class against the rest.

    Within a group of equal scores negative rows come first, then the order is that of the rows.

    Attributes:
        order: Number of each row. Shape ``(n_rows,)``.
        true: Weight of positive rows, 0 for others. Shape ``(n_rows,)``.
        false: Weight of negative rows, 0 for others. Shape ``(n_rows,)``.
        is_positive: Which rows are of the class. Shape ``(n_rows,)``.
        is_end: Which rows are the last of a group of equal scores. Shape ``(n_rows,)``.
    """

    order: NDArray[np.intp]
    true: NDArray[np.float64]
    false: NDArray[np.float64]
    is_positive: NDArray[np.bool_]
    is_end: NDArray[np.bool_]

    def sum_groups(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of positive and of negative rows in each group of equal scores. Shape ``(n_groups,)`` each."""
        if self.is_end.all():
            return self.true, self.false
        starts = self.find_starts()
        return np.add.reduceat(self.true, starts), np.add.reduceat(self.false, starts)

    def find_starts(self) -> NDArray[np.intp]:
        """First row of each group of equal scores, of at least one row. Shape ``(n_groups,)``."""
        return np.append(0, np.flatnonzero(self.is_end[:-1]) + 1)


def rank_rows(score: NDArray[Any], positive: NDArray[np.bool_], weight: NDArray[np.float64]) -> RankedRows:
    """Sort the rows by their score.

    Args:
        score: Predicted score of the class, finite. Shape ``(n_rows,)``.
        positive: Which rows are of the class. Shape ``(n_rows,)``.
        weight: Weight of each row. Shape ``(n_rows,)``.
    """
    order = _sort(score, positive)
    ranked, weight, positive = score[order], weight[order], positive[order]
    is_end = np.ones(len(order), dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=is_end[:-1])
    true = weight * positive
    return RankedRows(order, true, weight - true, positive, is_end)


def _sort(score: NDArray[Any], positive: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Order of the rows. In single precision score, kind and number of a row are one integer, which sorts faster."""
    if score.dtype != np.float32 or len(score) >> _INDEX_BITS:
        return np.lexsort((positive, -score))
    # Bits of floats are ordered as the floats are, those of negative ones backwards; 0 - score knows one zero only.
    bits = (np.float32(0) - score).view(np.int32)
    bits ^= (bits >> 31) & np.int32(2**31 - 1)
    keys = bits.astype(np.int64) << 32
    keys += positive.astype(np.int64) << _INDEX_BITS
    keys += np.arange(len(score))
    keys.sort()
    keys &= 2**_INDEX_BITS - 1
    return keys


def compute_ranks(true: NDArray[np.float64], false: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """The metrics of the rows themselves; NaN where a class they need has no positive sum of weights.

    Args:
        true: Weight of positive rows in each group of equal scores, from the highest. Shape ``(n_groups,)``.
        false: Weight of negative rows. Shape ``(n_groups,)``.
        names: Metrics to compute.
    """
    if not len(true):
        return dict.fromkeys(names, math.nan)
    above = np.cumsum(true)
    totals = float(above[-1]), float(false.sum())
    values: dict[str, float] = {}
    for name in names:
        if name == "roc_auc":
            area = float((false * (above - true / 2)).sum())
            values[name] = area / (totals[0] * totals[1]) if min(totals) > 0 else math.nan
        else:
            every = above + np.cumsum(false)
            precision = np.divide(above, every, out=np.zeros_like(every), where=every != 0)
            values[name] = float((precision * true).sum()) / totals[0] if totals[0] > 0 else math.nan
    return values


def cumulate(
    weights: NDArray[np.float64],
    ends: NDArray[np.bool_],
    running: NDArray[np.float64],
    at_end: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cumulated weights at the last group end before a block and at those in it.

    Args:
        weights: Weights of the block's rows in each replica. Shape ``(n_draws, n_block)``.
        ends: Which rows end a group. Shape ``(n_block,)``.
        running: Sums of all rows before the block. Shape ``(n_draws,)``.
        at_end: Sums at the last group end before the block. Shape ``(n_draws,)``.

    Returns:
        Shape ``(n_draws, 1 + n_ends)``.
    """
    sums = np.cumsum(weights, axis=1) + running[:, None]
    return np.concatenate([at_end[:, None], sums if ends.all() else sums[:, ends]], axis=1)


class RankSums:
    """Sums for the rank metrics of one class against the rest, over blocks of sorted rows, for all replicas at once.

    Args:
        ranked: The sorted rows.
        names: Metrics to compute; none gives the totals alone.
        n_draws: Number of replicas.
        dtype: Of the arithmetic within a block; single precision is exact for small whole numbers.

    Attributes:
        ranked: The sorted rows; blocks must be added in their order.
        totals: Weights of positive and of negative rows added so far. Shape ``(2, n_draws)``.

    Reference:
        Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, 861-874; ties as in
        its algorithm 2. Average precision: Manning, Raghavan, Schütze (2008), section 8.4, without interpolation.
    """

    def __init__(
        self, ranked: RankedRows, names: Sequence[str], n_draws: int, dtype: type[np.floating[Any]] = np.float64
    ) -> None:
        self.ranked = ranked
        self.totals = np.zeros((2, n_draws))
        self._weights = ranked.true.astype(dtype, copy=False), ranked.false.astype(dtype, copy=False)
        self._room = np.empty((2, 0, n_draws), dtype)
        self._is_mixed = self._find_mixed()
        self._at_end = np.zeros((2, n_draws))
        self._tied = np.zeros((2, n_draws))
        self._sums = {name: np.zeros(n_draws) for name in names}

    def _find_mixed(self) -> NDArray[np.bool_]:
        """Rows in groups of equal scores that hold rows of both kinds. Shape ``(n_rows,)``."""
        positive = self.ranked.is_positive
        if not len(positive):
            return positive
        starts = self.ranked.find_starts()
        sizes = np.diff(np.append(starts, len(positive)))
        counts = np.add.reduceat(positive.astype(np.int64), starts)
        return np.repeat((counts > 0) & (counts < sizes), sizes)

    def add(self, draws: NDArray[np.floating[Any]], start: int) -> None:
        """Add the next block of sorted rows.

        Args:
            draws: How often each replica drew each row. Shape ``(n_draws, n_block)``.
            start: Place of the block's first row in the order.
        """
        n_block = draws.shape[1]
        block = slice(start, start + n_block)
        if n_block > self._room.shape[1]:  # made once: memory that is fresh in every block costs more than the sums
            self._room = np.empty((2, n_block, draws.shape[0]), self._room.dtype)
        true, false = (
            np.multiply(draws.T, weights[block, None], out=room[:n_block]).T
            for weights, room in zip(self._weights, self._room, strict=True)
        )
        if "average_precision" in self._sums:
            self._add_precision(true, false, self.ranked.is_end[block])
        if "roc_auc" in self._sums:
            self._sums["roc_auc"] += self._find_area(true, false) + self._find_tied(true, false, block)
        self.totals += [true.sum(axis=1), false.sum(axis=1)]

    def _find_area(self, true: NDArray[Any], false: NDArray[Any]) -> NDArray[np.float64]:
        """Weights of pairs of a negative row of the block with the positive rows above it. Shape ``(n_draws,)``.

        Those within the block by halves: all pairs of neighbours, then of pairs of them, and so on, with sums that stay
        in the cache: cumulated sums take twice as long.
        """
        above, below = true.T, false.T
        area: NDArray[np.float64] = self.totals[0] * below.sum(axis=0)
        while len(above) > 1:
            if len(above) % 2:
                area += above[:-1].sum(axis=0) * below[-1]
                above, below = above[:-1], below[:-1]
            area += np.einsum("br,br->r", above[0::2], below[1::2])
            above, below = above[0::2] + above[1::2], below[0::2] + below[1::2]
        return area

    def _find_tied(self, true: NDArray[Any], false: NDArray[Any], block: slice) -> NDArray[np.float64] | float:
        """Half the weights of pairs with equal scores. Shape ``(n_draws,)``."""
        mixed = np.flatnonzero(self._is_mixed[block])
        if not len(mixed):
            return 0.0
        # Sums over each group; those of the last one go on in the next block.
        last = self.ranked.is_end[block][mixed]
        starts = np.append(0, np.flatnonzero(last[:-1]) + 1)
        sums = np.stack([np.add.reduceat(part[:, mixed], starts, axis=1) for part in (true, false)])
        sums[:, :, 0] += self._tied
        n_ended = int(last.sum())
        self._tied = np.zeros_like(self._tied) if last[-1] else sums[:, :, -1].copy()
        return np.asarray(np.einsum("rg,rg->r", sums[0][:, :n_ended], sums[1][:, :n_ended]) / 2)

    def _add_precision(self, true: NDArray[Any], false: NDArray[Any], ends: NDArray[np.bool_]) -> None:
        true, false = (cumulate(part, ends, self.totals[i], self._at_end[i]) for i, part in enumerate((true, false)))
        self._at_end[:] = true[:, -1], false[:, -1]
        steps = true[:, 1:] - true[:, :-1]
        total = true[:, 1:] + false[:, 1:]
        nothing = total == 0
        if nothing.any():  # as at the top, before a replica has drawn a row: a precision of 0
            total[nothing] = math.inf
        self._sums["average_precision"] += np.einsum("rg,rg->r", true[:, 1:] / total, steps)

    def finish(self) -> dict[str, NDArray[np.float64]]:
        """The metrics; NaN where a class they need has no positive sum of weights. Shape ``(n_draws,)`` each."""
        true, false = (np.where(total > 0, total, np.nan) for total in self.totals)
        scale = {"roc_auc": true * false, "average_precision": true}
        return {name: sums / scale[name] for name, sums in self._sums.items()}
