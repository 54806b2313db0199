"""Promise 3 with real processes: whatever is killed, the same command goes on and nothing finished is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from rapidml.store.store import open_store
from tests.execution.small_runs import (
    assert_nothing_computed_twice,
    list_model_files,
    make_events,
    read_all_facts,
    scores_of,
    write,
    write_csv,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

RECIPE = """
dataset: {path: events.csv, target: kind, features: [pt, eta, mass, jets]}
split: {test: 0.2, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 400, max_depth: 6, subsample: 0.8}}
  stopped: {type: xgboost, params: {n_estimators: 300, max_depth: 6, learning_rate: 0.02}, early_stopping: 30}
  forest: {type: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: 150}}
"""
N_FITS = 3 * 4
MODES = {"processes": ["--workers", "2"], "threads": []}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills")
    write_csv(folder / "events.csv", make_events(1500))
    return write(folder / "recipe.yaml", RECIPE)


def start(recipe: Path, store: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rapidml", "run", str(recipe), "--store", str(store), "--json", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    result: dict[str, Any] = json.loads(out)
    return result


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """What a condition gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)  # files of another process: there is nothing to wait on
    pytest.fail("waited too long")


def read_events(store: Path, kind: str) -> list[dict[str, Any]]:
    lines = [line for path in store.glob("runs/*/events.*.jsonl") for line in path.read_text().splitlines(True)]
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in events if event["kind"] == kind and event["step"] == "fit"]


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the driver and wait until it is gone; its workers end by themselves."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    psutil.wait_procs(children, timeout=60)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> dict[str, Any]:
    return finish(start(recipe, recipe.parent / "store"))


def assert_as_undisturbed(recipe: Path, undisturbed: dict[str, Any], store: Path, result: dict[str, Any]) -> None:
    assert result["state"] == "finished"
    assert list_model_files(store, result) == list_model_files(recipe.parent / "store", undisturbed)
    for part in ("selection", "train", "test"):
        assert scores_of(result, part) == scores_of(undisturbed, part)
    assert_nothing_computed_twice(read_all_facts(store))


def has_got_to(process: subprocess.Popen[str], store: Path, fits: int) -> bool:
    """Whether so many fits are finished, or the driver has ended."""
    return process.poll() is not None or len(read_events(store, "step_finished")) >= fits


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_the_driver_again_and_again(
    recipe: Path, undisturbed: dict[str, Any], tmp_path: Path, mode: str, seed: int
) -> None:
    draw, store = random.Random(seed), tmp_path / "store"
    kills = 0
    for _ in range(6):
        process = start(recipe, store, *MODES[mode])
        enough = len(read_events(store, "step_finished")) + draw.randrange(3)
        wait_until(partial(has_got_to, process, store, enough))
        time.sleep(draw.random() * 0.5)  # any moment: this is what is drawn
        if process.poll() is not None:
            process.communicate()
            break
        kill(process)
        kills += 1
    assert kills
    result = finish(start(recipe, store, *MODES[mode]))
    assert_as_undisturbed(recipe, undisturbed, store, result)
    assert len(list((store / "runs").glob("2*"))) == 1


def test_kill_before_anything_is_read(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    for delay in (0.2, 0.5, 0.8, 1.1):
        process = start(recipe, store)
        time.sleep(delay)  # any moment of the start: the kill must fall where it may
        kill(process)
    assert_as_undisturbed(recipe, undisturbed, store, finish(start(recipe, store)))


@pytest.mark.cluster
def test_a_killed_worker_does_not_fail_the_run(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(recipe, store, "--workers", "2")
    wait_until(lambda: read_events(store, "step_finished"))

    (keeper,) = psutil.Process(process.pid).children()
    max(keeper.children(), key=lambda child: child.pid).kill()  # a worker: the scheduler was there before
    assert_as_undisturbed(recipe, undisturbed, store, finish(process))


@pytest.mark.cluster
def test_a_run_whose_workers_are_all_killed_ends_and_goes_on(
    recipe: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    process = start(recipe, store, "--workers", "2")
    wait_until(lambda: read_events(store, "step_finished"))
    (keeper,) = psutil.Process(process.pid).children()
    keeper.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "are gone: they were stopped or killed" in " ".join(err.split())
    result = finish(start(recipe, store))
    assert result["fits"]["stored"] >= 1
    assert_as_undisturbed(recipe, undisturbed, store, result)


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path, mode: str) -> None:
    store = tmp_path / "store"
    process = start(recipe, store, *MODES[mode])
    wait_until(lambda: read_events(store, "step_finished"))
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 15
    assert "the same command goes on" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    with open_store(store) as opened:
        assert [record.state for record in opened.list_runs()] == ["interrupted"]
    result = finish(start(recipe, store, *MODES[mode]))
    assert result["fits"]["stored"] >= 1
    assert result["fits"]["trained"] + result["fits"]["stored"] == N_FITS
    assert_as_undisturbed(recipe, undisturbed, store, result)


def test_a_second_driver_is_told_who_runs_it(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = start(recipe, store)
    wait_until(lambda: read_events(store, "step_started"))
    second = start(recipe, store)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 1, out + err
    assert f"is being driven by process {first.pid} on " in err
    assert finish(first)["state"] == "finished"


def test_two_recipes_that_share_a_fit_train_it_once(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = start(recipe, store)
    wait_until(lambda: read_events(store, "step_started"))
    second = start(recipe, store, "models.forest.params.max_depth=4")
    results = [finish(driver) for driver in (first, second)]
    assert {result["state"] for result in results} == {"finished"}
    shared = set(results[0]["models"]["bdt"]["keys"].values())
    trained = [fact for fact in read_all_facts(store) if fact.kind == "fit" and fact.key in shared]
    assert len({fact.key for fact in trained}) == 4
    assert_nothing_computed_twice(read_all_facts(store))


def test_the_script(root: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", str(root / "tests" / "faults" / "kill_driver.sh")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 fits" in done.stdout
