"""Rows in memory as fits see them: named columns, the target, weights and ids. No files, no recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        kind: ``binary``, ``multiclass`` or ``regression``.
        classes: Label of each class index. Binary: (negative, positive), so index 1 is the positive class.
            Empty for regression.
    """

    kind: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One feature of some rows.

    Attributes:
        name: Column name.
        values: Numbers (NaN = missing), or codes into ``categories`` (-1 = missing). Shape ``(n_rows,)``, or
            ``(n_rows, ...)`` for array features such as images.
        categories: Labels of a categorical column in code order; None for numbers.
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Frame:
    """Features of some rows, in feature order."""

    columns: tuple[Column, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].values) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def take(self, rows: NDArray[Any] | slice) -> Frame:
        """The given rows: of a mask or indices a copy, of a slice a view."""
        return Frame(tuple(Column(c.name, c.values[rows], c.categories) for c in self.columns))


@dataclass(frozen=True)
class TrainingRows:
    """What one fit trains on.

    Attributes:
        features: Features, fit rows only.
        target: Class index, or the value for regression. Shape ``(n_rows,)``, float64.
        weight: Training weight, mean 1; None if all rows weigh the same. Shape ``(n_rows,)``, float64.
        ids: Row ids. Shape ``(n_rows,)``, uint64.
        class_sums: Summed weight of each class over all rows of the fit, where these are only a share of them.
            Shape ``(n_classes,)``.
        target_moments: Weighted mean and standard deviation of a regression's target over all rows of the fit, where
            these are only a share of them.
    """

    features: Frame
    target: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    ids: NDArray[np.uint64]
    class_sums: NDArray[np.float64] | None = None
    target_moments: tuple[float, float] | None = None

    def take(self, rows: NDArray[Any]) -> TrainingRows:
        """The given rows (mask or indices) as a copy; weights are not rescaled."""
        weight = None if self.weight is None else self.weight[rows]
        return TrainingRows(self.features.take(rows), self.target[rows], weight, self.ids[rows])
