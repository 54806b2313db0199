"""From Arrow columns to NumPy: what each Arrow type means here. Shared by the CSV and Parquet readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dataset.readers.source import RawColumn
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rapidml.dataset.readers.source import Kind


def find_kind(arrow_type: Any) -> Kind | None:
    """What a column of an Arrow type holds; None if it has no meaning here."""
    import pyarrow.types as t

    if t.is_dictionary(arrow_type):
        inner = find_kind(arrow_type.value_type)
        return inner if inner in ("text", "number", "integer") else None
    tests: list[tuple[Kind, Any]] = [
        ("null", t.is_null),
        ("boolean", t.is_boolean),
        ("integer", t.is_integer),
        ("number", t.is_floating),
        ("number", t.is_decimal),
        ("text", t.is_string),
        ("text", t.is_large_string),
        ("text", t.is_string_view),
        ("date", t.is_temporal),
    ]
    return next((kind for kind, matches in tests if matches(arrow_type)), None)


def list_kinds(fields: Iterable[Any]) -> tuple[dict[str, Kind], dict[str, str]]:
    """Kinds of the fields of an Arrow schema, and why the others are left out."""
    kinds: dict[str, Kind] = {}
    left_out: dict[str, str] = {}
    for field in fields:
        kind = find_kind(field.type)
        if not field.name.strip():
            left_out[field.name] = "has no name"
        elif kind is None:
            left_out[field.name] = f"holds {field.type}, which is not a number or text"
        else:
            kinds[field.name] = kind
    return kinds, left_out


def load_arrow(column: Any) -> RawColumn:
    """The values of an Arrow array or chunked array.

    Args:
        column: Of a type that ``find_kind`` knows, not a date. Shape ``(n_rows,)``.

    Returns:
        Numbers with NaN for nulls (integers and booleans with nulls become float64), or codes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as t

    kind = find_kind(column.type)
    if kind == "text":
        return _load_text(column)
    if kind == "null":
        return RawColumn(np.full(len(column), np.nan))
    if t.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if t.is_decimal(column.type) or (column.null_count and kind in ("integer", "boolean")):
        column = _to_float(column, pa)
    if t.is_float16(column.type):
        column = column.cast(pa.float32())
    return RawColumn(np.ascontiguousarray(_to_numpy(column)))


def _to_numpy(column: Any) -> Any:
    """The values as they lie in memory. Arrow's own way from chunks to NumPy loads pandas, a third of a second."""
    import numpy as np
    import pyarrow.types as t

    if column.null_count or not len(column) or t.is_boolean(column.type):
        return column.to_numpy(zero_copy_only=False)
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    arrays = [np.from_dlpack(chunk) for chunk in chunks if len(chunk)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _to_float(column: Any, pa: Any) -> Any:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False)


def _load_text(column: Any) -> RawColumn:
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks() if column.num_chunks else pa.array([], column.type)
        if isinstance(column, pa.ChunkedArray):
            raise DatasetError("a text column is too large for one file; split the file")
    categories = column.dictionary.to_pylist()
    codes = _to_numpy(column.indices)
    if column.indices.null_count:  # pyarrow.compute could fill them, but takes a tenth of a second to import
        codes = np.where(np.isnan(codes), -1, codes)
    codes = codes.astype(np.int32)
    return _clean_codes(codes, categories)


def _clean_codes(codes: Any, categories: list[str | None]) -> RawColumn:
    """Codes whose categories are each used once, with no null and no empty text among them."""
    import numpy as np

    unique = list(dict.fromkeys(text for text in categories if text))
    place = {text: number for number, text in enumerate(unique)}
    if unique == categories:
        return RawColumn(codes, tuple(unique))
    table = np.array([place.get(text or "", -1) for text in categories] + [-1], np.int32)
    return RawColumn(table[codes], tuple(unique))
