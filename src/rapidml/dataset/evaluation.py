"""The columns of one opened file as the recipe sees them: as written, without missing values, and derived.

Order: file columns, ``missing``, ``columns`` (each sees those before it), ``select``, weights, ``by``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression import parse_expression
from rapidml.dataset.readers.source import RawColumn
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import SampleRequest, TableRequest
    from rapidml.dataset.readers.source import Source

_LONGEST_FIXED = 64
"""Text up to this length is compared as fixed-width NumPy text, longer text as Python objects."""


def needed_columns(request: TableRequest, sample: SampleRequest) -> set[str]:
    """Columns of the files of a sample that the request reads, itself or through derived columns."""
    texts = [request.select, request.weight_factor, sample.select, sample.weight]
    texts += [column.name for column in request.columns if column.role == "by"]
    names = [column.name for column in request.columns if column.role in ("column", "target")]
    names += [name for text in texts if isinstance(text, str) for name in parse_expression(text).names]
    derived = dict(request.derived)
    waiting = [*names, *request.id]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += parse_expression(derived[name]).names if name in derived else ()
    return found - set(derived)


class FileColumns:
    """Columns of one opened file; those that more than one reader needs are kept, the others are not.

    Args:
        source: The opened file.
        request: What is read of it.
        sample: The file's sample.
    """

    def __init__(self, source: Source, request: TableRequest, sample: SampleRequest) -> None:
        self.source = source
        self.n_rows = source.n_rows
        self._missing = request.missing
        self._derived = dict(request.derived)
        self._uses = _count_uses(request, sample)
        self._loaded: dict[str, RawColumn] = {}
        self._computed: dict[str, RawColumn] = {}

    def raw(self, name: str) -> RawColumn:
        """A column of the file as it stands there.

        Raises:
            DatasetError: It cannot be loaded.
        """
        if name in self._loaded:
            return self._loaded[name]
        kind = self.source.kinds.get(name)
        if kind is None:
            raise DatasetError(f"column {name} {self.source.left_out.get(name, 'is not in this file')}")
        if kind == "date":
            raise DatasetError(f"column {name} is a date, which is neither a number nor text")
        column = self.source.load(name)
        if self._uses.get(name, 0) > 1:
            self._loaded[name] = column
        return column

    def column(self, name: str) -> RawColumn:
        """A derived column, or a file column with missing values as NaN."""
        if name in self._computed:
            return self._computed[name]
        if name in self._derived:
            column = self.evaluate(self._derived[name])
            if self._uses.get(name, 0) > 1:
                self._computed[name] = column
            return column
        return _without_missing(self.raw(name), self._missing)

    def exact(self, name: str) -> RawColumn:
        """A derived column, or a file column as it stands there: for target, id and weight."""
        return self.column(name) if name in self._derived else self.raw(name)

    def evaluate(self, text: str) -> RawColumn:
        """Values of an expression."""
        return to_column(parse_expression(text).evaluate(self.view(), self.n_rows))

    def evaluate_exact(self, text: str) -> NDArray[Any]:
        """Values of an expression over columns as they stand in the file."""
        return parse_expression(text).evaluate(self.view(exact=True), self.n_rows)

    def test_rows(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows fulfil all conditions, and in which any of them is null."""
        import numpy as np

        keep = np.ones(self.n_rows, np.bool_)
        any_null = np.zeros(self.n_rows, np.bool_)
        for text in texts:
            fulfilled, null = parse_expression(text).test_rows(self.view(), self.n_rows)
            keep &= fulfilled
            any_null |= null
        return keep, any_null

    def view(self, *, exact: bool = False) -> Mapping[str, NDArray[Any]]:
        """The columns by name, for expressions."""
        return _View(self, exact=exact)


class _View(Mapping[str, "NDArray[Any]"]):
    """Columns by name, computed when asked for."""

    def __init__(self, columns: FileColumns, *, exact: bool) -> None:
        self._columns = columns
        self._load = columns.exact if exact else columns.column
        self._names = dict.fromkeys([*columns.source.kinds, *columns._derived])  # noqa: SLF001  (one class in two)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        return to_values(self._load(name))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def to_values(column: RawColumn) -> NDArray[Any]:
    """A column as expressions and ids take it: text as text, null where it is masked."""
    import numpy as np

    if column.categories is None:
        return column.values
    width = max((len(text) for text in column.categories), default=1)
    dtype: Any = np.dtype(f"U{width}") if width <= _LONGEST_FIXED else np.dtype(object)
    texts = np.array([*column.categories, ""], dtype)
    return np.ma.MaskedArray(texts[column.values], column.values < 0)


def to_column(values: NDArray[Any]) -> RawColumn:
    """A column from the values of an expression: text becomes codes, None is null."""
    import numpy as np

    if values.dtype.kind not in "OUT":
        return RawColumn(values)
    texts = values.tolist()
    place: dict[str, int] = {}
    codes = [-1 if not text else place.setdefault(text, len(place)) for text in texts]
    return RawColumn(np.array(codes, np.int32), tuple(place))


def _count_uses(request: TableRequest, sample: SampleRequest) -> dict[str, int]:
    """How often each file column is asked for."""
    uses: dict[str, int] = {}
    texts: list[str | float | None] = [request.select, request.weight_factor, sample.select, sample.weight]
    texts += [text for _, text in request.derived for _ in range(2)]
    texts += [column.name for column in request.columns if column.role == "by"]
    names = [column.name for column in request.columns if column.role in ("column", "target")]
    names += [name for text in texts if isinstance(text, str) for name in parse_expression(text).names]
    for name in [*names, *request.id]:
        uses[name] = uses.get(name, 0) + 1
    return uses


def _without_missing(column: RawColumn, missing: tuple[float, ...]) -> RawColumn:
    """Numbers that mean missing become NaN; integers that have any become float64."""
    import numpy as np

    values = column.values
    if not missing or column.categories is not None or values.ndim > 1 or values.dtype.kind not in "iuf":
        return column
    found = np.zeros(len(values), np.bool_)
    for number in missing:
        found |= values == (values.dtype.type(number) if values.dtype.kind == "f" else number)
    if not found.any():
        return column
    return RawColumn(np.where(found, np.nan, values).astype(values.dtype if values.dtype.kind == "f" else np.float64))
