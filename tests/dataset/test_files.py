"""Which files a dataset is made of, and that only their names and bytes make its identity."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.dataset import hashes
from rapidml.dataset.files import expand, find_files, hash_arrays, identify, list_samples
from rapidml.dataset.problems import FieldError
from rapidml.errors import DatasetError
from rapidml.recipe.schema import Dataset

if TYPE_CHECKING:
    from tests.dataset.conftest import Memory, Writes


def dataset(**fields: Any) -> Dataset:
    return Dataset.model_validate(fields)


def test_identity_follows_names_and_bytes_only(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    write_csv("here/a.csv", "x,y", "1,0")
    write_csv("here/sub/b.csv", "x,y", "2,1")
    recipe = dataset(path="**/*.csv", target="y")
    before = identify(recipe, tmp_path / "here", memory).to_json()
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    os.utime(tmp_path / "there" / "a.csv", (0, 0))
    assert identify(recipe, tmp_path / "there", memory).to_json() == before
    absolute = dataset(path=str(tmp_path / "there/**/*.csv"), target="y")
    assert identify(absolute, Path("/"), memory).to_json() == before
    (tmp_path / "there/sub/b.csv").rename(tmp_path / "there/sub/c.csv")
    renamed = identify(recipe, tmp_path / "there", memory).to_json()
    assert renamed != before
    (tmp_path / "there/sub/c.csv").write_text("x,y\n2,0\n")
    assert identify(recipe, tmp_path / "there", memory).to_json() != renamed


def test_identity_has_no_path_of_this_machine(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    write_csv("events.csv", "x,y", "1,0")
    found = identify(dataset(path="events.csv", target="y"), tmp_path, memory).to_json()
    assert str(tmp_path) not in str(found)
    assert [file[2] for file in found["files"]] == ["events.csv"]


def test_unchanged_files_are_not_hashed_again(
    tmp_path: Path, memory: Memory, write_csv: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv("events.csv", "x,y", "1,0")
    recipe = dataset(path="events.csv", target="y")
    first = identify(recipe, tmp_path, memory)
    monkeypatch.setattr(hashes, "hash_stream", lambda *_: pytest.fail("hashed again"))
    assert identify(recipe, tmp_path, memory) == first


def test_samples_in_written_order_then_files_by_name(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    for name in ("s2.csv", "s1.csv", "b.csv", "w.csv"):
        write_csv(name, "x", "1")
    recipe = dataset(classes={"signal": "s*.csv", "background": [{"path": "w.csv"}, {"path": "b.csv"}]})
    identity = identify(recipe, tmp_path, memory)
    assert [(file.sample, file.class_name, file.name) for file in identity.files] == [
        (0, "signal", "s1.csv"),
        (0, "signal", "s2.csv"),
        (1, "background", "w.csv"),
        (2, "background", "b.csv"),
    ]
    assert [identity.row_path(n) for n in range(4)] == ["0/s1.csv", "0/s2.csv", "1/w.csv", "2/b.csv"]
    assert [sample.path for sample in list_samples(recipe)] == [
        ("dataset", "classes", "signal", 0),
        ("dataset", "classes", "background", 0),
        ("dataset", "classes", "background", 1),
    ]


def test_a_test_sample_does_not_change_the_ids_of_other_rows(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", "1,0")
    write_csv("t.csv", "x,y", "1,0")
    alone = identify(dataset(path="a.csv", target="y"), tmp_path, memory)
    both = identify(dataset(path="a.csv", target="y", test="t.csv"), tmp_path, memory)
    assert alone.row_path(0) == both.row_path(0) == "a.csv"
    assert both.row_path(1) == "test/t.csv"
    assert both.files[1].role == "test"


def test_variables_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGGS_CSV", "/data/higgs.csv")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expand("${HIGGS_CSV}") == "/data/higgs.csv"
    assert expand("$HIGGS_CSV") == "$HIGGS_CSV"
    with pytest.raises(
        DatasetError, match=r"dataset\.path: expected a variable that is set; NOWHERE is not; to fix: export NOWHERE="
    ):
        expand("${NOWHERE}/x.csv")


def test_what_a_variable_says_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_csv: Writes
) -> None:
    path = write_csv("data/events.csv", "x", "1")
    (tmp_path / "recipes").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.setenv("EVENTS", "../data/events.csv")
    monkeypatch.setenv("FOLDER", str(path.parent))
    for written in ("${EVENTS}", "${FOLDER}/events.csv", "${FOLDER}/*.csv"):
        assert find_files(written, tmp_path / "recipes") == [(str(path), "events.csv")]
    monkeypatch.setenv("EVENTS", "nowhere/events.csv")
    with pytest.raises(FieldError, match=r"data/nowhere does not exist; the value of a variable is relative"):
        find_files("${EVENTS}", tmp_path / "recipes")


def test_missing_files_say_what_was_searched(tmp_path: Path, write_csv: Writes) -> None:
    write_csv("data/events.csv", "x", "1")
    with pytest.raises(FieldError, match=r"a file at .*data/event\.csv; to fix: did you mean events\.csv"):
        find_files("data/event.csv", tmp_path)
    with pytest.raises(FieldError, match=r"files that match data/\*\.parquet \(searched .*data\)"):
        find_files("data/*.parquet", tmp_path)
    with pytest.raises(FieldError, match="is a folder; to fix: name its files, such as data/"):
        find_files("data", tmp_path)
    with pytest.raises(FieldError, match="does not exist; paths are relative to the recipe's file"):
        find_files("nowhere/x.csv", tmp_path)


def test_a_missing_sample_knows_its_place(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    write_csv("s.csv", "x", "1")
    recipe = dataset(classes={"s": "s.csv", "b": [{"path": "s.csv"}, {"path": "b.csv"}]})
    with pytest.raises(FieldError) as caught:
        identify(recipe, tmp_path, memory)
    assert caught.value.path == ("dataset", "classes", "b", 1, "path")


def test_names_with_brackets_are_files_if_they_exist(tmp_path: Path, write_csv: Writes) -> None:
    path = write_csv("run[1].csv", "x", "1")
    assert find_files("run[1].csv", tmp_path) == [(str(path), "run[1].csv")]


def test_builtin_sets_are_hashed_without_being_loaded(memory: Memory) -> None:
    identity = identify(dataset(builtin={"digits": {"n_class": 3}}), Path(), memory)
    assert identity.to_json()["builtin"] == "digits"
    assert identity.to_json()["options"] == {"n_class": 3}
    assert len(identity.to_json()["sha256"]) == 64
    assert identity.row_path(0) == ""
    other = identify(dataset(builtin="digits"), Path(), memory)
    assert other.to_json() != identity.to_json()


@pytest.mark.parametrize(
    ("builtin", "message"),
    [
        ("irises", "dataset\\.builtin: expected one of breast_cancer, diabetes, digits, iris, wine"),
        ({"iris": {"scaled": True}}, "options of the set: none; there is no option 'scaled'"),
        ({"digits": {"n_class": 1}}, "expected a whole number from 2 to 10 for n_class, not 1"),
        ({"diabetes": {"scaled": 1}}, "expected true or false for scaled, not 1"),
    ],
)
def test_wrong_builtin_sets(builtin: Any, message: str, memory: Memory) -> None:
    recipe = dataset(builtin=builtin)
    with pytest.raises(DatasetError, match=message):
        identify(recipe, Path(), memory)


def test_remote_files(memory: Memory) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe({"/bucket/b.csv": b"x,y\n1,0\n", "/bucket/a.csv": b"x,y\n2,1\n"})
    try:
        found = identify(dataset(path="memory://bucket/*.csv", target="y"), Path(), memory)
        one = identify(dataset(path="memory://bucket/a.csv", target="y"), Path(), memory)
        recipe = dataset(path="memory://bucket/c.csv", target="y")
        with pytest.raises(FieldError, match=r"files at memory://bucket/c\.csv"):
            identify(recipe, Path(), memory)
    finally:
        system.rm("/bucket", recursive=True)
    assert [file.name for file in found.files] == ["a.csv", "b.csv"]
    assert found.files[0].sha256 == one.files[0].sha256


def test_remote_and_local_copies_are_the_same_dataset(tmp_path: Path, memory: Memory, write_csv: Writes) -> None:
    fsspec = pytest.importorskip("fsspec")
    path = write_csv("a.csv", "x,y", "2,1")
    system = fsspec.filesystem("memory")
    system.pipe("/copy/a.csv", path.read_bytes())
    try:
        remote = identify(dataset(path="memory://copy/a.csv", target="y"), Path(), memory)
    finally:
        system.rm("/copy", recursive=True)
    assert remote.to_json() == identify(dataset(path="a.csv", target="y"), tmp_path, memory).to_json()


def test_large_files_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "WHOLE_UP_TO", 1000)
    monkeypatch.setattr(hashes, "BLOCK", 10)
    monkeypatch.setattr(hashes, "N_BLOCKS", 4)
    content = bytes(range(250)) * 8
    first = hashes.hash_stream(io.BytesIO(content), len(content))
    for position, is_seen in ((0, True), (len(content) - 1, True), (30, False)):
        changed = bytearray(content)
        changed[position] ^= 1
        assert (hashes.hash_stream(io.BytesIO(changed), len(changed)) != first) is is_seen
    assert hashes.hash_stream(io.BytesIO(content[:-1]), len(content) - 1) != first


def test_array_hashes() -> None:
    x = np.arange(6.0)
    first = hash_arrays({"x": x})
    assert hash_arrays({"x": x.copy()}) == first
    assert hash_arrays({"x": x[::-1][::-1]}) == first
    for other in ({"z": x}, {"x": x.reshape(2, 3)}, {"x": x.astype(np.float32)}, {"x": x + 1}):
        assert hash_arrays(other) != first
    with pytest.raises(DatasetError, match="Python objects"):
        hash_arrays({"x": np.array([None])})
