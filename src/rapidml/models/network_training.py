"""Trains a network epoch by epoch in one process: exact under continuing and cutting, with early stopping."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rapidml.errors import ModelError
from rapidml.keys import make_seed
from rapidml.models.network_batches import make_batches, order_rows
from rapidml.models.network_build import learning_rate
from rapidml.models.network_loop import NetworkLoop
from rapidml.models.network_model import NetworkModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapidml.dataset.frame import Task
    from rapidml.models.adapter import Keep, Report
    from rapidml.models.network_loop import LoadedRows, State
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows

MEMORY_OF_EPOCHS = 128_000_000
"""Bytes of earlier states that a fit remembers, so that it can be cut; beyond, every second one is forgotten."""
KEEP_SECONDS = 30.0
"""Time between two checkpoints of a fit in one process."""


@dataclass(frozen=True)
class Ranks:
    """Which rank a process is, of those that train one network together.

    Attributes:
        rank: Its number.
        counts: Training rows of every rank; empty for one alone.
        make_loop: Makes the loop that the ranks share.
        keep_seconds: Time between two checkpoints.
    """

    rank: int = 0
    counts: tuple[int, ...] = ()
    make_loop: Callable[..., NetworkLoop] = NetworkLoop
    keep_seconds: float = KEEP_SECONDS


@dataclass
class _Epochs:
    """Earlier states of a fit, from which it can be cut to fewer epochs."""

    states: dict[int, State] = field(default_factory=dict)
    every: int = 1

    def remember(self, epoch: int, state: State) -> None:
        if epoch % self.every:
            return
        self.states[epoch] = state
        size = sum(array.nbytes for found in state.values() for array in found)
        while len(self.states) > 1 and len(self.states) * size > MEMORY_OF_EPOCHS:
            self.every *= 2
            self.states = {known: kept for known, kept in self.states.items() if known % self.every == 0}

    def find_before(self, epoch: int) -> int | None:
        return max((known for known in self.states if known <= epoch), default=None)


class NetworkFit:
    """One fit of a network.

    Args:
        plan: The network and how it is trained.
        task: What is learned.
        rows: What to train on.
        seed: Seed of initial weights, order and dropout.
        device: ``cpu`` or ``cuda``.
        watch: Rows whose loss decides when to stop; only together with ``patience``.
        patience: Epochs without a better watched loss after which training ends.
        ranks: Which rank this process is, of several that train one network together.
    """

    def __init__(
        self,
        plan: NetworkPlan,
        task: Task,
        rows: NetworkRows,
        *,
        seed: int,
        device: str = "cpu",
        watch: NetworkRows | None = None,
        patience: int | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.plan, self.task, self.rows, self.seed, self.device = plan, task, rows, seed, device
        self.watch, self.patience = watch, patience
        self.ranks = Ranks() if ranks is None else ranks
        self._epochs = _Epochs()
        self._last: NetworkModel | None = None

    def run(
        self, start: NetworkModel | None = None, report: Report | None = None, keep: Keep | None = None
    ) -> NetworkModel:
        """Train to the end.

        Args:
            start: The same fit with fewer epochs, to continue.
            report: Told about every epoch.
            keep: Given the model as trained so far, now and then.

        Raises:
            ModelError: The layers do not fit the rows, or the loss is no longer a number.
        """
        shape = self.rows.inputs.shape[1:]
        loop = self.ranks.make_loop(self.plan, self.task, shape, self.rows.facts, seed=self.seed, device=self.device)
        rows = loop.load(self.rows)
        model = NetworkModel(self.plan, self.task, shape, self.rows.facts, self.device, loop.get_state(), 0)
        model = self._begin(model, start, loop)
        if self.ranks.rank:  # what was stored are the seeds of the first
            loop.set_seeds(make_seed(self.seed, "replica", self.ranks.rank))
        kept = time.monotonic()
        while model.rounds < self.plan.epochs and not self._is_over(model):
            model = self._train_epoch(loop, rows, model)
            if report is not None:
                losses = {name: found[-1] for name, found in model.history.items() if name != "round"}
                report(model.rounds, self.plan.epochs, losses)
            if keep is not None and time.monotonic() - kept > self.ranks.keep_seconds:
                kept = time.monotonic()
                keep(model)
        self._last = replace(model, built=loop)
        return replace(self._last.without_best(), cut_to=None if self.watch else self._cut)

    def _begin(self, model: NetworkModel, start: NetworkModel | None, loop: NetworkLoop) -> NetworkModel:
        """From a stored fit where that gives the same network as training it all."""
        if start is None or start.rounds > self.plan.epochs or start.shape != model.shape or not start.state["weights"]:
            return model
        is_alike = (start.best is not None) == (self.watch is not None) and (self.watch or start.best_round is None)
        if not is_alike or not _is_prefix(start.plan, self.plan):
            return model
        loop.set_state(start.state)
        self._epochs.remember(start.rounds, start.state)
        return replace(model, **{name: getattr(start, name) for name in _CARRIED})

    def _is_over(self, model: NetworkModel) -> bool:
        if self.patience is None or model.best_round is None:
            return False
        return model.rounds - model.best_round >= self.patience

    def _train_epoch(self, loop: NetworkLoop, rows: LoadedRows, model: NetworkModel) -> NetworkModel:
        epoch = model.rounds
        loop.set_learning_rate(learning_rate(self.plan, epoch))
        order = order_rows(self.rows.ids, self.seed, epoch)
        n_ranks = max(1, len(self.ranks.counts))
        batches = make_batches(order, self.plan.batch_size * n_ranks, self.ranks.counts, self.ranks.rank)
        losses = loop.train(rows, batches)
        loop.end_epoch()
        mean = float((losses.astype("float64") * batches.totals).sum() / batches.totals.sum())
        if not math.isfinite(mean):
            raise ModelError(explain_divergence(epoch + 1, self.plan, self.rows))
        state = loop.get_state()
        history = {name: list(found) for name, found in model.history.items()} or {"round": [], "train": []}
        history["round"].append(epoch + 1)
        history["train"].append(mean)
        model = replace(model, state=state, rounds=epoch + 1, history=history)
        if self.watch is None:
            self._epochs.remember(epoch + 1, state)
            return model
        watched = loop.agree(loop.watch(self.watch))
        history.setdefault("watch", []).append(watched)
        if model.best_round is None or watched < history["watch"][model.best_round - 1]:
            return replace(model, best=state, best_round=epoch + 1)
        return model

    def _cut(self, rounds: int) -> NetworkModel:
        """The same fit with fewer epochs, from the nearest state that is remembered."""
        plan = replace(self.plan, epochs=rounds)
        before = self._epochs.find_before(rounds)
        start = None if before is None else self._remembered(before, plan)
        if start is not None and before == rounds:
            return start
        return NetworkFit(plan, self.task, self.rows, seed=self.seed, device=self.device).run(start)

    def _remembered(self, epoch: int, plan: NetworkPlan) -> NetworkModel:
        assert self._last is not None
        history = {name: found[:epoch] for name, found in self._last.history.items()}
        state = self._epochs.states[epoch]
        return replace(self._last, plan=plan, state=state, rounds=epoch, history=history, cut_to=None)


LARGE = 100.0
"""Inputs beyond that are blamed for a loss that is no number: standardized ones and images rescaled are below."""
_CARRIED = ("state", "rounds", "best_round", "history", "best")


def _is_prefix(shorter: NetworkPlan, longer: NetworkPlan) -> bool:
    """Whether two plans differ in their epochs alone, and epochs alike are trained alike."""
    if shorter.epochs == longer.epochs:
        return shorter == longer
    return replace(shorter, epochs=longer.epochs) == longer and not longer.depends_on_epochs


def explain_divergence(epoch: int, plan: NetworkPlan, rows: NetworkRows) -> str:
    """Why the loss is no longer a number, as far as one can tell, and what to do."""
    head = f"the loss is not a number in epoch {epoch}: "
    largest = max(float(rows.inputs.max()), -float(rows.inputs.min()))
    if largest <= LARGE:
        return f"{head}most often the learning rate ({plan.learning_rate:g}) is too high; lower params.learning_rate"
    fix = "'prepare: [standardize]'" if rows.inputs.ndim == 2 else "a layer Rescaling in front"
    return (
        f"{head}features are as large as {largest:.3g}, or the learning rate ({plan.learning_rate:g}) is too high; add "
        f"{fix}, or lower params.learning_rate"
    )
