"""Scores of one part and of all its bootstrap replicas, in blocks of rows; which metric is which is in metrics.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.evaluate.bootstrap import poisson_draws
from rapidml.evaluate.cuts import CutSums
from rapidml.evaluate.linear import LinearSums
from rapidml.evaluate.points import compute_values, rank_classes
from rapidml.evaluate.ranking import RankSums
from rapidml.evaluate.rows import check_rows, explain_undefined, guess_task
from rapidml.evaluate.scores import ScoredRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.ranking import RankedRows
    from rapidml.evaluate.rows import CheckedRows

ENOUGH = 100
"""Rows of a class of which at least one is in every draw, but for one draw in 1e43."""
_BLOCK_BYTES = 2048
"""Bytes of one draw of a block of rows: 200 draws stay in the processor's cache. In single precision that is 512 rows,
of which sums and products of draws are whole numbers below 2**24."""


def compute_replicas(
    rows: CheckedRows, metrics: Sequence[Metric], *, balanced: bool, n_replicas: int
) -> dict[str, NDArray[np.float64]]:
    """Scores of the rows and of their replicas.

    Args:
        rows: The rows.
        metrics: Metrics that fit their task.
        balanced: Make class sums equal, within each replica, for the metrics that can.
        n_replicas: Number of replicas.

    Returns:
        For each metric the score, then those of the replicas; NaN where undefined. Shape ``(1 + n_replicas,)``.
    """
    ranked = rank_classes(rows, metrics)
    values = compute_values(rows, metrics, ranked, balanced=balanced)
    if [metric.name for metric in metrics] == ["roc_auc"] and _is_constant(rows):
        replicas = {"roc_auc": np.full(n_replicas, 0.5)}
    else:
        replicas = _draw(rows, metrics, ranked, balanced=balanced, n_replicas=n_replicas)
    return {name: np.append(value, replicas[name]) for name, value in values.items()}


def _draw(
    rows: CheckedRows, metrics: Sequence[Metric], ranked: Sequence[RankedRows], *, balanced: bool, n_replicas: int
) -> dict[str, NDArray[np.float64]]:
    """Scores of the replicas. Shape ``(n_replicas,)`` each."""
    linear = [metric.name for metric in metrics if metric.kind == "linear"]
    equal = [metric.name for metric in metrics if metric.can_balance] if balanced else []
    sums = LinearSums(rows, linear, equal, n_replicas) if linear else None
    ordered = [metric.name for metric in metrics if metric.kind == "rank"]
    is_whole = [metric.name for metric in metrics] == ["roc_auc"] and bool((rows.weight == 1).all())
    dtype: type[np.floating[Any]] = np.float32 if is_whole else np.float64
    ranks = [RankSums(one, ordered, n_replicas, dtype) for one in ranked]
    # Draws cost less than keeping them: each class against the rest makes them again in its own order.
    for number, rank in enumerate(ranks or [None]):
        order = np.arange(len(rows.truth)) if rank is None else rank.ranked.order
        for start, index, draws in _list_blocks(rows, order, n_replicas, dtype):
            if sums is not None and number == 0:
                sums.add(draws, index)
            if rank is not None:
                rank.add(draws, start)
    found = {} if sums is None else sums.finish()
    if ordered:
        by_class = [rank.finish() for rank in ranks]
        found |= {name: np.mean([one[name] for one in by_class], axis=0) for name in ordered}
    cuts = {metric.name: CutSums(metric, ranks[0].ranked, ranks[0].totals) for metric in metrics if metric.cut}
    return found | _pass_cuts(rows, cuts, n_replicas)


def _pass_cuts(rows: CheckedRows, cuts: Mapping[str, CutSums], n_replicas: int) -> dict[str, NDArray[np.float64]]:
    """A second look at the rows from the highest score on, now that totals are known, as far as the loosest cut."""
    for cut in cuts.values():
        for start, _, draws in _list_blocks(rows, cut.order, n_replicas):
            cut.add(draws, start)
            if cut.is_finished:
                break
    return {name: cut.finish() for name, cut in cuts.items()}


def _list_blocks(
    rows: CheckedRows, order: NDArray[np.intp], n_replicas: int, dtype: type[np.floating[Any]] = np.float64
) -> Iterator[tuple[int, NDArray[np.intp], NDArray[Any]]]:
    """Place, rows and draws, the last of shape ``(n_replicas, n_block)``, of blocks of rows in some order.

    The draws of a block are written over those of the one before.
    """
    n_block = _BLOCK_BYTES // np.dtype(dtype).itemsize
    room = np.empty((n_block, n_replicas), dtype)
    known = rows.draws if rows.draws is not None and rows.draws.shape[1] >= n_replicas else None
    for start in range(0, len(order), n_block):
        index = order[start : start + n_block]
        draws = room[: len(index)]
        drawn = poisson_draws(rows.ids[index], n_replicas).T if known is None else known.take(index, axis=0)
        draws[:] = drawn[:, :n_replicas]
        yield start, index, draws.T


def _is_constant(rows: CheckedRows) -> bool:
    """Whether all rows have one prediction, as of the baseline, and so many of each class that no draw lacks one."""
    if rows.n_classes < 2 or not len(rows.truth) or (rows.weight < 0).any():
        return False
    counts = np.bincount(rows.truth[rows.weight > 0].astype(np.int64), minlength=rows.n_classes)
    return bool(counts.min() >= ENOUGH and (rows.prediction == rows.prediction[0]).all())


def explain(rows: CheckedRows, metric: Metric, *, balanced: bool) -> str:
    """Why the metric is undefined on these rows."""
    if metric.cut is not None and len(rows.truth) and (rows.sum_classes() > 0).all():
        return f"no background is left at a signal efficiency of {metric.cut.at}"
    ordered = metric.kind == "rank"
    every_class = (
        metric.kind == "cut"
        or metric.name == "roc_auc"
        or (balanced and metric.can_balance)
        or (ordered and rows.task.kind != "binary")
    )
    return explain_undefined(rows, every_class=every_class, positives=ordered)


def compute_one(
    metric: Metric, truth: NDArray[Any], prediction: NDArray[Any], weight: NDArray[Any] | None, *, balanced: bool
) -> float:
    """``Metric.compute``."""
    truth = np.asarray(truth)
    task = guess_task(prediction, regression="regression" in metric.tasks)
    metric.check_fits(task.kind)
    rows = check_rows(ScoredRows(np.zeros(len(truth), dtype=np.uint64), truth, prediction, weight), task)
    value = compute_values(rows, [metric], rank_classes(rows, [metric]), balanced=balanced)[metric.name]
    if np.isnan(value):
        raise ValueError(f"{metric.name} is undefined: {explain(rows, metric, balanced=balanced)}")
    return value
