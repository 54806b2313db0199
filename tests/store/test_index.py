from __future__ import annotations

import os
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.store import Fact, Index, Store, open_store
from rapidml.store import index_file as index_file_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Key = Callable[[object], str]


def run_once(store: Store, name: str, keys: list[str], **content: Any) -> str:
    run = store.create_run({"name": name, "keys": keys, **content}, "models: {}")
    attempt = store.start_attempt(run)
    for key in keys:
        attempt.facts.append(Fact(key, "fit", payload={"name": name}, family="f"))
    attempt.finish("finished", summary={"score": 0.9})
    return run


def let_age(store: Store) -> None:
    """Make the folders older than what the index doubts."""
    before = time.time() - 60
    for name in ("facts", "runs"):
        os.utime(store.path / name, (before, before))


def test_new_lines_are_seen_at_once(store: Store, key: Key) -> None:
    run = store.create_run({"name": "a"}, "")
    attempt = store.start_attempt(run)
    other = open_store(store.path)
    assert other.find_facts([key(1)]) == {}
    for number in range(3):
        attempt.facts.append(Fact(key(number), "fit"))
        attempt.facts.flush()
        assert set(other.find_facts([key(i) for i in range(5)])) == {key(i) for i in range(number + 1)}
    attempt.finish("finished")
    other.close()


def test_the_best_fact_of_a_key_is_found(store: Store, key: Key) -> None:
    attempt = store.start_attempt(store.create_run({}, ""))
    attempt.facts.append(Fact(key(1), "fit", payload={"n": 1}, time=1.0))
    attempt.facts.append(Fact(key(1), "fit", payload={"n": 2}, time=2.0))
    attempt.facts.append(Fact(key(1), "fit", "failed", time=3.0))
    attempt.facts.append(Fact(key(2), "fit", "failed", payload={"n": 1}, time=1.0))
    attempt.facts.append(Fact(key(2), "fit", "failed", payload={"n": 2}, time=2.0))
    attempt.finish("failed")
    found = store.find_facts([key(1), key(2), key(3)])
    assert {name: (fact.state, fact.payload["n"]) for name, fact in found.items()} == {
        key(1): ("finished", 2),
        key(2): ("failed", 2),
    }


def test_facts_are_found_by_family(store: Store, key: Key) -> None:
    attempt = store.start_attempt(store.create_run({}, ""))
    for number, family in enumerate(["a", "b", "a", None]):
        attempt.facts.append(Fact(key(number), "fit", family=family, time=float(number)))
    attempt.facts.append(Fact(key(9), "fit", "failed", family="a"))
    attempt.finish("failed")
    assert [fact.key for fact in store.index.find_family(["a"])] == [key(2), key(0)]
    assert store.index.find_family([]) == []


def test_a_finished_fact_counts_only_with_its_objects(store: Store, key: Key) -> None:
    attempt = store.start_attempt(store.create_run({}, ""))
    ref = store.objects.put("models", key(1), lambda folder: (folder / "m").write_bytes(b"abc"))
    attempt.facts.append(Fact(key(1), "fit", objects=(ref,)))
    attempt.finish("finished")
    assert key(1) in store.find_facts([key(1)], verify=["models"])
    path = store.objects.open(ref) / "m"
    path.chmod(0o644)
    path.write_bytes(b"abd")
    assert key(1) not in store.find_facts([key(1)], verify=["models"])
    store.objects.remove("models", key(1))
    assert key(1) not in store.find_facts([key(1)])
    assert key(1) in store.find_facts([key(1)], stored=False)


@pytest.mark.parametrize("journals", [True, False])
def test_the_index_may_be_deleted_at_any_moment(store: Store, key: Key, journals: bool) -> None:
    first = run_once(store, "a", [key(1)])
    assert store.find_run("a") == first
    path = store.index.path
    assert path == store.path / "index.sqlite"
    path.unlink()
    if journals:
        for name in ("index.sqlite-wal", "index.sqlite-shm"):
            path.with_name(name).unlink(missing_ok=True)
    second = run_once(store, "b", [key(2)])  # this process goes on with the deleted file
    with open_store(store.path) as other:
        assert [run.id for run in other.list_runs()] == [second, first]
        assert set(other.find_facts([key(1), key(2)])) == {key(1), key(2)}
    assert set(store.find_facts([key(1), key(2)])) == {key(1), key(2)}
    with open_store(store.path) as other:
        assert other.find_run("b") == second


@pytest.mark.parametrize("damage", ["text", "empty", "middle", "old", "cut"])
def test_a_damaged_index_is_made_anew(store: Store, key: Key, damage: str) -> None:
    keys = [key(number) for number in range(500)]
    run = run_once(store, "a", keys)
    assert len(store.find_facts(keys)) == 500
    path = store.index.path
    assert path is not None
    store.close()
    content = path.read_bytes()
    new = {
        "text": b"hello " * 999,
        "empty": b"",
        "middle": content[:4096] + b"\xff" * (len(content) - 4096),
        "cut": content[: len(content) // 2],
        "old": content,
    }
    path.write_bytes(new[damage])
    if damage == "old":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
    with open_store(store.path) as other:
        assert other.find_run("a") == run
        assert len(other.find_facts(keys)) == 500
        assert other.index.path == path


def test_damage_while_it_is_open_is_survived(store: Store, key: Key) -> None:
    keys = [key(number) for number in range(200)]
    run_once(store, "a", keys)
    assert len(store.find_facts(keys)) == 200
    path = store.index.path
    assert path is not None
    with path.open("r+b") as file:
        file.write(b"garbage!" * 2000)
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        if path.with_name(name).exists():
            path.with_name(name).write_bytes(b"garbage!" * 2000)
    assert len(store.find_facts(keys)) == 200


def test_a_locked_index_is_replaced_by_one_in_memory(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once(store, "a", [key(1)])
    assert store.find_run("a")
    monkeypatch.setattr(index_file_module, "BUSY_SECONDS", 0.05)
    blocker = sqlite3.connect(store.path / "index.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    run = run_once(store, "b", [key(2)])
    with open_store(store.path) as other:
        assert other.find_run("b") == run
        assert other.index.path is None
    blocker.execute("ROLLBACK")
    blocker.close()


def test_a_copy_by_rsync_does_not_believe_the_copied_index(store: Store, key: Key, tmp_path: Path) -> None:
    run_once(store, "a", [key(1)])
    ref = store.objects.put("models", key(1), lambda folder: (folder / "m").write_bytes(b"abc"))
    assert store.find_run("a")
    second = run_once(store, "b", [key(2)])
    assert store.find_run("b") == second
    store.close()
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy, copy_function=shutil.copy2)
    shutil.rmtree(copy / "runs" / second)  # the copy began before the second run
    (copy / "facts" / f"{second}.1.jsonl").unlink()
    shutil.copystat(store.path / "facts", copy / "facts")
    shutil.copystat(store.path / "runs", copy / "runs")
    with open_store(copy) as other:
        assert [run.name for run in other.list_runs()] == ["a"]
        assert set(other.find_facts([key(1), key(2)])) == {key(1)}
        assert other.objects.verify(ref)
        assert other.check() == [finding for finding in other.check() if finding.code == "adoptable"]


def test_a_read_only_store_has_its_index_in_the_users_cache(store: Store, key: Key, tmp_path: Path) -> None:
    run = run_once(store, "a", [key(1)])
    before = {path: path.stat().st_mtime_ns for path in store.path.rglob("*")}
    with open_store(store.path, read_only=True) as other:
        assert other.find_run("a") == run
        assert set(other.find_facts([key(1)])) == {key(1)}
        assert other.index.path is not None
        assert other.index.path.is_relative_to(tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*")} == before


def test_without_any_place_it_is_made_in_memory(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_once(store, "a", [key(1)])
    monkeypatch.setattr(index_file_module, "is_network", lambda path: True)
    with open_store(store.path) as other:
        assert other.index.path is None
        assert other.find_run("a") == run
        other.index.put("/x", 1, 2, "abc")
        assert other.index.get("/x", 1, 2) == "abc"


def test_hashes_of_files_are_remembered_until_the_file_changes(store: Store) -> None:
    store.index.put("/data/x.csv", 10, 20, "abc")
    store.index.put("/data/x.csv", 11, 20, "abd")
    with open_store(store.path) as other:
        assert other.index.get("/data/x.csv", 11, 20) == "abd"
        assert other.index.get("/data/x.csv", 10, 20) is None
        assert other.index.get("/data/x.csv", 11, 21) is None


def test_nothing_is_looked_at_twice(store: Store, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        run_once(store, f"r{number}", [key(number)])
    let_age(store)
    store.list_runs()
    from rapidml.store import catch_up

    looked: list[str] = []

    def refuse(name: str) -> Callable[..., Any]:
        return lambda *arguments: looked.append(name)

    for name in ("_scan", "load_run_row", "read_lines", "transaction"):
        monkeypatch.setattr(catch_up, name, refuse(name))
    with open_store(store.path) as other:
        assert len(other.list_runs(30)) == 5
    assert looked == []


@pytest.mark.parametrize("aged", [True, False])
def test_every_change_by_others_is_noticed(store: Store, key: Key, aged: bool, tmp_path: Path) -> None:
    """The watcher has its own index, as on another host of a shared file system."""
    watcher = open_store(store.path, read_only=True)

    def look() -> list[tuple[str, str, tuple[str, ...], str]]:
        if aged:
            let_age(store)
        return [(run.name, run.state, run.tags, run.note) for run in watcher.list_runs()]

    assert look() == []
    run = run_once(store, "a", [key(1)])
    assert look() == [("a", "finished", (), "")]
    store.runs.mark(run, add=["good"], note="hello")
    assert look() == [("a", "finished", ("good",), "hello")]
    attempt = store.start_attempt(run)
    assert look() == [("a", "running", ("good",), "hello")]
    attempt.finish("failed", summary={"score": 0.7})
    assert look() == [("a", "failed", ("good",), "hello")]
    assert watcher.get_run(run).summary == {"score": 0.7}
    store.remove_run(run)
    assert look() == []
    watcher.close()


def test_the_newest_runs_come_first_and_filters_see_flat_records(store: Store, key: Key) -> None:
    for number in range(5):
        run_once(store, f"r{number}", [key(number)], created=1000.0 + number)
    assert [run.name for run in store.list_runs(2)] == ["r4", "r3"]
    found = store.list_runs(1, lambda record: record["name"] < "r3" and record["score"] > 0.5)
    assert [run.name for run in found] == ["r2"]


@pytest.mark.parametrize(
    ("kind", "expected"), [("nfs4", True), ("fuse.eosxd", True), ("lustre", True), ("ext4", False), ("overlay", False)]
)
def test_shared_file_systems_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, expected: bool
) -> None:
    mounts = f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n"
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: mounts)
    assert index_file_module.is_network(tmp_path / "store") is expected
    assert not index_file_module.is_network(tmp_path.parent / "other")


def test_an_index_may_be_asked_by_threads(store: Store, key: Key) -> None:
    from concurrent.futures import ThreadPoolExecutor

    run_once(store, "a", [key(number) for number in range(20)])
    index = Index(store.path)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda number: len(index.find_facts([key(number)])), range(20)))
    assert counts == [1] * 20
    index.close()


def test_a_facts_file_that_became_shorter_or_vanished_is_read_again(store: Store, key: Callable[[object], str]) -> None:
    """As when a copy of the store is brought up to date."""
    run = store.create_run({}, "")
    attempt = store.start_attempt(run)
    for number in range(3):
        attempt.facts.append(Fact(key(number), "fit"))
    attempt.facts.flush()
    keys = [key(number) for number in range(3)]
    assert len(store.find_facts(keys)) == 3
    path = store.path / "facts" / f"{run}.1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    attempt.close()
    with open_store(store.path, read_only=True) as watcher:
        path.write_bytes(b"".join(lines))
        assert len(watcher.find_facts(keys)) == 3
        path.write_bytes(b"".join(lines[:2]))
        assert set(watcher.find_facts(keys)) == {key(0)}
        path.write_bytes(b"".join(lines))
        assert len(watcher.find_facts(keys)) == 3
        path.unlink()
        assert watcher.find_facts(keys) == {}


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    from rapidml.store.catch_up import transaction

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t(x)")

    def fail() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert connection.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)
    connection.close()
