"""Replicas and their centre on a simulated clock. For ``staleness.py``.

The replicas are ``trainers.replica.Replica`` and the centre is ``trainers.centre.Centre``: the real code, with real
gradients of real rows; only time is not real. A replica's steps take as long as steps were measured to take, an
exchange as long as one was measured to take, and the centre serves one after the other, as behind one network card.
Each replica is a thread, but only one runs at any time, in the order of the simulated clock: a seed decides all.
"""

from __future__ import annotations

import heapq
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from staleness_network import NumpyLoop, score

from rapidml.trainers.centre import Centre
from rapidml.trainers.replica import Replica, plan_replica
from rapidml.trainers.rules import make_rule
from rapidml.trainers.shard_work import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.models.network_loop import NetworkLoop
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.shard_work import Window
    from rapidml.trainers.weights import Weights

POINTS = 20
"""Points of the curve of a simulated training."""


@dataclass(frozen=True)
class Times:
    """Measured times.

    Attributes:
        steps: Seconds of a step, of some windows.
        exchanges: Seconds of an exchange.
    """

    steps: tuple[float, ...]
    exchanges: tuple[float, ...]


@dataclass(frozen=True)
class Trained:
    """The outcome of a training.

    Attributes:
        accuracy: Of the centre on test rows; 0 if it is not numbers any more.
        loss: Its mean log loss, nats; infinite then.
        seconds: How long it took, on the simulated clock or a real one.
        staleness: Mean number of updates by others between pull and push.
        samples: Rows committed.
        curve: Samples, and the accuracy after so many; empty for a real training.
        failure: Why it ended early; None if it did not.
    """

    accuracy: float
    loss: float
    seconds: float
    staleness: float
    samples: int
    curve: tuple[tuple[int, float], ...] = ()
    failure: str | None = None


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        plan: The network.
        trainer: The trainer.
        shards: Rows of each replica.
        test: Inputs and classes to score with.
        weights: Those to begin with: one set, or one a replica where they are kept apart.
        seed: Seed of the order of rows, and of the simulated clock.
    """

    plan: NetworkPlan
    trainer: TrainerPlan
    shards: Sequence[NetworkRows] = field(repr=False)
    test: tuple[NDArray[Any], NDArray[Any]] = field(repr=False)
    weights: tuple[Weights, ...] = field(repr=False)
    seed: int

    def make_centre(self) -> Centre:
        """The centre."""
        rows = [len(shard.ids) for shard in self.shards]
        sizes = {"epochs": self.plan.epochs, "batch_size": self.plan.batch_size}
        return Centre(self.trainer, self.weights, rows=rows, **sizes, is_evaluated=False)

    def make_replica(self, loop: Any, number: int) -> Replica:
        """One replica."""
        plan, rule = plan_replica(self.plan, self.trainer), make_rule(self.trainer)
        known = cast("NetworkLoop", loop)
        return Replica(known, plan, self.trainer, rule, number, self.seed, self.shards.__getitem__, _score_nothing)

    def describe(self, centre: Centre, seconds: float, curve: Sequence[tuple[int, float]] = ()) -> Trained:
        """What became of it."""
        late = centre.tally.staleness
        staleness = sum(one * count for one, count in late.items()) / max(1, late.total())
        accuracy, loss = score(centre.weights[0].trained, *self.test)
        return Trained(accuracy, loss, seconds, staleness, centre.samples, tuple(curve), centre.failure)


def _score_nothing(_loop: NetworkLoop, _sets: Sequence[Callable[[], None]]) -> dict[str, float]:
    return {}


class _Player:
    """A replica in a thread that runs when it is given an answer, until it asks again.

    Args:
        replica: The replica.

    Attributes:
        number: Its number.
        batches: Mini-batches that it has trained on since its last answer.
    """

    def __init__(self, replica: Replica) -> None:
        self.number, self.batches = replica.number, 0
        self._replica = replica
        self._seq = 0
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._replica.run(self)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            self._asked.put(error)
        else:
            self._asked.put(None)

    def go_on(self, reply: Reply | None) -> Any:
        """Give an answer, and wait for the next request: a function of the centre and a time, None at the end.

        Raises:
            BaseException: What the replica raised.
        """
        self.batches = 0
        if reply is None:
            self._thread.start()
        else:
            self._seq = reply.seq
            self._answers.put(reply)
        found = self._asked.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def _ask(self, request: Callable[[Centre, float], Reply | None]) -> Reply:
        self._asked.put(request)
        return self._answers.get()

    # As the centre that the replica knows.

    def join(self) -> Reply:
        """See ``trainers.replica.Centre``."""
        return self._ask(lambda centre, now: centre.join(self.number, now))

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        """See ``trainers.replica.Centre``."""
        self.batches, seq = len(losses), self._seq
        return self._ask(lambda centre, now: centre.push(self.number, seq, commit, window, losses, now))

    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply:
        """See ``trainers.replica.Centre``."""
        raise AssertionError(f"nothing is evaluated: {epoch}, {scores}")


class Simulation:
    """A training on a simulated clock.

    Args:
        task: What is trained.
        times: How long things take.
    """

    def __init__(self, task: Task, times: Times) -> None:
        self.task, self.times = task, times
        self._draw = np.random.default_rng(task.seed)
        self._centre = task.make_centre()
        plan = plan_replica(task.plan, task.trainer)
        self._players = [_Player(task.make_replica(NumpyLoop(plan), k)) for k in range(task.trainer.replicas)]
        self._events: list[tuple[float, int, int, Any]] = []
        self._free = 0.0
        self._order = 0
        self._curve: list[tuple[int, float]] = []

    def run(self) -> Trained:
        """Train to the end."""
        window = (self.task.trainer.window or 1) * float(np.mean(self.times.steps))
        for player in self._players:  # they come at times spread over a window
            self._await(player, None, float(self._draw.uniform(0, window)))
        now = 0.0
        while self._events:
            begins, _, number, request = heapq.heappop(self._events)
            now = max(begins, self._free) + self._pick(self.times.exchanges)
            self._free = now
            replies = dict(self._centre.ready())
            found = request(self._centre, now)
            if found is not None:
                replies[number] = found
            for other, reply in sorted({**replies, **dict(self._centre.ready())}.items()):
                self._await(self._players[other], reply, now)
            self._look()
        return self.task.describe(self._centre, now, self._curve)

    def _await(self, player: _Player, reply: Reply | None, now: float) -> None:
        """Let a replica do what it is to do; its next request comes when that takes so long."""
        request = player.go_on(reply)
        if reply is not None and isinstance(reply.item, Stop):
            return
        seconds = sum(self._pick(self.times.steps) for _ in range(player.batches))
        self._order += 1
        heapq.heappush(self._events, (now + seconds, self._order, player.number, request))

    def _pick(self, values: Sequence[float]) -> float:
        return values[int(self._draw.integers(len(values)))]

    def _look(self) -> None:
        """Note how good the centre is, now and then."""
        whole = sum(self._centre.work.rows) * self.task.plan.epochs
        if self._centre.samples * POINTS >= whole * (len(self._curve) + 1):
            accuracy, _ = score(self._centre.weights[0].trained, *self.task.test)
            self._curve.append((self._centre.samples, accuracy))
