"""The statistics behind the leak check, over all rows or over a sample of each class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rapidml.dataset.leaks import LARGEST_AUC, Leak
from rapidml.dataset.ranks import auc_bounds, sort_column, spearman

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rapidml.dataset.frame import Column, Task
    from rapidml.dataset.ranks import SortedColumn

SAMPLE_ABOVE = 20_000
"""Number of rows from which samples are looked at first."""
SAMPLE_ROWS = 10_000
LEAST_PER_CLASS = 1000
FIXED_SEED = 20_140_512
LEAST_DEVIATIONS = 6.0
"""How many standard deviations a statistic at its limit must be from chance, for its rows to be enough."""


@dataclass(frozen=True)
class Look:
    """Some rows of the target and what each stands for.

    Attributes:
        task: What is learned.
        target: Class index or value of these rows. Shape ``(n_look,)``.
        size: How much each row counts in areas. Shape ``(n_look,)``.
        weight: Physics weight to be compared with; None if it is not. Shape ``(n_look,)``.
        rows: Which rows of the columns; all if None. Shape ``(n_look,)``.
        is_weighted: Whether ``size`` is the weight.
        least_filled: Share of the rows that must have a value for nulls to be left aside.
    """

    task: Task
    target: NDArray[np.float64]
    size: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    rows: NDArray[np.int64] | None = None
    is_weighted: bool = False
    least_filled: float = 0.5

    def statistics(self, column: Column) -> Iterator[Leak]:
        """Everything that a column alone says of the target, and how it follows the weight."""
        values = column.values if self.rows is None else column.values[self.rows]
        if column.categories is not None:
            for code in self._classes:
                own = self.target if code < 0 else (self.target == code).astype(np.float64)
                means = _crossed_means(values, len(column.categories), own)
                yield from self._against_target(column.name, sort_column(means), code)
            return
        ordered = sort_column(values)
        for code in self._classes:
            yield from self._against_target(column.name, ordered, code)
        if self.weight is not None:
            yield from self._against_weight(column.name, ordered, self.weight)

    @cached_property
    def _classes(self) -> list[int]:
        """Classes that have enough rows, and others enough against them; -1 for regression."""
        if self.task.kind == "regression":
            return [-1] if _is_enough_to_rank(len(self.target)) else []
        codes = [1] if self.task.kind == "binary" else range(len(self.task.classes))
        counts = {code: self._effective(self.target == code) for code in codes}
        return [code for code, n in counts.items() if _is_enough(n, self._effective(self.target != code))]

    def _effective(self, rows: NDArray[np.bool_]) -> float:
        """Number of equal weights that vary as much as those of some rows."""
        size = self.size[rows]
        squares = float(size @ size)
        return float(size.sum()) ** 2 / squares if squares > 0 else 0.0

    def _against_target(self, name: str, ordered: SortedColumn, code: int) -> Iterator[Leak]:
        if code < 0:
            if not self.is_weighted:
                yield Leak(name, "target", spearman(ordered, self.target, None, self.least_filled))
            return
        is_class = self.target == code
        for value in auc_bounds(ordered, self.size * is_class, self.size * ~is_class, self.least_filled):
            yield Leak(name, "target", value, self.task.classes[code], is_weighted=self.is_weighted)

    def _against_weight(self, name: str, ordered: SortedColumn, weight: NDArray[np.float64]) -> Iterator[Leak]:
        if self.task.kind == "regression" and self._classes:
            yield Leak(name, "weight", spearman(ordered, weight, None, self.least_filled))
        for code, label in enumerate(self.task.classes):
            rows = self.target == code
            if _is_enough_to_rank(int(np.count_nonzero(rows))):
                yield Leak(name, "weight", spearman(ordered, weight, rows, self.least_filled), label)


def _is_enough(n_positive: float, n_negative: float) -> bool:
    """Whether an area at its limit is no chance: its deviation is sqrt((m + n + 1) / 12 m n) without any relation."""
    if n_positive <= 0 or n_negative <= 0:
        return False
    deviation = np.sqrt((n_positive + n_negative + 1) / (12 * n_positive * n_negative))
    return bool(LEAST_DEVIATIONS * deviation <= LARGEST_AUC - 0.5)


def _is_enough_to_rank(n_rows: int) -> bool:
    """Whether a rank correlation of 1 is no chance: its deviation is 1 / sqrt(n - 1) without any relation."""
    return n_rows - 1 >= LEAST_DEVIATIONS**2


def list_looks(target: NDArray[np.float64], weight: NDArray[np.float64] | None, task: Task) -> list[Look]:
    """All rows, without and with weights."""
    looks = [Look(task, target, np.ones(len(target)), weight)]
    if weight is not None:
        looks.append(Look(task, target, np.abs(weight), None, is_weighted=True))
    return looks


def list_samples(target: NDArray[np.float64], weight: NDArray[np.float64] | None, task: Task) -> list[Look] | None:
    """Samples of each class, without and with weights; None if all rows are few enough.

    A class with few rows is taken whole. Of the others, rows are drawn evenly (or by weight) and stand for their
    class's sum, so that areas have the same expectation as over all rows.
    """
    if len(target) <= SAMPLE_ABOVE:
        return None
    draw = np.random.default_rng(FIXED_SEED)
    plain = _draw(target, np.ones(len(target)), task, draw)
    looks = [_make_look(target, weight, task, plain, is_weighted=False)]
    if weight is None:
        return looks
    if not _shows_weights(target, weight, task, plain[0]):
        return None
    by_weight = _draw(target, np.abs(weight), task, draw)
    return [*looks, _make_look(target, None, task, by_weight, is_weighted=True)]


def _make_look(
    target: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    task: Task,
    drawn: tuple[NDArray[np.int64], NDArray[np.float64]],
    *,
    is_weighted: bool,
) -> Look:
    rows, size = drawn
    own = None if weight is None else weight[rows]
    return Look(task, target[rows], size, own, rows, is_weighted, least_filled=0.4)


def _draw(
    target: NDArray[np.float64], size: NDArray[np.float64], task: Task, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of each class, and how much each stands for."""
    n_classes = max(1, len(task.classes))
    most = max(LEAST_PER_CLASS, SAMPLE_ROWS // n_classes)
    rows: list[NDArray[np.int64]] = []
    sizes: list[NDArray[np.float64]] = []
    for code in range(n_classes):
        own = np.flatnonzero(target == code) if task.classes else np.arange(len(target))
        if len(own) <= most:
            rows.append(own.astype(np.int64))
            sizes.append(size[own])
            continue
        total = np.cumsum(size[own])
        places = np.searchsorted(total, draw.random(most) * total[-1], side="right")
        rows.append(own[np.minimum(places, len(own) - 1)].astype(np.int64))
        sizes.append(np.full(most, total[-1] / most))
    return np.concatenate(rows), np.concatenate(sizes)


def _shows_weights(
    target: NDArray[np.float64], weight: NDArray[np.float64], task: Task, rows: NDArray[np.int64]
) -> bool:
    """Whether weights vary within each class of a sample wherever they vary in the whole class."""
    for code in range(max(1, len(task.classes))):
        whole = weight[target == code] if task.classes else weight
        drawn = weight[rows][target[rows] == code] if task.classes else weight[rows]
        if len(whole) and whole.min() < whole.max() and not drawn.min() < drawn.max():
            return False
    return True


def _crossed_means(codes: NDArray[np.int32], n_labels: int, target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean target of each row's category, from the rows of the other half, drawn at random. Shape ``(n_rows,)``."""
    filled = np.where(codes < 0, n_labels, codes)
    result = np.empty(len(filled))
    is_first = np.random.default_rng(FIXED_SEED).random(len(filled)) < 0.5  # row order may alternate between classes
    for half in (is_first, ~is_first):
        others = ~half
        sums = np.bincount(filled[others], target[others], n_labels + 1)
        counts = np.bincount(filled[others], minlength=n_labels + 1)
        overall = float(target[others].mean()) if others.any() else 0.0
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        result[half] = means[filled[half]]
    return result
