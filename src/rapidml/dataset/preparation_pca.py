"""The step ``pca``: numbers to their principal components, the directions in which the training rows vary most.

All components are always found, and a step takes the first of them: the components of a step with few are to the bit
the first ones of a step with more. Eigenvectors of the weighted covariance, which no library's class takes weights for.

Rows are projected by sums in a fixed order without BLAS, so that the numbers of a row depend neither on the other rows
nor on the number of components or threads. The fit uses BLAS, whose sums depend on its number of threads: it is for the
caller to give it one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dataset.frame import Column, Frame
from rapidml.dataset.preparation_steps import NEARLY, center_columns
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PCA = "pca"
FIT_BLOCK = 16384
"""Rows that enter the covariance at once. It decides the last bits, so it belongs to the stored format."""
BLOCK = 4096
"""Rows that are projected at once: what is computed on fits into a cache. It decides no bit."""


@dataclass(frozen=True)
class Pca:
    """Turns numbers into principal components ``pca_1``, ``pca_2``, ..; columns of categories stand behind them.

    Attributes:
        columns: Names of the columns that it reads; those of array features are read element by element.
        centers: What is subtracted from each number of a row.
        components: Directions, each with a factor for every number of a row; length 1, or 0 where the training rows
            do not vary.
    """

    columns: tuple[str, ...]
    centers: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]

    def apply(self, frame: Frame) -> Frame:
        """The rows with components, float64, in place of numbers.

        Raises:
            DatasetError: A number is missing or infinite.
        """
        wanted = set(self.columns)
        _require_numbers(column for column in frame.columns if column.name in wanted)
        rest = tuple(column for column in frame.columns if column.name not in wanted)
        found = self._project(
            _list_numbers([column for column in frame.columns if column.name in wanted]), frame.n_rows
        )
        made = tuple(Column(f"{PCA}_{number}", values) for number, values in enumerate(found, 1))
        taken = {column.name for column in made} & {column.name for column in rest}
        if taken:
            raise DatasetError(f"the rows have a column '{min(taken)}', as {PCA} names its own; give it another name")
        return Frame((*made, *rest))

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {"name": PCA, **asdict(self)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Pca:
        """The step that ``to_json`` wrote."""
        return cls(tuple(tree["columns"]), tuple(tree["centers"]), tuple(map(tuple, tree["components"])))

    def _project(self, numbers: Sequence[NDArray[Any]], n_rows: int) -> NDArray[np.float64]:
        """Components of rows. Shape ``(n_components, n_rows)``."""
        factors = np.array(self.components)[:, :, None]
        projected = np.zeros((len(self.components), n_rows))
        for start in range(0, n_rows, BLOCK):
            block = np.zeros((len(self.components), min(BLOCK, n_rows - start)))
            term = np.empty_like(block)
            for index, values in enumerate(numbers):
                centered = values[start : start + BLOCK].astype(np.float64) - self.centers[index]
                block += np.multiply(factors[:, index], centered, out=term)
            projected[:, start : start + BLOCK] = block
        return projected


@dataclass(frozen=True, eq=False)
class AllComponents:
    """What a fit finds: all components, from which steps with any number of them are cut.

    Attributes:
        columns: Names of the columns that it reads.
        centers: Weighted mean of each number of a row. Shape ``(n_numbers,)``.
        components: Directions, that with the largest variance first. Shape ``(n_numbers, n_numbers)``.
    """

    columns: tuple[str, ...]
    centers: NDArray[np.float64]
    components: NDArray[np.float64]

    def cut(self, n_components: int) -> Pca:
        """The step with the first components.

        Raises:
            DatasetError: There are fewer.
        """
        if n_components > len(self.components):
            have = "1 number" if len(self.components) == 1 else f"{len(self.components)} numbers"
            raise DatasetError(
                f"{PCA} wants {n_components} components of rows with {have}; write at most {len(self.components)}"
            )
        chosen = self.components[:n_components].tolist()
        return Pca(self.columns, tuple(self.centers.tolist()), tuple(map(tuple, chosen)))


def fit_components(frame: Frame, weight: NDArray[np.float64] | None) -> AllComponents:
    """Find all principal components.

    Weight 2 is a row twice. The largest factor of each direction is positive, the first one of nearly equal ones.

    Args:
        frame: Rows to fit on; columns of categories are passed over.
        weight: Positive weight of each row; None if all weigh the same. Shape ``(n_rows,)``.

    Raises:
        DatasetError: A number is missing, infinite or too large, or there are no numbers.
    """
    columns = [column for column in frame.columns if column.categories is None]
    if not columns:
        raise DatasetError(f"{PCA} needs columns of numbers; write 'one_hot' before it to make them of categories")
    _require_numbers(columns)
    centers = center_columns(columns, weight)
    covariance = _find_covariance(_list_numbers(columns), centers, weight)
    if not np.isfinite(covariance).all():
        raise DatasetError(f"the numbers are too large for {PCA}; write 'standardize' before it")
    variances, vectors = np.linalg.eigh(covariance)
    components = np.ascontiguousarray(vectors.T[::-1])
    # what rounding alone leaves, as in numpy.linalg.matrix_rank: the direction is arbitrary there
    components[variances[::-1] <= max(variances[-1], 0.0) * len(centers) * np.finfo(np.float64).eps] = 0.0
    return AllComponents(tuple(column.name for column in columns), centers, _turn(components))


def _find_covariance(
    numbers: Sequence[NDArray[Any]], centers: NDArray[np.float64], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Weighted covariance of the numbers. Shape ``(n_numbers, n_numbers)``."""
    n_rows = len(numbers[0])
    shares = np.full(n_rows, 1 / n_rows) if weight is None else weight / weight.sum()
    covariance = np.zeros((len(numbers), len(numbers)))
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that are too large are found by their covariance
        for start in range(0, n_rows, FIT_BLOCK):
            rows = slice(start, start + FIT_BLOCK)
            block = np.stack([values[rows].astype(np.float64) for values in numbers], axis=1) - centers
            block *= np.sqrt(shares[rows])[:, None]
            covariance += block.T @ block
    return covariance


def _turn(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """The directions with their largest factor positive."""
    sizes = np.abs(components)
    largest = np.argmax(sizes >= sizes.max(axis=1, keepdims=True) * (1 - NEARLY), axis=1)
    is_turned = components[np.arange(len(components)), largest] < 0
    return np.where(is_turned[:, None], -components, components) + 0.0  # no -0.0


def _list_numbers(columns: Sequence[Column]) -> list[NDArray[Any]]:
    """Values of each number of a row, each of shape ``(n_rows,)``."""
    flat = (column.values.reshape(len(column.values), -1) for column in columns if len(column.values))
    return [values[:, index] for values in flat for index in range(values.shape[1])]


def _require_numbers(columns: Iterator[Column] | Sequence[Column]) -> None:
    for column in columns:
        if column.values.dtype.kind != "f" or np.isfinite(column.values).all():
            continue
        n_missing = int(np.isnan(column.values).sum())
        if n_missing:
            raise DatasetError(
                f"column '{column.name}' has {n_missing:,} missing values, which {PCA} cannot take; "
                f"write 'impute: median' before {PCA} in prepare"
            )
        raise DatasetError(f"column '{column.name}' holds infinite values; leave such rows out with dataset.select")
