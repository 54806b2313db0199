"""Real trainings to hold the simulation against: replicas in processes, with TensorFlow. For ``staleness.py``.

The parent serves the centre over loopback, each child is a replica as a fit's own processes are: ``NetworkLoop``,
``Replica``, ``CentreClient``. They are given the very tasks that are simulated: rows, weights to begin with, seeds.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any

from staleness_network import NumpyLoop
from staleness_simulation import Times

from rapidml.trainers.exchange import serve_centre
from rapidml.trainers.replica import plan_replica

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from staleness_simulation import Task, Trained

    from rapidml.models.network_params import NetworkPlan
    from rapidml.trainers.centre_client import CentreClient
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.shard_work import Window
    from rapidml.trainers.weights import Weights

SECRET = bytes(32)
UNCOUNTED = 5
"""First windows of a replica, in which functions are compiled."""
TOLERANCE = 2e-4


class RealReplicas:
    """Processes for so many replicas, used for one training after the other; close them, or use them in ``with``.

    Args:
        count: Number of replicas.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._lines: list[Connection] = []
        self._processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(number, theirs), daemon=True)
            process.start()
            theirs.close()
            self._lines.append(ours)
            self._processes.append(process)

    def __enter__(self) -> RealReplicas:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.send(None)
        for process in self._processes:
            process.join(10)

    def train(self, task: Task) -> tuple[Trained, Times]:
        """Train for real; the outcome, and how long steps and exchanges took."""
        centre = task.make_centre()
        began = time.perf_counter()
        with serve_centre(centre, "127.0.0.1", SECRET) as server:
            for line in self._lines:
                line.send((server.address, task))
            found = [line.recv() for line in self._lines]
            if server.error is not None:
                raise server.error
        for one in found:
            if isinstance(one, Exception):
                raise one
        steps, exchanges = ([value for one in found for value in one[place]] for place in (0, 1))
        return task.describe(centre, time.perf_counter() - began), Times(tuple(steps), tuple(exchanges))


class _TimedCentre:
    """A centre as a replica reaches it, that notes how long steps and exchanges take."""

    def __init__(self, client: CentreClient) -> None:
        self._client = client
        self._answered = 0.0
        self.steps: list[float] = []
        self.exchanges: list[float] = []

    def join(self) -> Reply:
        reply = self._client.join()
        self._answered = time.perf_counter()
        return reply

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        began = time.perf_counter()
        self.steps.append((began - self._answered) / len(losses))
        reply = self._client.push(commit, window, losses)
        self._answered = time.perf_counter()
        self.exchanges.append(self._answered - began)
        return reply

    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply:
        return self._client.evaluated(epoch, scores)


def _serve(number: int, line: Connection) -> None:
    """A replica's process."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    while (asked := line.recv()) is not None:
        try:
            line.send(_train(number, *asked))
        except Exception as error:  # noqa: BLE001  (raised again by the parent)
            line.send(RuntimeError(f"replica {number}: {type(error).__name__}: {error}"))


def _train(number: int, address: tuple[str, int], task: Task) -> tuple[list[float], list[float]]:
    from rapidml.trainers.centre_client import CentreClient

    replica = task.make_replica(open_loop(task), number)
    with CentreClient(address, SECRET, number, task.weights[0]) as client:
        centre = _TimedCentre(client)
        replica.run(centre)
    count = UNCOUNTED if len(centre.steps) > 2 * UNCOUNTED else 0
    return centre.steps[count:], centre.exchanges[count:]


def open_loop(task: Task) -> Any:
    """TensorFlow's loop for the network of a task, with one thread."""
    from rapidml.dataset.frame import Task as Target
    from rapidml.models.network_loop import NetworkLoop

    plan: NetworkPlan = plan_replica(task.plan, task.trainer)
    rows = task.shards[0]
    target = Target("multiclass", tuple(map(str, range(10))))
    return NetworkLoop(plan, target, rows.inputs.shape[1:], rows.facts, seed=task.seed, threads=1)


def compare_steps(task: Task, steps: int = 20) -> Iterator[tuple[str, float]]:
    """Largest difference of a weight between NumPy's loop and TensorFlow's after some steps on the same rows."""
    import numpy as np

    from rapidml.models.network_batches import make_batches
    from rapidml.trainers.replica import read_weights, write_weights

    rows = task.shards[0]
    batches = make_batches(np.arange(min(len(rows.ids), steps * task.plan.batch_size)), task.plan.batch_size)
    ends = []
    plan = plan_replica(task.plan, task.trainer)
    loops: tuple[Any, ...] = (NumpyLoop(plan), open_loop(task))
    for loop in loops:
        write_weights(loop, task.weights[0])
        loop.train(loop.load(rows), batches)
        ends.append(read_weights(loop.model))
    for number, (one, other) in enumerate(zip(ends[0].trained, ends[1].trained, strict=True)):
        yield f"array {number}", float(np.abs(one - other).max())
