from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import StoreError
from rapidml.store import Claim, Rival, Store, find_checkpoint, save_checkpoint
from rapidml.store.liveness import Beat, Liveness, Pulse
from rapidml.store.work import OWNER, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    pulse = Pulse()
    yield pulse
    pulse.close()


def content(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "model").write_text(text)


def test_one_claims_and_the_other_learns_who(store: Store, key: Callable[[object], str], pulse: Pulse) -> None:
    claim = store.work.claim(key(1), pulse, run="20261122-0719-k3f9")
    assert isinstance(claim, Claim)
    rival = Work(store.path / "work").claim(key(1), pulse, run="other")
    assert isinstance(rival, Rival)
    assert rival.describe().startswith("run 20261122-0719-k3f9, process ")
    assert store.work.find_rival(key(1)) == rival
    assert sorted(path.name for path in claim.folder.parent.iterdir()) == sorted([OWNER, claim.folder.name])
    claim.release(is_finished=True)
    assert list((store.path / "work").iterdir()) == []
    assert store.work.find_rival(key(1)) is None


def test_a_stale_owner_is_replaced_and_its_checkpoint_used(
    store: Store, key: Callable[[object], str], pulse: Pulse
) -> None:
    first = store.work.claim(key(1), pulse)
    assert isinstance(first, Claim)
    save_checkpoint(first.folder, 10, content("ten"))
    pulse.remove(first.folder / "heartbeat")
    far = Beat("login3", "elsewhere", 1, 1, 5, {"run": "r"})
    (first.folder / "heartbeat").write_text(json.dumps(far.to_json()))
    now = [0.0]
    work = Work(store.path / "work", Liveness(clock=lambda: now[0]))
    assert isinstance(work.claim(key(1), pulse), Rival)
    now[0] = 31.0
    second = work.claim(key(1), pulse)
    assert isinstance(second, Claim)
    found = second.find_checkpoint()
    assert found is not None
    assert (found / "model").read_text() == "ten"
    first.release(is_finished=False)  # the former owner wakes up: it takes nothing away
    assert isinstance(Work(store.path / "work").claim(key(1), pulse), Rival)
    second.release(is_finished=True)
    assert list((store.path / "work").iterdir()) == []


def test_an_unfinished_claim_leaves_its_checkpoints(store: Store, key: Callable[[object], str], pulse: Pulse) -> None:
    claim = store.work.claim(key(1), pulse)
    assert isinstance(claim, Claim)
    for progress in (5, 10, 100):
        save_checkpoint(claim.folder, progress, content(str(progress)))
    claim.release(is_finished=False)
    names = sorted(path.name for path in claim.folder.iterdir())
    assert names == ["checkpoint-000000000010", "checkpoint-000000000100"]
    again = store.work.claim(key(1), pulse)
    assert isinstance(again, Claim)
    assert again.find_checkpoint() == claim.folder / "checkpoint-000000000100"
    again.release(is_finished=True)


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for attempt, progress in (("a", 5), ("b", 7), ("a", 9)):
        (tmp_path / attempt).mkdir(exist_ok=True)
        save_checkpoint(tmp_path / attempt, progress, content(f"{progress}"))
    path = tmp_path / "a" / "checkpoint-000000000009" / "model"
    path.chmod(0o644)
    path.write_text("8")
    assert find_checkpoint(tmp_path) == tmp_path / "b" / "checkpoint-000000000007"
    (tmp_path / "b" / "checkpoint-000000000007" / "manifest.json").write_text("{")
    assert find_checkpoint(tmp_path) == tmp_path / "a" / "checkpoint-000000000005"
    assert find_checkpoint(tmp_path / "none") is None


def test_of_many_at_once_exactly_one_owns(store: Store, key: Callable[[object], str], pulse: Pulse) -> None:
    results: list[Claim | Rival] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        results.append(Work(store.path / "work").claim(key(1), pulse))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(result) for result in results].count(Claim) == 1
    assert len(results) == 8


def test_a_scratch_folder_goes_away(store: Store, key: Callable[[object], str]) -> None:
    with store.work.scratch(key(1)) as folder:
        (folder / "part").write_text("x")
    assert list((store.path / "work").iterdir()) == []


@pytest.mark.parametrize("name", ["..", "../runs", "x", ""])
def test_names_cannot_leave_the_store(store: Store, pulse: Pulse, name: str) -> None:
    with pytest.raises(StoreError, match="is not a key"):
        store.work.claim(name, pulse)


KILLED = """
import os, signal, sys
from rapidml.store import open_store, save_checkpoint
store = open_store(sys.argv[1])
attempt = store.start_attempt(store.create_run({}, ""))
claim = attempt.claim(sys.argv[2])
save_checkpoint(claim.folder, 3, lambda folder: (folder / "model").write_text("three") and None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.faults
def test_the_key_of_a_killed_process_is_free_at_once(
    store: Store, key: Callable[[object], str], pulse: Pulse, spawn: Callable[..., Any]
) -> None:
    spawn(KILLED, store.path, key(1)).wait()
    claim = store.work.claim(key(1), pulse)
    assert isinstance(claim, Claim)
    checkpoint = claim.find_checkpoint()
    assert checkpoint is not None
    assert (checkpoint / "model").read_text() == "three"
    claim.release(is_finished=True)
