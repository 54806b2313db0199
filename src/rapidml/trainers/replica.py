"""One replica of a network beside others: trains window after window on what the centre deals it, and exchanges.

The same for every trainer with a centre; what is pushed and taken over is the rule's. It runs in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rapidml.keys import make_seed
from rapidml.models.network_batches import make_batches, order_rows
from rapidml.models.network_build import learning_rate
from rapidml.trainers.replies import Rejoin
from rapidml.trainers.rules import leave_look_ahead
from rapidml.trainers.shard_work import Evaluate, Stop, Window
from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.models.network_loop import LoadedRows, NetworkLoop
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.rules import Rule

OPEN_SHARDS = 2
"""Shards of others that a replica keeps in memory beside its own."""
LOOK_AHEAD = "eamsgd"


class Centre(Protocol):
    """The centre as a replica reaches it."""

    def join(self) -> Reply:
        """Ask for weights and a first item."""
        ...

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        """Give what was learned in a window."""
        ...

    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply:
        """Give scores of the centre."""
        ...


def plan_replica(plan: NetworkPlan, trainer: TrainerPlan) -> NetworkPlan:
    """The network that a replica trains: some trainers bring its optimizer."""
    from dataclasses import replace

    if trainer.name != LOOK_AHEAD:
        return plan
    options = {"momentum": float(trainer.options["momentum"]), "nesterov": True}
    rate = float(trainer.options["learning_rate"])
    return replace(plan, optimizer=("sgd", options), learning_rate=rate, schedule=("constant", {}))


class Replica:
    """One replica.

    Args:
        loop: Its network.
        plan: How it is trained, as ``plan_replica`` gave it.
        trainer: The trainer.
        rule: Its rule.
        number: Number of the replica, and of its own shard.
        seed: Seed of the fit.
        open_shard: Loads the rows of a shard.
        score: Computes scores of the centre, from its outputs for each set of weights, at the end of an epoch.
    """

    def __init__(
        self,
        loop: NetworkLoop,
        plan: NetworkPlan,
        trainer: TrainerPlan,
        rule: Rule,
        number: int,
        seed: int,
        open_shard: Callable[[int], NetworkRows],
        score: Callable[[NetworkLoop, Sequence[Callable[[], None]]], dict[str, float]],
    ) -> None:
        self.loop, self.plan, self.trainer, self.rule = loop, plan, trainer, rule
        self.number, self.seed = number, seed
        self._open_shard, self._score = open_shard, score
        self._shards: dict[int, tuple[NetworkRows, LoadedRows]] = {}
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._pulled = read_weights(loop.model)
        self._now = self._pulled
        loop.set_seeds(make_seed(seed, "replica", number))

    def run(self, centre: Centre) -> None:
        """Do what the centre says until it says stop.

        Raises:
            CentreLostError: It cannot be reached any more.
        """
        reply = centre.join()
        while not isinstance(reply.item, Stop):
            if isinstance(reply.item, Rejoin):
                reply = centre.join()
            elif isinstance(reply.item, Evaluate):
                reply = centre.evaluated(reply.item.epoch, self._evaluate(reply.sets))
            else:
                assert isinstance(reply.item, Window)
                self._take_over(reply)
                losses = self._train(reply.item)
                commit = self._make_commit(reply.item)
                reply = centre.push(commit, reply.item, losses)

    def _take_over(self, reply: Reply) -> None:
        """Weights to begin a window with."""
        if reply.how == "keep":
            self._pulled = self._now
            return
        (found,) = reply.sets
        if reply.how == "merge":
            merged = self.rule.merge(self._now.trained, found.trained)
            self._now = Weights(merged, found.statistics).copy()
        else:
            self._now = found.copy()
        self._pulled = self._now
        write_weights(self.loop, self._now)

    def _train(self, window: Window) -> list[float]:
        rows, loaded = self._get_shard(window.shard)
        self.loop.set_learning_rate(learning_rate(self.plan, window.epoch - 1))
        order = self._get_order(rows, window)
        batches = make_batches(order[window.first : window.last], self.plan.batch_size)
        losses = self.loop.train(loaded, batches)
        self._now = read_weights(self.loop.model)
        return [float(loss) for loss in losses]

    def _make_commit(self, window: Window) -> Weights:
        trained = self._now.trained
        if self.trainer.name == LOOK_AHEAD:
            trained = leave_look_ahead(trained, self._velocity(), float(self.trainer.options["momentum"]))
        batches = window.count_batches(self.plan.batch_size)
        return Weights(self.rule.commit(trained, self._pulled.trained, batches), self._now.statistics)

    def _velocity(self) -> list[Any]:
        return [variable.numpy() for variable in self.loop.optimizer.momentums]

    def _evaluate(self, sets: Sequence[Weights]) -> dict[str, float]:
        """Scores of other weights; its own are put back."""
        own = read_weights(self.loop.model)
        try:
            return self._score(self.loop, [lambda one=one: write_weights(self.loop, one) for one in sets])  # type: ignore[misc]
        finally:
            write_weights(self.loop, own)

    def _get_shard(self, shard: int) -> tuple[NetworkRows, LoadedRows]:
        if shard not in self._shards:
            others = [known for known in self._shards if known != self.number]
            if len(others) >= OPEN_SHARDS:
                del self._shards[others[0]]
            rows = self._open_shard(shard)
            self._shards[shard] = (rows, self.loop.load(rows))
        return self._shards[shard]

    def _get_order(self, rows: NetworkRows, window: Window) -> NDArray[np.int64]:
        known = (window.shard, window.epoch)
        if known not in self._orders:
            while len(self._orders) > OPEN_SHARDS:
                del self._orders[next(iter(self._orders))]
            self._orders[known] = order_rows(rows.ids, self.seed, window.epoch - 1)
        return self._orders[known]


def read_weights(model: Any) -> Weights:
    """A copy of the weights of a Keras model."""
    return Weights(
        [variable.numpy().copy() for variable in model.trainable_variables],
        [variable.numpy().copy() for variable in model.non_trainable_weights],
    )


def write_weights(loop: NetworkLoop, weights: Weights) -> None:
    """Give a network other weights."""
    model = loop.model
    for variable, array in zip(model.trainable_variables, weights.trained, strict=True):
        variable.assign(array)
    for variable, array in zip(model.non_trainable_weights, weights.statistics, strict=True):
        variable.assign(array)
