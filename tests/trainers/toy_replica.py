"""A replica without a library: its training is a rule of arithmetic, so that tests know what must come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rapidml.models.trainer_plan import read_trainer
from rapidml.recipe.schema import Choice
from rapidml.trainers.centre import Centre
from rapidml.trainers.centre_client import CentreClient
from rapidml.trainers.replies import Rejoin
from rapidml.trainers.rules import make_rule
from rapidml.trainers.shard_work import Evaluate, Stop, Window
from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.child import Channel
    from rapidml.trainers.replies import Reply

SHAPES = ([(2, 3), (3,), (3, 1), ()], [(3,)])


class Asked(Protocol):
    """What answers a replica: a client, or a centre called directly."""

    def join(self) -> Reply: ...
    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply: ...
    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply: ...


def make_plan(name: str, replicas: int = 2, **options: Any) -> TrainerPlan:
    plan = read_trainer(Choice(name=name, options={"replicas": replicas, **options}))
    assert plan is not None
    return plan


def make_weights(value: float = 1.0, shapes: Any = SHAPES) -> Weights:
    """Arrays of different numbers round a value."""
    parts = ([np.full(shape, value + place, np.float32) for place, shape in enumerate(part)] for part in shapes)
    return Weights(*parts)


def make_centre(name: str, replicas: int = 2, *, rows: int = 40, epochs: int = 2, **options: Any) -> Centre:
    settings = {key: options.pop(key) for key in ("patience", "is_evaluated", "batch_size") if key in options}
    plan = make_plan(name, replicas, **options)
    sets = [make_weights(place + 1.0) for place in range(replicas if make_rule(plan).keeps_apart else 1)]
    return Centre(plan, sets, rows=[rows] * replicas, epochs=epochs, **{"batch_size": 4, **settings})


class ToyReplica:
    """Trains by moving each weight towards the number of its shard; one step is one answer of the centre.

    Args:
        asked: Who answers.
        plan: The trainer.
        batch_size: Rows of a mini-batch.
    """

    def __init__(self, asked: Asked, plan: TrainerPlan, batch_size: int = 4) -> None:
        self.asked = asked
        self.rule = make_rule(plan)
        self.batch_size = batch_size
        self.now = make_weights()
        self.pulled = self.now.copy()
        self.windows: list[Window] = []
        self.evaluated: list[int] = []
        self.reply: Reply | None = None

    def step(self) -> Reply:
        """Do what is to be done, and hear what comes next."""
        if self.reply is None or isinstance(self.reply.item, Rejoin):
            self.reply = self._take(self.asked.join())
        elif isinstance(self.reply.item, Window):
            self.reply = self._take(self.train(self.reply.item))
        else:
            assert isinstance(self.reply.item, Evaluate)
            scores = {"watch": float(sum(array.sum() for array in self.reply.sets[0].trained))}
            self.evaluated.append(self.reply.item.epoch)
            self.reply = self._take(self.asked.evaluated(self.reply.item.epoch, scores))
        return self.reply

    def train(self, window: Window) -> Reply:
        """Train on a window, and push."""
        for array in (*self.now.trained, *self.now.statistics):
            array += np.float32(0.01 * window.rows) * (np.float32(window.shard + 2) - array)
        batches = window.count_batches(self.batch_size)
        commit = Weights(self.rule.commit(self.now.trained, self.pulled.trained, batches), self.now.statistics)
        self.windows.append(window)
        return self.asked.push(commit, window, [0.5] * batches)

    def run(self, after: Callable[[Reply], object] = lambda _: None) -> None:
        """Go on until there is nothing to do."""
        while not isinstance((reply := self.step()).item, Stop):
            after(reply)

    def _take(self, reply: Reply) -> Reply:
        if reply.how == "replace":
            self.now.fill(reply.sets[0])
        elif reply.how == "merge":
            self.rule.merge(self.now.trained, reply.sets[0].trained, out=self.now.trained)
            for mine, theirs in zip(self.now.statistics, reply.sets[0].statistics, strict=True):
                mine[...] = theirs
        if reply.how in ("merge", "replace"):
            self.pulled.fill(self.now)
        return reply


def train_in_child(
    channel: Channel, address: tuple[str, int], secret: bytes, replica: int, name: str, replicas: int, waits: int
) -> list[tuple[int, int, int, int]]:
    """Be a replica in a process: send a word after each answer; wait for one before each of the first requests."""
    like = make_weights()
    with CentreClient(address, secret, replica, like) as client:
        toy = ToyReplica(client, make_plan(name, replicas))

        def after(reply: Reply) -> None:
            channel.send(type(reply.item).__name__)
            if len(toy.windows) < waits:
                channel.receive()

        toy.run(after)
    return [(one.epoch, one.shard, one.first, one.last) for one in toy.windows]
