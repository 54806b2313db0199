"""A look at the first rows of a file: of every column what it holds, as far as these rows tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.dataset.frame import Column
from rapidml.dataset.readers.registry import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Kind, RawColumn

LOOK_ROWS = 20_000
MOST_COUNTED = 5_000_000
"""Lines of text files are counted up to this number."""
SENTINELS = (-999.0, -9999.0, -99999.0, -999999.0, -99.0)
"""Numbers that often stand for a missing value."""
LEAST_GAP = 0.5
_BLOCK = 1 << 22


@dataclass(frozen=True)
class ColumnLook:
    """What a column holds in the first rows.

    Attributes:
        name: Its name.
        kind: What it holds.
        n_rows: Number of rows looked at.
        n_nulls: Rows without a value.
        n_distinct: Number of different values.
        labels: Its values as text, the most frequent first, where they are few.
        is_whole: Whether all numbers are whole.
        is_finite: Whether no number is infinite or too large for 32-bit floats.
        sentinel: Number that seems to stand for a missing value.
        stray: Stray text among numbers, in words; empty if there is none.
    """

    name: str
    kind: Kind
    n_rows: int
    n_nulls: int = 0
    n_distinct: int = 0
    labels: tuple[str, ...] = ()
    is_whole: bool = False
    is_finite: bool = True
    sentinel: float | None = None
    stray: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether it has one value, or none."""
        return self.n_distinct + (self.n_nulls > 0) < 2

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.n_nulls == 0 and self.n_distinct == self.n_rows > 1

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.kind in ("number", "integer")

    def describe(self) -> str:
        """Such as ``2 values: s, b`` or ``numbers``."""
        if self.n_distinct <= len(self.labels):
            return f"{self.n_distinct} values: {', '.join(self.labels)}"
        what = {"text": "text", "integer": "whole numbers", "boolean": "true or false"}.get(self.kind, "numbers")
        return f"{what}, {self.n_distinct:,} different"


@dataclass(frozen=True)
class Look:
    """What a file holds.

    Attributes:
        columns: Its columns by name, in file order.
        left_out: Columns that cannot be used, with the reason.
        n_rows: Number of rows of the whole file; of text at most ``MOST_COUNTED`` are counted.
    """

    columns: Mapping[str, ColumnLook]
    left_out: Mapping[str, str]
    n_rows: int


def look_at(file: SourceFile) -> Look:
    """Look at the first rows of a file.

    Raises:
        DatasetError: It cannot be read.
    """
    source = open_source(file, limit=LOOK_ROWS)
    columns = {}
    for name, kind in source.kinds.items():
        if kind in ("date", "array", "null"):
            columns[name] = ColumnLook(name, kind, source.n_rows)
        else:
            columns[name] = _look_at_column(name, kind, source.load(name), file.name)
    return Look(columns, dict(source.left_out), _count_rows(file, source.n_rows))


def _look_at_column(name: str, kind: Kind, column: RawColumn, file: str) -> ColumnLook:
    import numpy as np

    if column.categories is not None:
        return _look_at_text(name, column, file)
    values = column.values
    filled = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    distinct, counts = np.unique(filled, return_counts=True)
    from rapidml.dataset.fitness import count_infinite
    from rapidml.dataset.targets import make_label

    few = [make_label(value) for value in distinct[np.argsort(-counts, kind="stable")][:20].tolist()]
    is_whole = kind in ("integer", "boolean") or bool(len(filled) and np.all(filled == np.floor(filled)))
    return ColumnLook(
        name,
        kind,
        len(values),
        len(values) - len(filled),
        len(distinct),
        tuple(few) if len(distinct) <= 20 else (),
        is_whole,
        count_infinite(Column(name, values)) == 0,
        None if kind == "boolean" else _find_sentinel(distinct, counts),
    )


def _look_at_text(name: str, column: RawColumn, file: str) -> ColumnLook:
    import numpy as np

    from rapidml.dataset.strays import look_at_texts

    assert column.categories is not None
    counts = np.bincount(column.values + 1, minlength=len(column.categories) + 1)
    order = [code for code in np.argsort(-counts[1:], kind="stable").tolist() if counts[code + 1]]
    texts = look_at_texts(column.values, column.categories, np.arange(len(column.values)), file)
    stray = texts.describe() if texts is not None and texts.is_meant_as_numbers() else ""
    few = tuple(column.categories[code] for code in order[:20]) if len(order) <= 20 else ()
    return ColumnLook(name, "text", len(column.values), int(counts[0]), len(order), few, stray=stray)


def _find_sentinel(distinct: NDArray[Any], counts: NDArray[Any]) -> float | None:
    """The smallest value, if it is a usual mark of missing values, occurs more than once, and lies apart."""
    if len(distinct) < 3 or counts[0] < 2 or float(distinct[0]) not in SENTINELS:
        return None
    lowest, next_lowest = float(distinct[0]), float(distinct[1])
    return lowest if next_lowest > LEAST_GAP * lowest else None


def _count_rows(file: SourceFile, seen: int) -> int:
    """Rows of the whole file."""
    if seen < LOOK_ROWS:
        return seen
    if ".csv" not in file.name.lower():
        return open_source(file).n_rows
    import pyarrow as pa

    from rapidml.dataset.readers.source import open_arrow

    suffix = file.name.lower().rpartition(".")[2]
    count = -1
    with pa.input_stream(open_arrow(file.url), compression={"gz": "gzip", "bz2": "bz2"}.get(suffix)) as stream:
        while count < MOST_COUNTED and (block := stream.read(_BLOCK)):
            count += block.count(b"\n")
    return max(count, seen)
