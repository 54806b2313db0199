"""Helpers beside Dask workers of every kind: they fork there, and end with their worker."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from rapidml.trainers.helper import Helper
from tests.trainers.test_helper import HERE, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow]


def start_on_worker(dask_worker: Any) -> list[int]:
    """Start a helper with a child on a worker, which keeps them; the ids of worker, helper and child."""
    helper = Helper.start()
    child = helper.fork(f"{HERE}:linger")
    dask_worker.helper_of_test = (helper, child)
    return [os.getpid(), helper.pid, *child.poll(None)]


@contextmanager
def open_nannies() -> Iterator[Client]:
    from distributed import Client, LocalCluster

    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def open_kept() -> Iterator[Client]:
    from rapidml.cluster.served import Wanted
    from rapidml.cluster.starting import Started
    from rapidml.cluster.workers import open_served

    started = Started(Wanted(workers=1, preload=(), folder=None, idle=None))
    try:
        with open_served(started.wait(), "processes") as workers:
            yield workers.client
    finally:
        started.close()


@pytest.mark.parametrize("opens", [open_nannies, open_kept], ids=["nanny", "keeper"])
@pytest.mark.parametrize("how", ["killed", "closed"])
def test_helpers_live_and_end_with_their_worker(opens: Any, how: str) -> None:
    with opens() as client:
        (pids,) = client.run(start_on_worker).values()
        assert all(psutil.pid_exists(pid) for pid in pids)
        if how == "killed":
            os.kill(pids[0], signal.SIGKILL)
            wait_for_end(pids)
    wait_for_end(pids)
