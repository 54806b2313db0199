from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import RunIsAlive
from rapidml.store import Attempt, Fact, Store, open_store, read_facts
from rapidml.store.attempts import DRIVER
from rapidml.store.liveness import Beat, Liveness, Pulse, make_beat, read_beat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def far(counter: int = 0, **note: Any) -> Beat:
    """A process of another host."""
    return Beat("login3", "elsewhere", 4711, 1, counter, note)


def test_who_stands_still_for_30_seconds_is_gone() -> None:
    clock = Clock()
    liveness = Liveness(clock=clock)
    assert liveness.is_alive("x", far(1))
    clock.now += 29
    assert liveness.is_alive("x", far(1))
    assert liveness.is_alive("x", far(2))
    clock.now += 29
    assert liveness.is_alive("x", far(2))
    clock.now += 2
    assert not liveness.is_alive("x", far(2))
    assert liveness.is_alive("x", far(3))


def test_a_process_of_this_machine_that_ended_is_gone_at_once(spawn: Callable[..., Any]) -> None:
    process = spawn(
        "from rapidml.store.liveness import make_beat; print(__import__('json').dumps(make_beat().to_json()))"
    )
    beat = Beat.from_json(json.loads(process.communicate()[0]))
    assert beat is not None
    assert beat.is_here()
    assert beat.is_gone()
    assert not Liveness().is_alive("x", beat)


def test_a_number_that_another_process_has_now_is_not_the_process() -> None:
    own = make_beat()
    assert not own.is_gone()
    assert Beat(own.host, own.machine, own.pid, (own.started or 0) - 1).is_gone()
    assert not far().is_gone()


def test_a_pulse_raises_counters_until_it_is_closed(tmp_path: Path) -> None:
    import time

    pulse = Pulse(period=0.01)
    pulse.add(tmp_path / "a", make_beat(run="r"))
    first = read_beat(tmp_path / "a")
    assert first is not None
    assert first.note == {"run": "r"}
    limit = time.monotonic() + 10
    while (read_beat(tmp_path / "a") or first).counter < 3:
        assert time.monotonic() < limit
        time.sleep(0.005)
    pulse.close()
    last = read_beat(tmp_path / "a")
    time.sleep(0.05)
    assert read_beat(tmp_path / "a") == last


def test_a_live_driver_is_named_and_not_disturbed(store: Store) -> None:
    run = store.create_run({}, "")
    attempt = store.start_attempt(run)
    with open_store(store.path) as other:
        with pytest.raises(RunIsAlive, match=f"run {run} is being driven by process {os.getpid()} on "):
            other.start_attempt(run)
        with pytest.raises(RunIsAlive):
            other.remove_run(run)
        assert other.get_run(run).state == "running"
    attempt.finish("finished")
    assert not (store.runs.folder(run) / DRIVER).exists()
    assert store.get_run(run).state == "finished"
    again = store.start_attempt(run)
    assert again.number == 2
    again.finish("finished")


def test_facts_are_added_to_a_finished_run_without_changing_its_state(
    store: Store, key: Callable[[object], str]
) -> None:
    run = store.create_run({}, "")
    store.start_attempt(run).finish("finished")
    with store.attempts.add_facts(run) as facts:
        facts.append(Fact(key(1), "scaling"))
        assert facts.attempt == 2
        with open_store(store.path) as other:
            assert other.get_run(run).state == "finished"
            with pytest.raises(RunIsAlive, match=f"process {os.getpid()} "):
                other.start_attempt(run)
    assert not (store.runs.folder(run) / DRIVER).exists()
    assert not store.is_alive(run)
    assert key(1) in store.find_facts([key(1)])
    again = store.start_attempt(run)
    assert again.number == 3
    again.finish("finished")


def leave_stale(store: Store, run: str, beat: Beat) -> None:
    """A driver on another host that was killed."""
    header = {"run": run, "attempt": 1, "driver": beat.to_json()}
    (store.path / "facts" / f"{run}.1.jsonl").write_text(json.dumps(header) + "\n")
    (store.runs.folder(run) / DRIVER).write_text(json.dumps(beat.to_json()))


def test_a_driver_on_another_host_is_watched_and_taken_over_when_stale(store: Store) -> None:
    run = store.create_run({}, "")
    leave_stale(store, run, far(7, run=run, attempt=1))
    clock = Clock()
    told: list[str] = []
    attempt = store.attempts.start(
        run, liveness=Liveness(clock=clock), on_wait=lambda driver: told.append(driver.describe()), sleep=clock.sleep
    )
    assert told == ["process 4711 on login3"]
    assert 30 <= clock.slept < 35
    assert attempt.number == 2
    attempt.finish("finished")


def test_a_driver_on_another_host_that_beats_is_alive(store: Store) -> None:
    run = store.create_run({}, "")
    leave_stale(store, run, far(7, run=run, attempt=1))
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.slept > 1:
            (store.runs.folder(run) / DRIVER).write_text(json.dumps(far(8, run=run, attempt=1).to_json()))

    with pytest.raises(RunIsAlive, match="process 4711 on login3"):
        store.attempts.start(run, liveness=Liveness(clock=clock), sleep=sleep)
    assert clock.slept < 5


def test_listings_remember_what_they_saw(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create_run({}, "")
    leave_stale(store, run, far(7, run=run, attempt=1))
    monkeypatch.setattr("rapidml.store.store.time.time", lambda: 1000.0)
    assert store.get_run(run).state == "running"
    monkeypatch.setattr("rapidml.store.store.time.time", lambda: 1031.0)
    with open_store(store.path) as other:
        assert other.get_run(run).state == "interrupted"
        assert not other.is_alive(run)
        other.remove_run(run)


def test_a_run_without_any_driver_is_interrupted(store: Store) -> None:
    run = store.create_run({}, "")
    assert [record.state for record in store.list_runs()] == ["interrupted"]
    assert store.list_runs(5, lambda record: record["state"] == "running") == []
    store.remove_run(run)


def test_of_two_that_take_over_one_wins(store: Store) -> None:
    run = store.create_run({}, "")
    leave_stale(store, run, far(7, run=run, attempt=1))
    clock = Clock()
    winners: list[Attempt] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.slept > 29 and not winners:
            winners.append(store.attempts.start(run, liveness=Liveness(limit=0.0), sleep=sleep))

    with pytest.raises(RunIsAlive, match=f"process {os.getpid()} "):
        store.attempts.start(run, liveness=Liveness(clock=clock), sleep=sleep)
    winners[0].finish("finished")


def test_closing_without_finishing_leaves_an_interrupted_run(store: Store, key: Callable[[object], str]) -> None:
    run = store.create_run({}, "")
    attempt = store.start_attempt(run)
    attempt.facts.append(Fact(key(1), "fit"))
    attempt.close()
    assert store.get_run(run).state == "interrupted"
    assert key(1) in store.find_facts([key(1)])


DRIVE = """
import os, sys, threading
from rapidml.store import Fact, open_store
store = open_store(sys.argv[1])
run = store.find_same("d") or store.create_run({"digest": "d", "name": "x"}, "")
attempt = store.start_attempt(run)
print(run, attempt.number, flush=True)
step = int(sys.argv[2])
for i in range(step, 10**6):
    name = f"{i:064x}"
    if name in store.find_facts([name]):
        continue
    def write(folder):
        for part in range(3):
            (folder / f"{part}.bin").write_bytes(os.urandom(20_000))
    ref = store.objects.put("models", name, write, {"i": i})
    attempt.facts.append(Fact(name, "fit", payload={"i": i}, objects=(ref,)))
    attempt.claim(name).release(is_finished=True)
    if i % 3 == 0:
        attempt.facts.flush()
        print(i, flush=True)
"""


@pytest.mark.faults
def test_a_killed_driver_loses_nothing_finished(store: Store, spawn: Callable[..., Any]) -> None:
    promised = -1
    for number in range(1, 6):
        process = spawn(DRIVE, store.path, 0)
        run, attempt = process.stdout.readline().split()
        assert int(attempt) == number
        wanted = promised + 7 * number
        while promised < wanted:
            promised = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].split()
        promised = int(rest[-1]) if rest else promised
        names = [f"{i:064x}" for i in range(promised + 1)]
        found = store.find_facts(names, verify=["models"])
        assert set(found) == set(names)
        assert all(found[name].payload["i"] == int(name, 16) for name in names)
        assert store.get_run(run).state == "interrupted"
        assert {finding.code for finding in store.check()} <= {"adoptable", "unfinished", "line"}
        assert all(store.objects.find_manifest(kind, key) for kind, key, _ in store.objects.list_all())
    made = [fact.key for path in (store.path / "facts").iterdir() for fact in read_facts(path)]
    assert len(made) == len(set(made))
