"""Readers: what they make of each format, and what they say of damaged files."""

from __future__ import annotations

import bz2
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rapidml.dataset.files import SourceFile
from rapidml.dataset.readers.builtin_sets import SETS, TARGET
from rapidml.dataset.readers.registry import READERS, find_suffix, open_source
from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.dataset.readers.source import RawColumn
    from tests.dataset.conftest import Writes


def file_of(path: Path, target: Path | None = None) -> SourceFile:
    return SourceFile(0, None, "data", str(path), path.name, 0, "", target_url=None if target is None else str(target))


def texts(column: RawColumn) -> list[str | None]:
    assert column.categories is not None
    return [None if code < 0 else column.categories[code] for code in column.values.tolist()]


def npz(path: Path, **arrays: Any) -> SourceFile:
    np.savez(path, **arrays)
    return file_of(path)


class TestCsv:
    def test_kinds_and_values(self, write_csv: Writes) -> None:
        path = write_csv(
            "a.csv",
            "i,f,b,t,d,n,j,c",
            "1,0.5,true,s,2020-01-01,,1,true",
            "2,nan,false,,2020-01-02,,NA,",
            '3,1e3,true,"b, c",2020-01-03,,3,false',
        )
        source = open_source(file_of(path))
        kinds = {
            "i": "integer", "f": "number", "b": "boolean", "t": "text", "d": "date", "n": "null", "j": "integer",
            "c": "boolean",
        }  # fmt: skip
        assert dict(source.kinds) == kinds
        assert source.n_rows == 3
        integers = source.load("i").values
        assert integers.dtype == np.int64
        assert_array_equal(source.load("f").values, [0.5, np.nan, 1000.0])
        assert source.load("b").values.dtype == bool
        assert texts(source.load("t")) == ["s", None, "b, c"]
        assert_array_equal(source.load("j").values, [1.0, np.nan, 3.0])
        assert_array_equal(source.load("c").values, [1.0, np.nan, 0.0])
        assert np.isnan(source.load("n").values).all()

    @pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.bz2", ".CSV"])
    def test_compression(self, suffix: str, tmp_path: Path) -> None:
        content = "\ufeffx,y\r\n1,a\r\n2,b\r\n".encode()
        pack: Any = {".csv.gz": gzip.compress, ".csv.bz2": bz2.compress}.get(suffix, bytes)
        path = tmp_path / f"a{suffix}"
        path.write_bytes(pack(content))
        source = open_source(file_of(path), ["x"])
        assert list(source.kinds) == ["x"]
        assert_array_equal(source.load("x").values, [1, 2])

    def test_limit_reads_the_first_records(self, write_csv: Writes) -> None:
        rows = [f'{n},"a\nb"' for n in range(3000)]
        path = write_csv("a.csv", "x,t", *rows)
        source = open_source(file_of(path), limit=100)
        assert source.n_rows == 100
        assert_array_equal(source.load("x").values, np.arange(100))
        assert open_source(file_of(path), limit=5000).n_rows == 3000

    def test_kind_widens_after_the_first_block(self, write_csv: Writes) -> None:
        path = write_csv("a.csv", "x,t", *(f"{n},{n}" for n in range(200_000)), "0.5,late")
        source = open_source(file_of(path))
        assert dict(source.kinds) == {"x": "number", "t": "text"}
        assert source.load("x").values[-1] == 0.5

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "expected a first line with the column names; a.csv is empty"),
            (b"\nx,y\n1,2\n", "begins with an empty line"),
            (b"x;y\n1;2\n", "expected columns separated by commas; a.csv has semicolons"),
            (b"x\ty\n1\t2\n", "a.csv has tabs"),
            (b"1,2\n3,4\n", "expected column names in the first line; that of a.csv has only numbers"),
            (b"x,y,x\n1,2,3\n", "a name of its own for every column; x occurs twice in a.csv"),
            (b"x,y\n1,2\n3\n4,5\n", "expected 2 fields; record 2 of a.csv has 1: '3'"),
            (b"x,y\n1,2\n3,4,5\n", "expected 2 fields; record 2 of a.csv has 3: '3,4,5'"),
            (
                b"x,y\n1,\xe9\n",
                "expected UTF-8 text; column y of a.csv is in another encoding; to fix: save it as UTF-8",
            ),
            (b"x,\xe9\n1,2\n", "UTF-8 text; the first line of a.csv is in another encoding; to fix: save it as UTF-8"),
            ("x,y\n1,2\n".encode("utf-16"), "expected UTF-8 text; a.csv is UTF-16; to fix: save it as UTF-8"),
            (b"x\0\0,y\n1,2\n", "expected a CSV file; a.csv holds binary data"),
        ],
    )
    def test_damaged(self, content: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=message):
            open_source(file_of(path))

    def test_truncated_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 10_000)[:60])
        with pytest.raises(DatasetError, match=r"a\.csv\.gz"):
            open_source(file_of(path))

    def test_absent_column(self, write_csv: Writes) -> None:
        path = write_csv("a.csv", "x,y", "1,2")
        with pytest.raises(DatasetError, match=r"expected column z in a\.csv; it has x, y"):
            open_source(file_of(path), ["x", "z"])

    def test_a_column_without_name_is_left_out(self, write_csv: Writes) -> None:
        source = open_source(file_of(write_csv("a.csv", ",x", "0,1")))
        assert list(source.kinds) == ["x"]
        assert source.left_out == {"": "has no name"}


class TestParquet:
    def test_types(self, tmp_path: Path) -> None:
        from decimal import Decimal

        table = pa.table(
            {
                "f4": pa.array([1, None, 3], pa.float32()),
                "u1": pa.array([1, 2, 255], pa.uint8()),
                "i": pa.array([1, None, 3]),
                "b": pa.array([True, None, False]),
                "t": pa.array(["x", None, ""]),
                "d": pa.array(["u", "v", "u"]).dictionary_encode(),
                "m": pa.array([Decimal("1.5"), None, Decimal("2.5")]),
                "h": pa.array(np.array([1, 2, 3], np.float16)),
                "day": pa.array([0, 1, 2], pa.date32()),
                "l": pa.array([[1], [2], []]),
                "n": pa.nulls(3),
                "z": pa.array([b"a", b"b", b"c"]),
                "k": pa.array([7, 8, 7]).dictionary_encode(),
            }
        )
        path = tmp_path / "a.parquet"
        pq.write_table(table, path)
        source = open_source(file_of(path))
        assert source.kinds["day"] == "date"
        assert set(source.left_out) == {"l", "z"}
        assert "list<" in source.left_out["l"]
        first = source.load("f4").values
        assert first.dtype == np.float32
        assert_array_equal(first, [1, np.nan, 3])
        assert source.load("u1").values.dtype == np.uint8
        assert_array_equal(source.load("i").values, [1, np.nan, 3])
        assert_array_equal(source.load("b").values, [1, np.nan, 0])
        assert texts(source.load("t")) == ["x", None, None]
        assert texts(source.load("d")) == ["u", "v", "u"]
        assert_array_equal(source.load("m").values, [1.5, np.nan, 2.5])
        assert source.load("h").values.dtype == np.float32
        assert np.isnan(source.load("n").values).all()
        assert_array_equal(source.load("k").values, [7, 8, 7])

    def test_row_groups_and_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        labels = [f"t{n % 7}" for n in range(100)]
        pq.write_table(pa.table({"x": np.arange(100), "t": labels}), path, row_group_size=30)
        assert_array_equal(open_source(file_of(path), limit=45).load("x").values, np.arange(45))
        assert texts(open_source(file_of(path)).load("t")) == labels

    def test_not_parquet(self, write_csv: Writes) -> None:
        with pytest.raises(DatasetError, match=r"a Parquet file; a\.parquet is damaged"):
            open_source(file_of(write_csv("a.parquet", "x,y", "1,2")))

    def test_absent_column(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"x": [1]}), path)
        with pytest.raises(DatasetError, match=r"expected column z in a\.parquet; it has x"):
            open_source(file_of(path), ["z"])


class TestArrays:
    def test_npz(self, tmp_path: Path) -> None:
        image = np.arange(24, dtype=np.uint8).reshape(3, 4, 2)
        day = np.array(["2020-01-01"] * 3, "M8[D]")
        names = np.array(["b", "a", ""])
        source = open_source(npz(tmp_path / "a.npz", image=image, x=np.arange(3.0), t=names, day=day))
        assert dict(source.kinds) == {"image": "array", "x": "number", "t": "text", "day": "date"}
        assert_array_equal(source.load("image").values, image)
        assert texts(source.load("t")) == ["b", "a", None]

    def test_npz_mistakes(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"arrays of one length in a\.npz; their rows: x 3, y 4"):
            open_source(npz(tmp_path / "a.npz", x=np.zeros(3), y=np.zeros(4)))
        with pytest.raises(DatasetError, match=r"array x of b\.npz holds Python objects, which are never unpickled"):
            open_source(npz(tmp_path / "b.npz", x=np.array([None, "a"])))
        with pytest.raises(DatasetError, match=r"array x of c\.npz is a single value"):
            open_source(npz(tmp_path / "c.npz", x=np.float64(1)))
        with pytest.raises(DatasetError, match=r"expected column z in d\.npz; it has x"):
            open_source(npz(tmp_path / "d.npz", x=np.zeros(3)), ["z"])

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"hello"])
    def test_no_npz(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(
            DatasetError,
            match=r"an archive of NumPy arrays; a\.npz is damaged .*; to fix: write it with numpy\.savez$",
        ):
            open_source(file_of(tmp_path / "a.npz"))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    @pytest.mark.parametrize(("code", "dtype"), [(0x08, ">u1"), (0x0B, ">i2"), (0x0D, ">f4"), (0x0E, ">f8")])
    def test_idx_pair(self, pack: Any, code: int, dtype: str, tmp_path: Path) -> None:
        values = np.arange(24, dtype=dtype).reshape(4, 3, 2)
        content = bytes([0, 0, code, 3]) + np.array([4, 3, 2], ">u4").tobytes() + values.tobytes()
        (tmp_path / "f").write_bytes(pack(content))
        np.save(tmp_path / "l.npy", np.array([0, 1, 1, 0]))
        source = open_source(file_of(tmp_path / "f", tmp_path / "l.npy"))
        assert dict(source.kinds) == {"features": "array", "target": "integer"}
        loaded = source.load("features").values
        assert loaded.dtype.isnative
        assert_array_equal(loaded, values)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"GIF89a", "expected an IDX file .* begins with 47 49 46 38"),
            (b"", "f is empty"),
            (bytes([0, 0, 8, 1, 0, 0, 0, 9, 1, 2]), "expected 17 bytes in f by its IDX header; it has 10"),
            (b"\x1f\x8b\x00", "cannot be decompressed"),
            (bytes([0, 0, 8, 3, 0, 0]), "bytes in f by its IDX header"),
        ],
    )
    def test_broken_idx(self, content: bytes, message: str, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(content)
        np.save(tmp_path / "l.npy", np.zeros(1))
        with pytest.raises(DatasetError, match=message):
            open_source(file_of(tmp_path / "f", tmp_path / "l.npy"))

    def test_pickled_npy_is_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "f.npy", np.array([None]), allow_pickle=True)
        with pytest.raises(DatasetError, match=r"f\.npy holds Python objects, which are never unpickled"):
            open_source(file_of(tmp_path / "f.npy", tmp_path / "f.npy"))

    def test_mnist(self, shared_data: Path) -> None:
        folder = shared_data / "mnist"
        pair = file_of(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
        source = open_source(pair)
        images, labels = source.load("features").values, source.load("target").values
        assert images.shape == (10_000, 28, 28)
        assert np.bincount(labels)[:3].tolist() == [980, 1135, 1032]


@pytest.mark.parametrize("name", [name for name, known in SETS.items() if known.files])
def test_builtin_sets_equal_scikit_learn(name: str) -> None:
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    source = open_source(SourceFile(0, None, "data", f"builtin:{name}", name, 0, ""))
    assert list(SETS[name].features) == [str(feature) for feature in loaded.feature_names]
    assert list(source.kinds) == [*SETS[name].features, TARGET]
    columns = np.column_stack([source.load(feature).values for feature in SETS[name].features])
    assert_allclose(columns, loaded.data, rtol=0, atol=1e-16)
    target = source.load(TARGET)
    if target.categories is None:
        assert_array_equal(target.values, loaded.target)
    else:
        assert texts(target) == loaded.target_names[loaded.target].tolist()


def test_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    assert find_suffix("Events.CSV.GZ") == ".csv.gz"
    assert find_suffix("events.xlsx") is None
    with pytest.raises(DatasetError, match=f"a file that ends in {', '.join(READERS)}, not a.xlsx"):
        open_source(file_of(tmp_path / "a.xlsx"))
