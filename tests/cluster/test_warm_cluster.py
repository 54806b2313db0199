"""The warm cluster with real processes: found, used, refused, killed, frozen, ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from rapidml.cluster import warm as warm_module
from rapidml.cluster.cores import count_cores
from rapidml.cluster.private_files import load_private, runtime_folder, write_private
from rapidml.cluster.served import Served
from rapidml.cluster.settings import RECORD
from rapidml.cluster.warm import find_warm, look_at_warm, start_warm, stop_warm
from rapidml.cluster.workers import open_served
from rapidml.errors import ClusterError
from rapidml.execution.opened import forget_peak
from rapidml.execution.options import RunOptions
from rapidml.execution.preloaded import PRELOAD, TASKS
from rapidml.execution.tasks import peak_memory
from tests.execution.small_runs import (
    list_model_files,
    list_prediction_files,
    make_events,
    plan,
    run,
    scores_of,
    write,
    write_csv,
)
from tests.faults.test_kills import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.events import Event

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

RECIPE = """
dataset: {path: "part*.csv", target: label, positive: s, weight: w, features: [pt, eta, mass, jets]}
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 30, max_depth: 4, subsample: 0.7}}
  hist: {type: sklearn.ensemble.HistGradientBoostingClassifier, params: {max_iter: 5}}
  logistic: {type: sklearn.linear_model.LogisticRegression, prepare: [standardize]}
"""
LONG = """
dataset: {path: "part*.csv", target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, valid: 0.25}
models: {bdt: {type: xgboost, params: {n_estimators: 200000}}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warm")
    for number in range(3):
        write_csv(folder / f"part{number}.csv", make_events(400, seed=number))
    write(folder / "long.yaml", LONG)
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def threads(recipe: Path) -> dict[str, Any]:
    """The run on workers in this process."""
    return run(recipe, recipe.parent / "threads")


@contextlib.contextmanager
def keep(folder: Path, workers: int = 2, preload: tuple[str, ...] = (), idle: float | None = None) -> Iterator[Served]:
    """A warm cluster in a runtime folder of its own, and none of its processes in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        try:
            served, is_new = start_warm(workers, preload, idle, TASKS if preload else ())
            assert is_new
            yield served
            left = list_processes(served)
        finally:
            stop_warm()
    gone, alive = psutil.wait_procs(left, timeout=20)
    assert not alive, f"{alive} are left, {gone} ended"


def list_processes(served: Served) -> list[psutil.Process]:
    """Keeper, scheduler and workers."""
    with contextlib.suppress(psutil.NoSuchProcess):
        keeper = psutil.Process(served.pid)
        return [keeper, *keeper.children()]
    return []


def find_scheduler(served: Served) -> psutil.Process:
    """The child that was forked first."""
    return min(psutil.Process(served.pid).children(), key=lambda child: child.pid)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A cluster for the tests that leave it as it was."""
    with keep(tmp_path_factory.mktemp("runtime"), preload=PRELOAD) as served:
        yield served


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A cluster for a test that breaks it; nothing is imported beforehand."""
    with keep(tmp_path) as served:
        yield served


def run_noting(recipe: Path, store: Path, *overrides: str) -> tuple[dict[str, Any], list[str]]:
    """Result of a run, and the sentences it said."""
    heard: list[Event] = []
    result = run(recipe, store, *overrides, watch=heard.append)
    return result, [event.name for event in heard if event.kind == "note"]


def assert_equal_runs(recipe: Path, threads: dict[str, Any], store: Path, result: dict[str, Any]) -> None:
    own = recipe.parent / "threads"
    assert result["state"] == threads["state"] == "finished"
    assert [entry["keys"] for entry in result["models"].values()] == [
        entry["keys"] for entry in threads["models"].values()
    ]
    assert list_model_files(store, result) == list_model_files(own, threads)
    assert list_prediction_files(store, plan(recipe, store)) == list_prediction_files(own, plan(recipe, own))
    for part in ("selection", "train", "test"):
        assert scores_of(result, part) == scores_of(threads, part)


def test_a_run_finds_it_and_gives_the_same_bytes(
    recipe: Path, threads: dict[str, Any], warm: Served, tmp_path: Path
) -> None:
    for number in range(2):
        result, notes = run_noting(recipe, tmp_path / f"store{number}")
        assert notes == ["on 2 workers of the warm cluster"]
        assert_equal_runs(recipe, threads, tmp_path / f"store{number}", result)


def list_modules() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def test_a_run_imports_no_library_on_the_workers(recipe: Path, warm: Served, tmp_path: Path) -> None:
    with open_served(warm, "warm") as workers:
        before = workers.client.run(list_modules)
        run(recipe, tmp_path / "store")
        after = workers.client.run(list_modules)
    assert {"xgboost", "sklearn", "skops", "pyarrow", "scipy", "numpy", "rapidml"} <= set.union(*before.values())
    assert {address: after[address] - before[address] for address in after} == {address: set() for address in before}


def test_the_first_run_imports_nothing_on_the_scheduler(recipe: Path, tmp_path: Path) -> None:
    """What it imports to read the first task, the run waits for."""

    def list_all() -> set[str]:
        return set(sys.modules)

    with keep(tmp_path, workers=1, preload=PRELOAD) as served, open_served(served, "warm") as workers:
        before = workers.client.run_on_scheduler(list_all)
        run(recipe, tmp_path / "store")
        after = workers.client.run_on_scheduler(list_all)
    assert "rapidml.execution.tasks" in before
    assert not {name for name in after - before if name.startswith(("rapidml", "pydantic", "numpy"))}


def test_own_workers_where_their_number_is_named(recipe: Path, warm: Served, tmp_path: Path) -> None:
    heard: list[Event] = []
    result = run(recipe, tmp_path / "store", options=RunOptions(workers=1), watch=heard.append)
    assert result["state"] == "finished"
    assert not [event for event in heard if event.kind == "note"]


def test_two_runs_at_once(recipe: Path, threads: dict[str, Any], warm: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rapidml", "run", str(recipe), "--json", "--store"]
    started = [
        subprocess.Popen([*command, str(tmp_path / name)], stdout=subprocess.PIPE, text=True) for name in ("a", "b")
    ]
    for name, process in zip(("a", "b"), started, strict=True):
        out, _ = process.communicate(timeout=200)
        assert process.returncode == 0
        assert_equal_runs(recipe, threads, tmp_path / name, json.loads(out))


def find_thread_ids() -> set[int]:
    return {thread.id for thread in psutil.Process().threads()}


def count_threads_of_a_fit(threads: int) -> int:
    """Threads that come into being when a fit may use several. Runs on a worker."""
    import numpy as np
    import xgboost

    rows = np.random.default_rng(0).random((20_000, 4))
    before = find_thread_ids()
    xgboost.train({"nthread": threads}, xgboost.QuantileDMatrix(rows, rows[:, 0], nthread=threads), 3)
    return len(find_thread_ids() - before)


def test_a_fit_may_use_several_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with keep(tmp_path, workers=1, preload=PRELOAD) as served:
        assert psutil.Process(served.pid).num_threads() == 1  # what is forked has no thread that could hold a lock
        with open_served(served, "warm") as workers:
            assert workers.share(1).threads == count_cores()
            assert workers.share(1).count == 1
            fit = workers.client.submit(count_threads_of_a_fit, 2, pure=False)
            assert fit.result(timeout=60) == min(2, count_cores()) - 1  # and the one that asks


def fill(size: int) -> int:
    """Memory that is given back. Runs on a worker."""
    return len(bytearray(b"x") * size)


def peak_of_a_task() -> int:
    forget_peak()
    return peak_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets a peak")
def test_the_peak_is_that_of_the_task(warm: Served) -> None:
    with open_served(warm, "warm") as workers:
        address = next(iter(workers.client.nthreads()))
        call = {"workers": [address], "pure": False}
        assert workers.client.submit(fill, 400_000_000, **call).result(timeout=60) == 400_000_000
        after = workers.client.submit(peak_memory, **call).result(timeout=60)
        assert after > 400_000_000
        assert workers.client.submit(peak_of_a_task, **call).result(timeout=60) < after - 300_000_000


def test_nobody_else_is_let_in(warm: Served) -> None:
    from distributed import Client, Security

    from rapidml.cluster.certificates import make_certificate

    trusting = Security(tls_ca_file=warm.certificate.certificate, require_encryption=True)
    for address, security in (
        (warm.address.replace("tls://", "tcp://"), None),
        (warm.address, trusting),
        (warm.address, make_certificate().make_security()),
    ):
        with pytest.raises((OSError, TypeError)):
            Client(address, security=security, timeout=5, set_as_default=False)
    assert look_at_warm().state == "running"


def test_every_port_is_on_loopback(warm: Served) -> None:
    for process in list_processes(warm):
        for connection in process.net_connections("inet"):
            assert connection.laddr.ip == "127.0.0.1"


def test_a_killed_worker_is_started_again(recipe: Path, warm: Served, tmp_path: Path) -> None:
    worker = max(psutil.Process(warm.pid).children(), key=lambda child: child.pid)
    worker.kill()
    psutil.wait_procs([worker], timeout=20)
    wait_until(lambda: len(psutil.Process(warm.pid).children()) == 3 and look_at_warm().workers == 2)
    result, notes = run_noting(recipe, tmp_path / "store", "seed=7")
    assert (result["state"], notes) == ("finished", ["on 2 workers of the warm cluster"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_no_fit_behind(recipe: Path, warm: Served, tmp_path: Path, how: signal.Signals) -> None:
    store = tmp_path / "store"
    wait_until(lambda: look_at_warm().clients == 0)
    before = {child.pid for child in psutil.Process(warm.pid).children()}
    command = [sys.executable, "-m", "rapidml", "run", str(recipe.parent / "long.yaml"), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: '"progress"' in "".join(path.read_text() for path in store.glob("runs/*/events.*.jsonl")))
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -9), out + err
    assert "Traceback" not in err

    def is_ready() -> bool:
        status = look_at_warm()
        return (status.workers, status.tasks, status.clients) == (2, 0, 0)

    wait_until(lambda: len(before - {child.pid for child in psutil.Process(warm.pid).children()}) == 1)
    wait_until(is_ready)


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rapidml", "cluster", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert call("status").returncode == 1
    assert call("stop").stdout == "warm cluster: none was running\n"
    try:
        done = call("start", "--workers", "1", "--json")
        started = json.loads(done.stdout)
        assert (done.returncode, started["is_new"], started["workers"], started["idle"]) == (0, True, 1, 3600.0)
        assert "PRIVATE" not in done.stdout
        assert started["address"].startswith("tls://127.0.0.1:")
        assert "warm cluster: 1 worker, running already\ndashboard http://127.0.0.1:" in call("start").stdout
        status = call("status")
        assert status.returncode == 0
        assert re.match(r"warm cluster: 1 of 1 worker ready, idle, up for ", status.stdout), status.stdout
        status = call("status", "--json")
        assert json.loads(status.stdout)["state"] == "running"
        assert "PRIVATE" not in status.stdout
        processes = list_processes(Served.from_json(load_private(runtime_folder() / RECORD)))
        assert len(processes) == 3
        assert call("stop").stdout == "warm cluster: stopped\n"
        assert not psutil.wait_procs(processes, timeout=10)[1]
        assert [path.name for path in runtime_folder().iterdir() if path.name == RECORD] == []
        assert call("status").stdout == "warm cluster: none\n"
    finally:
        stop_warm()


def test_starts_at_once_leave_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found: list[tuple[Served, bool]] = []
    starts = [threading.Thread(target=lambda: found.append(start_warm(1, (), None))) for _ in range(6)]
    try:
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        assert sorted(is_new for _, is_new in found) == [False] * 5 + [True]
        assert len({served.pid for served, _ in found}) == 1
        asked = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]
        ours = {process.pid for process in asked if str(tmp_path) in " ".join(process.info["cmdline"])}
        assert ours == {process.pid for process in list_processes(found[0][0])}
    finally:
        stop_warm()


def test_an_idle_one_ends(tmp_path: Path) -> None:
    with keep(tmp_path, workers=1, idle=1.5) as served:
        processes = list_processes(served)
        with open_served(served, "warm"):
            assert psutil.wait_procs(processes, timeout=3)[0] == []  # a client is connected
        assert not psutil.wait_procs(processes, timeout=30)[1]
        assert look_at_warm().state == "none"
        assert find_warm() is None


def test_a_killed_keeper_takes_all_with_it_and_is_not_believed(recipe: Path, fresh: Served, tmp_path: Path) -> None:
    processes = list_processes(fresh)
    processes[0].kill()
    assert not psutil.wait_procs(processes, timeout=20)[1]
    assert look_at_warm().state == "dead"
    result, notes = run_noting(recipe, tmp_path / "store")
    assert result["state"] == "finished"
    assert notes == ["warm cluster not used, own workers instead: it was killed"]
    assert look_at_warm().state == "none"


def test_a_killed_scheduler_ends_all(fresh: Served) -> None:
    processes = list_processes(fresh)
    find_scheduler(fresh).kill()
    assert not psutil.wait_procs(processes, timeout=20)[1]
    assert look_at_warm().state == "none"


def test_a_frozen_scheduler_holds_nobody_for_long(recipe: Path, fresh: Served, tmp_path: Path) -> None:
    find_scheduler(fresh).suspend()
    assert look_at_warm().state == "silent"
    began = time.monotonic()
    result, notes = run_noting(recipe, tmp_path / "store")
    assert result["state"] == "finished"
    assert time.monotonic() - began < 45
    assert len(notes) == 1
    assert notes[0].startswith("warm cluster not used, own workers instead: no scheduler answers at tls://127.0.0.1:")


def test_a_frozen_worker_holds_nobody_for_long(recipe: Path, fresh: Served, tmp_path: Path) -> None:
    max(psutil.Process(fresh.pid).children(), key=lambda child: child.pid).suspend()
    result, notes = run_noting(recipe, tmp_path / "store")
    assert result["state"] == "finished"
    assert notes == ["warm cluster not used, own workers instead: a worker did not answer within 5 s"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": "3.99.0"}, "it has python 3.99.0, this process python "),
        ({"sources": "1"}, "rapidml's source files changed after it started (to use it: rapidml cluster stop && "),
    ],
)
def test_another_environment_is_not_used_and_that_is_said(
    recipe: Path, fresh: Served, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    record = fresh.to_json()
    write_private(runtime_folder() / RECORD, {**record, "environment": {**fresh.environment, **change}})
    result, notes = run_noting(recipe, tmp_path / "store")
    assert result["state"] == "finished"
    assert len(notes) == 1
    assert notes[0].startswith(f"warm cluster not used, own workers instead: {said}")


def test_a_record_that_others_can_read_is_not_believed(recipe: Path, fresh: Served, tmp_path: Path) -> None:
    path = runtime_folder() / RECORD
    path.chmod(0o644)
    result, notes = run_noting(recipe, tmp_path / "store")
    path.chmod(0o600)
    assert result["state"] == "finished"
    assert len(notes) == 1
    assert "cluster.json is open to other users" in notes[0]


def test_a_run_whose_cluster_ends_fails_and_goes_on(recipe: Path, fresh: Served, tmp_path: Path) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "rapidml", "run", str(recipe.parent / "long.yaml"), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: '"progress"' in "".join(path.read_text() for path in store.glob("runs/*/events.*.jsonl")))
        assert stop_warm()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "are gone: they were stopped or killed" in " ".join(err.split())
    result = run(recipe.parent / "long.yaml", store, "models.bdt.params.n_estimators=3")
    assert result["state"] == "finished"


def test_a_start_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION", "7.7")
    try:
        with pytest.raises(ClusterError, match=r"(?s)the workers did not start: .*end of its log:\n"):
            start_warm(1, (), None)
        assert look_at_warm().state == "none"
    finally:
        stop_warm()
    assert os.environ["XDG_RUNTIME_DIR"] == str(tmp_path)
    assert warm_module.find_warm() is None
