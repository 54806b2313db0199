"""The reader of ROOT files: what it makes of trees and RNTuples, and what it says of what it cannot use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rapidml.dataset.checks import add_data_error
from rapidml.dataset.files import SourceFile
from rapidml.dataset.problems import FileError, TreeError
from rapidml.dataset.readers.registry import open_source
from rapidml.dataset.readers.root_files import list_trees
from rapidml.errors import ExtraNotInstalled
from rapidml.recipe.document import parse_document

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dataset.conftest import Reads

uproot = pytest.importorskip("uproot")
awkward = pytest.importorskip("awkward")


def file_of(path: Path, tree: str | None = None) -> SourceFile:
    return SourceFile(0, None, "data", str(path), path.name, 0, "", tree)


def columns(n_rows: int = 6) -> dict[str, Any]:
    numbers = np.arange(n_rows)
    return {
        "x": numbers.astype(np.float32) / 2,
        "muon.pt": numbers.astype(np.float64),
        "i": numbers.astype(np.int64) - 2,
        "u": numbers.astype(np.uint8),
        "b": numbers % 2 == 0,
        "list": awkward.Array([[1.0] * (row % 3) for row in range(n_rows)]),
        "three": np.ones((n_rows, 3), np.float32),
    }


@pytest.fixture
def two_trees(tmp_path: Path) -> Path:
    with uproot.recreate(tmp_path / "two.root") as file:
        file.mktree("sig/events", columns())
        file.mktree("background", columns(4))
    return tmp_path / "two.root"


def test_a_tree(two_trees: Path) -> None:
    source = open_source(file_of(two_trees, "sig/events"))
    expected = columns()
    kinds = {"x": "number", "muon.pt": "number", "i": "integer", "u": "integer", "b": "boolean", "nlist": "integer"}
    assert dict(source.kinds) == kinds
    assert source.n_rows == 6
    assert dict(source.left_out) == {
        "list": "holds double[], not one number or text a row",
        "three": "holds float[3], not one number or text a row",
    }
    for name in ("x", "muon.pt", "i", "u", "b"):
        values = source.load(name).values
        assert values.dtype == expected[name].dtype
        assert values.dtype.isnative
        assert_array_equal(values, expected[name])


def test_an_rntuple(tmp_path: Path) -> None:
    given = {**columns(), "text": awkward.Array(["b", "", "a", "b", "a", "b"])}
    given["pair"] = awkward.Array([{"left": 1.0, "right": 2}] * 6)
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("events", given)
    source = open_source(file_of(tmp_path / "a.root"))
    assert set(source.kinds) == {"x", "muon.pt", "i", "u", "b", "text", "pair.left", "pair.right"}
    assert source.left_out["list"] == "holds std::vector<double>, not one number or text a row"
    for name in ("x", "muon.pt", "i", "u", "b"):
        assert_array_equal(source.load(name).values, given[name])
    assert_array_equal(source.load("pair.right").values, np.full(6, 2))
    text = source.load("text")
    assert text.categories == ("a", "b")
    assert text.values.tolist() == [1, -1, 0, 1, 0, 1]


def test_a_limit_reads_the_first_rows(two_trees: Path) -> None:
    source = open_source(file_of(two_trees, "background"), ["x"], limit=3)
    assert source.n_rows == 3
    assert_array_equal(source.load("x").values, [0, 0.5, 1])
    assert "i" in open_source(file_of(two_trees, "background"), limit=0).names


def test_trees_are_listed_once_each(tmp_path: Path, two_trees: Path) -> None:
    assert list_trees(file_of(two_trees)) == ("sig/events", "background")
    with uproot.recreate(tmp_path / "again.root") as file:
        file.mktree("t", {"x": np.arange(2)})
    with uproot.update(tmp_path / "again.root") as file:
        file.mktree("t", {"x": np.arange(5)})
    assert list_trees(file_of(tmp_path / "again.root")) == ("t",)
    assert open_source(file_of(tmp_path / "again.root")).n_rows == 5  # the newest of its states


def test_which_tree_must_be_plain(tmp_path: Path, two_trees: Path) -> None:
    with pytest.raises(TreeError, match=r"two.root has 2: sig/events, background; to fix: write .* tree: sig/events"):
        open_source(file_of(two_trees))
    with pytest.raises(TreeError, match=r"a tree of two.root: sig/events, background; not backgroud; to fix: write 'b"):
        open_source(file_of(two_trees, "backgroud"))
    with uproot.recreate(tmp_path / "none.root") as file:
        file["h"] = np.histogram([1.0])
    with pytest.raises(TreeError, match=r"a tree in none.root; it has none"):
        open_source(file_of(tmp_path / "none.root"))


@pytest.mark.parametrize(
    ("dataset", "field"),
    [
        ("{path: two.root, target: b}", "dataset.path"),
        ("{path: two.root, target: b, tree: t}", "dataset.tree"),
        ("{classes: {s: {path: two.root, tree: t}, b: two.root}}", "dataset.classes.s.tree"),
        ("{classes: {s: two.root, b: two.root}, tree: t}", "dataset.tree"),
        ("{classes: {s: two.root, b: two.root}}", "dataset.classes.s"),
    ],
)
def test_errors_stand_where_the_tree_is_named(dataset: str, field: str) -> None:
    document = parse_document(f"dataset: {dataset}\nmodels: {{bdt: xgboost}}\n", "a.yaml")
    add_data_error(document, TreeError(0, "a tree", "write one"))
    assert [problem.field for problem in document.problems] == [field]


@pytest.mark.parametrize("content", [b"no ROOT file at all", None, b""])
def test_damaged_files(tmp_path: Path, two_trees: Path, content: bytes | None) -> None:
    (tmp_path / "a.root").write_bytes(two_trees.read_bytes()[:300] if content is None else content)
    with pytest.raises(FileError, match=r"a ROOT file; a\.root is damaged or of another kind"):
        open_source(file_of(tmp_path / "a.root"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, two_trees: Path) -> None:
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(ExtraNotInstalled, match=r"two.root needs a library .* pip install 'iml-rapidml\[hep\]'"):
        open_source(file_of(two_trees))


def test_classes_from_two_trees_of_one_file(two_trees: Path, read: Reads) -> None:
    classes = {
        name: {"path": str(two_trees), "tree": tree} for name, tree in [("s", "sig/events"), ("b", "background")]
    }
    found = read(classes=classes, select="x >= 0.5")
    assert found.table.n_rows == 8
    assert len(np.unique(found.table.ids)) == 8
    assert_array_equal(found.values("muon.pt"), [1, 2, 3, 4, 5, 1, 2, 3])
    assert [name for name, _ in found.request.features] == ["x", "muon.pt", "i", "u", "b", "nlist"]
    assert ("three", "holds float[3], not one number or text a row") in found.request.left_out


def test_the_tree_is_part_of_the_keys(two_trees: Path, read: Reads) -> None:
    keys = {read(path=str(two_trees), tree=tree, target="b").request.rows_key for tree in ("sig/events", "background")}
    assert len(keys) == 2


class TestSharedFiles:
    def test_zmumu(self, shared_data: Path) -> None:
        source = open_source(file_of(shared_data / "Zmumu.root"))
        assert source.n_rows == 2304
        assert source.load("Type").categories == ("GG", "GT", "TT")
        momentum = [source.load(f"p{axis}1").values for axis in "xyz"]
        energy = np.sqrt(sum(part**2 for part in momentum) + 0.1057**2)  # of a muon
        np.testing.assert_allclose(source.load("E1").values, energy, rtol=1e-3)

    def test_hzz(self, shared_data: Path) -> None:
        source = open_source(file_of(shared_data / "HZZ.root"), limit=100)
        assert len(source.kinds) == 28
        assert len(source.left_out) == 23
        assert source.load("triggerIsoMu24").values.dtype == bool
        assert source.load("EventWeight").values.shape == (100,)
