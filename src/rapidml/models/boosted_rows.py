"""Rows as XGBoost trains on them, binned; and what of the rows enters its parameters: starting scores, constraints."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows

LEAST_SHARE = 1e-7
"""A class that has no weight in the rows of a fit starts with this share."""

DEFAULT_BINS = 256
"""Bins of a column where ``max_bin`` is not given; XGBoost's own default."""


@dataclass(frozen=True)
class RowFacts:
    """What a fit's parameters need to know of its rows.

    Attributes:
        names: Name of each matrix column.
        class_scores: Where several classes start; None for other tasks.
    """

    names: tuple[str, ...]
    class_scores: tuple[float, ...] | None


@dataclass(frozen=True)
class BinnedRows:
    """Rows of a fit as XGBoost's own binned matrices, which can be neither pickled nor saved.

    Attributes:
        train: Rows to train on, a ``QuantileDMatrix``.
        watch: Rows to watch, in the same bins; None without early stopping.
        facts: What parameters need to know of them.
        n_bytes: Memory that they take, about.
    """

    train: Any = field(repr=False)
    watch: Any = field(repr=False)
    facts: RowFacts
    n_bytes: int


def find_facts(rows: TrainingRows, task: Task) -> RowFacts:
    """What parameters need to know of the training rows."""
    from rapidml.models.matrix import flat_names

    scores = tuple(class_scores(rows, len(task.classes))) if task.kind == "multiclass" else None
    return RowFacts(tuple(flat_names(rows.features)), scores)


def bin_rows(rows: TrainingRows, watch: TrainingRows | None, params: Mapping[str, Any], threads: int) -> Any:
    """Training and watched rows in XGBoost's binned form, the latter in the bins of the former; None if not given."""
    train = _make_dmatrix(rows, params, threads)
    return train, None if watch is None else _make_dmatrix(watch, params, threads, like=train)


def hold_binned(
    rows: TrainingRows, watch: TrainingRows | None, params: Mapping[str, Any], task: Task, threads: int
) -> BinnedRows:
    """Rows binned once for many fits."""
    train, watched = bin_rows(rows, watch, params, threads)
    n_bytes = sum(_estimate_bytes(matrix, params) for matrix in (train, watched) if matrix is not None)
    return BinnedRows(train, watched, find_facts(rows, task), n_bytes)


def class_scores(rows: TrainingRows, n_classes: int) -> list[float]:
    """Where several classes start: the logarithm of their weighted shares, mean 0.

    XGBoost makes the same numbers, but in sums whose last digits depend on the number of threads.
    """
    import numpy as np

    sums = rows.class_sums
    if sums is None:
        codes = rows.target.astype(np.int64)
        sums = np.bincount(codes, rows.weight, n_classes).astype(np.float64)
    logarithm = np.log(np.maximum(sums / sums.sum(), LEAST_SHARE))
    return [float(np.float32(value)) for value in logarithm - logarithm.mean()]


def make_constraints(params: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Constraints by column name as XGBoost's by position.

    Args:
        params: Parameters of the fit.
        names: Name of each matrix column.

    Raises:
        ModelError: A constraint names a column that is not there.
    """
    found: dict[str, Any] = {}
    monotone = params.get("monotone_constraints")
    if isinstance(monotone, dict):
        _require_columns(monotone, names, "monotone_constraints")
        found["monotone_constraints"] = "(" + ",".join(str(monotone.get(name, 0)) for name in names) + ")"
    groups = params.get("interaction_constraints")
    if groups is not None:
        _require_columns([name for group in groups for name in group], names, "interaction_constraints")
        found["interaction_constraints"] = json.dumps([[names.index(name) for name in group] for group in groups])
    return found


def make_float_matrix(features: Frame) -> NDArray[Any]:
    """Rows as XGBoost reads them to predict. Shape ``(n_rows, n_flat)``, float32."""
    import numpy as np

    from rapidml.models.matrix import make_matrix

    return make_matrix(features, np.float32)


def _require_columns(wanted: Any, names: tuple[str, ...], parameter: str) -> None:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ModelError(f"{parameter} names '{unknown[0]}', which is not a feature of this model")


def _make_dmatrix(rows: TrainingRows, params: Mapping[str, Any], threads: int, like: Any = None) -> Any:
    """Rows in XGBoost's binned form; ``like`` gives the bins of the training rows."""
    import xgboost

    from rapidml.models.matrix import flat_categorical

    return xgboost.QuantileDMatrix(
        make_float_matrix(rows.features),
        label=rows.target,
        weight=rows.weight,
        feature_types=["c" if categorical else "q" for categorical in flat_categorical(rows.features)],
        enable_categorical=True,
        max_bin=params.get("max_bin"),
        nthread=threads,
        ref=like,
    )


def _estimate_bytes(matrix: Any, params: Mapping[str, Any]) -> int:
    """Size of a binned matrix: bins by row and again by column, row starts, labels and weights."""
    n_rows, n_columns = matrix.num_row(), matrix.num_col()
    is_whole = matrix.num_nonmissing() == n_rows * n_columns
    by_row = 4 if not is_whole else 1 if params.get("max_bin", DEFAULT_BINS) <= DEFAULT_BINS else 2
    by_column = 1 if params.get("max_bin", DEFAULT_BINS) <= DEFAULT_BINS else 2
    return int(matrix.num_nonmissing() * by_row + n_rows * (n_columns * by_column + 8 + 4 + 4))
