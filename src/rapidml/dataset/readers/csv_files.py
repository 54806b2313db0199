"""Reader of comma-separated text, plain or compressed with gzip or bzip2. The first line names the columns.

Kinds are inferred from the values. Empty fields and the usual spellings of a missing value (NA, NaN, null, ...) are
null, in text columns too.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FileError
from rapidml.dataset.readers.arrow_columns import list_kinds, load_arrow
from rapidml.dataset.readers.source import RawColumn, check_wanted, open_arrow

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.dataset.files import SourceFile

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
            check_wanted(file, names, columns)
            if limit == 0:
                head, is_whole = head.splitlines(keepends=True)[0], True
            wanted = [name for name in names if columns is None or name in columns]
            table = _parse_head(file, head, wanted, is_whole) if limit is not None else _parse_all(file, wanted)
        except OSError as error:
            text = f"{file.name} to be whole and readable ({error})"
            raise FileError(file.sample, text, "fetch or write it again") from error
        except pa.ArrowException as error:
            text = f"a CSV file; {file.name} cannot be parsed ({error})"
            raise FileError(file.sample, text, "mend the file, or write it again") from error
        return CsvSource(file, names, table, limit)


class CsvSource:
    """A parsed CSV file; a column is released once it is loaded."""

    def __init__(self, file: SourceFile, names: Collection[str], table: Any, limit: int | None) -> None:
        binary = [field.name for field in table.schema if _is_binary(field.type)]
        if binary:
            raise _encoding_error(file, f"column {binary[0]} of {file.name}")
        self.n_rows: int = table.num_rows if limit is None else min(limit, table.num_rows)
        self.names = names
        self.kinds, self.left_out = list_kinds(table.schema)
        self._columns = {field.name: table.column(number) for number, field in enumerate(table.schema)}

    def load(self, name: str) -> RawColumn:
        """The values of a column."""
        column = self._columns.pop(name)
        if self.kinds[name] != "text":
            return load_arrow(column.slice(0, self.n_rows))
        whole = load_arrow(column)  # a text below the rows asked for is why they are text too
        return RawColumn(whole.values[: self.n_rows], whole.categories)


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

    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileError(file.sample, f"UTF-8 text; {file.name} is UTF-16", _save_as_utf8(file, "utf-16"))
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    if not first.strip(b"\xef\xbb\xbf \t"):
        what = "is empty" if not head.strip() else "begins with an empty line"
        text = f"a first line with the column names; {file.name} {what}"
        raise FileError(file.sample, text, "write the names in its first line, or leave the file out")
    if b"\0" in head:
        raise FileError(file.sample, f"a CSV file; {file.name} holds binary data", "name the right file")
    try:
        names: list[str] = csv.read_csv(io.BytesIO(first + b"\n")).column_names
    except UnicodeDecodeError as error:
        raise _encoding_error(file, f"the first line of {file.name}") from error
    _check_names(file, names)
    return names


def _check_names(file: SourceFile, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        text = f"a name of its own for every column; {twice[0]} occurs twice in {file.name}"
        raise FileError(file.sample, text, "rename one of them in the file")
    for sign, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and sign in names[0]:
            text = f"columns separated by commas; {file.name} has {what}"
            raise FileError(file.sample, text, "write the file with commas")
    if all(_is_number(name) for name in names):
        text = f"column names in the first line; that of {file.name} has only numbers"
        raise FileError(file.sample, text, "add a line with the names")


def _encoding_error(file: SourceFile, what: str) -> FileError:
    return FileError(file.sample, f"UTF-8 text; {what} is in another encoding", _save_as_utf8(file, "latin1"))


def _save_as_utf8(file: SourceFile, encoding: str) -> str:
    return f"save it as UTF-8, for example with iconv -f {encoding} -t utf-8 {file.name} > new.csv"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
            text = f"{row.expected_columns} fields; record {row.number - 1} of {file.name} has {row.actual_columns}"
            fix = "mend the line, or quote the text that has commas"
            raise FileError(file.sample, f"{text}: {row.text[:80]!r}", fix) from error
