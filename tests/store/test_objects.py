from __future__ import annotations

import os
import pickle
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.errors import StoreError
from rapidml.store import ObjectRef, Store
from rapidml.store.paths import check_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def fill(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.ubj").write_bytes(content)
        (folder / "parts").mkdir()
        (folder / "parts" / "a.npy").write_bytes(content * 2)

    return write


def test_an_object_comes_back_as_it_was_written(store: Store, key: Callable[[object], str]) -> None:
    ref = store.objects.put("models", key(1), fill(b"abc"), {"seconds": 1.5})
    folder = store.objects.open(ref)
    assert (folder / "model.ubj").read_bytes() == b"abc"
    assert (folder / "parts" / "a.npy").read_bytes() == b"abcabc"
    assert {name: size for name, (size, _) in ref.files.items()} == {"model.ubj": 3, "parts/a.npy": 6}
    assert folder == store.objects.find("models", key(1))
    assert ObjectRef.from_json(ref.to_json()) == ref
    assert ref.size == 9


def test_the_manifest_keeps_what_a_lost_fact_would_say(store: Store, key: Callable[[object], str]) -> None:
    ref = store.objects.put("models", key(1), fill(b"abc"), {"seconds": 1.5})
    manifest = store.objects.find_manifest("models", key(1))
    assert manifest is not None
    assert manifest.ref == ref
    assert manifest.payload == {"seconds": 1.5}
    assert store.objects.find_manifest("models", key(2)) is None


def test_what_is_there_is_kept_and_not_written_again(store: Store, key: Callable[[object], str]) -> None:
    first = store.objects.put("models", key(1), fill(b"abc"))
    assert store.objects.put("models", key(1), fill(b"other")) == first


def test_the_loser_of_a_race_drops_its_copy(store: Store, key: Callable[[object], str]) -> None:
    winner: list[ObjectRef] = []

    def write(folder: Path) -> None:
        winner.append(store.objects.put("models", key(1), fill(b"winner")))
        fill(b"loser")(folder)

    assert store.objects.put("models", key(1), write) == winner[0]
    assert store.objects.verify(winner[0])
    assert [path.name for path in (store.path / "objects" / "models" / key(1)[:2]).iterdir()] == [key(1)]


def test_a_failing_writer_leaves_nothing(store: Store, key: Callable[[object], str]) -> None:
    def write(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        store.objects.put("models", key(1), write)
    assert list((store.path / "objects" / "models" / key(1)[:2]).iterdir()) == []


@pytest.mark.parametrize("damage", ["change", "cut", "remove", "add"])
def test_a_damaged_object_counts_as_not_stored_and_is_replaced(
    store: Store, key: Callable[[object], str], damage: str
) -> None:
    ref = store.objects.put("models", key(1), fill(b"abc"))
    path = store.objects.open(ref) / "model.ubj"
    path.chmod(0o644)
    if damage == "remove":
        path.unlink()
    elif damage == "add":
        (path.parent / "extra").write_bytes(b"")
    else:
        path.write_bytes(b"abd" if damage == "change" else b"ab")
    if damage == "change":
        later = time.time() + 1  # the clock of files ticks every few milliseconds
        os.utime(path, (later, later))
    assert not store.objects.verify(ref)
    assert not store.objects.is_stored(ref)
    with pytest.raises(StoreError, match="absent or not what was stored"):
        store.objects.open(ref)
    again = store.objects.put("models", key(1), fill(b"abc"))
    assert again == ref
    assert store.objects.verify(ref)


def test_files_cannot_be_written_by_accident(store: Store, key: Callable[[object], str]) -> None:
    ref = store.objects.put("models", key(1), fill(b"abc"))
    assert not (store.objects.open(ref) / "model.ubj").stat().st_mode & 0o222


def test_links_are_refused_in_objects_and_on_the_way_to_them(
    store: Store, key: Callable[[object], str], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="does not hold links"):
        store.objects.put("models", key(1), lambda folder: (folder / "a").symlink_to("/etc/passwd"))
    ref = store.objects.put("models", key(2), fill(b"abc"))
    folder = store.objects.open(ref)
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert not store.objects.is_stored(ref)
    with pytest.raises(StoreError, match="symbolic link"):
        store.objects.open(ref)
    assert list(store.objects.list_all()) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("../x", "ab" * 32), ("models", "../../etc"), ("models", "AB" * 32), ("", "")]
)
def test_names_that_could_leave_the_store_are_refused(store: Store, kind: str, name: str) -> None:
    with pytest.raises(StoreError, match="is not a"):
        store.objects.find(kind, name)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../b", "a//b", ".", "", "a\\b", "a\x00", "manifest.json"])
def test_files_that_could_leave_an_object_are_refused(name: str) -> None:
    tree = {"kind": "models", "key": "ab" * 32, "files": {name: [1, "0" * 64]}}
    with pytest.raises(StoreError, match="cannot be the name"):
        ObjectRef.from_json(tree)


@given(st.text(min_size=1, max_size=30))
def test_a_name_that_passes_stays_inside(name: str) -> None:
    try:
        check_file(name)
    except StoreError:
        return
    assert os.path.normpath(f"/store/object/{name}") == f"/store/object/{name}"


def test_objects_travel_to_workers(store: Store, key: Callable[[object], str]) -> None:
    ref = store.objects.put("models", key(1), fill(b"abc"))
    assert pickle.loads(pickle.dumps(store)).objects.verify(ref)
    assert pickle.loads(pickle.dumps(store.objects)).verify(ref)


RACE = """
import sys
from rapidml.store import open_store
store = open_store(sys.argv[1])
sys.stdin.readline()
for i in range(20):
    store.objects.put("models", f"{i:064x}", lambda folder: (folder / "who").write_text(sys.argv[2]))
"""


def test_many_processes_put_the_same_objects(store: Store, spawn: Callable[..., object]) -> None:
    processes = [spawn(RACE, store.path, number) for number in range(4)]
    for process in processes:
        process.stdin.write("go\n")  # type: ignore[attr-defined]
        process.stdin.flush()  # type: ignore[attr-defined]
    assert [process.wait(60) for process in processes] == [0] * 4  # type: ignore[attr-defined]
    assert len(list(store.objects.list_all())) == 20
    assert all(store.objects.find_manifest(kind, name) for kind, name, _ in store.objects.list_all())
    assert not [path for path in store.path.rglob(".*") if path.name.startswith((".tmp-", ".trash-"))]
