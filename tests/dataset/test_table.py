"""From files to a table: the order of evaluation, nulls, ids, joining of parts and of column groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from rapidml.dataset import part as part_module
from rapidml.dataset.problems import FieldError
from rapidml.dataset.rowid import hash_columns, hash_record
from rapidml.dataset.table import open_table, read_part, write_table
from rapidml.errors import DatasetError
from rapidml.recipe.schema import FoldsBy, Split, SplitColumn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dataset.conftest import Reads, Writes


def test_values_types_and_text(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "i,f,b,t,y", "1,0.5,true,red,0", "2,,false,,1", "3,1.5,true,blue,0", "4,2.5,true,red,1")
    found = read(path="a.csv", target="y")
    assert found.table.n_rows == 4
    assert found.values("i").dtype == np.int64
    assert found.values("b").dtype == bool
    assert_array_equal(found.values("f"), [0.5, np.nan, 1.5, 2.5])
    assert found.texts("t") == ["red", None, "blue", "red"]
    column = found.table.column(found.request.find("t").key)
    assert column.categories == ("blue", "red")
    assert isinstance(column.values, np.memmap)
    about = found.summary["about"][found.request.find("t").key]
    assert about == {"name": "t", "dtype": "<i4", "nulls": 1, "labels": 2}


def test_order_of_evaluation(read: Reads, write_csv: Writes) -> None:
    """`missing` before `columns`, those in their order, then `select` (null drops), then weights and `by`."""
    write_csv("a.csv", "x,w,y", "2,1,0", "-999,1,1", "4,-999,0", "8,1,1", "1,1,0")
    found = read(
        path="a.csv",
        target="y",
        missing=-999,
        columns={"half": "x / 2", "quarter": "half / 2"},
        select="quarter > 0.3",
        weight="w * 10",
        split=Split(test=0.5, folds=FoldsBy(by="int(half)")),
    )
    assert_array_equal(found.values("x"), [2, 4, 8])
    assert_array_equal(found.values("quarter"), [0.5, 1, 2])
    assert found.request.weight is not None
    assert_array_equal(found.table.column(found.request.weight.key).values, [10, -9990, 10])
    assert_array_equal(found.values("int(half)"), [1, 2, 4])
    assert (found.table.n_dropped, found.table.n_null) == (2, 1)
    assert_array_equal(found.table.ids, hash_record("a.csv", None, np.array([0, 2, 3])))


def test_missing_spares_target_and_id(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,e,y", "-1,-1,-1", "1,2,1", "5,3,1")
    found = read(path="a.csv", target="y", id="e", missing=[-1, -2])
    assert_array_equal(found.values("x"), [np.nan, 1, 5])
    assert_array_equal(found.table.column(found.request.target.key).values, [-1, 1, 1])
    assert_array_equal(found.table.ids, hash_columns([np.array([-1, 2, 3])]))


def test_missing_in_float32_keeps_the_type(read: Reads, tmp_path: Path) -> None:
    values = pa.array([-999.9, 1, 2], pa.float32())
    pq.write_table(pa.table({"x": values, "y": [0, 1, 0], "t": ["a", "b", "a"]}), tmp_path / "a.parquet")
    found = read(path="a.parquet", target="y", missing=-999.9)
    assert found.values("x").dtype == np.float32
    assert_array_equal(found.values("x"), np.array([np.nan, 1, 2], np.float32))


def test_classes_samples_and_weights(read: Reads, write_csv: Writes) -> None:
    write_csv("s.csv", "x,g", "1,2", "2,3")
    write_csv("t.csv", "x,g,extra", "3,4,0.5")
    write_csv("w.csv", "x,g", "4,5", "5,6")
    found = read(
        classes={
            "signal": "s.csv",
            "background": [{"path": "t.csv", "weight": "extra"}, {"path": "w.csv", "weight": 0.1, "select": "x > 4"}],
        },
        weight="g",
    )
    target = found.table.column(found.request.target.key)
    assert target.categories == ("background", "signal")
    assert_array_equal(target.values, [1, 1, 0, 0])
    assert found.request.weight is not None
    assert_array_equal(found.table.column(found.request.weight.key).values, [2, 3, 2, 0.1 * 6])
    assert [name for name, _ in found.request.features] == ["x"]
    assert dict(found.request.left_out) == dict.fromkeys(("g", "extra"), "the weight reads it")
    assert_array_equal(found.table.ids[-1:], hash_record("2/w.csv", None, np.array([1])))


def test_many_files_join_with_the_widest_type(read: Reads, write_csv: Writes) -> None:
    write_csv("a1.csv", "x,t,n,b,y", "1,,,true,0", "2,,,false,1")
    write_csv("a2.csv", "x,t,n,b,y", "0.5,v,7,,0", ",u,8,true,1")
    write_csv("a3.csv", "x,t,n,b,y")
    found = read(path="a*.csv", target="y")
    assert_array_equal(found.values("x"), [1, 2, 0.5, np.nan])
    assert found.texts("t") == [None, None, "v", "u"]
    assert_array_equal(found.values("n"), [np.nan, np.nan, 7, 8])
    assert_array_equal(found.values("b"), [1, 0, np.nan, 1])
    assert_array_equal(found.table.column(found.request.target.key).values, [0, 1, 0, 1])


def test_one_file_or_many_give_the_same_columns(read: Reads, write_csv: Writes) -> None:
    rows = [f"{n},{'abc'[n % 3]},{n % 2}" for n in range(20)]
    write_csv("one/a.csv", "x,t,y", *rows)
    write_csv("many/a.csv", "x,t,y", *rows[:7])
    write_csv("many/b.csv", "x,t,y", *rows[7:])
    one, many = read(path="one/*.csv", target="y"), read(path="many/*.csv", target="y")
    assert_array_equal(one.values("x"), many.values("x"))
    assert one.texts("t") == many.texts("t")
    assert_array_equal(one.table.ids[:7], many.table.ids[:7])


def test_parquet_equals_csv(read: Reads, write_csv: Writes, tmp_path: Path) -> None:
    write_csv("a.csv", "x,t,y", "1.5,u,0", ",,1", "2.5,v,1")
    pq.write_table(pa.table({"x": [1.5, None, 2.5], "t": ["u", None, "v"], "y": [0, 1, 1]}), tmp_path / "a.parquet")
    text, binary = read(path="a.csv", target="y"), read(path="a.parquet", target="y")
    assert_array_equal(text.values("x"), binary.values("x"))
    assert text.texts("t") == binary.texts("t")


def test_text_in_expressions(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "t,x,y", "u,1,0", ",2,1", "v,3,0", "u,4,1")
    found = read(path="a.csv", target="y", columns={"is_u": "t == 'u'", "copy": "t", "two": "2 * is_u"}, select="x<4")
    assert_array_equal(found.values("is_u"), [1, np.nan, 0])
    assert found.texts("copy") == ["u", None, "v"]
    assert_array_equal(found.values("two"), [2, np.nan, 0])


def test_derived_columns_are_computed_once(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", "1,0", "2,1")
    columns = {"c0": "x + 0", "c1": "x + 0", **{f"c{n}": f"c{n - 1} + c{n - 2}" for n in range(2, 40)}}
    found = read(path="a.csv", target="y", columns=columns)
    assert_array_equal(found.values("c39"), [102334155, 2 * 102334155])


def test_a_test_sample(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", "1,0", "2,1", "3,0", "4,1")
    write_csv("t.csv", "x,y", "5,0", "6,1")
    found = read(path="a.csv", target="y", test="t.csv", split=Split(folds=2))
    assert found.table.test_rows is not None
    assert_array_equal(found.table.test_rows, [False] * 4 + [True] * 2)
    assert_array_equal(found.parts.rows("test"), [4, 5])


def test_split_by_a_text_column(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "set,x,y", *(f"{'tv'[n % 2]},{n},{n // 2 % 2}" for n in range(12)))
    split = Split(test=SplitColumn(column="set", train=("t",), test=("v",)), folds=2)
    found = read(path="a.csv", target="y", split=split)
    assert_array_equal(found.parts.rows("test"), np.arange(1, 12, 2))
    assert [feature.name for feature in found.profile.features] == ["x"]
    assert ("set", "split.test reads it") in found.profile.left_out


def test_arrays_keep_their_shape(read: Reads, tmp_path: Path) -> None:
    image = np.arange(60, dtype=np.uint8).reshape(10, 3, 2)
    np.savez(tmp_path / "a.npz", image=image, target=np.arange(10) % 2, x=np.arange(10.0))
    found = read(path="a.npz", target="target", select="x > 2")
    assert_array_equal(found.values("image"), image[3:])
    assert found.profile.features[0].kind == "array"


def test_arrays_in_memory(read: Reads, tmp_path: Path) -> None:
    np.savez(tmp_path / "stored.npz", x=np.arange(4.0), target=np.array([0, 1, 0, 1]))
    where = {"path": str(tmp_path / "stored.npz"), "sha256": "5" * 64}
    found = read(arrays=where)
    assert found.identity.to_json() == {"arrays": "5" * 64}
    assert_array_equal(found.table.ids, hash_record("", None, np.arange(4)))


def test_column_groups_of_one_row_set(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,z,y", "1,4,0", "2,5,1", "3,6,0")
    first = read(path="a.csv", target="y")
    more = read(path="a.csv", target="y", columns={"sum": "x + z"})
    assert more.request.rows_key == first.request.rows_key
    new = {column.key for column in more.request.columns} - {column.key for column in first.request.columns}
    assert new == {more.request.find("sum").key}
    narrow = more.request.narrow(new)
    parts = [read_part(narrow, more.identity, 0, more.folder / "again")]
    group = more.folder / "group"
    group.mkdir()
    write_table(narrow, parts, group)
    table = open_table([first.folder / "table", group], first.request.rows_key)
    assert all(table.has(column.key) for column in more.request.columns)
    assert_array_equal(table.column(more.request.find("sum").key).values, [5, 7, 9])
    assert_array_equal(table.ids, first.table.ids)


def test_groups_of_other_rows_are_refused(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", "1,0", "2,1", "3,0")
    found = read(path="a.csv", target="y")
    with pytest.raises(DatasetError, match="holds other rows than asked for"):
        open_table([found.folder / "table"], "0" * 64)
    path = found.folder / "table" / "table.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(DatasetError, match="format 99, newer than this rapidml"):
        open_table([found.folder / "table"], found.request.rows_key)


def test_limit(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", *(f"{n},{n % 2}" for n in range(50)))
    found = read(path="a.csv", target="y", select="x > 2")
    part = read_part(found.request, found.identity, 0, found.folder / "head", limit=10)
    assert (part.n_records, part.n_rows) == (10, 7)


def test_text_with_too_many_values_is_not_stored(
    read: Reads, write_csv: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "MOST_LABELS", 3)
    write_csv("a.csv", "t,s,x,y", *(f"t{n},s{n},{n},{n % 2}" for n in range(8)))
    found = read(path="a.csv", target="y", spectators=["s"])
    key = found.request.find("t").key
    assert found.table.has(key)
    assert "different values" in (found.table.left_out(key) or "")
    with pytest.raises(KeyError):
        found.table.column(key)
    assert found.texts("s")[:2] == ["s0", "s1"]
    assert dict(found.profile.left_out)["t"] == "is text with more than 3 different values"


BAD: list[tuple[dict[str, tuple[str, ...]], dict[str, Any], str]] = [
    (
        {"a.csv": ("x,y", "1,0", "2,")},
        {},
        r"target: .*; it is null in 1 of 2 rows of a\.csv, first in record 2; to fix: drop",
    ),
    (
        {"a.csv": ("x,y,w", "1,0,1", "2,1,")},
        {"weight": "w"},
        r"weight: .*; it is null or infinite in 1 of 2 rows of a\.csv, first in record 2",
    ),
    ({"a.csv": ("x,y,w", "1,0,1", "2,1,inf")}, {"weight": "w"}, r"it is null or infinite in 1 of 2 rows"),
    ({"a.csv": ("x,y,w", "1,0,u")}, {"weight": "w"}, r"dataset\.weight: expected numbers; 'w' gives text"),
    (
        {"a.csv": ("x,y,e", "1,0,1", "2,1,")},
        {"id": "e"},
        r"dataset\.id: expected an id in every row; column e is null in 1 row",
    ),
    (
        {"a.csv": ("x,y", "1,0")},
        {"select": "x > 5"},
        "dataset.select: expected a condition that some rows fulfil; it drops all 1",
    ),
    ({"a.csv": ("x,y",)}, {}, "rows to learn from; the files have none"),
    ({"a1.csv": ("x,y", "1,0"), "a2.csv": ("y", "0")}, {}, r"expected column x in a2\.csv; it has y"),
    (
        {"a1.csv": ("x,y", "1,0"), "a2.csv": ("x,y", "u,0")},
        {},
        r"numbers in column x of a2\.csv, as in a1\.csv; it has 'u'",
    ),
    ({"a1.csv": ("x,y,e", "1,0,1"), "a2.csv": ("x,y,e", "2,1,u")}, {"id": "e"}, r"column e is number in a1\.csv and"),
]


@pytest.mark.parametrize(("files", "fields", "message"), BAD)
def test_data_that_are_not_what_the_recipe_says(
    files: dict[str, tuple[str, ...]], fields: dict[str, Any], message: str, read: Reads, write_csv: Writes
) -> None:
    for name, lines in files.items():
        write_csv(name, *lines)
    with pytest.raises(DatasetError, match=message):
        read(path="a*.csv", target="y", **fields)


def test_null_weights_of_dropped_rows_do_not_matter(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y,w", "1,0,1", "2,1,", "3,1,1", "4,0,2")
    found = read(path="a.csv", target="y", weight="w", select="x != 2")
    assert found.request.weight is not None
    assert_array_equal(found.table.column(found.request.weight.key).values, [1, 1, 2])


def test_arrays_of_different_shapes(read: Reads, tmp_path: Path) -> None:
    np.savez(tmp_path / "a1.npz", x=np.zeros((2, 3)), y=np.array([0, 1]))
    np.savez(tmp_path / "a2.npz", x=np.zeros((2, 4)), y=np.array([0, 1]))
    with pytest.raises(DatasetError, match=r"one shape of array x; it is \(3,\) in a1\.npz and \(4,\) in a2\.npz"):
        read(path="a*.npz", target="y")


def test_field_errors_survive_the_way_from_a_worker() -> None:
    import pickle

    error = FieldError(("dataset", "task"), "a choice", "write it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.path == error.path
