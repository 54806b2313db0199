"""Metrics that are functions of weighted means over rows: log_loss, accuracy, rmse, mae, r2.

Each is a few terms per row and a function of the terms' means, so all replicas of all of them come from one product
of draws and terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.evaluate.rows import CheckedRows

    Terms = Callable[[CheckedRows], NDArray[np.float64]]
    Finish = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class LinearSums:
    """Weighted sums of the terms of some metrics over blocks of rows, for every replica at once.

    Args:
        rows: The rows.
        names: Metrics to compute.
        balanced: Metrics of these for which every class that has rows counts the same.
        n_draws: Number of replicas.
    """

    def __init__(self, rows: CheckedRows, names: Sequence[str], balanced: Sequence[str], n_draws: int) -> None:
        self._terms, self._slices = _stack_terms(rows, names)
        self._weight = rows.weight
        self._balanced = balanced
        self._truth = rows.truth
        self._classes = np.unique(rows.truth) if balanced else None
        self._sums = np.zeros((1 if self._classes is None else len(self._classes), len(self._terms), n_draws))

    def add(self, draws: NDArray[np.float64], index: NDArray[np.intp]) -> None:
        """Add a block of rows.

        Args:
            draws: How often each replica drew each row. Shape ``(n_draws, n_block)``.
            index: Their rows. Shape ``(n_block,)``.
        """
        weighted = self._terms.take(index, axis=1) * self._weight[index]
        # einsum, not a BLAS product: its order of summation does not depend on the number of threads.
        if self._classes is None:
            self._sums[0] += np.einsum("kb,rb->kr", weighted, draws)
            return
        for number, code in enumerate(self._classes):
            chosen = self._truth[index] == code
            self._sums[number] += np.einsum(
                "kb,rb->kr", weighted.compress(chosen, axis=1), draws.compress(chosen, axis=1)
            )

    def finish(self) -> dict[str, NDArray[np.float64]]:
        """The metrics; NaN where a sum of weights is not above zero. Shape ``(n_draws,)`` each."""
        return _finish(self._sums, self._slices, self._balanced)


def compute_means(rows: CheckedRows, names: Sequence[str], balanced: Sequence[str]) -> dict[str, float]:
    """The metrics of the rows themselves; NaN where a sum of weights is not above zero.

    Args:
        rows: The rows.
        names: Metrics to compute.
        balanced: Metrics of these for which every class that has rows counts the same.
    """
    terms, slices = _stack_terms(rows, names)
    terms *= rows.weight
    if balanced:
        chosen = [rows.truth == code for code in np.unique(rows.truth)]
        sums = np.array([terms.compress(rows_of, axis=1).sum(axis=1) for rows_of in chosen])
        sums = sums.reshape(len(chosen), len(terms), 1)
    else:
        sums = terms.sum(axis=1).reshape(1, len(terms), 1)
    return {name: float(values[0]) for name, values in _finish(sums, slices, balanced).items()}


def _stack_terms(rows: CheckedRows, names: Sequence[str]) -> tuple[NDArray[np.float64], dict[str, slice]]:
    """Ones, then the terms of each metric, shape ``(n_terms, n_rows)``, and which of them are whose."""
    terms = [np.ones((1, len(rows.truth)))]
    slices: dict[str, slice] = {}
    first = 1
    for name in names:
        terms.append(_METRICS[name][0](rows))
        slices[name] = slice(first, first + len(terms[-1]))
        first += len(terms[-1])
    return np.concatenate(terms), slices


def _finish(
    sums: NDArray[np.float64], slices: Mapping[str, slice], balanced: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """The metrics from the sums of their terms in each class, shape ``(n_classes, n_terms, n_draws)``."""
    pooled = equal = _divide(sums.sum(axis=0))
    if balanced:
        equal = np.mean([_divide(one) for one in sums], axis=0) if len(sums) else np.full_like(pooled, np.nan)
    return {name: _METRICS[name][1]((equal if name in balanced else pooled)[part]) for name, part in slices.items()}


def _divide(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the terms from their sums, the first of which is the sum of weights; NaN where that is not positive."""
    total = np.where(sums[0] > 0, sums[0], np.nan)
    return np.asarray(sums / total)


def _log_loss_terms(rows: CheckedRows) -> NDArray[np.float64]:
    """Surprise of the true class, the probability clipped as scikit-learn does at the resolution of its type."""
    limit = float(np.finfo(rows.prediction.dtype).eps)
    prediction = rows.prediction.astype(np.float64)
    if prediction.size and (prediction.min() < -limit or prediction.max() > 1 + limit):
        raise ValueError(f"probabilities must lie in [0, 1]; found {prediction.min():.6g} to {prediction.max():.6g}")
    if prediction.ndim == 1:
        chance = np.where(rows.truth == 1, prediction, 1 - prediction)
    else:
        chance = prediction[np.arange(len(prediction)), rows.truth]
    return np.asarray(-np.log(np.clip(chance, limit, 1 - limit)))[None]


def _accuracy_terms(rows: CheckedRows) -> NDArray[np.float64]:
    guess = rows.prediction > 0.5 if rows.prediction.ndim == 1 else rows.prediction.argmax(axis=1)
    return np.asarray(guess == rows.truth, dtype=np.float64)[None]


def _squared_error_terms(rows: CheckedRows) -> NDArray[np.float64]:
    return np.asarray(np.square(rows.truth - rows.prediction))[None]


def _absolute_error_terms(rows: CheckedRows) -> NDArray[np.float64]:
    return np.asarray(np.abs(rows.truth - rows.prediction))[None]


def _r2_terms(rows: CheckedRows) -> NDArray[np.float64]:
    """Squared error, and the target with its square, measured from the value nearest to its mean.

    The shift keeps the variance from cancelling, and makes that of a constant target exactly zero.
    """
    truth = rows.truth
    if truth.size:
        mean = np.average(truth, weights=np.abs(rows.weight))
        truth = truth - truth[np.abs(truth - mean).argmin()]
    return np.stack([np.square(rows.truth - rows.prediction), truth, np.square(truth)])


def _take_mean(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(means[0])


def _take_root(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.where(means[0] >= 0, means[0], np.nan)))


def _finish_r2(means: NDArray[np.float64]) -> NDArray[np.float64]:
    error, mean, square = means
    variance = square - np.square(mean)
    constant = np.abs(variance) <= 1e-12 * np.abs(square)
    share = error / np.where(variance > 0, variance, np.nan)
    return np.asarray(np.where(constant, np.where(error == 0, 1.0, 0.0), 1 - share))


_METRICS: dict[str, tuple[Terms, Finish]] = {
    "log_loss": (_log_loss_terms, _take_mean),
    "accuracy": (_accuracy_terms, _take_mean),
    "rmse": (_squared_error_terms, _take_root),
    "mae": (_absolute_error_terms, _take_mean),
    "r2": (_r2_terms, _finish_r2),
}
