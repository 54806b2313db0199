"""What every reader gives: a source with named columns that are loaded one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, cast

from rapidml.dataset.problems import FileError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from rapidml.dataset.files import SourceFile

Kind = Literal["number", "integer", "boolean", "text", "date", "array", "null"]
"""What a column holds; ``null`` if no value was seen. Dates cannot be loaded."""


@dataclass(frozen=True)
class RawColumn:
    """One column of one file.

    Attributes:
        values: Numbers or booleans, NaN where null; or int32 codes into ``categories``, -1 where null. Shape
            ``(n_rows,)``, arrays ``(n_rows, ...)``.
        categories: Text of each code, each once; None for numbers.
    """

    values: NDArray[Any]
    categories: tuple[str, ...] | None = None


class Source(Protocol):
    """An opened file. Columns may be released once loaded: each is loaded at most once by whoever holds it."""

    n_rows: int
    names: Collection[str]
    """Every column of the file, loaded or not."""
    kinds: Mapping[str, Kind]
    """Every column that has a meaning here, in file order."""
    left_out: Mapping[str, str]
    """Columns that have none, with the reason."""

    def load(self, name: str) -> RawColumn:
        """The values of a column that ``kinds`` lists and that is not a date."""
        ...


class Reader(Protocol):
    """How files of one format are opened."""

    def open(self, file: SourceFile, columns: Collection[str] | None, limit: int | None) -> Source:
        """Open a file.

        Args:
            file: The file.
            columns: Columns that may be loaded; all if None. Others may be absent from ``kinds``.
            limit: Number of rows to read from the start; all if None. With 0 only ``names`` is meant, cheaply: kinds
                may be null or absent.

        Raises:
            FileError: The file is damaged or not of this format, or lacks one of the columns.
        """
        ...


def open_binary(url: str) -> IO[bytes]:
    """A seekable stream of what a path or URL names."""
    if "://" in url:
        import fsspec

        return cast("IO[bytes]", fsspec.open(url, "rb").open())
    return open(url, "rb")  # noqa: PTH123  (the caller closes it)


def open_arrow(url: str) -> Any:
    """The same for Arrow: a path as it is, a remote file as a stream."""
    if "://" not in url:
        return url
    import pyarrow as pa

    return pa.PythonFile(open_binary(url), mode="r")


def list_names(names: Collection[str], most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are."""
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def check_wanted(file: SourceFile, names: Collection[str], columns: Collection[str] | None) -> None:
    """Whether a file has the columns that are wanted.

    Raises:
        FileError: It lacks some.
    """
    lacking = sorted(name for name in columns or () if name not in names)
    if lacking:
        what = "column" if len(lacking) == 1 else "columns"
        text = f"{what} {list_names(lacking)} in {file.name}; it has {list_names(names, 40)}"
        them = "it" if len(lacking) == 1 else "them"
        fix = f"name files that have {them}, or do not use {them}"
        raise FileError(file.sample, text, fix)
