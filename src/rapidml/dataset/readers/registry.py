"""Which reader opens a file, by the end of its name. Readers are imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from rapidml.dataset.problems import FileError

if TYPE_CHECKING:
    from collections.abc import Collection

    from rapidml.dataset.files import SourceFile
    from rapidml.dataset.readers.source import Reader, Source

READERS: dict[str, str] = {
    ".csv": "rapidml.dataset.readers.csv_files:CsvReader",
    ".csv.gz": "rapidml.dataset.readers.csv_files:CsvReader",
    ".csv.bz2": "rapidml.dataset.readers.csv_files:CsvReader",
    ".parquet": "rapidml.dataset.readers.parquet_files:ParquetReader",
    ".npz": "rapidml.dataset.readers.array_files:NpzReader",
    ".root": "rapidml.dataset.readers.root_files:RootReader",
}
"""Suffix -> where its reader is."""
_PAIRS = "rapidml.dataset.readers.array_files:PairReader"
_BUILTIN = "rapidml.dataset.readers.builtin_sets:BuiltinReader"
_TOY_EVENTS = "rapidml.dataset.readers.toy_events:ToyEventsReader"


def find_suffix(name: str) -> str | None:
    """The known suffix that a file name ends with; None if there is none."""
    lower = name.lower()
    return next((suffix for suffix in READERS if lower.endswith(suffix)), None)


def find_reader(file: SourceFile) -> Reader:
    """The reader of a file.

    Raises:
        FileError: The suffix is unknown.
    """
    if file.url.startswith("builtin:"):
        return _load(_TOY_EVENTS if file.name == "toy_events" else _BUILTIN)
    if file.target_url is not None:
        return _load(_PAIRS)
    suffix = find_suffix(file.name)
    if suffix is None:
        text = f"a file that ends in {', '.join(READERS)}, not {file.name}"
        raise FileError(file.sample, text, "name files of a known kind")
    return _load(READERS[suffix])


def open_source(file: SourceFile, columns: Collection[str] | None = None, limit: int | None = None) -> Source:
    """Open a file with the reader of its format; see ``Reader.open``."""
    return find_reader(file).open(file, columns, limit)


def _load(place: str) -> Reader:
    module, name = place.split(":")
    return cast("Reader", getattr(import_module(module), name)())
