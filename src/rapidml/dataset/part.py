"""Reads one file of a dataset into columns in a scratch folder. Runs on a worker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.dataset.evaluation import FileColumns, needed_columns, to_values
from rapidml.dataset.expression import ExpressionError
from rapidml.dataset.problems import FieldError, FileError
from rapidml.dataset.readers.registry import open_source
from rapidml.dataset.readers.source import RawColumn
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import ColumnRequest, SampleRequest, TableRequest
    from rapidml.dataset.files import Identity, SourceFile

MOST_LABELS = 10_000
"""Text with more different values in a file is not stored, unless it is the target, a spectator or listed by name."""


@dataclass(frozen=True)
class PartInfo:
    """One file as read; the rest stands in ``part.json`` of its folder.

    Attributes:
        name: File, below the fixed folder of its glob.
        folder: Scratch folder with its columns.
        n_records: Records in the file.
        n_rows: Rows that ``select`` kept.
        n_null: Rows that were dropped because a condition was null.
        is_test: Whether it belongs to ``dataset.test``.
    """

    name: str
    folder: str
    n_records: int
    n_rows: int
    n_null: int
    is_test: bool


def read_part(
    request: TableRequest, identity: Identity, index: int, folder: Path, limit: int | None = None
) -> PartInfo:
    """Parse a file, select its rows, and write ids and requested columns.

    Args:
        request: What to read.
        identity: Files of the dataset.
        index: Number of the file.
        folder: Empty scratch folder; gets one ``.npy`` a column, ``ids.npy`` and ``part.json``.
        limit: Number of records to read from the start of the file; all if None.

    Returns:
        What was read.

    Raises:
        DatasetError: The file is damaged or does not have what the recipe asks for; the target or a weight is null.
    """
    file = identity.files[index]
    sample = request.samples[file.sample]
    try:
        source = open_source(file, needed_columns(request, sample), limit)
        columns = FileColumns(source, request, sample)
        return _write_part(request, identity, index, columns, folder)
    except (FieldError, FileError, ExpressionError):
        raise
    except DatasetError as error:
        what, _, fix = str(error).rpartition("; ")
        text = f"data that can be used in {file.name}; {what or fix}"
        raise FileError(file.sample, text, fix if what else "name others, or leave it out") from error


def _write_part(request: TableRequest, identity: Identity, index: int, columns: FileColumns, folder: Path) -> PartInfo:
    import numpy as np

    file = identity.files[index]
    sample = request.samples[file.sample]
    conditions = [text for text in (request.select, sample.select) if text is not None]
    keep, null = columns.test_rows(conditions)
    records = np.flatnonzero(keep).astype(np.int64)
    rows = None if len(records) == columns.n_rows else records
    folder.mkdir(parents=True, exist_ok=True)
    id_kinds = _write_ids(request, identity, index, columns, records, folder)
    described = [
        _write_column(folder, number, column, _load(request, column, columns, sample, rows), records, file)
        for number, column in enumerate(request.columns)
    ]
    (folder / "part.json").write_text(json.dumps({"columns": described, "id_kinds": id_kinds}), encoding="utf-8")
    return PartInfo(file.name, str(folder), columns.n_rows, len(records), int(null.sum()), file.role == "test")


def _write_ids(
    request: TableRequest,
    identity: Identity,
    index: int,
    columns: FileColumns,
    records: NDArray[np.int64],
    folder: Path,
) -> list[str]:
    import numpy as np

    from rapidml.dataset.rowid import hash_columns, hash_record

    kinds: list[str] = []
    if request.id:
        values = [to_values(columns.exact(name))[records] for name in request.id]
        kinds = ["text" if array.dtype.kind in "OUT" else "number" for array in values]
        ids = hash_columns(values, request.id)
    else:
        file = identity.files[index]
        ids = hash_record(identity.row_path(index), file.tree, records + file.first)
    np.save(folder / "ids.npy", ids, allow_pickle=False)
    return kinds


def _load(
    request: TableRequest,
    column: ColumnRequest,
    columns: FileColumns,
    sample: SampleRequest,
    rows: NDArray[np.int64] | None,
) -> RawColumn:
    """The rows of a requested column that are kept."""
    import numpy as np

    if column.role == "class":
        assert sample.class_name is not None
        n_rows = columns.n_rows if rows is None else len(rows)
        return RawColumn(np.zeros(n_rows, np.int32), (sample.class_name,))
    if column.role == "weight":
        loaded = RawColumn(_weight(request, sample, columns))
    elif column.role == "by":
        loaded = columns.evaluate(column.name)
    else:
        loaded = columns.exact(column.name) if column.role == "target" else columns.column(column.name)
    return loaded if rows is None else RawColumn(loaded.values[rows], loaded.categories)


def _weight(request: TableRequest, sample: SampleRequest, columns: FileColumns) -> NDArray[np.float64]:
    import numpy as np

    weight = np.ones(columns.n_rows)
    for factor in (request.weight_factor, sample.weight):
        if isinstance(factor, str):
            values = columns.evaluate_exact(factor)
            if values.dtype.kind not in "biuf":
                raise FieldError(("dataset", "weight"), f"numbers; {factor!r} gives text", "use a column of numbers")
            weight *= values.astype(np.float64)
        elif factor is not None:
            weight *= factor
    weight[np.isinf(weight)] = np.nan
    return weight


def _write_column(
    folder: Path,
    number: int,
    column: ColumnRequest,
    loaded: RawColumn,
    records: NDArray[np.int64],
    file: SourceFile,
) -> dict[str, Any]:
    """Write a column and say what it holds."""
    import numpy as np

    from rapidml.dataset.strays import look_at_texts

    values, categories = loaded.values, loaded.categories
    null = _find_null(loaded)
    if null is not None and null.any():
        _refuse_null(column, null, records, file)
    about: dict[str, Any] = {"name": column.name, "nulls": 0 if null is None else int(null.sum())}
    if categories is not None and column.role in ("column", "target"):
        texts = look_at_texts(values, categories, records, file.name)
        about |= {} if texts is None else {"texts": texts.to_json()}
    is_kept = column.keep_text or file.role == "test"  # test rows never decide what is stored of the others
    if categories is not None and len(categories) > MOST_LABELS and not is_kept:
        return {**about, "left_out": f"is text with more than {MOST_LABELS:,} different values"}
    if categories is not None:
        values, categories = _sort_labels(values, categories)
        about["categories"] = list(categories)
    np.save(folder / f"c{number}.npy", values, allow_pickle=False)
    return {**about, "dtype": values.dtype.str, "shape": list(values.shape[1:])}


def _find_null(column: RawColumn) -> NDArray[np.bool_] | None:
    """Which rows are null; None if none can be."""
    import numpy as np

    if column.categories is not None:
        return np.asarray(column.values < 0)
    if column.values.dtype.kind != "f":
        return None
    found: NDArray[np.bool_] = np.isnan(column.values)
    return np.asarray(found.any(axis=tuple(range(1, found.ndim))), np.bool_)


def _refuse_null(column: ColumnRequest, null: NDArray[np.bool_], records: NDArray[np.int64], file: SourceFile) -> None:
    if column.role == "column":
        return
    count, first = int(null.sum()), int(records[null.argmax()]) + 1
    state = "null or infinite" if column.role == "weight" else "null"
    found = f"it is {state} in {count:,} of {len(null):,} rows of {file.name}, first in record {first:,}"
    if column.role == "weight":
        fix = "mend the weights, or drop such rows with dataset.select"
        raise FieldError(("dataset", "weight"), f"a finite weight in every row; {found}", fix)
    if column.role == "by":
        fix = "drop such rows with dataset.select, or write an expression without null"
        raise FieldError(("split", "folds", "by"), f"a fold for every row; {found}", fix)
    fix = f"drop such rows with dataset.select: not isnull({column.name})"
    raise FieldError(("dataset", "target"), f"a value of {column.name} in every row; {found}", fix)


def _sort_labels(codes: NDArray[np.int32], categories: tuple[str, ...]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The labels that occur, sorted, and codes into them."""
    import numpy as np

    used = np.unique(codes)
    labels = sorted(categories[code] for code in used.tolist() if code >= 0)
    place = {label: number for number, label in enumerate(labels)}
    table = np.array([place.get(label, -1) for label in categories] + [-1], np.int32)
    return table[codes], tuple(labels)
