"""Scores of one part and of all its bootstrap replicas, in blocks of rows; which metric is which is in metrics.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.evaluate.bootstrap import poisson_draws
from rapidml.evaluate.linear import LinearSums
from rapidml.evaluate.ranking import RankSums
from rapidml.evaluate.rows import check_rows, explain_undefined, guess_task
from rapidml.evaluate.scores import ScoredRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.rows import CheckedRows

ENOUGH = 100
"""Rows of a class of which at least one is in every draw, but for one draw in 1e43."""
_BLOCK = 1024
"""Rows in a block: 200 draws of them in double precision stay in the processor's cache."""


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
    n_draws = 1 + n_replicas
    if [metric.name for metric in metrics] == ["roc_auc"] and _is_constant(rows):
        return {"roc_auc": np.full(n_draws, 0.5)}
    linear = [metric.name for metric in metrics if metric.kind == "linear"]
    equal = [metric.name for metric in metrics if metric.can_balance] if balanced else []
    sums = LinearSums(rows, linear, equal, n_draws) if linear else None
    ranks = _make_ranks(rows, [metric.name for metric in metrics if metric.kind == "rank"], n_draws)
    # Draws cost less than keeping them: each class against the rest makes them again in its own order.
    for number, rank in enumerate(ranks or [None]):
        order = np.arange(len(rows.truth)) if rank is None else rank.order
        for start in range(0, len(order), _BLOCK):
            index = order[start : start + _BLOCK]
            draws = np.ones((n_draws, len(index)))
            if n_replicas:
                draws[1:] = poisson_draws(rows.ids[index], n_replicas)
            if sums is not None and number == 0:
                sums.add(draws, index)
            if rank is not None:
                rank.add(draws, start)
    found = {} if sums is None else sums.finish()
    if ranks:
        by_class = [rank.finish() for rank in ranks]
        found |= {name: np.mean([one[name] for one in by_class], axis=0) for name in by_class[0]}
    return {metric.name: found[metric.name] for metric in metrics}


def _is_constant(rows: CheckedRows) -> bool:
    """Whether all rows have one prediction, as of the baseline, and so many of each class that no draw lacks one."""
    if rows.n_classes < 2 or not len(rows.truth) or (rows.weight < 0).any():
        return False
    counts = np.bincount(rows.truth[rows.weight > 0].astype(np.int64), minlength=rows.n_classes)
    return bool(counts.min() >= ENOUGH and (rows.prediction == rows.prediction[0]).all())


def _make_ranks(rows: CheckedRows, names: Sequence[str], n_draws: int) -> list[RankSums]:
    if not names:
        return []
    if rows.prediction.ndim == 1:
        return [RankSums(rows.prediction, rows.truth == 1, rows.weight, names, n_draws)]
    return [
        RankSums(rows.prediction[:, code], rows.truth == code, rows.weight, names, n_draws)
        for code in range(rows.n_classes)
    ]


def explain(rows: CheckedRows, metric: Metric, *, balanced: bool) -> str:
    """Why the metric is undefined on these rows."""
    binary = rows.task.kind == "binary"
    every_class = (
        metric.name == "roc_auc" or (balanced and metric.can_balance) or (metric.kind == "rank" and not binary)
    )
    return explain_undefined(rows, every_class=every_class, positives=metric.kind == "rank")


def compute_one(
    metric: Metric, truth: NDArray[Any], prediction: NDArray[Any], weight: NDArray[Any] | None, *, balanced: bool
) -> float:
    """``Metric.compute``."""
    truth = np.asarray(truth)
    task = guess_task(prediction, regression="regression" in metric.tasks)
    rows = check_rows(ScoredRows(np.zeros(len(truth), dtype=np.uint64), truth, prediction, weight), task)
    value = float(compute_replicas(rows, [metric], balanced=balanced, n_replicas=0)[metric.name][0])
    if np.isnan(value):
        raise ValueError(f"{metric.name} is undefined: {explain(rows, metric, balanced=balanced)}")
    return value
