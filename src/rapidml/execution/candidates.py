"""What runs on a worker for a search: one fit on held rows, and the scores of every candidate that is a part of it."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError, StoreError
from rapidml.execution.limits import limited
from rapidml.execution.opened import hold_rows, one_at_a_time, open_rows
from rapidml.execution.outcome import Outcome
from rapidml.execution.tasks import describe_fit, import_library, load_stored_model, make_reporter, peak_memory
from rapidml.execution.warned import collect_warnings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rapidml.execution.rows import Rows, RowsRequest
    from rapidml.models.fitting import ModelSpec, TrainedModel
    from rapidml.models.holding import Held
    from rapidml.planning.steps import Start
    from rapidml.recipe.schema import Training
    from rapidml.store.objects import Objects


@dataclass(frozen=True)
class Want:
    """A score to be made.

    Attributes:
        key: Key of the score.
        fit: Key of the fit that it is of.
        prediction: Key of its prediction.
        spec: The model with this candidate's parameters.
        number: Number of the candidate.
        known: Metrics that are stored already.
        seconds: What its fit cost, if its prediction is stored.
    """

    key: str
    fit: str
    prediction: str
    spec: ModelSpec
    number: int
    known: Mapping[str, float | None]
    seconds: float | None = None


@dataclass(frozen=True)
class CandidateJob:
    """One fit of a search and what is scored of it.

    Attributes:
        model: Name of the model.
        part: Rows it trains on.
        held: Rows that it is scored on.
        seed: Seed of the fit.
        wants: What is scored, that of the longest fit last.
        family: Key of the fits that it is a part of; None if none can be cut from it.
        search: Key of every fit of this type on these rows.
        start: A stored fit to continue or cut.
        metrics: Metrics, the one that ranks first.
        training: How training weights are made.
        balance: Whether classes are balanced.
        threads: Threads of the fit.
        topic: Topic of progress events.
        floor: Keep the model if it scores better than this; None to keep it.
        keep_predictions: Store the predictions.
        greater_is_better: Direction of the first metric.
        seconds: Limit of the fit; None for none.
        memory: Limit of the memory that the fit may take, bytes; None for none.
        repetition: Which drawing of the folds.
        token: Tells a second attempt at this very job, after the worker of the first has died.
    """

    model: str
    part: str
    held: str
    seed: int
    wants: tuple[Want, ...]
    family: str | None
    search: str
    start: Start | None
    metrics: tuple[str, ...]
    training: Training
    balance: str
    threads: int
    topic: str
    floor: float | None
    keep_predictions: bool
    greater_is_better: bool
    seconds: float | None = None
    memory: int | None = None
    repetition: int = 0
    token: str = ""

    @property
    def spec(self) -> ModelSpec:
        """The model that is fitted: the longest."""
        return self.wants[-1].spec

    @property
    def title(self) -> str:
        """What a person calls it."""
        numbers = ", ".join(str(want.number) for want in self.wants)
        return f"{self.model} #{numbers}, {self.part.replace(':', ' ')}"

    @property
    def key(self) -> str:
        """Key of the fit."""
        return self.wants[-1].fit


def score_candidates(request: RowsRequest, jobs: Sequence[CandidateJob]) -> list[list[Outcome]]:
    """Fit and score, one job after the other; a failure is an outcome, not an exception.

    Returns:
        The outcomes of each job, its scores first, in the order of ``wants``.
    """
    from rapidml.store.store import open_store

    objects = open_store(request.store).objects
    with one_at_a_time():
        if len(jobs) == 1:
            return [_score_job(request, jobs[0], objects)]
        with objects.stage() as staging:
            return [_score_job(request, job, staging) for job in jobs]


def _score_job(request: RowsRequest, job: CandidateJob, objects: Objects) -> list[Outcome]:
    try:
        with limited(request.store, job):
            return _fit_and_score(request, job, objects)
    except Exception as error:  # noqa: BLE001  (one failed candidate never ends a search: it is stored as failed)
        text = f"{type(error).__name__}: {error}"
        return describe_failure(job, text, traceback.format_exc())


def describe_failure(job: CandidateJob, text: str, trace: str) -> list[Outcome]:
    """The outcomes of a job that came to nothing."""
    payload = {"model": job.model, "part": job.part, "traceback": trace}
    peak = peak_memory()
    return [Outcome(want.key, "score", payload, peak_memory=peak, family=job.search, error=text) for want in job.wants]


def _fit_and_score(request: RowsRequest, job: CandidateJob, objects: Objects) -> list[Outcome]:
    rows = open_rows(replace(request, repetition=job.repetition))
    import_library(job.spec.type)
    started = time.perf_counter()
    predicted = _load_predictions(job, objects)
    model, warned, prepared = None, [], 0.0
    if predicted is None:
        with collect_warnings() as warned:
            held, prepared = _hold(rows, job)
            model = _train(rows.request, job, held, objects)
            predicted = _predict(model, held, job)
    seconds = time.perf_counter() - started - prepared
    scores = _score(rows, job, predicted, model, seconds, warned)
    scores[-1].payload["prepared"] = prepared
    if model is None:
        return [*scores, *_list_stored(job, objects)]
    return [*scores, *_keep(rows, job, model, predicted, scores, objects, seconds)]


def _load_predictions(job: CandidateJob, objects: Objects) -> list[NDArray[Any]] | None:
    """What was predicted before, if all of it is stored: a new metric needs no fit."""
    from rapidml.execution.tasks import load_prediction

    try:
        return [load_prediction(objects, want.prediction) for want in job.wants]
    except StoreError:  # absent, or damaged: it is made again
        return None


def _list_stored(job: CandidateJob, objects: Objects) -> list[Outcome]:
    """The predictions that were there: their lines may have been lost with a driver that was killed."""
    found = (objects.find_manifest("predictions", want.prediction, verify=False) for want in job.wants)
    return [Outcome.from_manifest(manifest) for manifest in found if manifest is not None]


def _hold(rows: Rows, job: CandidateJob) -> tuple[Held, float]:
    """The rows of the fit in the form that its library reads, held since another fit or made now, and in what time."""
    from rapidml.models.holding import held_content, hold

    spec = job.spec
    key = (job.part, job.training.model_dump_json(), job.balance, job.seed, held_content(spec))

    spent = 0.0

    def make() -> Held:
        nonlocal spent
        began = time.perf_counter()
        source = rows.training_source(job.part, job.training, job.balance, use_weight=not spec.weights_ignored)
        assert rows.request.profile is not None
        shown = rows.features(job.held)
        made = hold(spec, source, shown, rows.request.profile.task, seed=job.seed, threads=job.threads)
        spent = time.perf_counter() - began
        return made

    return hold_rows(rows.request, key, make), spent


def _train(request: RowsRequest, job: CandidateJob, held: Held, objects: Objects) -> TrainedModel:
    from rapidml.models.holding import train_held

    assert request.profile is not None
    start = None
    if job.start is not None:
        with contextlib.suppress(ModelError):
            found = load_stored_model(objects, job.start.key)
            start = None if found is None else found.fitted
    task = request.profile.task
    report = make_reporter(job.key, job.title, job.topic, job.spec.unit)
    return train_held(job.spec, held, task, seed=job.seed, threads=job.threads, start=start, report=report)


def _predict(model: TrainedModel, held: Held, job: CandidateJob) -> list[NDArray[Any]]:
    from rapidml.models.holding import predict_held

    rounds = [_rounds_of(want.spec) for want in job.wants]
    if len(rounds) == 1 or None in rounds:
        return list(predict_held(model, held, (), job.threads))
    return list(predict_held(model, held, [one for one in rounds if one is not None], job.threads))


def _rounds_of(spec: ModelSpec) -> int | None:
    """How far a candidate goes, where it is a prefix of a longer one."""
    from rapidml.models.registry import find_adapter

    return None if spec.early_stopping is not None else find_adapter(spec.type).prefix_rounds(spec.params)


def _score(
    rows: Rows,
    job: CandidateJob,
    predicted: Sequence[NDArray[Any]],
    model: TrainedModel | None,
    seconds: float,
    warned: Sequence[str],
) -> list[Outcome]:
    """The scores of every candidate of a job."""
    from rapidml.evaluate.points import point_scores
    from rapidml.evaluate.scores import ScoredRows
    from rapidml.planning.step_keys import model_content

    ids, truth, weight = rows.truth(job.held)
    assert rows.request.profile is not None
    task = rows.request.profile.task
    longest = _rounds_of(job.spec) or 1
    outcomes = []
    for want, one in zip(job.wants, predicted, strict=True):
        found = point_scores(ScoredRows(ids, truth, one, weight), job.metrics, task, balanced=job.balance == "classes")
        metrics = {name: None if math.isnan(value) else value for name, value in found.items()}
        is_longest = want is job.wants[-1]
        payload = {
            "model": job.model,
            "part": job.part,
            "fit": want.fit,
            "type": want.spec.type,
            "content": model_content(want.spec),
            "metrics": {**want.known, **metrics},
            "seconds": seconds * (_rounds_of(want.spec) or 1) / longest if model is not None else want.seconds,
            "rounds": None if model is None else model.rounds if is_longest else _rounds_of(want.spec),
            "best_round": None if model is None or not is_longest else model.best_round,
            "trained": model is not None and is_longest,
            "warnings": list(warned) if is_longest else [],
        }
        spent = seconds if is_longest else 0.0
        outcomes.append(Outcome(want.key, "score", payload, (), spent, peak_memory(), family=job.search))
    return outcomes


def _keep(
    rows: Rows,
    job: CandidateJob,
    model: TrainedModel,
    predicted: Sequence[NDArray[Any]],
    scores: Sequence[Outcome],
    objects: Objects,
    seconds: float,
) -> list[Outcome]:
    """Store the model if it is the best so far, and predictions where they may be compared."""
    import numpy as np

    sign = 1 if job.greater_is_better else -1
    values = [outcome.payload["metrics"][job.metrics[0]] for outcome in scores]
    reached = [-math.inf if value is None else sign * value for value in values]
    best = max(range(len(reached)), key=reached.__getitem__)
    outcomes = []
    if job.floor is None or reached[best] > sign * job.floor:
        outcomes.append(_store_model(rows, job, job.wants[best], model, objects, seconds))
    elif not job.keep_predictions:
        return []
    for want, one in zip(job.wants, predicted, strict=True):
        payload = {"part": job.held, "fit": want.fit, "rows": len(one)}
        outcome = Outcome(want.prediction, "predict", payload, (), 0.0, peak_memory())

        def write(folder: Path, one: NDArray[Any] = one) -> None:
            np.save(folder / "prediction.npy", np.asarray(one, dtype=np.float32), allow_pickle=False)

        outcomes.append(outcome.stored_with(objects.put("predictions", want.prediction, write, outcome.note())))
    return outcomes


def _store_model(
    rows: Rows, job: CandidateJob, want: Want, model: TrainedModel, objects: Objects, seconds: float
) -> Outcome:
    """Store the model of one candidate, cut from the longest."""
    from rapidml.models.fitting import cut_model

    if want is not job.wants[-1]:
        model = cut_model(model, want.spec)
    payload = describe_fit(rows, model, job.model, job.part, want.spec.type, job.threads)
    payload |= {"trained": want is job.wants[-1], "start": None if job.start is None else job.start.key}
    fitted = Outcome(want.fit, "fit", payload, (), seconds, peak_memory(), family=job.family)
    return fitted.stored_with(objects.put("models", want.fit, model.save, fitted.note()))
