from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from rapidml.errors import RunNotFound, StoreError
from rapidml.events import Event
from rapidml.store import RunName, Store, parse_run_name, read_events
from rapidml.store.paths import is_run_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def runs(store: Store) -> list[str]:
    """Four runs, the oldest first."""
    names = ["higgs", "top", "higgs", ""]
    return [
        store.create_run(
            {"name": name, "created": 1000.0 + number, "digest": f"d{number % 2}", "dataset": name}, "x: 1\n"
        )
        for number, name in enumerate(names)
    ]


def test_a_run_keeps_what_it_was_given(store: Store) -> None:
    run = store.create_run({"name": "a", "values": {"x": 1}, "id": "ignored"}, "models: {}\n")
    content = store.runs.load(run)
    assert is_run_id(run)
    assert (content["id"], content["state"], content["values"]) == (run, "running", {"x": 1})
    assert store.runs.load_recipe(run) == "models: {}\n"
    assert store.runs.load_marks(run) == {"name": "a"}
    assert sorted(path.name for path in (store.path / "runs").iterdir()) == [run]


def test_a_run_may_be_listed_under_another_name_than_its_recipe(store: Store) -> None:
    run = store.create_run({"name": "recipe"}, "", name="mine")
    assert store.find_run("mine") == run
    store.runs.mark(run, name="other")
    assert store.find_run("other") == run
    with pytest.raises(RunNotFound, match="did you mean other"):
        store.find_run("othr")


def test_runs_are_found_by_what_users_write(store: Store, runs: list[str]) -> None:
    assert store.find_run(runs[1]) == runs[1]
    assert store.find_run("higgs") == runs[2]
    assert store.find_run("top") == runs[1]
    assert [store.find_run(name) for name in ("@last", "@last~0", "@last~1", "@last~3")] == [
        runs[3],
        runs[3],
        runs[2],
        runs[0],
    ]
    prefix = next(runs[0][:n] for n in range(14, 19) if sum(run.startswith(runs[0][:n]) for run in runs) == 1)
    assert store.find_run(prefix) == runs[0]


def test_what_is_not_found_is_explained(store: Store, runs: list[str]) -> None:
    with pytest.raises(RunNotFound, match=r"holds 4 runs: there is no @last~4"):
        store.find_run("@last~4")
    with pytest.raises(RunNotFound, match=r"4 runs begin with '20': .*\(higgs\)"):
        store.find_run("20")
    with pytest.raises(RunNotFound, match="did you mean higgs"):
        store.find_run("higs")
    with pytest.raises(RunNotFound, match=f"the newest are {runs[3]}"):
        store.find_run("zzzzz")
    with pytest.raises(RunNotFound, match="no run ''"):
        store.find_run("")


def test_an_empty_store_says_so(store: Store) -> None:
    with pytest.raises(RunNotFound, match="holds no run yet"):
        store.find_run("x")
    with pytest.raises(RunNotFound, match="holds 0 runs"):
        store.find_run("@last")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("higgs", RunName("higgs")),
        ("@last~1/bdt", RunName("@last~1", "bdt")),
        ("a/bdt#12", RunName("a", "bdt", 12)),
        ("a/bdt#12.3", RunName("a", "bdt", 12, "3")),
        ("a/bdt#0.final", RunName("a", "bdt", 0, "final")),
    ],
)
def test_names_of_parts_are_taken_apart(text: str, expected: RunName) -> None:
    assert parse_run_name(text) == expected


@pytest.mark.parametrize("text", ["", "/", "a/", "/b", "a#1", "a/b#", "a/b#x", "a/b#1.x", "a/b#1.2.3"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(RunNotFound, match="does not name a run"):
        parse_run_name(text)


def test_runs_and_models_are_parsed_together(store: Store, runs: list[str]) -> None:
    assert store.runs.parse("top/bdt") == (runs[1], "bdt")
    assert store.runs.parse("@last") == (runs[3], None)


def test_the_same_run_is_found_by_its_digest(store: Store, runs: list[str]) -> None:
    assert store.find_same("d1") == runs[3]
    assert store.find_same("d2") is None
    assert store.find_same("") is None


@pytest.mark.parametrize("name", ["../../etc", "..", "20261122-0719-k3f9/..", "x", ""])
def test_ids_cannot_leave_the_store(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="is not a run id"):
        store.runs.load(name)


def test_a_linked_run_is_refused(store: Store, runs: list[str], tmp_path: Path) -> None:
    (store.path / "runs" / runs[0]).rename(tmp_path / "x")
    (store.path / "runs" / runs[0]).symlink_to(tmp_path / "x")
    with pytest.raises(StoreError, match="symbolic link"):
        store.runs.load(runs[0])


def test_a_damaged_run_is_named(store: Store, runs: list[str]) -> None:
    (store.path / "runs" / runs[0] / "run.json").write_text("{")
    with pytest.raises(StoreError, match=r"run\.json is damaged; `rapidml rm"):
        store.runs.load(runs[0])
    with pytest.raises(RunNotFound, match="no run 20261122-0719-k3f9"):
        store.runs.load("20261122-0719-k3f9")


def test_marks_are_added_and_taken_off(store: Store, runs: list[str]) -> None:
    assert store.runs.mark(runs[0], add=["b", "a", "b"])["tags"] == ["b", "a"]
    assert store.runs.mark(runs[0], add=["c"], remove=["b"], note="hi")["tags"] == ["a", "c"]
    record = store.get_run(runs[0])
    assert (record.name, record.tags, record.note) == ("higgs", ("a", "c"), "hi")
    assert record.to_record()["tags"] == "a c"


def test_tags_written_at_the_same_time_all_stay(store: Store, runs: list[str]) -> None:
    threads = [threading.Thread(target=store.runs.mark, args=(runs[0],), kwargs={"add": [f"t{n}"]}) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.runs.load_marks(runs[0])["tags"]) == [f"t{n}" for n in range(8)]


def test_the_keys_of_a_run_are_found_wherever_they_stand(store: Store, key: Callable[[object], str]) -> None:
    tree = {"read": [key(1)], "fit": {"bdt": [key(2), {"final": key(3)}]}, key(4): 1, "n": 3, "text": "abc"}
    run = store.create_run({"keys": tree}, "")
    assert store.runs.list_keys(run) == {key(1), key(2), key(3), key(4)}


def test_events_of_all_attempts_are_read_once_and_in_order(store: Store, runs: list[str]) -> None:
    folder = store.runs.folder(runs[0])
    positions: dict[str, int] = {}
    for number in range(11):
        attempt = store.start_attempt(runs[0])
        attempt.append(Event("note", name=f"n{number}"))
        assert [event.name for event in read_events(folder, positions)] == [f"n{number}"]
        attempt.finish("failed")
        attempt.append(Event("note", name="too late"))
    assert read_events(folder, positions) == []
    assert [event.name for event in read_events(folder)] == [f"n{number}" for number in range(11)]
    with (folder / "events.11.jsonl").open("a") as file:
        file.write('{"torn')
    assert read_events(folder, positions) == []


def test_updating_keeps_the_rest(store: Store, runs: list[str]) -> None:
    store.runs.update(runs[0], {"keys": []})
    store.runs.set_summary(runs[0], {"score": 1})
    store.runs.set_state(runs[0], "finished", seconds=3.0)
    content = json.loads((store.path / "runs" / runs[0] / "run.json").read_text())
    assert (content["name"], content["keys"], content["summary"], content["state"]) == (
        "higgs",
        [],
        {"score": 1},
        "finished",
    )
    assert store.runs.load_summary(runs[0]) == {"score": 1}
    assert store.get_run(runs[0]).seconds == 3.0
