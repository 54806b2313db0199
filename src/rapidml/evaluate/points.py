"""Scores alone, without replicas: of the rows as they are, at once. A search scores thousands of fits this way.

``score_parts`` takes its values from here too, so both give the same numbers to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.evaluate.cuts import compute_cut
from rapidml.evaluate.linear import compute_means
from rapidml.evaluate.metrics import get_fitting_metric
from rapidml.evaluate.ranking import RankedRows, compute_ranks, rank_rows
from rapidml.evaluate.rows import check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.dataset.frame import Task
    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.rows import CheckedRows
    from rapidml.evaluate.scores import ScoredRows


def point_scores(part: ScoredRows, metrics: Sequence[str], task: Task, *, balanced: bool = False) -> dict[str, float]:
    """Scores of one part, without intervals.

    Args:
        part: The rows; their ids are not used.
        metrics: Names of metrics that fit the task.
        task: What was learned.
        balanced: Compute log_loss and accuracy with the sums of weights of the classes made equal.

    Returns:
        The score in each metric, in the order of ``metrics``; NaN where undefined. Equal to ``parts[0]`` of the
        ``Score`` that ``score_parts`` makes of the part.

    Raises:
        ValueError: A metric is unknown or does not fit the task, shapes differ, or a number is not finite.
    """
    chosen = [get_fitting_metric(name, task.kind) for name in metrics]
    rows = check_rows(part, task)
    return compute_values(rows, chosen, rank_classes(rows, chosen), balanced=balanced)


def rank_classes(rows: CheckedRows, metrics: Sequence[Metric]) -> list[RankedRows]:
    """The rows sorted by each class against the rest (binary: class 1); none if no metric needs the order."""
    if all(metric.kind == "linear" for metric in metrics):
        return []
    if rows.prediction.ndim == 1:
        return [rank_rows(rows.prediction, rows.truth == 1, rows.weight)]
    return [rank_rows(rows.prediction[:, code], rows.truth == code, rows.weight) for code in range(rows.n_classes)]


def compute_values(
    rows: CheckedRows, metrics: Sequence[Metric], ranked: Sequence[RankedRows], *, balanced: bool
) -> dict[str, float]:
    """Scores of the rows; NaN where undefined.

    Args:
        rows: The rows.
        metrics: Metrics that fit their task.
        ranked: What ``rank_classes`` made of both.
        balanced: Make class sums equal, for the metrics that can.
    """
    linear = [metric.name for metric in metrics if metric.kind == "linear"]
    equal = [metric.name for metric in metrics if metric.can_balance] if balanced else []
    found = compute_means(rows, linear, equal) if linear else {}
    if ranked:
        groups = [one.sum_groups() for one in ranked]
        names = [metric.name for metric in metrics if metric.kind == "rank"]
        by_class = [compute_ranks(*sums, names) for sums in groups]
        found |= {name: sum(one[name] for one in by_class) / len(by_class) for name in names}
        found |= {metric.name: compute_cut(metric, *groups[0]) for metric in metrics if metric.kind == "cut"}
    return {metric.name: found[metric.name] for metric in metrics}
