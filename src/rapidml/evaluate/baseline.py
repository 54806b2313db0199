"""The ``dummy`` row of every table: predictions that know the training target, but no feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Task


def baseline_prediction(
    truth_train: NDArray[Any], weight_train: NDArray[np.float64] | None, n_rows: int, task: Task
) -> NDArray[np.float32]:
    """Predict the class shares of the training rows, or the mean of their target, for every row.

    Args:
        truth_train: Class index or value of the fit's rows. Shape ``(n_train,)``.
        weight_train: Their training weight, as every model of the run gets it; None if all weigh the same.
        n_rows: Rows to predict.
        task: What is learned.

    Returns:
        Shape ``(n_rows,)``, or ``(n_rows, n_classes)`` for several classes. A class whose weights sum to less than
        zero has share 0.

    Raises:
        ValueError: The weights do not sum to more than 0.
    """
    weight = np.ones(len(truth_train)) if weight_train is None else np.asarray(weight_train, dtype=np.float64)
    if not weight.sum() > 0:
        raise ValueError(f"the training weights sum to {weight.sum():.6g}, which is not above 0")
    if task.kind == "regression":
        return np.full(n_rows, np.average(truth_train, weights=weight), dtype=np.float32)
    sums = np.bincount(np.asarray(truth_train, dtype=np.int64), weights=weight, minlength=len(task.classes))
    shares = np.maximum(sums, 0) / np.maximum(sums, 0).sum()
    if task.kind == "binary":
        return np.full(n_rows, shares[1], dtype=np.float32)
    return np.tile(shares.astype(np.float32), (n_rows, 1))
