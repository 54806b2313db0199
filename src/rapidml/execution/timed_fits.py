"""A fit that is timed and not stored: what runs on workers, and handing it to them. Nothing is taken from the store."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.execution.rows import load_rows
from rapidml.execution.tasks import FitJob, import_library, load_prediction, open_source
from rapidml.execution.timings import find_scores
from rapidml.trainers.gang import meet_by_tracker, run_gang

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distributed import Client, Future

    from rapidml.evaluate.scores import Score
    from rapidml.execution.rows import Rows, RowsRequest
    from rapidml.models.fitting import TrainedModel
    from rapidml.models.shares import Share
    from rapidml.trainers.gang import Meeting, Place

_WARM_ROUNDS = 2
"""Rounds of the fit before the first timed one: libraries then have their threads and their memory."""


@dataclass(frozen=True)
class Scoring:
    """How a timed model is scored.

    Attributes:
        part: Rows to score it on, which did not train it.
        metric: Name of the metric.
        is_balanced: Whether the sums of weights of the classes are made equal.
        target: Score to find the first round for; None for the score of the whole model only.
        greater_is_better: Direction of the metric.
        threads: Threads to predict with.
    """

    part: str
    metric: str
    is_balanced: bool
    target: float | None
    greater_is_better: bool
    threads: int

    def reaches(self, score: float) -> bool:
        """Whether a score is as good as the target."""
        if self.target is None:
            return False
        return score >= self.target if self.greater_is_better else score <= self.target


@dataclass(frozen=True)
class TimedFit:
    """What came of a timed fit; see ``timings.Timing``.

    Attributes:
        seconds: From rows in memory to the fitted model.
        load_seconds: From the store to rows in memory; with replicas until training began.
        curve: Rounds done and seconds since the start.
        rounds: Rounds of the model; None for models without.
        files: SHA-256 of the model's files.
        scores: Scores of the model cut to some rounds; empty if it was not scored.
        score: Score of the whole model; None if it was not scored.
    """

    seconds: float
    load_seconds: float
    curve: tuple[tuple[int, float], ...]
    rounds: int | None
    files: Mapping[str, str]
    scores: Mapping[int, float] = field(default_factory=dict)
    score: float | None = None


@dataclass(frozen=True)
class LoadedRows:
    """What a worker keeps between loading and training; it never leaves the worker.

    Attributes:
        shares: Rows of its ranks.
        seconds: Time it took to load them.
    """

    shares: Mapping[int, Share]
    seconds: float


def load_rows_of(request: RowsRequest, job: FitJob, ranks: Sequence[int]) -> LoadedRows:
    """Load the rows of some ranks into memory. Runs on a worker."""
    from rapidml.models.shares import make_share

    step = job.step
    import_library(step.spec.type)
    assert request.profile is not None
    started = time.perf_counter()
    source = open_source(load_rows(request), job)
    shares = {rank: make_share(step.spec, source, request.profile.task, step.seed, rank) for rank in ranks}
    return LoadedRows(shares, time.perf_counter() - started)


def time_fit(
    request: RowsRequest,
    job: FitJob,
    ranks: Sequence[int],
    loaded: LoadedRows,
    tracker: Mapping[str, Any] | None,
    scoring: Scoring | None,
) -> TimedFit | None:
    """Train with some ranks and note the times. Runs on a worker.

    Args:
        request: Rows of the run.
        job: The fit; its threads are those of one rank.
        ranks: Numbers of the ranks.
        loaded: Their rows.
        tracker: How they find the others; None where there are none.
        scoring: How to score the model afterwards; None for not.

    Returns:
        The times; None on workers without rank 0.
    """
    from rapidml.models.fitting import train_share
    from rapidml.trainers.collective import run_ranks

    step = job.step
    assert request.profile is not None
    task = request.profile.task
    curve: list[tuple[int, float]] = []

    def report(done: int, _total: int, _losses: dict[str, float]) -> None:
        curve.append((done, time.perf_counter() - started))

    def train(rank: int) -> TrainedModel:
        fit = partial(train_share, step.spec, loaded.shares[rank], task, seed=step.seed, threads=job.threads)
        return fit(report=report) if rank == 0 else fit()

    started = time.perf_counter()
    models = {0: train(0)} if tracker is None else run_ranks(ranks, tracker, train)
    seconds = time.perf_counter() - started
    if 0 not in models:
        return None
    model = models[0]
    timed = TimedFit(seconds, loaded.seconds, tuple(curve), model.rounds, digest(model))
    return timed if scoring is None else _score(timed, model, load_rows(request), scoring)


def digest(model: TrainedModel) -> dict[str, str]:
    """SHA-256 of the files of a model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _score(timed: TimedFit, model: TrainedModel, rows: Rows, scoring: Scoring) -> TimedFit:
    features = rows.features(scoring.part)

    def score(cut: TrainedModel) -> float:
        predicted = cut.predict(features, threads=scoring.threads)
        return score_prediction(rows, scoring, predicted, n_replicas=0).value

    if model.rounds is None:
        return replace(timed, score=score(model))
    scores = find_scores(
        lambda rounds: score(replace(model, fitted=model.fitted.cut(rounds))), model.rounds, scoring.reaches
    )
    return replace(timed, scores=scores, score=scores[model.rounds])


def score_stored(request: RowsRequest, key: str, scoring: Scoring) -> Score:
    """Score with interval of a stored prediction of one part. Runs on a worker."""
    from rapidml.store.store import open_store

    predicted = load_prediction(open_store(request.store).objects, key)
    return score_prediction(load_rows(request), scoring, predicted)


def score_prediction(rows: Rows, scoring: Scoring, predicted: Any, n_replicas: int | None = None) -> Score:
    """Score of predictions of the rows that a scoring is about; its interval takes so many bootstrap replicas."""
    from rapidml.evaluate.scores import ScoredRows, score_parts

    assert rows.request.profile is not None
    ids, truth, weight = rows.truth(scoring.part)
    scored = ScoredRows(ids, truth, predicted, weight)
    kinds = (scoring.metric,)
    task = rows.request.profile.task
    found = score_parts([scored], kinds, task, balanced=scoring.is_balanced, n_replicas=n_replicas)
    return found[scoring.metric]


@dataclass(frozen=True)
class _TimedGang:
    """The ranks of a timed fit, as ``trainers.gang`` wants them."""

    client: Client
    request: RowsRequest
    job: FitJob
    scoring: Scoring | None
    goes_on = False

    def begin(self) -> None:
        """A timed fit has no checkpoints."""

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        return submit(self.client, worker, load_rows_of, self.request, self.job, ranks)

    def meet(self, place: Place) -> Meeting:
        return meet_by_tracker(place)

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], told: Mapping[str, Any]) -> Future[Any]:
        task = (self.request, self.job, ranks, loaded, dict(told), self.scoring)
        return submit(self.client, worker, time_fit, *task)

    def warn(self, text: str) -> None:
        raise ModelError(f"{self.job.step.title}: {text.partition(';')[0]} while it was timed; measure again")


def submit(client: Client, worker: str, function: Any, *args: Any) -> Future[Any]:
    """Run a function on one worker, once."""
    key = f"{function.__name__}-{uuid.uuid4().hex}"
    return client.submit(function, *args, key=key, pure=False, retries=0, workers=[worker])


def run_timed(client: Client, request: RowsRequest, job: FitJob, scoring: Scoring | None = None) -> TimedFit:
    """Time one fit, with a worker for each of its shards.

    Args:
        client: Client of the workers; none of them should be doing anything else.
        request: Rows of the run.
        job: The fit; its threads are those of one shard.
        scoring: How to score the model afterwards; None for not.

    Raises:
        ModelError: A worker was lost, or the library refused.
    """
    shards = job.step.spec.shards
    timed: TimedFit
    if shards > 1:
        timed = run_gang(client, _TimedGang(client, request, job, scoring), shards)
        return timed
    worker = min(client.scheduler_info(n_workers=-1)["workers"])
    loaded = submit(client, worker, load_rows_of, request, job, (0,))
    done = submit(client, worker, time_fit, request, job, (0,), loaded, None, scoring)
    timed = done.result()
    return timed


def warm_up(client: Client, request: RowsRequest, job: FitJob) -> None:
    """Let the workers of a fit do a short one, whose time counts nowhere."""
    spec = job.step.spec
    if spec.iterations is not None:
        spec = spec.with_rounds(_WARM_ROUNDS)
    run_timed(client, request, replace(job, step=replace(job.step, spec=spec)))
