"""The fitted steps of a preparation: their weighted statistics, what they do to columns, how they are stored.

The step ``pca`` has a module of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rapidml.dataset.frame import Column, Frame
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Statistic = Callable[[NDArray[np.float64], NDArray[np.float64] | None], float]

NEARLY = 1e-9
"""Sums of weights that differ by less, relatively, are equal: weights are rescaled, which costs the last bits."""


class Step(Protocol):
    """A fitted step: immutable, independent of the rows it is applied to."""

    def apply(self, frame: Frame) -> Frame:
        """The rows after this step."""

    def to_json(self) -> dict[str, Any]:
        """What ``read_step`` reads."""


@dataclass(frozen=True)
class Impute:
    """Fills missing values.

    Attributes:
        fills: By column: a number, nested lists of numbers for array features, or a label.
    """

    fills: Mapping[str, Any]

    def apply(self, frame: Frame) -> Frame:
        """The rows without missing values in the columns that have a filling."""
        return Frame(tuple(self._fill(column) for column in frame.columns))

    def to_json(self) -> dict[str, Any]:
        """What ``read_step`` reads."""
        return {"name": "impute", **asdict(self)}

    def _fill(self, column: Column) -> Column:
        fill = self.fills.get(column.name)
        if fill is None:
            return column
        if column.categories is not None:
            return _fill_label(column, column.categories, fill)
        missing = np.isnan(column.values) if column.values.dtype.kind == "f" else None
        if missing is None or not missing.any():
            return column
        values = np.where(missing, np.asarray(fill, column.values.dtype), column.values)
        return Column(column.name, values)


@dataclass(frozen=True)
class Standardize:
    """Shifts and scales numbers.

    Attributes:
        centers: What is subtracted, by column: a number, or nested lists for array features.
        scales: What is divided by afterwards, in the same form.
    """

    centers: Mapping[str, Any]
    scales: Mapping[str, Any]

    def apply(self, frame: Frame) -> Frame:
        """The rows with numbers on one scale: float32 where the column is no wider than that, else float64."""
        return Frame(tuple(self._scale(column) for column in frame.columns))

    def to_json(self) -> dict[str, Any]:
        """What ``read_step`` reads."""
        return {"name": "standardize", **asdict(self)}

    def _scale(self, column: Column) -> Column:
        if column.name not in self.centers:
            return column
        center, scale = np.asarray(self.centers[column.name]), np.asarray(self.scales[column.name])
        values = (column.values - center) / scale
        return Column(column.name, values.astype(np.result_type(column.values.dtype, np.float32), copy=False))


@dataclass(frozen=True)
class OneHot:
    """Turns categories into columns of 0 and 1.

    Attributes:
        labels: Labels that get a column, by column.
    """

    labels: Mapping[str, tuple[str, ...]]

    def apply(self, frame: Frame) -> Frame:
        """The rows without categorical columns."""
        return Frame(tuple(made for column in frame.columns for made in self._split(column)))

    def to_json(self) -> dict[str, Any]:
        """What ``read_step`` reads."""
        return {"name": "one_hot", "labels": {name: list(labels) for name, labels in self.labels.items()}}

    def _split(self, column: Column) -> list[Column]:
        if column.categories is None:
            return [column]
        codes = {label: code for code, label in enumerate(column.categories)}
        return [
            Column(f"{column.name}={label}", (column.values == codes.get(label, -2)).astype(np.float32))
            for label in self.labels[column.name]
        ]


def fit_step(name: str, strategy: str, value: Any, frame: Frame, weight: NDArray[np.float64] | None) -> Step:
    """Fit one step.

    Args:
        name: ``impute``, ``standardize`` or ``one_hot``.
        strategy: How to impute.
        value: The constant to impute.
        frame: Rows to fit on.
        weight: Positive weight of each row; None if all weigh the same. Shape ``(n_rows,)``.

    Raises:
        DatasetError: A column holds infinite values, or nothing that could fill its missing values.
    """
    if name == "impute":
        return _fit_impute(strategy, value, frame, weight)
    if name == "standardize":
        return _fit_standardize(frame, weight)
    seen = {column.name: _seen_labels(column) for column in frame.columns if column.categories is not None}
    return OneHot(seen)


def read_step(tree: Mapping[str, Any]) -> Step:
    """The step that ``to_json`` wrote."""
    if tree["name"] == "impute":
        return Impute(tree["fills"])
    if tree["name"] == "standardize":
        return Standardize(tree["centers"], tree["scales"])
    return OneHot({name: tuple(labels) for name, labels in tree["labels"].items()})


def drop_weightless(frame: Frame, weight: NDArray[np.float64] | None) -> tuple[Frame, NDArray[np.float64] | None]:
    """Rows that count, and how much: negative weights by their absolute value. Shape of weights: ``(n_rows,)``."""
    if weight is None:
        return frame, None
    used = weight != 0
    return (frame, np.abs(weight)) if used.all() else (frame.take(used), np.abs(weight[used]))


def center_columns(columns: Sequence[Column], weight: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Weighted mean of every number of a row, to the bit its value where it is constant. Shape ``(n_numbers,)``."""
    return np.concatenate([np.ravel(_by_element(_center, column, weight)) for column in columns])


def weighted_mean(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """Mean of values without missing ones. Both of shape ``(n,)``."""
    return float(values.mean() if weight is None else np.average(values, weights=weight))


def weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """Least value with half of the weight at or below it; where it is exactly half, halfway to the next value.

    Args:
        values: Values without missing ones, at least one. Shape ``(n,)``.
        weight: Positive weights. Shape ``(n,)``.

    Returns:
        The median; for whole weights that of the values repeated so many times.
    """
    if weight is None:
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    values, sums = values[order], np.cumsum(weight[order])
    half = sums[-1] / 2
    low, high = np.searchsorted(sums, [half * (1 - NEARLY), half * (1 + NEARLY)])
    return float((values[low] + values[min(high, len(values) - 1)]) / 2)


def most_frequent(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """Value with the greatest sum of weights; the least of equals. Both of shape ``(n,)``, without missing values."""
    distinct, position = np.unique(values, return_inverse=True)
    sums = np.bincount(position, weight)
    return float(distinct[np.flatnonzero(sums >= sums.max() * (1 - NEARLY))[0]])


def _fit_impute(strategy: str, value: Any, frame: Frame, weight: NDArray[np.float64] | None) -> Impute:
    if strategy == "constant":
        is_text = isinstance(value, str)
        chosen = [column for column in frame.columns if (column.categories is not None) == is_text]
        return Impute({column.name: value if is_text else float(value) for column in chosen})
    statistics: dict[str, Statistic] = {
        "mean": weighted_mean,
        "median": weighted_median,
        "most_frequent": most_frequent,
    }
    fills: dict[str, Any] = {}
    for column in frame.columns:
        if column.categories is not None:
            code = most_frequent(*_without_missing(column.name, _codes_as_numbers(column.values), weight))
            fills[column.name] = column.categories[int(code)]
        else:
            fills[column.name] = _by_element(statistics[strategy], column, weight)
    return Impute(fills)


def _fit_standardize(frame: Frame, weight: NDArray[np.float64] | None) -> Standardize:
    numeric = [column for column in frame.columns if column.categories is None]
    found = {column.name: _compute(_center_and_scale, column, weight) for column in numeric}
    centers = {name: pairs[..., 0].tolist() for name, pairs in found.items()}
    return Standardize(centers, {name: pairs[..., 1].tolist() for name, pairs in found.items()})


def _center(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    return float(values[0]) if values.min() == values.max() else weighted_mean(values, weight)


def _center_and_scale(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    if values.min() == values.max():
        return float(values[0]), 1.0
    mean = weighted_mean(values, weight)
    return mean, float(np.sqrt(weighted_mean((values - mean) ** 2, weight))) or 1.0


def _by_element(statistic: Statistic, column: Column, weight: NDArray[np.float64] | None) -> Any:
    """The statistic of a column, or of each element of an array feature, as plain numbers."""
    return _compute(statistic, column, weight).tolist()


def _compute(
    statistic: Callable[[NDArray[np.float64], NDArray[np.float64] | None], Any],
    column: Column,
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The statistic of each element of a column. Shape ``(*element shape, *statistic shape)``."""
    flat = column.values.reshape(len(column.values), -1)
    found = np.array(
        [
            statistic(*_without_missing(column.name, flat[:, element].astype(np.float64), weight))
            for element in range(flat.shape[1])
        ]
    )
    return found.reshape((*column.values.shape[1:], *found.shape[1:]))


def _without_missing(
    name: str, values: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    with np.errstate(over="ignore", invalid="ignore"):
        if len(values) and np.isfinite(values.sum()):  # one look in place of three
            return values, weight
    missing = np.isnan(values)
    if missing.any():
        values, weight = values[~missing], None if weight is None else weight[~missing]
    if not len(values):
        raise DatasetError(f"column '{name}' has no value in the fit's rows; leave it out of dataset.features")
    if not np.all(np.isfinite(values)):
        raise DatasetError(f"column '{name}' holds infinite values; leave such rows out with dataset.select")
    return values, weight


def _codes_as_numbers(codes: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(codes < 0, np.nan, codes.astype(np.float64))


def _fill_label(column: Column, categories: tuple[str, ...], label: str) -> Column:
    missing = column.values < 0
    if not missing.any():
        return column
    known = categories if label in categories else (*categories, label)
    return Column(column.name, np.where(missing, known.index(label), column.values), known)


def _seen_labels(column: Column) -> tuple[str, ...]:
    assert column.categories is not None
    return tuple(column.categories[code] for code in np.unique(column.values) if code >= 0)
