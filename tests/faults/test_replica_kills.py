"""Networks whose replicas, workers or driver die or freeze in the middle of an epoch: the fit finishes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.execution.small_runs import write
from tests.faults.test_kills import finish, kill, read_events, start, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = [pytest.mark.faults, pytest.mark.cluster, pytest.mark.timeout(600)]

RECIPE = """
dataset: {builtin: {toy_events: {rows: 60000}}}
split: {test: 0.1, valid: 0.1}
models:
  net:
    type: mlp
    prepare: [standardize]
    params: {hidden: [32, 16], epochs: 12, batch_size: 32}
    trainer: TRAINER
evaluate: {rank_by: roc_auc}
"""
DEALT = "{adag: {replicas: 2, window: 8}}"
TOGETHER = "{multiworker: {replicas: 2}}"


def make_recipe(folder: Path, trainer: str) -> Path:
    return write(folder / "recipe.yaml", RECIPE.replace("TRAINER", trainer))


def list_replicas(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Processes of replicas: children of helpers, which are started by our workers."""
    found = []
    for below in psutil.Process(process.pid).children(recursive=True):
        try:
            if any("rapidml.trainers.forking" in word for word in below.cmdline()):
                found += below.children()
        except psutil.Error:
            continue
    return sorted(set(found), key=lambda one: one.pid)


def find_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Dask workers that have a helper."""
    found = []
    for replica in list_replicas(process):
        try:
            helper = replica.parent()
            worker = None if helper is None else helper.parent()
        except psutil.Error:
            continue
        if worker is not None:
            found.append(worker)
    return sorted(set(found), key=lambda one: one.pid)


def count_epochs(store: Path) -> int:
    return max((event["data"]["done"] for event in read_events(store, "progress")), default=0)


def run_until(process: subprocess.Popen[str], is_there: Callable[[], Any]) -> None:
    wait_until(lambda: is_there() or process.poll() is not None)
    assert process.poll() is None, process.communicate()


def describe(result: dict[str, Any]) -> dict[str, Any]:
    assert result["state"] == "finished"
    assert result["fits"]["failed"] == 0
    model: dict[str, Any] = result["models"]["net"]
    assert model["selection"]["roc_auc"]["value"] > 0.85
    return model


@pytest.mark.parametrize("hit", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_replica_of_an_asynchronous_trainer(tmp_path: Path, hit: signal.Signals) -> None:
    store = tmp_path / "store"
    process = start(make_recipe(tmp_path, DEALT), store)
    run_until(process, lambda: count_epochs(store) >= 2)
    list_replicas(process)[1].send_signal(hit)
    describe(finish(process))


def test_a_lost_worker_of_an_asynchronous_trainer(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(make_recipe(tmp_path, DEALT), store)
    run_until(process, lambda: count_epochs(store) >= 2)
    find_workers(process)[0].kill()
    describe(finish(process))


def test_a_lost_replica_of_multiworker(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(make_recipe(tmp_path, TOGETHER), store)
    run_until(process, lambda: count_epochs(store) >= 2)
    list_replicas(process)[1].kill()
    assert describe(finish(process))["training"]["lost"] == 1
    (note,) = [event["name"] for event in read_events(store, "note") if "goes on" in event["name"]]
    assert note.startswith("net, final fit: ")


def test_a_killed_driver(tmp_path: Path) -> None:
    store, recipe = tmp_path / "store", make_recipe(tmp_path, DEALT)
    process = start(recipe, store)
    run_until(process, lambda: count_epochs(store) >= 3)
    kill(process)
    before = len(read_events(store, "progress"))
    describe(finish(start(recipe, store)))
    assert read_events(store, "progress")[before]["data"]["done"] >= 2, "it began at a snapshot"
