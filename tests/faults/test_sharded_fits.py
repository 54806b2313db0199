"""One fit over several workers, one of which dies or freezes; and a long fit whose driver is killed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.execution.small_runs import list_model_files, scores_of, write
from tests.faults.test_kills import finish, kill, read_events, start, wait_until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.faults, pytest.mark.cluster, pytest.mark.timeout(600)]

RECIPE = """
dataset: {builtin: {toy_events: {rows: 150000}}}
split: {test: 0.1, valid: 0.1}
models:
  bdt: {type: xgboost, shards: 2, params: {n_estimators: 600, subsample: 0.8, max_depth: 7}}
"""
ALONE = ("models.bdt.shards=1", "models.bdt.params.n_estimators=1500")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("shards") / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> dict[str, Any]:
    """Both ranks in one worker process: what any other placing must equal."""
    return finish(start(recipe, recipe.parent / "store", "--workers", "1"))


def assert_as_undisturbed(recipe: Path, undisturbed: dict[str, Any], store: Path, result: dict[str, Any]) -> None:
    assert result["state"] == "finished"
    assert result["fits"]["failed"] == 0
    assert list_model_files(store, result) == list_model_files(recipe.parent / "store", undisturbed)
    assert scores_of(result, "selection") == scores_of(undisturbed, "selection")
    assert not list((store / "work").glob("*/*/checkpoint-*")), "checkpoints of a finished fit are removed"


def find_keeper(store: Path) -> psutil.Process | None:
    """The worker that has written a checkpoint: the one with rank 0."""
    for path in store.glob("work/*/*/checkpoint-*"):
        return psutil.Process(int(path.parent.name.split("-")[-2]))
    return None


def find_other(process: psutil.Process) -> psutil.Process:
    """The other worker: of its siblings the one that has worked most."""
    parent = process.parent()
    assert parent is not None
    return max((child for child in parent.children() if child != process), key=lambda one: one.cpu_times().user)


def list_notes(store: Path) -> list[str]:
    return [event["name"] for event in read_events(store, "note")]


def test_two_workers_give_what_one_gives(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert_as_undisturbed(recipe, undisturbed, store, finish(start(recipe, store)))
    assert not list_notes(store)


@pytest.mark.parametrize(("hit", "is_first"), [(signal.SIGKILL, True), (signal.SIGSTOP, False)])
def test_a_lost_worker(
    recipe: Path, undisturbed: dict[str, Any], tmp_path: Path, hit: signal.Signals, *, is_first: bool
) -> None:
    store = tmp_path / "store"
    process = start(recipe, store)
    first = wait_until(lambda: find_keeper(store) or process.poll() is not None)
    assert isinstance(first, psutil.Process), process.communicate()
    (first if is_first else find_other(first)).send_signal(hit)
    assert_as_undisturbed(recipe, undisturbed, store, finish(process))
    how = "" if hit == signal.SIGKILL else " (1 gave no sign of life for 10 s)"
    said = f"1 of 2 workers of a fit were lost{how}; the fit goes on with the workers left, from its last checkpoint"
    assert list_notes(store) == [f"bdt, final fit: {said}"]


def count_rounds_done(store: Path) -> list[int]:
    return [event["data"]["done"] for event in read_events(store, "progress")]


def test_a_long_fit_goes_on_where_its_driver_was_killed(recipe: Path, tmp_path: Path) -> None:
    store, alone = tmp_path / "store", tmp_path / "alone"
    undisturbed = finish(start(recipe, alone, *ALONE))
    process: subprocess.Popen[str] = start(recipe, store, *ALONE)
    wait_until(lambda: find_keeper(store) or process.poll() is not None)
    kill(process)
    before = len(count_rounds_done(store))
    result = finish(start(recipe, store, *ALONE))
    assert list_model_files(store, result) == list_model_files(alone, undisturbed)
    assert min(count_rounds_done(store)[before:]) > 50, "it began at a checkpoint, a block of rounds at least"
