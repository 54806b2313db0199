"""A fit that several workers train together: what runs on them, and handing it to them."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.cluster.cores import count_cores
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
from rapidml.trainers.gang import run_gang

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distributed import Future

    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.session import Session
    from rapidml.models.adapter import Fitted
    from rapidml.models.fitting import TrainedModel
    from rapidml.models.shares import Share


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
        job: The fit; its threads are those of this worker.
        ranks: Numbers of the ranks.
        loaded: Their rows.
        tracker: How they find the others.
        predict_threads: Threads to predict with: the other workers have nothing to do by then.

    Returns:
        The fit's outcome first, then one for each prediction; None on the other workers.
    """
    from rapidml.models.fitting import train_share
    from rapidml.store.store import open_store
    from rapidml.trainers.collective import run_ranks

    step = job.step
    assert request.profile is not None
    task = request.profile.task
    started = time.perf_counter()
    threads = max(1, job.threads // len(ranks))
    report, keep = make_reporter(step, job.topic), keep_checkpoints(request.store, step.key)

    def train(rank: int) -> TrainedModel:
        fit = partial(train_share, step.spec, loaded.shares[rank], task, seed=step.seed, threads=threads)
        return fit(start=loaded.start, report=report, keep=keep) if rank == 0 else fit(start=loaded.start)

    with one_at_a_time():
        models = run_ranks(ranks, tracker, train)
        if 0 not in models:
            return None
        job = replace(job, threads=predict_threads)
        return store_fit(open_rows(request), models[0], job, open_store(request.store).objects, started)


@dataclass(frozen=True)
class _ShardedFit:
    """The ranks of one fit, as ``trainers.gang`` wants them."""

    session: Session
    request: RowsRequest
    job: FitJob

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        found = self.session.store.work.find_checkpoint(self.job.step.key)
        checkpoint = None if found is None else str(found)
        name = f"load-{self.job.step.key[:16]}"
        return self.session.submit(load_shares, self.request, self.job, ranks, checkpoint, name=name, worker=worker)

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], tracker: Mapping[str, Any]) -> Future[Any]:
        name = f"fit-{self.job.step.key[:16]}"
        threads = self.job.threads if self.session.workers.kind == "cluster" else count_cores()
        task = (train_shares, self.request, self.job, ranks, loaded, dict(tracker), threads)
        return self.session.submit(*task, name=name, worker=worker)

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
    except Exception as error:  # noqa: BLE001  (one failed fit never ends a run: it is stored with its traceback)
        text = f"{type(error).__name__}: {error}"
        payload = {"model": step.model, "part": step.part, "traceback": traceback.format_exc()}
        return [Outcome(step.key, "fit", payload, peak_memory=peak_memory(), family=step.family, error=text)]
