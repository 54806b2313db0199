"""Searches with real processes: what is killed, hangs or takes too much memory is not missed by the others."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.execution.small_runs import make_events, read_all_facts, write, write_csv
from tests.faults.test_kills import finish, kill, start, wait_until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

RECIPE = """
dataset: {path: events.csv, target: kind, features: [pt, eta, mass, jets]}
split: {test: 0.2, folds: 3}
models:
  bdt:
    type: xgboost
    params: {n_estimators: {any: [40, 120]}, max_depth: {any: [3, 5, 6]}, subsample: {any: [0.7, 1.0]}}
  forest: {type: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: 60, max_depth: {any: [3, 9]}}}
search: {method: grid}
"""
LIMITED = """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.2, folds: 2}
models:
  net:
    type: sklearn.neural_network.MLPClassifier
    params: {hidden_layer_sizes: {any: [[3], [20000, 4000]]}, max_iter: 2, early_stopping: false}
  slow:
    type: sklearn.neural_network.MLPClassifier
    params: {hidden_layer_sizes: [200, 200], tol: 0.0, n_iter_no_change: 1000000, max_iter: {any: [2, 1000000]}}
search: {method: grid, time_limit: 6s, memory_limit: 300MB}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search_kills")
    write_csv(folder / "events.csv", make_events(1500))
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> dict[str, Any]:
    return list_tables(recipe.parent / "store", finish(start(recipe, recipe.parent / "store", "--workers", "2")))


def list_tables(store: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Candidates with their scores, without costs; and what was chosen."""
    models = json.loads((store / "runs" / result["run"] / "candidates.json").read_text())["models"]
    kept = ("number", "values", "mean", "std", "folds", "low", "high", "state", "tied")
    tables = {name: [{key: row[key] for key in kept} for row in table["rows"]] for name, table in models.items()}
    chosen = {name: (entry["params"], entry["selection"], entry["test"]) for name, entry in result["models"].items()}
    return {"tables": tables, "chosen": chosen}


def count_scores(store: Path) -> int:
    return sum(fact.kind == "score" for fact in read_all_facts(store)) if (store / "facts").exists() else 0


def has_got_to(process: subprocess.Popen[str], store: Path, scores: int) -> bool:
    """Whether so many scores are stored, or the driver has ended."""
    return process.poll() is not None or count_scores(store) >= scores


def test_kill_the_driver_again_and_again(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    draw, store = random.Random(3), tmp_path / "store"
    kills = 0
    for _ in range(4):
        process, before = start(recipe, store, "--workers", "2"), count_scores(store)
        wait_until(partial(has_got_to, process, store, before + 4))
        time.sleep(draw.random() * 0.3)  # any moment: this is what is drawn
        if process.poll() is not None:
            process.communicate()
            break
        kill(process)
        kills += 1
    assert kills
    result = finish(start(recipe, store, "--workers", "2"))
    assert list_tables(store, result) == undisturbed
    keys = [fact.key for fact in read_all_facts(store) if fact.kind == "score" and fact.is_finished]
    assert len(keys) == len(set(keys))  # nothing finished was scored twice


@pytest.mark.cluster
def test_a_killed_worker_costs_nothing_but_time(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(recipe, store, "--workers", "2")
    wait_until(lambda: count_scores(store) >= 3)
    (keeper,) = psutil.Process(process.pid).children()
    max(keeper.children(), key=lambda child: child.pid).kill()
    assert list_tables(store, finish(process)) == undisturbed


def test_ctrl_c_leaves_the_best_so_far(recipe: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(recipe, store, "--workers", "2")
    wait_until(lambda: count_scores(store) >= 8)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    (run,) = (store / "runs").glob("2*")
    rows = json.loads((run / "candidates.json").read_text())["models"]["bdt"]["rows"]
    assert any(score is not None for row in rows for score in row["folds"])
    stored = json.loads((run / "run.json").read_text())["result"]
    assert stored["state"] == "interrupted"
    result = finish(start(recipe, store, "--workers", "2"))
    assert result["run"] == run.name
    assert list_tables(store, result) == undisturbed


def test_a_candidate_beyond_its_limits_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", make_events(400))
    recipe, store = write(tmp_path / "limited.yaml", LIMITED), tmp_path / "store"
    process = start(recipe, store)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3, out + err
    result = json.loads(out)
    assert {name: entry["search"]["failed"] for name, entry in result["models"].items()} == {"net": 1, "slow": 1}
    texts = {(error["model"], error["part"]): error["error"] for error in result["errors"]}
    assert "memory_limit of 0.3 GB" in texts["net", "candidate 1, fold 0"]
    assert "time_limit of 6 s" in texts["slow", "candidate 1, fold 0"]
    assert result["models"]["net"]["params"]["hidden_layer_sizes"] == [3]
    assert result["models"]["slow"]["params"]["max_iter"] == 2
    assert all(entry["test"] for entry in result["models"].values())
