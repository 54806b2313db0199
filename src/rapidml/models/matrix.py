"""From a frame of named columns to the one matrix that libraries for tables read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Column, Frame


def make_matrix(frame: Frame, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """All columns side by side; categories as their codes, missing ones NaN; array features flattened row by row.

    Returns:
        Rows in order, one matrix column for each number of a row. Shape ``(n_rows, n_flat)``, C order.
    """
    matrix = np.empty((frame.n_rows, sum(flat_width(column) for column in frame.columns)), dtype=dtype)
    start = 0
    for column in frame.columns:
        width = flat_width(column)
        matrix[:, start : start + width] = column.values.reshape(frame.n_rows, width)
        if column.categories is not None:
            matrix[column.values < 0, start] = np.nan
        start += width
    return matrix


def flat_width(column: Column) -> int:
    """Matrix columns that a frame column takes."""
    return int(np.prod(column.values.shape[1:], dtype=np.int64))


def flat_names(frame: Frame) -> list[str]:
    """Name of each matrix column: the column's own, with the flat position where it is an array."""
    names = []
    for column in frame.columns:
        array = column.values.ndim > 1
        names += [f"{column.name}[{i}]" for i in range(flat_width(column))] if array else [column.name]
    return names


def flat_categorical(frame: Frame) -> list[bool]:
    """Whether each matrix column holds codes of categories."""
    return [column.categories is not None for column in frame.columns for _ in range(flat_width(column))]
