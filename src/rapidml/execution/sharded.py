"""A fit that several workers train together: what runs on them, and handing it to them."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.cluster.cores import count_cores
from rapidml.errors import WorkersLost
from rapidml.events import Event
from rapidml.execution.checkpoints import keep_checkpoints
from rapidml.execution.opened import one_at_a_time, open_rows
from rapidml.execution.outcome import Outcome
from rapidml.execution.tasks import (
    FitJob,
    find_start,
    import_library,
    make_reporter,
    open_source,
    peak_memory,
    store_fit,
)
from rapidml.trainers.gang import SOON, meet_by_tracker, run_gang

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from distributed import Future

    from rapidml.execution.rows import Rows, RowsRequest
    from rapidml.execution.session import Session
    from rapidml.models.adapter import Fitted
    from rapidml.models.fitting import TrainedModel
    from rapidml.models.shares import Share
    from rapidml.store.objects import Objects
    from rapidml.trainers.gang import Meeting, Place


@dataclass(frozen=True)
class LoadedShares:
    """What a worker keeps between loading and training; it never leaves the worker.

    Attributes:
        shares: Rows of its ranks.
        start: What training goes on from; the same for all ranks.
    """

    shares: Mapping[int, Share]
    start: Fitted | None


def load_shares(request: RowsRequest, job: FitJob, ranks: Sequence[int], checkpoint: str | None) -> LoadedShares:
    """Load the rows of some ranks. Runs on a worker."""
    from rapidml.models.shares import make_share
    from rapidml.store.store import open_store

    step = job.step
    import_library(step.spec.type)
    rows = open_rows(request)
    assert request.profile is not None
    source = open_source(rows, job)
    start = find_start(
        job, request, open_store(request.store).objects, None if checkpoint is None else Path(checkpoint)
    )
    shares = {rank: make_share(step.spec, source, request.profile.task, step.seed, rank) for rank in ranks}
    return LoadedShares(shares, start)


def train_shares(
    request: RowsRequest,
    job: FitJob,
    ranks: Sequence[int],
    loaded: LoadedShares,
    tracker: Mapping[str, Any],
    predict_threads: int,
) -> list[Outcome] | None:
    """Train with some ranks; the worker with rank 0 stores the model and predicts. Runs on a worker.

    Args:
        request: Rows of the run.
        job: The fit; its threads are those of each rank.
        ranks: Numbers of the ranks.
        loaded: Their rows.
        tracker: How they find the others.
        predict_threads: Threads to predict with: the other workers have nothing to do by then.

    Returns:
        The fit's outcome first, then one for each prediction; None on the other workers.
    """
    from rapidml.store.store import open_store
    from rapidml.trainers.collective import run_ranks

    started = time.perf_counter()
    with one_at_a_time():
        models = run_ranks(ranks, tracker, _make_train(request, job, loaded))
        if 0 not in models:
            return None
        job = replace(job, threads=predict_threads)
        return store_fit(open_rows(request), models[0], job, open_store(request.store).objects, started)


def train_here(rows: Rows, job: FitJob, objects: Objects) -> TrainedModel:
    """Train with all ranks in this process: a model was stored, but it reads its columns under other names."""
    from rapidml.models.shares import make_share
    from rapidml.trainers.collective import open_tracker, run_ranks

    step, request = job.step, rows.request
    assert request.profile is not None
    ranks = range(step.spec.shards)
    source = open_source(rows, job)
    shares = {rank: make_share(step.spec, source, request.profile.task, step.seed, rank) for rank in ranks}
    loaded = LoadedShares(shares, find_start(job, request, objects, None))
    with open_tracker(step.spec.shards, "127.0.0.1") as tracker:
        return run_ranks(ranks, tracker, _make_train(request, replace(job, threads=1), loaded))[0]


def _make_train(request: RowsRequest, job: FitJob, loaded: LoadedShares) -> Callable[[int], TrainedModel]:
    """What a rank does; made in the task's own thread."""
    from rapidml.models.fitting import train_share
    from rapidml.trainers.collective import agree

    step = job.step
    assert request.profile is not None
    task = request.profile.task
    report = make_reporter(step.key, step.title, job.topic, step.spec.unit)
    keep = keep_checkpoints(request.store, step.key)

    def train(rank: int) -> TrainedModel:
        agree(0 if loaded.start is None else loaded.start.rounds or 0)
        fit = partial(train_share, step.spec, loaded.shares[rank], task, seed=step.seed, threads=job.threads)
        return fit(start=loaded.start, report=report, keep=keep) if rank == 0 else fit(start=loaded.start)

    return train


@dataclass
class _ShardedFit:
    """The ranks of one fit, as ``trainers.gang`` wants them."""

    session: Session
    request: RowsRequest
    job: FitJob
    checkpoint: str | None = None
    goes_on = False

    def begin(self) -> None:
        found = self.session.store.work.find_checkpoint(self.job.step.key)
        self.checkpoint = None if found is None else str(found)

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        task = (load_shares, self.request, self.job, ranks, self.checkpoint)
        return self.session.submit(*task, name=f"load-{self.job.step.key[:16]}", priority=SOON, worker=worker)

    def meet(self, place: Place) -> Meeting:
        return meet_by_tracker(place)

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], told: Mapping[str, Any]) -> Future[Any]:
        is_here = self.session.workers.kind != "cluster"
        own = count_cores() // self.job.step.spec.shards if is_here else self.job.threads // len(ranks)
        job = replace(self.job, threads=max(1, own))
        threads = count_cores() if is_here else self.job.threads
        task = (train_shares, self.request, job, ranks, loaded, dict(told), threads)
        return self.session.submit(*task, name=f"fit-{job.step.key[:16]}", priority=SOON, worker=worker)

    def warn(self, text: str) -> None:
        step = self.job.step
        self.session.announce(Event("note", "fit", step.key, f"{step.title}: {text}"))


def run_sharded(session: Session, request: RowsRequest, job: FitJob) -> list[Outcome]:
    """One fit by all its ranks at once; a failure is an outcome, not an exception.

    Args:
        session: The attempt; its workers do nothing else meanwhile.
        request: Rows of the run.
        job: The fit.

    Returns:
        The fit's outcome first, then one for each prediction.
    """
    step = job.step
    try:
        gang = _ShardedFit(session, request, job)
        outcomes: list[Outcome] = run_gang(
            session.workers.client, gang, step.spec.shards, insecure=session.options.insecure
        )
        return outcomes
    except WorkersLost:
        raise
    except Exception as error:  # noqa: BLE001  (one failed fit never ends a run: it is stored with its traceback)
        session.refuse_lost()
        text = f"{type(error).__name__}: {error}"
        payload = {"model": step.model, "part": step.part, "traceback": traceback.format_exc()}
        return [Outcome(step.key, "fit", payload, peak_memory=peak_memory(), family=step.family, error=text)]
