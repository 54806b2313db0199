"""The checks that rows pass before any metric sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dataset.frame import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.evaluate.scores import ScoredRows


@dataclass(frozen=True)
class CheckedRows:
    """Rows fit for arithmetic: finite, of one length, in double precision, without rows of weight 0.

    Attributes:
        ids: Row ids. Shape ``(n_rows,)``.
        truth: Class index (int64) or value (float64). Shape ``(n_rows,)``.
        prediction: float32 or float64, as given.
        weight: Shape ``(n_rows,)``, float64.
        task: What was learned.
        draws: The rows' bootstrap draws; None if they are to be made. Shape ``(n_rows, n_replicas)``.
    """

    ids: NDArray[np.uint64]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    weight: NDArray[np.float64]
    task: Task
    draws: NDArray[np.uint8] | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.task.classes)

    def sum_classes(self) -> NDArray[np.float64]:
        """Sum of weights of each class. Shape ``(n_classes,)``."""
        return np.bincount(self.truth, weights=self.weight, minlength=self.n_classes).astype(np.float64)


def check_rows(rows: ScoredRows, task: Task) -> CheckedRows:
    """Rows fit for arithmetic; those of weight 0 are left out.

    Raises:
        ValueError: Lengths or shapes do not fit the task, or a number is not finite.
    """
    truth, prediction = np.asarray(rows.truth), _as_float(rows.prediction)
    ids = np.asarray(rows.ids)
    weight = np.ones(len(truth)) if rows.weight is None else np.asarray(rows.weight, dtype=np.float64)
    columns = (len(task.classes),) if task.kind == "multiclass" else ()
    for name, array, shape in (("ids", ids, ()), ("weight", weight, ()), ("prediction", prediction, columns)):
        if array.shape != (len(truth), *shape):
            raise ValueError(f"{name} has shape {array.shape}, expected {(len(truth), *shape)}")
    for name, array in (("truth", truth), ("prediction", prediction), ("weight", weight)):
        wrong = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
        if wrong:
            raise ValueError(f"{wrong:,} of {np.size(array):,} numbers in {name} are not finite")
    truth = truth.astype(np.float64) if task.kind == "regression" else _check_classes(truth, task)
    draws = rows.draws
    if not weight.all():
        kept = weight != 0
        ids, truth, prediction, weight = ids[kept], truth[kept], prediction[kept], weight[kept]
        draws = None if draws is None else draws[kept]
    return CheckedRows(ids, truth, prediction, weight, task, draws)


def _as_float(prediction: NDArray[Any]) -> NDArray[Any]:
    prediction = np.asarray(prediction)
    return prediction if prediction.dtype in (np.float32, np.float64) else prediction.astype(np.float64)


def _check_classes(truth: NDArray[Any], task: Task) -> NDArray[np.int64]:
    codes = truth.astype(np.int64)
    if np.any(codes != truth) or (codes.size and (codes.min() < 0 or codes.max() >= len(task.classes))):
        raise ValueError(f"truth must hold class indices from 0 to {len(task.classes) - 1}")
    return codes


def guess_task(prediction: NDArray[Any], *, regression: bool) -> Task:
    """The task that arrays without one can only be: the number of classes is that of the prediction's columns."""
    if regression:
        return Task("regression")
    shape = np.shape(prediction)
    if len(shape) == 1:
        return Task("binary", ("0", "1"))
    return Task("multiclass", tuple(map(str, range(shape[1]))))


def explain_undefined(rows: CheckedRows, *, every_class: bool, positives: bool) -> str:
    """Why a score of these rows is undefined.

    Args:
        rows: The rows.
        every_class: The score needs a positive sum of weights in every class.
        positives: It needs one in class 1.
    """
    if not len(rows.truth):
        return "there are no rows with a weight"
    if every_class or positives:
        counts = np.bincount(rows.truth, minlength=rows.n_classes)
        for code, total in enumerate(rows.sum_classes()):
            if total <= 0 and (every_class or code == 1):
                label = rows.task.classes[code]
                return (
                    f"there are no rows of class {label!r}" if not counts[code] else _weigh(f"class {label!r}", total)
                )
    total = rows.weight.sum()
    return _weigh("the rows", total) if total <= 0 else "negative weights outweigh the rest"


def _weigh(what: str, total: float) -> str:
    return f"the weights of {what} sum to {total:.6g}, which is not above 0"
