"""Rank statistics of one column: sorted once, then exact, with ties, nulls and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SortedColumn:
    """A column of numbers, sorted.

    Attributes:
        order: Rows that have a value, by rising value. Shape ``(n_filled,)``.
        starts: Where each different value begins in ``order``. Shape ``(n_values,)``.
        n_rows: Number of rows, nulls included.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    n_rows: int


def sort_column(values: NDArray[np.number]) -> SortedColumn:
    """Sort a column; NaN is null.

    Args:
        values: Numbers. Shape ``(n_rows,)``.
    """
    order = np.argsort(values)
    ordered = values[order]
    if values.dtype.kind == "f":
        n_filled = len(values) - int(np.count_nonzero(np.isnan(ordered)))
        order, ordered = order[:n_filled], ordered[:n_filled]
    return SortedColumn(order, _starts(ordered), len(values))


def _starts(ordered: NDArray[np.number]) -> NDArray[np.intp]:
    if len(ordered) == 0:
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def auc_bounds(
    column: SortedColumn, positive: NDArray[np.float64], negative: NDArray[np.float64], least_filled: float = 0.5
) -> tuple[float, float]:
    """Smallest and largest area under the ROC curve that the column alone reaches, by how its nulls are taken.

    Nulls may stand below all values, above all, or aside (only if enough of either class has a value).

    Args:
        column: The column.
        positive: Weight of each row of the positive class, 0 elsewhere. Shape ``(n_rows,)``.
        negative: The same of the other rows. Shape ``(n_rows,)``.
        least_filled: Share of either class that must have values for the nulls to be left aside.

    Returns:
        Two areas, within [0, 1]; 0.5 twice if a class has no weight.

    Reference:
        The area equals the chance that a positive row has the larger value, ties counting one half: Hanley and McNeil
        (1982), "The meaning and use of the area under a ROC curve", Radiology 143, 29-36.
    """
    all_positive, all_negative = float(positive.sum()), float(negative.sum())
    if all_positive <= 0 or all_negative <= 0:
        return 0.5, 0.5
    if len(column.order) == 0:
        return 0.5, 0.5
    in_positive = np.add.reduceat(positive[column.order], column.starts)
    in_negative = np.add.reduceat(negative[column.order], column.starts)
    below = np.cumsum(in_negative) - in_negative
    won = float(in_positive @ (below + 0.5 * in_negative))
    filled_positive, filled_negative = float(in_positive.sum()), float(in_negative.sum())
    null_positive, null_negative = all_positive - filled_positive, all_negative - filled_negative
    tied = 0.5 * null_positive * null_negative
    every = all_positive * all_negative
    areas = [
        (won + filled_positive * null_negative + tied) / every,
        (won + null_positive * filled_negative + tied) / every,
    ]
    if filled_positive >= least_filled * all_positive and filled_negative >= least_filled * all_negative:
        areas.append(won / (filled_positive * filled_negative))
    return max(0.0, min(areas)), min(1.0, max(areas))


def spearman(
    column: SortedColumn,
    other: NDArray[np.number],
    rows: NDArray[np.bool_] | None = None,
    least_filled: float = 0.5,
) -> float:
    """Rank correlation with another column over the rows where this one has a value.

    Args:
        column: The column.
        other: Numbers without nulls. Shape ``(n_rows,)``.
        rows: Which rows count; all if None. Shape ``(n_rows,)``.
        least_filled: Share of the rows that must have a value.

    Returns:
        Between -1 and 1; 0 if either does not vary, or if too few rows have a value.

    Reference:
        Pearson's correlation of the ranks, equal values sharing their mean rank: Spearman (1904), "The proof and
        measurement of association between two things", American Journal of Psychology 15, 72-101.
    """
    if rows is None:
        order, starts, wanted = column.order, column.starts, column.n_rows
    else:
        group = np.zeros(len(column.order), np.intp)
        group[column.starts] = 1
        kept = rows[column.order]
        order, wanted = column.order[kept], int(np.count_nonzero(rows))
        groups = np.cumsum(group)[kept]
        starts = np.flatnonzero(np.diff(groups, prepend=0)).astype(np.intp)
    if len(order) < max(2, least_filled * wanted):
        return 0.0
    own = _mean_ranks(starts, len(order))
    against = mean_ranks(other[order])
    own -= own.mean()
    against -= against.mean()
    scale = np.sqrt((own @ own) * (against @ against))
    return float(own @ against / scale) if scale > 0 else 0.0


def mean_ranks(values: NDArray[np.number]) -> NDArray[np.float64]:
    """Rank of each value from 0, equal values sharing their mean rank. Shape ``(n_rows,)``."""
    order = np.argsort(values)
    ranks = np.empty(len(values))
    ranks[order] = _mean_ranks(_starts(values[order]), len(values))
    return ranks


def _mean_ranks(starts: NDArray[np.intp], n_rows: int) -> NDArray[np.float64]:
    sizes = np.diff(np.append(starts, n_rows))
    return np.repeat(starts + 0.5 * (sizes - 1), sizes)
