"""The same bytes and scores wherever fits run: threads, one process, two, the workers of a running scheduler."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import ClusterError
from rapidml.execution.options import RunOptions
from tests.execution.small_runs import (
    assert_nothing_computed_twice,
    list_model_files,
    list_prediction_files,
    make_events,
    plan,
    read_all_facts,
    run,
    scores_of,
    write,
    write_csv,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.events import Event

pytestmark = pytest.mark.cluster

RECIPE = """
dataset: {path: "part*.csv", target: label, positive: s, weight: w, features: [pt, eta, mass, jets]}
split: {test: 0.25, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 30, max_depth: 4, subsample: 0.7}}
  spread: {type: xgboost, shards: 3, params: {n_estimators: 60, subsample: 0.7, max_depth: 3}, early_stopping: 8}
  stopped: {type: xgboost, params: {n_estimators: 60, max_depth: 3}, early_stopping: 4}
  forest: {type: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: 10}}
  hist: {type: sklearn.ensemble.HistGradientBoostingClassifier, params: {max_iter: 5}}
  logistic: {type: sklearn.linear_model.LogisticRegression, prepare: [standardize]}
evaluate: {also: [log_loss]}
"""
N_FITS = 6 * 4


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bytes")
    for number in range(3):
        write_csv(folder / f"part{number}.csv", make_events(400, seed=number))
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def threads(recipe: Path) -> dict[str, Any]:
    """The run on workers in this process."""
    return run(recipe, recipe.parent / "threads")


def assert_equal_runs(recipe: Path, threads: dict[str, Any], store: Path, result: dict[str, Any]) -> None:
    own = recipe.parent / "threads"
    assert result["state"] == threads["state"] == "finished"
    assert list_model_files(store, result) == list_model_files(own, threads)
    assert list_prediction_files(store, plan(recipe, store)) == list_prediction_files(own, plan(recipe, own))
    for part in ("selection", "train", "test"):
        assert scores_of(result, part) == scores_of(threads, part)


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes(recipe: Path, threads: dict[str, Any], tmp_path: Path, workers: int) -> None:
    heard: list[Event] = []
    result = run(recipe, tmp_path / "store", options=RunOptions(workers=workers), watch=heard.append)
    assert_equal_runs(recipe, threads, tmp_path / "store", result)
    assert_nothing_computed_twice(read_all_facts(tmp_path / "store"))
    finished = [event for event in heard if event.kind == "step_finished" and event.step == "fit"]
    assert len(finished) == len({event.key for event in finished}) == N_FITS
    again = run(recipe, recipe.parent / "threads", options=RunOptions(workers=workers))
    assert again["computed"] is False


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two worker processes that is not ours to stop."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def test_a_running_scheduler(recipe: Path, threads: dict[str, Any], tmp_path: Path, address: str) -> None:
    assert address.startswith("tcp://127.0.0.1:")
    for number in range(2):  # its workers are still there after the first run
        store = tmp_path / f"store{number}"
        assert_equal_runs(recipe, threads, store, run(recipe, store, options=RunOptions(cluster=address)))


def test_an_address_that_is_not_encrypted_stays_on_this_host(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"is not encrypted.*--insecure"):
        run(recipe, tmp_path / "store", options=RunOptions(cluster="tcp://192.0.2.1:8786"))


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tls:8786"])
def test_what_is_no_address(recipe: Path, tmp_path: Path, address: str) -> None:
    with pytest.raises(ClusterError, match="expected an address such as tls://host:8786"):
        run(recipe, tmp_path / "store", options=RunOptions(cluster=address))


def test_an_address_where_nobody_answers(recipe: Path, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ClusterError, match="no scheduler answers at"):
        run(recipe, tmp_path / "store", options=RunOptions(cluster=address))


def test_a_scheduler_without_workers(recipe: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty,
        pytest.raises(ClusterError, match="has no workers; start some"),
    ):
        run(recipe, tmp_path / "store", options=RunOptions(cluster=empty.scheduler_address))
