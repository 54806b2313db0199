"""Rows as a network reads them: one array of inputs, targets and weights; and the scale of a regression's target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows


@dataclass(frozen=True)
class NetworkRows:
    """Rows in the form that training takes.

    Attributes:
        inputs: Shape ``(n_rows, n_features)``, float32; or of array features ``(n_rows, ...)``, in their own type.
        target: Class index; or the value, as standard deviations from the mean. Shape ``(n_rows,)``, float32.
        weight: Training weight, mean 1. Shape ``(n_rows,)``, float32.
        ids: Row ids; they decide the order of training. Shape ``(n_rows,)``.
        facts: What is known of the rows of all ranks.
    """

    inputs: NDArray[Any]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
    ids: NDArray[np.uint64]
    facts: TargetFacts

    @property
    def n_bytes(self) -> int:
        """Memory that they take, about."""
        return int(self.inputs.nbytes + self.target.nbytes + self.weight.nbytes + self.ids.nbytes)


@dataclass(frozen=True)
class TargetFacts:
    """What a network needs to know of the targets it trains on.

    Attributes:
        mean: Weighted mean of a regression's target; 0 for classes.
        scale: Its standard deviation; 1 for classes and for a constant.
        present: Of several classes, whether each has rows; empty otherwise.
    """

    mean: float = 0.0
    scale: float = 1.0
    present: tuple[bool, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a plain tree."""
        return {"mean": self.mean, "scale": self.scale, "present": list(self.present)}

    @classmethod
    def from_json(cls, tree: Any) -> TargetFacts:
        """What ``to_json`` gave."""
        return cls(float(tree["mean"]), float(tree["scale"]), tuple(map(bool, tree["present"])))


def make_network_rows(rows: TrainingRows, task: Task) -> NetworkRows:
    """Rows of a fit, or of one rank of it.

    Raises:
        ModelError: The features are neither columns of numbers nor one array.
    """
    import numpy as np

    facts = find_facts(rows, task)
    target = ((rows.target - facts.mean) / facts.scale).astype(np.float32)
    weight = np.ones(len(target), np.float32) if rows.weight is None else rows.weight.astype(np.float32)
    return NetworkRows(make_inputs(rows.features), target, weight, rows.ids, facts)


def make_inputs(frame: Frame) -> NDArray[Any]:
    """Features as one array, shape ``(n_rows, n_features)``; one array feature as it is, ``(n_rows, ...)``.

    Raises:
        ModelError: An array feature stands beside others.
    """
    import numpy as np

    arrays = [column for column in frame.columns if column.values.ndim > 1]
    if not arrays:
        inputs = np.empty((frame.n_rows, len(frame.columns)), np.float32)
        for position, column in enumerate(frame.columns):
            inputs[:, position] = column.values
        return inputs
    if len(frame.columns) > 1:
        raise ModelError(
            f"a network reads columns of numbers or one array; '{arrays[0].name}' is an array beside other features: "
            "list what it should read under dataset.features"
        )
    values = arrays[0].values
    return np.ascontiguousarray(values if values.dtype in (np.uint8, np.float32) else values.astype(np.float32))


def find_facts(rows: TrainingRows, task: Task) -> TargetFacts:
    """Mean and spread of the target, or which classes there are: of all ranks' rows where the rows say so."""
    import numpy as np

    if task.kind == "regression":
        mean, scale = rows.target_moments or find_moments(rows.target, rows.weight)
        return TargetFacts(mean, scale)
    if task.kind == "binary":
        return TargetFacts()
    codes = np.bincount(rows.target.astype(np.int64), minlength=len(task.classes)) > 0
    present = codes if rows.class_sums is None else rows.class_sums > 0
    return TargetFacts(present=tuple(map(bool, present)))


def find_moments(target: NDArray[np.float64], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Weighted mean and standard deviation; 1 in place of a deviation of 0, and of weights that do not add up."""
    import numpy as np

    used = None if weight is None or weight.sum() <= 0 else weight
    mean = float(np.average(target, weights=used))
    variance = float(np.average((target - mean) ** 2, weights=used))
    return mean, float(np.sqrt(variance)) if variance > 0 else 1.0
