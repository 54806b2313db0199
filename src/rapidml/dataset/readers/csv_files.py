"""Reader of comma-separated text, plain or compressed with gzip or bzip2. The first line names the columns.

Kinds are inferred from the values. Empty fields and the usual spellings of a missing value (NA, NaN, null, ...) are
null, in text columns too.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rapidml.dataset.readers.arrow_columns import list_kinds, load_arrow
from rapidml.dataset.readers.source import list_names, open_arrow
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import RawColumn

_BLOCK = 1 << 20
_COMPRESSION = {".gz": "gzip", ".bz2": "bz2"}


class CsvReader:
    """Opens CSV files."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> CsvSource:
        """Parse a file; see ``Reader.open``."""
        import pyarrow as pa

        try:
            head, is_whole = _read_head(file, 0 if limit is None else limit + 1)
            names = _read_names(file, head)
            _check_wanted(file, names, columns)
            wanted = [name for name in names if columns is None or name in columns]
            table = _parse_head(file, head, wanted, is_whole) if limit is not None else _parse_all(file, wanted)
        except OSError as error:
            raise DatasetError(f"{file.name}: cannot be read ({error}); is the file complete?") from error
        except pa.ArrowException as error:
            raise DatasetError(f"{file.name}: {error}") from error
        return CsvSource(file, table if limit is None else table.slice(0, limit))


class CsvSource:
    """A parsed CSV file; a column is released once it is loaded."""

    def __init__(self, file: SourceFile, table: Any) -> None:
        binary = [field.name for field in table.schema if _is_binary(field.type)]
        if binary:
            raise DatasetError(
                f"{file.name}: column {binary[0]} is not UTF-8 text; convert the file: "
                f"iconv -f latin1 -t utf8 {file.name}"
            )
        self.n_rows: int = table.num_rows
        self.kinds, self.left_out = list_kinds(table.schema)
        self._columns = {field.name: table.column(number) for number, field in enumerate(table.schema)}

    def load(self, name: str) -> RawColumn:
        """The values of a column."""
        return load_arrow(self._columns.pop(name))


def _is_binary(kind: Any) -> bool:
    """Whether text was kept as bytes because it is not UTF-8."""
    import pyarrow.types as t

    return bool(t.is_binary(kind.value_type if t.is_dictionary(kind) else kind))


def _stream(file: SourceFile) -> Any:
    import pyarrow as pa

    suffix = "." + file.name.lower().rpartition(".")[2]
    return pa.input_stream(open_arrow(file.url), compression=_COMPRESSION.get(suffix))


def _read_head(file: SourceFile, n_lines: int) -> tuple[bytes, bool]:
    """The first bytes of a file: at least its first line and ``n_lines`` more; and whether that is all of it."""
    blocks: list[bytes] = []
    found = -1
    with _stream(file) as stream:
        while found < n_lines:
            block = stream.read(_BLOCK)
            if not block:
                return b"".join(blocks), True
            blocks.append(block)
            found += block.count(b"\n")
    head = b"".join(blocks)
    return head[: head.rfind(b"\n") + 1], False


def _read_names(file: SourceFile, head: bytes) -> list[str]:
    from pyarrow import csv

    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    if not first.strip(b"\xef\xbb\xbf \t"):
        what = "is empty" if not head.strip() else "begins with an empty line"
        raise DatasetError(f"{file.name}: {what}; expected a first line with the column names")
    try:
        names: list[str] = csv.read_csv(io.BytesIO(first + b"\n")).column_names
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file.name}: the first line is not UTF-8 text; is this a CSV file?") from error
    _check_names(file, names)
    return names


def _check_names(file: SourceFile, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DatasetError(f"{file.name}:1: column {twice[0]} occurs twice; give every column its own name")
    for sign, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and sign in names[0]:
            raise DatasetError(
                f"{file.name}:1: expected columns separated by commas, found {what}; write the file with commas"
            )
    if all(_is_number(name) for name in names):
        raise DatasetError(
            f"{file.name}:1: expected column names in the first line, found numbers; add a line with the names"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_wanted(file: SourceFile, names: Collection[str], columns: Collection[str] | None) -> None:
    lacking = [name for name in columns or () if name not in names]
    if lacking:
        raise DatasetError(f"{file.name}: has no column {list_names(lacking)}; its columns are {list_names(names, 40)}")


def _parse_all(file: SourceFile, names: list[str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    try:
        with _stream(file) as stream:
            return csv.read_csv(stream, convert_options=_options(names), parse_options=_rows())
    except pa.ArrowInvalid as error:
        _raise_bad_row(file, error)
        raise


def _parse_head(file: SourceFile, head: bytes, names: list[str], is_whole: bool) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    rows = _rows() if is_whole else _rows(lambda _: "skip")  # a quoted line break may be cut in two at the end
    try:
        return csv.read_csv(io.BytesIO(head), convert_options=_options(names), parse_options=rows)
    except pa.ArrowInvalid as error:
        _raise_bad_row(file, error)
        raise


def _options(names: list[str]) -> Any:
    from pyarrow import csv

    return csv.ConvertOptions(include_columns=names, strings_can_be_null=True, auto_dict_encode=True)


def _rows(handler: Any = None) -> Any:
    from pyarrow import csv

    return csv.ParseOptions(newlines_in_values=True, invalid_row_handler=handler)


def _raise_bad_row(file: SourceFile, error: Exception) -> None:
    """Say which row has too few or too many fields; parsing by several threads does not tell."""
    from pyarrow import csv

    if "columns, got" not in str(error):
        return
    found: list[Any] = []

    def keep(row: Any) -> str:
        found.append(row)
        return "error"

    with _stream(file) as stream:
        try:
            csv.read_csv(stream, read_options=csv.ReadOptions(use_threads=False), parse_options=_rows(keep))
        except ValueError:
            row = found[0]
            raise DatasetError(
                f"{file.name}: record {row.number - 1} (after the line of names) has {row.actual_columns} fields, "
                f"expected {row.expected_columns}: {row.text[:80]!r}; quote commas within text, or mend the line"
            ) from error
