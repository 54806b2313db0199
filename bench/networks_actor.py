"""A Dask actor as a centre: exchanges per second of what a user of Dask would write. For ``networks.py``.

The actor holds the weights and adds what it is sent; tasks on other workers send and get. It has no numbers of
requests, no staleness, no shards and no epochs: less is done than in rapidml's centre.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Holder:
    """The weights."""

    def __init__(self, n_values: int) -> None:
        self.weights = np.zeros(n_values, np.float32)

    def exchange(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add a change; the weights after it."""
        self.weights += change
        return self.weights.copy()  # it is sent while the next change is added


def push(holder: Any, n_values: int, seconds: float) -> float:
    """Exchange for some time; exchanges per second."""
    change = np.zeros(n_values, np.float32)
    for _ in range(5):
        holder.exchange(change).result()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        holder.exchange(change).result()
        done += 1
    return done / (time.perf_counter() - began)


def measure_actor(clients: int, n_values: int, seconds: float) -> float:
    """Exchanges per second of all clients together."""
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.memory.terminate": False})
    size = {"n_workers": 1 + clients, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**size, dashboard_address=None) as cluster, Client(cluster) as client:
        first, *others = sorted(client.scheduler_info(n_workers=-1)["workers"])
        holder = client.submit(Holder, n_values, actor=True, workers=[first]).result()
        found = [client.submit(push, holder, n_values, seconds, workers=[one], pure=False) for one in others]
        return float(sum(client.gather(found)))
