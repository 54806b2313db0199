"""A score with its uncertainty, and how the parts of a model (folds, or the test rows) are scored.

A ``Score`` keeps its replicas. Draws follow from row ids alone, so two scores on the same rows can be compared later,
in another run, without predictions. Nothing here imports numpy before something is scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.evaluate.metrics import get_fitting_metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Task
    from rapidml.evaluate.metrics import Metric
    from rapidml.evaluate.rows import CheckedRows

COVERAGE = 0.683
"""Share of the replicas inside an interval: one standard deviation of a normal distribution."""


@dataclass(frozen=True)
class ScoredRows:
    """One part that is scored by itself: the held-out rows of a fold, or the test rows.

    Attributes:
        ids: Row ids; equal ids share their bootstrap draws. Shape ``(n_rows,)``, uint64.
        truth: Class index, or the value for regression. Shape ``(n_rows,)``.
        prediction: Probability of class 1, shape ``(n_rows,)``; of every class, shape ``(n_rows, n_classes)``; or the
            value, shape ``(n_rows,)``. float32 or float64, as stored: log_loss clips at the type's own resolution.
        weight: Physics weight; None if all rows count the same. Shape ``(n_rows,)``.
        draws: The rows' bootstrap draws, if they were made before. Shape ``(n_rows, n_replicas)``.
    """

    ids: NDArray[np.uint64]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    weight: NDArray[Any] | None = None
    draws: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Score:
    """One metric of one model on some rows. NaN where undefined.

    Attributes:
        value: Plain mean over the parts.
        low: Lower end of the central 68.3% of the replicas.
        high: Upper end.
        std: Standard deviation of the replicas.
        replicas: The same mean in every bootstrap replica, to float32; NaN in replicas that drew no row of a class
            that the metric needs. They are left out of interval and ``std``, which are NaN when fewer than half of
            the replicas are left.
        parts: Value in each part.
        undefined: Why ``value`` is NaN; None if it is not.
    """

    value: float
    low: float
    high: float
    std: float
    replicas: tuple[float, ...]
    parts: tuple[float, ...]
    undefined: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON tree that ``from_json`` reads; NaN is null."""
        tree: dict[str, Any] = {**self.summary(), "std": to_null(self.std)}
        tree |= {"replicas": [to_null(x) for x in self.replicas], "parts": [to_null(x) for x in self.parts]}
        return tree if self.undefined is None else {**tree, "undefined": self.undefined}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Score:
        """The score that ``to_json`` wrote."""
        value, low, high, std = (_from_null(tree[name]) for name in ("value", "low", "high", "std"))
        replicas, parts = (tuple(map(_from_null, tree[name])) for name in ("replicas", "parts"))
        return cls(value, low, high, std, replicas, parts, tree.get("undefined"))

    def summary(self) -> dict[str, float | None]:
        """What ``--json`` prints of it; NaN is null."""
        return {"value": to_null(self.value), "low": to_null(self.low), "high": to_null(self.high)}


def to_null(number: float) -> float | None:
    """A number as JSON takes it: NaN is null."""
    return None if math.isnan(number) else number


def _from_null(number: float | None) -> float:
    return math.nan if number is None else number


def score_parts(
    parts: Sequence[ScoredRows],
    metrics: Sequence[str],
    task: Task,
    *,
    balanced: bool = False,
    n_replicas: int | None = None,
) -> dict[str, Score]:
    """Score a model on each part by itself; its score is the plain mean over the parts.

    Args:
        parts: Held-out rows of each fold, or one part.
        metrics: Names of metrics that fit the task.
        task: What was learned.
        balanced: Compute log_loss and accuracy with the sums of weights of the classes made equal, in the part and in
            each replica; classes without rows in a part are left out there. Other metrics are as without.
        n_replicas: Number of bootstrap replicas; 200 if None.

    Returns:
        A score for each metric, in the order of ``metrics``, under the metric's own name: an efficiency written
            ``0.010`` is found at ``0.01``.

    Raises:
        ValueError: A metric is unknown or does not fit the task, shapes differ, or a number is not finite.
    """
    from rapidml.evaluate.bootstrap import N_REPLICAS
    from rapidml.evaluate.replicas import compute_replicas
    from rapidml.evaluate.rows import check_rows

    chosen = [get_fitting_metric(name, task.kind) for name in metrics]
    if not parts:
        raise ValueError("there must be at least one part to score")
    checked = [check_rows(part, task) for part in parts]
    n_replicas = N_REPLICAS if n_replicas is None else n_replicas
    tables = [compute_replicas(rows, chosen, balanced=balanced, n_replicas=n_replicas) for rows in checked]
    return {
        metric.name: _make_score([table[metric.name] for table in tables], checked, metric, balanced=balanced)
        for metric in chosen
    }


def _make_score(
    parts: Sequence[NDArray[np.float64]], checked: Sequence[CheckedRows], metric: Metric, *, balanced: bool
) -> Score:
    """A score from the value and the replicas of each part, each of shape ``(1 + n_replicas,)``."""
    import numpy as np

    values = [float(part[0]) for part in parts]
    mean = np.mean(parts, axis=0)
    # By the shortest text of a float32, so that a stored score is equal to the fresh one.
    replicas = tuple(float(str(number)) for number in mean[1:].astype(np.float32))
    low, high, std = _find_interval(np.array(replicas))
    undefined = None
    if math.isnan(mean[0]):
        undefined = _explain(values, checked, metric, balanced=balanced)
    return Score(float(mean[0]), low, high, std, replicas, tuple(values), undefined)


def _find_interval(replicas: NDArray[np.float64]) -> tuple[float, float, float]:
    import numpy as np

    known = replicas[~np.isnan(replicas)]
    if len(known) < max(2, len(replicas) / 2):
        return math.nan, math.nan, math.nan
    low, high = np.quantile(known, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high), float(known.std(ddof=1))


def _explain(values: Sequence[float], checked: Sequence[CheckedRows], metric: Metric, *, balanced: bool) -> str:
    from rapidml.evaluate.replicas import explain

    first = next(number for number, value in enumerate(values) if math.isnan(value))
    reason = explain(checked[first], metric, balanced=balanced)
    return reason if len(values) == 1 else f"in part {first + 1} of {len(values)} {reason}"
