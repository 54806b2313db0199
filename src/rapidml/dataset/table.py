"""Tables at rest: one ``.npy`` a column in the order of rows, ``ids.npy`` and ``table.json``; opened as memory maps.

A folder holds a group of columns of one row set: those that were asked for when it was read. Opening joins the groups
of a row set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.dataset.npy import load_array
from rapidml.dataset.part import MOST_LABELS, PartInfo, read_part
from rapidml.dataset.problems import FieldError, FileError, TooLittleError
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.frame import Column
    from rapidml.dataset.strays import Texts

__all__ = ["PartInfo", "Table", "open_table", "read_part", "write_table"]

TABLE_FORMAT = 1


@dataclass(frozen=True)
class StoredColumn:
    """Where a column of a table is.

    Attributes:
        folder: Folder of its group.
        number: Its number there.
        about: Its entry in ``table.json``.
    """

    folder: Path
    number: int
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A row set with some of its columns, memory-mapped: opening it reads nothing but names.

    Attributes:
        rows_key: Key of the row set.
        n_rows: Number of rows.
        ids: Row ids. Shape ``(n_rows,)``.
        test_rows: Whether the row comes from ``dataset.test``; None if there is none. Shape ``(n_rows,)``.
        columns: The columns by key.
        n_dropped: Records that ``select`` dropped.
        n_null: Those of them that were dropped because a condition was null.
    """

    rows_key: str
    n_rows: int
    ids: NDArray[np.uint64]
    test_rows: NDArray[np.bool_] | None
    columns: Mapping[str, StoredColumn]
    n_dropped: int = 0
    n_null: int = 0
    _opened: dict[str, Column] = field(default_factory=dict, repr=False, compare=False)

    def has(self, key: str) -> bool:
        """Whether a column was read, even if it turned out to be unusable."""
        return key in self.columns

    def left_out(self, key: str) -> str | None:
        """Why a column is not stored; None if it is.

        Raises:
            KeyError: It was not read.
        """
        reason = self.columns[key].about.get("left_out")
        return None if reason is None else str(reason)

    def stray(self, key: str, *, is_target: bool = False) -> str | None:
        """What stands in a column that was meant as numbers but is text, and where; None if it was not.

        Raises:
            KeyError: It was not read.
        """
        from rapidml.dataset.strays import Texts

        content = self.columns[key].about.get("texts")
        texts = None if content is None else Texts.from_json(content)
        return texts.describe() if texts is not None and texts.is_meant_as_numbers(is_target=is_target) else None

    def column(self, key: str) -> Column:
        """A column as a map of its file.

        Raises:
            KeyError: It was not read, or is left out.
        """
        if key not in self._opened:
            self._opened[key] = self._open(key)
        return self._opened[key]

    def _open(self, key: str) -> Column:

        from rapidml.dataset.frame import Column

        stored = self.columns[key]
        if "left_out" in stored.about:
            raise KeyError(key)
        values = load_array(stored.folder / f"c{stored.number}.npy", mapped=True)
        categories = stored.about.get("categories")
        return Column(str(stored.about["name"]), values, None if categories is None else tuple(categories))


def write_table(request: TableRequest, parts: Sequence[PartInfo], folder: Path) -> dict[str, Any]:
    """Join the parts of a row set into a table folder, one column at a time.

    Args:
        request: What was read.
        parts: Every part, in the order of the identity's files.
        folder: Empty folder of the table.

    Returns:
        What was written: rows, dropped rows, and of each column its name, type, nulls and number of labels.

    Raises:
        DatasetError: No row is left, or a column is text in one file and numbers in another.
    """
    n_rows = sum(part.n_rows for part in parts)
    n_records = sum(part.n_records for part in parts)
    n_null = sum(part.n_null for part in parts)
    if n_rows == 0:
        raise _empty_error(request, n_records)
    described = [json.loads((Path(part.folder) / "part.json").read_text(encoding="utf-8")) for part in parts]
    _check_ids(request, parts, described)
    digest = _join_ids(parts, n_rows, folder)
    columns: dict[str, Any] = {}
    for number, column in enumerate(request.columns):
        abouts = [about["columns"][number] for about in described]
        columns[column.key] = {"number": number, **_join(parts, abouts, number, folder, is_kept=column.keep_text)}
    table = {
        "format": TABLE_FORMAT,
        "rows_key": request.rows_key,
        "rows": n_rows,
        "ids": digest,
        "dropped": n_records - n_rows,
        "null": n_null,
        "parts": [[part.name, part.n_rows, part.is_test] for part in parts],
        "columns": columns,
    }
    (folder / "table.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
    return {"rows": n_rows, "dropped": n_records - n_rows, "null": n_null, "about": _summary(columns)}


def open_table(folders: Sequence[Path], rows_key: str) -> Table:
    """The row set that some folders hold column groups of.

    Args:
        folders: Folders of the groups; where several have a column, the first that holds it counts.
        rows_key: Key of the row set.

    Raises:
        DatasetError: A folder holds other rows, or a newer format.
    """
    groups = [_load_group(Path(folder), rows_key) for folder in folders]
    first = groups[0]
    columns: dict[str, StoredColumn] = {}
    for folder, group in zip(folders, groups, strict=True):
        if group["ids"] != first["ids"]:
            raise DatasetError(f"the tables in {folders[0]} and {folder} hold different rows; remove one of them")
        for key, about in group["columns"].items():
            if key not in columns or "left_out" in columns[key].about:
                columns[key] = StoredColumn(Path(folder), int(about["number"]), about)
    ids = load_array(Path(folders[0]) / "ids.npy", mapped=True)
    return Table(rows_key, first["rows"], ids, _test_rows(first), columns, first["dropped"], first["null"])


def _load_group(folder: Path, rows_key: str) -> dict[str, Any]:
    group: dict[str, Any] = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    if group["format"] > TABLE_FORMAT:
        raise DatasetError(f"the table in {folder} has format {group['format']}, newer than this rapidml; upgrade it")
    if group["rows_key"] != rows_key:
        raise DatasetError(f"the table in {folder} holds other rows than asked for")
    return group


def _test_rows(group: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    import numpy as np

    parts = group["parts"]
    if not any(is_test for _, _, is_test in parts):
        return None
    return np.repeat([bool(is_test) for _, _, is_test in parts], [n_rows for _, n_rows, _ in parts])


def _empty_error(request: TableRequest, n_records: int) -> DatasetError:
    if n_records == 0:
        return FileError(None, "rows to learn from; the files have none", "name files with rows")
    text = f"a condition that some rows fulfil; it drops all {n_records:,}"
    if request.select is not None:
        return TooLittleError(("dataset", "select"), text, "write another condition, or remove it")
    return FileError(None, f"select with {text}", "write another condition, or remove it")


def _check_ids(request: TableRequest, parts: Sequence[PartInfo], described: Sequence[Mapping[str, Any]]) -> None:
    filled = [(part, about["id_kinds"]) for part, about in zip(parts, described, strict=True) if part.n_rows]
    for part, kinds in filled:
        for name, kind, first in zip(request.id, kinds, filled[0][1], strict=True):
            if kind != first:
                text = f"one kind of id; column {name} is {first} in {filled[0][0].name} and {kind} in {part.name}"
                raise FieldError(("dataset", "id"), text, "write it in one way in all files")


def _join_ids(parts: Sequence[PartInfo], n_rows: int, folder: Path) -> str:
    """Write the ids; returns their hash, by which groups of one row set know each other."""
    import hashlib

    import numpy as np

    total = hashlib.sha256()
    joined = np.lib.format.open_memmap(folder / "ids.npy", mode="w+", dtype=np.uint64, shape=(n_rows,))
    start = 0
    for part in parts:
        ids = load_array(Path(part.folder) / "ids.npy", mapped=False)
        joined[start : start + len(ids)] = ids
        start += len(ids)
        total.update(ids.astype("<u8").data)
    return total.hexdigest()


def _join(
    parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]], number: int, folder: Path, *, is_kept: bool
) -> dict[str, Any]:
    """Write one column of all parts; returns its entry in ``table.json``."""
    import numpy as np

    about: dict[str, Any] = {"name": abouts[0]["name"], "nulls": sum(one["nulls"] for one in abouts)}
    labels = _join_labels(parts, abouts)
    texts = _join_texts(parts, abouts) if labels is not None else None
    about |= {} if texts is None else {"texts": texts.to_json()}
    reason = next((one["left_out"] for one in abouts if "left_out" in one), None)
    if reason is not None:
        return {**about, "left_out": reason}
    if labels is not None and not is_kept and _count_labels(parts, abouts) > MOST_LABELS:
        return {**about, "left_out": f"is text with more than {MOST_LABELS:,} different values"}
    dtype = np.dtype(np.int32) if labels is not None else _join_types(parts, abouts)
    shape = _join_shapes(parts, abouts)
    joined = np.lib.format.open_memmap(
        folder / f"c{number}.npy", mode="w+", dtype=dtype, shape=(sum(part.n_rows for part in parts), *shape)
    )
    start = 0
    for part, one in zip(parts, abouts, strict=True):
        if part.n_rows:
            values = load_array(Path(part.folder) / f"c{number}.npy", mapped=True)
            joined[start : start + part.n_rows] = _convert(values, one, labels)
            start += part.n_rows
    if labels is not None:
        about["categories"] = labels
    return {**about, "dtype": dtype.str, "shape": list(shape)}


def _convert(values: NDArray[Any], about: Mapping[str, Any], labels: list[str] | None) -> NDArray[Any]:
    """The values of a part as the joined column has them: codes into all labels, NaN for text that is only null."""
    import numpy as np

    if labels is None:
        return np.full(len(values), np.nan) if "categories" in about else values
    place = {label: code for code, label in enumerate(labels)}
    table = np.array([place[label] for label in about.get("categories", ())] + [-1], np.int32)
    codes = values if "categories" in about else np.full(len(values), -1)
    joined: NDArray[np.int32] = table[codes]
    return joined


def _is_blank(part: PartInfo, about: Mapping[str, Any]) -> bool:
    """Whether a part says nothing about a column's type: it has no rows, or only nulls."""
    return bool(part.n_rows == about["nulls"])


def _join_labels(parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Sorted labels of all parts; None if the column holds numbers."""
    filled = [(part, about) for part, about in zip(parts, abouts, strict=True) if not _is_blank(part, about)]
    texts = [(part, about) for part, about in filled if "categories" in about or "left_out" in about]
    numbers = [part.name for part, about in filled if "categories" not in about and "left_out" not in about]
    if texts and numbers:
        raise _kind_error(*texts[0], numbers[0])
    if not texts:
        return None
    return sorted({label for _, about in filled for label in about.get("categories", ())})


def _kind_error(part: PartInfo, about: Mapping[str, Any], numbers: str) -> DatasetError:
    """A column is text in one file and numbers in another."""
    found = about.get("texts")
    example = next(iter(about.get("categories", ())), None)
    other = "it holds text" if example is None else f"it has '{example}'"
    what = f"record {found['record']:,} has '{found['text']}'" if found else other
    text = f"numbers in column {about['name']} of {part.name}, as in {numbers}; {what}"
    fix = "mend the cell (leave it empty if the value is missing), or leave the column out"
    return FieldError(("dataset", "test"), text, fix) if part.is_test else FileError(None, text, fix)


def _join_texts(parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]]) -> Texts | None:
    from rapidml.dataset.strays import Texts, join_texts

    filled = [about for part, about in zip(parts, abouts, strict=True) if not _is_blank(part, about)]
    return join_texts([Texts.from_json(about["texts"]) if "texts" in about else None for about in filled])


def _count_labels(parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]]) -> int:
    """Different texts in all but the rows of ``dataset.test``, which decide nothing."""
    own = [about for part, about in zip(parts, abouts, strict=True) if not part.is_test]
    return len({label for about in own for label in about.get("categories", ())})


def _join_types(parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]]) -> np.dtype[Any]:
    """The type that holds the numbers of all parts."""
    import numpy as np

    named = list(zip(parts, abouts, strict=True))
    types = {about["dtype"] for part, about in named if not _is_blank(part, about)}
    found = np.result_type(*sorted(types)) if types else np.dtype(np.float64)
    has_blank = any(part.n_rows and _is_blank(part, about) for part, about in named)
    return np.dtype(np.float64) if has_blank and found.kind in "biu" else found


def _join_shapes(parts: Sequence[PartInfo], abouts: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    shapes = {tuple(about["shape"]): part.name for part, about in zip(parts, abouts, strict=True) if part.n_rows}
    if len(shapes) > 1:
        (first, first_name), (second, second_name), *_ = shapes.items()
        text = f"one shape of array {abouts[0]['name']}; it is {first} in {first_name} and {second} in {second_name}"
        raise FileError(None, text, "save it in one shape in all files")
    return next(iter(shapes), ())


def _summary(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of ``table.json`` without the labels, which may be many."""
    return {
        key: {
            **{name: about[name] for name in ("name", "dtype", "nulls", "left_out") if name in about},
            **({"labels": len(about["categories"])} if "categories" in about else {}),
        }
        for key, about in columns.items()
    }
