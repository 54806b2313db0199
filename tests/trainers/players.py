"""Replicas played by hand: they talk to a centre without processes or sockets, in any order a test wants."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rapidml.models.trainer_plan import TrainerPlan, read_trainer
from rapidml.recipe.schema import Choice
from rapidml.trainers.centre import Centre
from rapidml.trainers.replies import Rejoin
from rapidml.trainers.shard_work import Evaluate, Stop, Window
from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.trainers.replies import Reply
    from rapidml.trainers.shard_work import Item

BATCH = 2


def make_plan(name: str, replicas: int = 2, **options: Any) -> TrainerPlan:
    found = read_trainer(Choice(name=name, options={"replicas": replicas, **options}))
    assert found is not None
    return found


def weights(*values: float, statistics: Sequence[float] = ()) -> Weights:
    return Weights([np.array(values, np.float32)], [np.array(statistics, np.float32)])


def make_centre(
    plan: TrainerPlan, rows: Sequence[int] | None = None, *, begin: Weights | None = None, **options: Any
) -> Centre:
    rows = [8] * plan.replicas if rows is None else rows
    sets = [weights(0.0) if begin is None else begin] * (plan.replicas if plan.name == "ensemble" else 1)
    return Centre(plan, sets, rows=rows, **{"epochs": 1, "batch_size": BATCH, "is_evaluated": False, **options})


class Train(Protocol):
    """What a replica does in a window."""

    def __call__(self, now: Weights, window: Window) -> tuple[Weights, list[float]]:
        """Weights after the window, and the loss of each mini-batch."""
        ...


def stand_still(now: Weights, window: Window) -> tuple[Weights, list[float]]:
    return now, [1.0] * window.count_batches(BATCH)


def add(step: float) -> Train:
    """Training that adds the same to every weight in each mini-batch."""

    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        batches = window.count_batches(BATCH)
        return Weights([array + np.float32(step * batches) for array in now.trained], now.statistics), [1.0] * batches

    return train


class Players:
    """All replicas of a centre; a second passes with every call.

    Attributes:
        now: Weights of each replica.
        items: What each is told to do; None while it waits, absent when it is lost.
        rows: How often each row was committed, by epoch, shard and position.
        answers: The last answer to each.
    """

    def __init__(self, centre: Centre, train: Train = stand_still) -> None:
        self.centre, self.train = centre, train
        self.score: Callable[[int, Sequence[Weights]], dict[str, float]] = lambda epoch, sets: {"watch": 1.0 / epoch}
        self.now: dict[int, Weights] = {}
        self.begin: dict[int, Weights] = {}
        self.items: dict[int, Item | None] = {}
        self.answers: dict[int, Reply] = {}
        self.seqs: dict[int, int] = {}
        self.rows: Counter[tuple[int, int, int]] = Counter()
        self.seconds = 0.0
        self.resend: dict[int, Callable[[], Reply | None]] = {}

    def tick(self) -> float:
        self.seconds += 1
        return self.seconds

    def join(self, *replicas: int) -> None:
        for replica in replicas:
            self.items[replica] = None
            self._hear(replica, self.centre.join(replica, self.tick()))

    def do(self, replica: int) -> Item | None:
        """Let a replica do what it is told; what that was."""
        item = self.items[replica]
        if isinstance(item, Window):
            self._push(replica, item)
        elif isinstance(item, Evaluate):
            scores = self.score(item.epoch, self.answers[replica].sets)
            self._ask(replica, lambda seq: self.centre.evaluated(replica, seq, item.epoch, scores, self.tick()))
        return item

    def _push(self, replica: int, item: Window) -> None:
        self.begin[replica] = self.now[replica]
        self.now[replica], losses = self.train(self.now[replica], item)
        begin, now = self.begin[replica], self.now[replica]
        commit = self.centre.shared.rule.commit(now.trained, begin.trained, item.count_batches(BATCH))
        pushed = Weights(commit, now.statistics)
        is_over = self.centre.is_finished
        self._ask(replica, lambda seq: self.centre.push(replica, seq, pushed, item, losses, self.tick()))
        is_refused = self.items[replica] is None and replica in self.answers and self.refused(replica)
        if not is_over and not is_refused and self.centre.failure is None:
            self.rows.update((item.epoch, item.shard, row) for row in range(item.first, item.last))

    def refused(self, replica: int) -> bool:
        return isinstance(self.answers[replica].item, Rejoin)

    def _ask(self, replica: int, ask: Callable[[int], Reply | None]) -> None:
        seq = self.seqs[replica]
        self.resend[replica] = lambda: ask(seq)
        self.items[replica] = None
        self._hear(replica, ask(seq))

    def again(self, replica: int) -> None:
        """A replica sends its last request again, as after a broken connection."""
        if replica in self.resend:
            self.items[replica] = None
            self._hear(replica, self.resend[replica]())

    def _hear(self, replica: int, reply: Reply | None) -> None:
        if reply is not None:
            self._obey(replica, reply)
        for other, held in self.centre.ready():
            if other in self.items:
                self._obey(other, held)

    def _obey(self, replica: int, reply: Reply) -> None:
        is_again = self.answers.get(replica) is reply
        self.answers[replica], self.seqs[replica] = reply, reply.seq
        if isinstance(reply.item, Rejoin):
            self.items[replica] = None
            return
        self.items[replica] = reply.item
        if is_again:  # merged already
            return
        if reply.how == "replace":
            self.now[replica] = reply.sets[0].copy()
        elif reply.how == "merge":
            merged = self.centre.shared.rule.merge(self.now[replica].trained, reply.sets[0].trained)
            self.now[replica] = Weights(merged, reply.sets[0].statistics).copy()

    def lose(self, replica: int) -> None:
        self.items.pop(replica, None)
        self.centre.leave(replica, self.tick())
        self._hear(replica, None)

    def restart_centre(self, plan: TrainerPlan) -> None:
        """The centre is lost and comes back from a snapshot just taken; nobody has joined it."""
        arrays, tree = self.centre.snapshot()
        self.centre = Centre.from_snapshot(plan, arrays, json.loads(json.dumps(tree)))

    def finish(self) -> None:
        """Let everybody work in turn until all is done; who is lost or refused joins again."""
        replicas = range(len(self.centre.work.rows))
        for _ in range(100_000):
            if self.centre.is_finished:
                return
            for replica in replicas:
                if replica not in self.items or (replica in self.answers and self.refused(replica)):
                    self.join(replica)
                else:
                    self.do(replica)
        raise AssertionError("the work never ends")

    def waits(self, replica: int) -> bool:
        """Whether the answer to its last request is held back."""
        return self.items[replica] is None and not self.refused(replica)

    def is_done(self, replica: int) -> bool:
        return isinstance(self.items.get(replica), Stop)
