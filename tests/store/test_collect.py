from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import RunNotFound, StoreError
from rapidml.store import Fact, ObjectRef, Store
from rapidml.store.collect import list_reachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Key = Callable[[object], str]

DAY = 24 * 3600.0


def put(store: Store, key: str) -> ObjectRef:
    return store.objects.put("models", key, lambda folder: (folder / "model").write_bytes(b"x" * 1000))


def run_once(store: Store, steps: dict[str, str]) -> str:
    """A run with one fit for each key; the values are the keys of their models."""
    run = store.create_run({"keys": list(steps)}, "")
    attempt = store.start_attempt(run)
    for key, model in steps.items():
        attempt.facts.append(Fact(key, "fit", objects=(put(store, model),)))
    attempt.finish("finished")
    return run


def test_removing_a_run_removes_no_facts(store: Store, key: Key) -> None:
    run = run_once(store, {key(1): key(1)})
    store.remove_run(run)
    assert store.list_runs() == []
    assert key(1) in store.find_facts([key(1)])
    with pytest.raises(RunNotFound):
        store.remove_run(run)


def test_what_a_run_reaches_stays_and_the_rest_goes(store: Store, key: Key) -> None:
    kept = run_once(store, {key(1): key("model of 1"), key(2): key(2)})
    removed = run_once(store, {key(2): key(2), key(3): key(3)})
    third = run_once(store, {key(4): key(4)})
    store.remove_run(removed)
    store.remove_run(third)
    assert list_reachable(store, kept) == {key(1), key("model of 1"), key(2)}
    later = time.time() + DAY + 60
    planned = store.gc(dry_run=True, now=later)
    assert store.objects.find("models", key(3)) is not None
    done = store.gc(now=later)
    assert done == planned
    assert [(item.what, item.path) for item in done.items] == [
        ("facts", f"facts/{third}.1.jsonl"),
        *sorted(("object", f"objects/models/{name[:2]}/{name}") for name in (key(3), key(4))),
    ]
    assert done.size > 2000
    assert set(store.find_facts([key(n) for n in range(1, 5)])) == {key(1), key(2)}
    assert store.gc(now=later).items == ()


def test_nothing_younger_than_a_day_goes(store: Store, key: Key) -> None:
    store.remove_run(run_once(store, {key(1): key(1)}))
    (store.path / "runs" / ".tmp-x").mkdir()
    (store.path / "work" / key(2) / "host-1-a").mkdir(parents=True)
    assert store.gc(now=time.time() + DAY - 60).items == ()
    assert {item.what for item in store.gc(now=time.time() + DAY + 60).items} == {
        "facts",
        "object",
        "unfinished",
        "work",
    }


def test_what_a_live_run_plans_stays(store: Store, key: Key) -> None:
    put(store, key(1))
    attempt = store.start_attempt(store.create_run({"keys": {"fits": [key(1)]}}, ""))
    (store.path / "work" / key(1) / "host-1-a").mkdir(parents=True)
    assert store.gc(now=time.time() + DAY + 60).items == ()
    attempt.finish("interrupted")


def test_checkpoints_of_finished_steps_go(store: Store, key: Key) -> None:
    run_once(store, {key(1): key(1)})
    (store.path / "work" / key(1) / "host-1-a").mkdir(parents=True)
    assert [item.what for item in store.gc(now=time.time() + DAY + 60).items] == ["work"]


def test_nothing_is_removed_while_a_run_cannot_be_read(store: Store, key: Key) -> None:
    put(store, key(1))
    run = run_once(store, {key(2): key(2)})
    (store.path / "runs" / run / "run.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        store.gc(now=time.time() + DAY + 60)
    assert store.objects.find("models", key(1)) is not None
    assert store.objects.find("models", key(2)) is not None


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"y" * 1000)


def test_a_sound_store_has_nothing_to_report(store: Store, key: Key) -> None:
    run_once(store, {key(1): key(1)})
    assert store.check() == []


def test_the_doctor_finds_and_repairs(store: Store, key: Key, tmp_path: Path) -> None:
    run = run_once(store, {key(n): key(n) for n in range(3)})
    folder = store.path / "objects" / "models"
    damage(folder / key(0)[:2] / key(0) / "model")
    store.objects.remove("models", key(1))
    put(store, key(7))
    facts = store.path / "facts" / f"{run}.1.jsonl"
    facts.write_bytes(facts.read_bytes() + b"nonsense\n" + b'{"torn')
    (folder / ".tmp-x").mkdir()
    (store.path / "objects" / "link").symlink_to(tmp_path)
    broken = store.create_run({}, "")
    (store.path / "runs" / broken / "run.json").write_text("")
    (store.path / "runs" / ".tmp-old").mkdir()

    def codes(**options: Any) -> list[tuple[str, str, bool]]:
        return [(found.code, found.path, found.is_repaired) for found in store.check(**options)]

    expected = [
        ("adoptable", f"objects/models/{key(7)[:2]}/{key(7)}", False),
        ("line", f"facts/{run}.1.jsonl", False),
        ("link", "objects/link", False),
        *sorted(("object", f"objects/models/{key(n)[:2]}/{key(n)}", False) for n in (0, 1)),
        ("run", f"runs/{broken}/run.json", False),
        ("unfinished", "runs/.tmp-old", False),
    ]
    assert codes() == expected
    later = time.time() + DAY + 60
    repaired = {path for _, path, done in codes(repair=True, now=later) if done}
    assert repaired == {f"objects/models/{key(0)[:2]}/{key(0)}", "runs/.tmp-old"}
    assert ("unfinished", "runs/.tmp-old", False) not in codes()
    assert set(store.find_facts([key(n) for n in range(3)])) == {key(2)}


def test_a_wrong_index_is_found_and_rebuilt(store: Store, key: Key) -> None:
    import sqlite3

    run_once(store, {key(1): key(1)})
    store.list_runs()
    path = store.index.path
    assert path is not None
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM facts")
    connection.close()
    assert [found.code for found in store.check()] == ["index"]
    assert [found.is_repaired for found in store.check(repair=True)] == [True]
    assert store.check() == []
    assert key(1) in store.find_facts([key(1)])
