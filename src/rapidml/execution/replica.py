"""What runs in the process of one replica: its rows, its network, and the training with the others."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rapidml.execution.rows import load_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Task
    from rapidml.dataset.preparation import Preparation
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.tasks import FitJob
    from rapidml.execution.timed_replica import ReplicaClock
    from rapidml.models.network_adapter import NetworkAdapter
    from rapidml.models.network_loop import NetworkLoop
    from rapidml.models.network_model import NetworkModel
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows, TargetFacts
    from rapidml.models.network_training import Ranks
    from rapidml.models.shares import Share
    from rapidml.models.trained_model import Feature
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.child import Channel
    from rapidml.trainers.weights import Weights

SHOWN_ROWS = 4096
"""Training rows at most whose loss tells how the centre does, where nothing is held out."""


@dataclass(frozen=True)
class ReplicaJob:
    """A replica to train.

    Attributes:
        request: Rows of the run.
        job: The fit.
        number: Number of the replica.
        threads: Threads of its operations.
        host: Address of its worker that all replicas reach.
        timed: Folder for times and weights of the ends of epochs (``timed_replica``), in a fit that is timed; None
            in all others.
    """

    request: RowsRequest
    job: FitJob
    number: int
    threads: int
    host: str
    timed: str | None = None


@dataclass(frozen=True)
class ReplicaFacts:
    """What a replica knows once it has its rows.

    Attributes:
        counts: Training rows of every replica.
        features: What the model expects of every column.
        preparation: Fitted preparation; None if there are no steps.
        shape: Shape of one row's input.
        facts: What is known of the targets.
        address: ``host:port`` on which it is to be reached by other ranks.
        sets: Weights to begin with, told by replica 0: one set, or one for each where they are kept apart.
    """

    counts: tuple[int, ...]
    features: tuple[Feature, ...]
    preparation: Preparation | None
    shape: tuple[int, ...]
    facts: TargetFacts
    address: str
    sets: tuple[Weights, ...]


class ReplicaRows:
    """The rows of a fit as its replicas read them.

    Args:
        wanted: The replica.
    """

    def __init__(self, wanted: ReplicaJob) -> None:
        from rapidml.execution.tasks import open_source
        from rapidml.models.registry import find_adapter

        job = wanted.job
        rows = load_rows(wanted.request)
        assert wanted.request.profile is not None
        self.task: Task = wanted.request.profile.task
        self.spec = job.step.spec
        self.seed = job.step.seed
        adapter: Any = find_adapter(self.spec.type)
        self.adapter: NetworkAdapter = adapter
        self._source = open_source(rows, job)
        self.share = self.open_share(wanted.number)

    @property
    def trainer(self) -> TrainerPlan:
        """The trainer, of a fit that has one."""
        from rapidml.models.trainer_plan import read_trainer

        trainer = read_trainer(self.spec.trainer)
        assert trainer is not None
        return trainer

    @property
    def plan(self) -> NetworkPlan:
        """The network, with the epochs of this fit."""
        from rapidml.models.fitting import fit_params

        return self.adapter.plan(fit_params(self.spec))

    def open_share(self, number: int) -> Share:
        """What one replica trains on and watches."""
        from rapidml.models.shares import make_share

        return make_share(self.spec, self._source, self.task, self.seed, number)

    def hold(self, share: Share) -> Any:
        """Rows of a share as networks read them: ``rows`` and ``watch``."""
        return self.adapter.hold_rows(share.rows, self.spec.params, self.task, threads=1, watch=share.watch)


def run_replica(channel: Channel, wanted: ReplicaJob) -> NetworkModel | None:
    """Be a replica: tell what is known, wait for how to reach the others, and train.

    Args:
        channel: To the worker that asked for this process. It gets ``ReplicaFacts`` first, then ``("progress", done,
            total, losses)``; it sends what ``Gang.train`` was told.
        wanted: The replica.

    Returns:
        The network of rank 0 of a synchronous group; None of others.
    """
    rows = ReplicaRows(wanted)
    if rows.spec.trainer is None or rows.trainer.name == "multiworker":
        return _run_rank(channel, wanted, rows)
    _run_with_centre(channel, wanted, rows)
    return None


def _run_rank(channel: Channel, wanted: ReplicaJob, rows: ReplicaRows) -> NetworkModel | None:
    from rapidml.execution.timed_replica import open_clock
    from rapidml.models.network_training import NetworkFit
    from rapidml.trainers.multiworker import ENVIRONMENT
    from rapidml.trainers.ports import reserve_port

    os.environ.update(ENVIRONMENT)
    held = rows.hold(rows.share)
    kept, port = reserve_port(wanted.host)
    channel.send(_describe(rows, held.rows, f"{wanted.host}:{port}", ()))
    told = channel.receive()
    with kept:
        clock = open_clock(wanted)
        ranks = _make_ranks(wanted, rows, held.rows, told, clock)
        fit = NetworkFit(
            rows.plan,
            rows.task,
            held.rows,
            seed=rows.seed,
            device=rows.spec.device,
            watch=held.watch,
            patience=rows.spec.early_stopping if held.watch is not None else None,
            ranks=ranks,
        )
        is_first = wanted.number == 0
        keep = _choose_keep(wanted, clock) if is_first else None
        start = _load_start(told["checkpoint"], rows.task)
        model = fit.run(start, _make_report(channel), keep)
    return model.detached() if is_first else None


def _make_ranks(
    wanted: ReplicaJob, rows: ReplicaRows, held: NetworkRows, told: Mapping[str, Any], clock: ReplicaClock | None
) -> Ranks:
    """What makes the loop of a rank: one among others, or one alone where there is no trainer."""
    from rapidml.models.network_loop import NetworkLoop
    from rapidml.models.network_training import Ranks
    from rapidml.trainers.multiworker import SynchronousLoop

    counts: tuple[int, ...] = ()
    make_loop: Callable[..., NetworkLoop] = partial(NetworkLoop, threads=wanted.threads, gpu=wanted.number)
    if rows.spec.trainer is not None:
        counts, place = rows.share.counts, {"addresses": told["addresses"], "rank": wanted.number}
        make_loop = partial(SynchronousLoop, **place, threads=wanted.threads, gpu=wanted.number)
    if clock is not None:
        make_loop = clock.compile_first(make_loop, held, counts)
    return Ranks(wanted.number, counts, make_loop, keep_seconds=0.0)


def _choose_keep(wanted: ReplicaJob, clock: ReplicaClock | None) -> Any:
    from rapidml.execution.checkpoints import keep_checkpoints

    return keep_checkpoints(wanted.request.store, wanted.job.step.key) if clock is None else clock.keep


def _load_start(checkpoint: str | None, task: Task) -> NetworkModel | None:
    from pathlib import Path

    from rapidml.models.network_model import load_network

    return None if checkpoint is None else load_network(Path(checkpoint), task)


def _make_report(channel: Channel) -> Callable[[int, int, dict[str, float]], None]:
    def report(done: int, total: int, losses: dict[str, float]) -> None:
        channel.send(("progress", done, total, losses))

    return report


def _run_with_centre(channel: Channel, wanted: ReplicaJob, rows: ReplicaRows) -> None:
    from rapidml.execution.timed_replica import open_clock
    from rapidml.models.network_loop import NetworkLoop
    from rapidml.trainers.centre_client import CentreClient
    from rapidml.trainers.replica import Replica, plan_replica, read_weights
    from rapidml.trainers.rules import make_rule

    number, trainer = wanted.number, rows.trainer
    held = rows.hold(rows.share)
    plan, rule = plan_replica(rows.plan, trainer), make_rule(trainer)
    loop = NetworkLoop(
        plan,
        rows.task,
        held.rows.inputs.shape[1:],
        held.rows.facts,
        seed=rows.seed,
        device=rows.spec.device,
        threads=wanted.threads,
        gpu=wanted.number,
    )
    clock = open_clock(wanted)
    if clock is not None:
        clock.compile(loop, held.rows, (), has_windows=True)
    like = read_weights(loop.model)
    sets = (
        _make_sets(rows, plan, held.rows.inputs.shape[1:], like, trainer.replicas if rule.keeps_apart else 1)
        if number == 0
        else ()
    )
    channel.send(_describe(rows, held.rows, "", sets))
    told = channel.receive()

    def open_shard(shard: int) -> NetworkRows:
        found: NetworkRows = held.rows if shard == number else rows.hold(rows.open_share(shard)).rows
        return found

    score = CentreScore(rows, held.rows, held.watch)
    replica = Replica(loop, plan, trainer, rule, number, rows.seed, open_shard, score)
    with CentreClient(tuple(told["address"]), bytes.fromhex(told["secret"]), number, like) as centre:
        replica.run(centre if clock is None else clock.watch(centre))


def _make_sets(
    rows: ReplicaRows, plan: NetworkPlan, shape: tuple[int, ...], own: Weights, count: int
) -> tuple[Weights, ...]:
    """Weights to begin with: those of this replica, and further ones where each begins with its own."""
    from rapidml.keys import make_seed
    from rapidml.models.network_build import build_network
    from rapidml.trainers.replica import read_weights

    others = [build_network(plan, rows.task, shape, make_seed(rows.seed, "replica", k)) for k in range(1, count)]
    return (own, *map(read_weights, others))


def _describe(rows: ReplicaRows, held: NetworkRows, address: str, sets: tuple[Weights, ...]) -> ReplicaFacts:
    share = rows.share
    shape = held.inputs.shape[1:]
    return ReplicaFacts(share.counts, share.features, share.preparation, shape, held.facts, address, sets)


class CentreScore:
    """Scores of the centre at the end of an epoch: on the rows that early stopping watches, else on training rows.

    Args:
        rows: Rows of the fit.
        own: Training rows of this replica.
        watch: Rows that early stopping watches; None without it.
    """

    def __init__(self, rows: ReplicaRows, own: NetworkRows, watch: NetworkRows | None) -> None:
        self._name = "centre" if watch is None else "watch"
        self._rows = _choose(own, rows.seed) if watch is None else watch
        self._task = rows.task

    def __call__(self, loop: NetworkLoop, sets: Sequence[Callable[[], None]]) -> dict[str, float]:
        """The loss of the mean prediction of some sets of weights, each put in place by a call."""
        found: list[NDArray[Any]] = []
        for put in sets:
            put()
            found.append(loop.outputs(self._rows.inputs))
        outputs = found[0] if len(found) == 1 else _join(loop, found)
        return {self._name: loop.losses.mean(self._rows.target, outputs, self._rows.weight)}


def _choose(rows: NetworkRows, seed: int) -> NetworkRows:
    """Some training rows, always the same of a fit."""
    from rapidml.models.network_batches import order_rows

    chosen = order_rows(rows.ids, seed, -1)[:SHOWN_ROWS]
    return replace(
        rows, inputs=rows.inputs[chosen], target=rows.target[chosen], weight=rows.weight[chosen], ids=rows.ids[chosen]
    )


def _join(loop: NetworkLoop, outputs: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    """Outputs whose chances are the mean of those of several networks."""
    import numpy as np

    if loop.task.kind == "regression":
        return np.asarray(np.mean(outputs, axis=0, dtype=np.float64), np.float32)
    chances = np.mean([loop.losses.make_predictions(one) for one in outputs], axis=0, dtype=np.float64)
    chances = np.clip(chances, 1e-30, 1.0)
    if loop.task.kind == "multiclass":
        return np.log(chances).astype(np.float32)
    return (np.log(chances) - np.log1p(-np.minimum(chances, 1 - 1e-7)))[:, None].astype(np.float32)


def merge_addresses(found: Sequence[Mapping[int, str]]) -> list[str]:
    """Addresses of all ranks by number, from those of each worker."""
    merged = {rank: address for one in found for rank, address in one.items()}
    return [merged[rank] for rank in sorted(merged)]
