"""What runs on a worker: read a file, join a table, profile it, fit and predict, evaluate. Results go to the store."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.events import Event
from rapidml.execution.checkpoints import find_kept, forget_checkpoints, keep_checkpoints
from rapidml.execution.opened import one_at_a_time, open_rows
from rapidml.execution.outcome import Outcome
from rapidml.execution.warned import collect_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.dataset.table import PartInfo
    from rapidml.execution.rows import Rows, RowsRequest
    from rapidml.models.adapter import Fitted
    from rapidml.models.fitting import TrainedModel
    from rapidml.models.shares import Source
    from rapidml.planning.steps import EvaluateStep, FitStep, Prediction
    from rapidml.recipe.schema import Training
    from rapidml.store.objects import Objects


@dataclass(frozen=True)
class FitJob:
    """A fit to do, with what its step alone does not say."""

    step: FitStep
    training: Training
    balance: str
    threads: int
    topic: str


@dataclass(frozen=True)
class ScoreJob:
    """Scores to compute, with what their step alone does not say."""

    step: EvaluateStep
    metrics: tuple[str, ...]
    training: Training
    balance: str
    keeps_draws: bool

    @property
    def balanced(self) -> bool:
        """Whether scores that depend on class sums make them equal."""
        return self.balance == "classes"


def peak_memory() -> int:
    """Largest resident size this process has had, bytes."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_part_task(request: TableRequest, identity: Identity, index: int, folder: str) -> PartInfo:
    """Parse one file of the dataset into columns in a scratch folder."""
    from rapidml.dataset.table import read_part

    return read_part(request, identity, index, Path(folder) / f"part{index}")


def keep_part_task(request: TableRequest, identity: Identity, index: int, store: str, key: str) -> PartInfo:
    """Parse one file of many into an object of the store, unless it is there: files added later find it."""
    from rapidml.dataset.table import PartInfo, read_part
    from rapidml.store.store import open_store

    objects = open_store(store).objects
    known = objects.find_manifest("parts", key, verify=False)
    if known is None:

        def write(folder: Path) -> None:
            info = read_part(request, identity, index, folder)
            (folder / "info.json").write_text(json.dumps({**asdict(info), "folder": ""}))

        objects.put("parts", key, write)
    place = objects.find("parts", key)
    assert place is not None
    return PartInfo(**{**json.loads((place / "info.json").read_text()), "folder": str(place)})


def write_table_task(
    store: str, key: str, request: TableRequest, parts: Sequence[PartInfo], part_keys: Sequence[str]
) -> Outcome:
    """Join the parts into the table's object."""
    from rapidml.dataset.table import write_table
    from rapidml.store.store import open_store

    started = time.perf_counter()
    summary: dict[str, Any] = {}

    def write(folder: Path) -> None:
        summary.update(write_table(request, list(parts), folder))

    objects = open_store(store).objects
    ref = objects.put("tables", key, write)
    if not summary:  # the table was there, only its line was lost
        stored = json.loads((objects.open(ref, verify=False) / "table.json").read_text(encoding="utf-8"))
        summary = {name: stored[name] for name in ("rows", "dropped", "null")}
    columns = [column.key for column in request.columns]
    payload = {"rows_key": request.rows_key, "columns": columns, "parts": list(part_keys), **summary}
    seconds = time.perf_counter() - started
    return Outcome(key, "read", payload, (ref,), seconds, peak_memory(), family=request.rows_key)


def profile_task(request: RowsRequest, key: str, dataset: Any) -> Outcome:
    """Look at the training rows: classes, weights, features, leaks."""
    from rapidml.dataset.profile import make_profile

    started = time.perf_counter()
    rows = open_rows(request)
    profile = make_profile(rows.table, request.request, dataset, rows.parts)
    return Outcome(key, "profile", profile.to_json(), (), time.perf_counter() - started, peak_memory())


def run_jobs(request: RowsRequest, jobs: Sequence[FitJob | ScoreJob]) -> list[list[Outcome]]:
    """Fits and scores, one after the other; a failure is an outcome, not an exception.

    Returns:
        The outcomes of each job, its own first.
    """
    from rapidml.store.store import open_store

    objects = open_store(request.store).objects
    with one_at_a_time():
        if len(jobs) == 1:
            return [_run_job(request, jobs[0], objects)]
        with objects.stage() as staging:
            return [_run_job(request, job, staging) for job in jobs]


def _run_job(request: RowsRequest, job: FitJob | ScoreJob, objects: Objects) -> list[Outcome]:
    return fit_task(request, job, objects) if isinstance(job, FitJob) else [score_task(request, job, objects)]


def fit_task(request: RowsRequest, job: FitJob, objects: Objects) -> list[Outcome]:
    """One fit and its predictions; a failure is an outcome, not an exception.

    Returns:
        The fit's outcome first, then one for each prediction.
    """
    try:
        return _fit(request, job, objects)
    except Exception as error:  # noqa: BLE001  (one failed fit never ends a run: it is stored with its traceback)
        step = job.step
        text = f"{type(error).__name__}: {error}"
        payload = {"model": step.model, "part": step.part, "traceback": traceback.format_exc()}
        return [Outcome(step.key, "fit", payload, peak_memory=peak_memory(), family=step.family, error=text)]


def _fit(request: RowsRequest, job: FitJob, objects: Objects) -> list[Outcome]:
    step = job.step
    rows = open_rows(request)
    import_library(step.spec.type)
    started = time.perf_counter()
    known = _reads_the_same(load_stored_model(objects, step.key), request)
    with collect_warnings() as warned:
        model = known or _train(rows, job, objects)
    return store_fit(rows, model, job, objects, started, warned=warned, trained=known is None)


def store_fit(
    rows: Rows,
    model: TrainedModel,
    job: FitJob,
    objects: Objects,
    started: float,
    *,
    warned: Sequence[str] = (),
    trained: bool = True,
) -> list[Outcome]:
    """Store a fitted model and its predictions.

    Args:
        rows: Rows of the run.
        model: The model.
        job: What was to be done.
        objects: Where to.
        started: When the fit began, by ``time.perf_counter``.
        warned: Warnings of the fit.
        trained: Whether it was fitted now; False for a model that was stored.

    Returns:
        The fit's outcome first, then one for each prediction.
    """
    step = job.step
    payload = describe_fit(rows, model, step.model, step.part, step.spec.type, job.threads)
    payload |= {"warnings": list(warned), "trained": trained, "start": None if step.start is None else step.start.key}
    fitted = Outcome(step.key, "fit", payload, (), time.perf_counter() - started, peak_memory(), family=step.family)
    fitted = fitted.stored_with(objects.put("models", step.key, model.save, fitted.note()))
    if trained:
        forget_checkpoints(rows.request.store, step.key)
    return [fitted, *(_predict(rows, model, job, prediction, objects) for prediction in step.predictions)]


def describe_fit(rows: Rows, model: TrainedModel, name: str, part: str, type_name: str, threads: int) -> dict[str, Any]:
    """What the fact of a fit says of it."""
    return {
        "model": name,
        "part": part,
        "type": type_name,
        "rows": len(rows.parts.rows(part)),
        "features": len(rows.request.profile.features) if rows.request.profile else 0,
        "rounds": model.rounds,
        "best_round": model.best_round,
        "history": model.history,
        "threads": threads,
        "warnings": [],
        "trained": True,
        **({} if model.report is None else {"training": dict(model.report)}),
    }


def import_library(type_name: str) -> None:
    """Import what a type of model stands on, so that the time of the first fit is that of a fit."""
    from rapidml.models.registry import find_adapter

    names = [find_adapter(type_name).library, *([type_name.rpartition(".")[0]] if "." in type_name else [])]
    for name in names:
        with contextlib.suppress(ImportError):  # the fit itself says what is missing
            importlib.import_module(name)


def _reads_the_same(model: TrainedModel | None, request: RowsRequest) -> TrainedModel | None:
    """A stored model, unless its columns have other names now: it finds them by name, keys do not."""
    assert request.profile is not None
    names = [feature.name for feature in request.profile.features]
    return model if model is not None and [feature.name for feature in model.features] == names else None


def load_stored_model(objects: Objects, key: str) -> TrainedModel | None:
    """A model of the store after its checksums were compared; None if it is absent, damaged or unreadable here."""
    from rapidml.models.fitting import load_model

    manifest = objects.find_manifest("models", key, verify=True)
    try:
        return None if manifest is None else load_model(objects.open(manifest.ref, verify=False))
    except ModelError:
        return None


def _train(rows: Rows, job: FitJob, objects: Objects) -> TrainedModel:
    from rapidml.models.fitting import train

    step, store = job.step, rows.request.store
    assert rows.request.profile is not None
    if step.spec.shards > 1:
        from rapidml.execution.sharded import train_here

        return train_here(rows, job, objects)
    return train(
        step.spec,
        open_source(rows, job),
        rows.request.profile.task,
        seed=step.seed,
        threads=job.threads,
        start=find_start(job, rows.request, objects, find_kept(store, step.key)),
        report=make_reporter(step.key, step.title, job.topic, step.spec.unit),
        keep=keep_checkpoints(store, step.key),
    )


def open_source(rows: Rows, job: FitJob) -> Source:
    """The rows that a fit trains on."""
    use_weight = not job.step.spec.weights_ignored
    return rows.training_source(job.step.part, job.training, job.balance, use_weight=use_weight)


def find_start(job: FitJob, request: RowsRequest, objects: Objects, checkpoint: Path | None) -> Fitted | None:
    """What a fit goes on from: a checkpoint of an attempt that was ended, else a stored fit of other rounds."""
    from rapidml.models.registry import find_adapter

    step = job.step
    if checkpoint is not None:
        assert request.profile is not None
        with contextlib.suppress(ModelError):  # a damaged one costs time, nothing else
            return find_adapter(step.spec.type).load(checkpoint, request.profile.task)
    start = None if step.start is None else _reads_the_same(load_stored_model(objects, step.start.key), request)
    return None if start is None else start.fitted


def make_reporter(key: str, title: str, topic: str, unit: str) -> Callable[[int, int, dict[str, float]], None]:
    """Progress to Dask's event log, at most twice a second. Made in the task's own thread, called in any.

    Args:
        key: Key of the fit.
        title: What a person calls it.
        topic: Topic of the events.
        unit: What a round of it is called; see ``ModelSpec.unit``.
    """
    from distributed import get_worker

    worker = get_worker()
    last = time.monotonic()

    def report(done: int, total: int, scores: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.5:
            last = now
            data = {"done": done, "total": total, "unit": unit, "scores": scores}
            event = Event("progress", "fit", key, title, data)
            worker.log_event(topic, event.to_json())

    return report


def _predict(rows: Rows, model: TrainedModel, job: FitJob, prediction: Prediction, objects: Objects) -> Outcome:
    import numpy as np

    started = time.perf_counter()
    predicted = model.predict(rows.features(prediction.part), threads=job.threads)

    def write(folder: Path) -> None:
        np.save(folder / "prediction.npy", np.asarray(predicted, dtype=np.float32), allow_pickle=False)

    payload = {"part": prediction.part, "fit": job.step.key, "rows": len(predicted)}
    outcome = Outcome(prediction.key, "predict", payload, (), time.perf_counter() - started, peak_memory())
    return outcome.stored_with(objects.put("predictions", prediction.key, write, outcome.note()))


def load_prediction(objects: Objects, key: str) -> NDArray[np.float32]:
    """A stored prediction: shape ``(n_part,)``, or ``(n_part, n_classes)``.

    Raises:
        StoreError: It is not in the store, or its checksum does not hold.
    """
    from rapidml.dataset.npy import load_array
    from rapidml.errors import StoreError

    manifest = objects.find_manifest("predictions", key, verify=True)
    if manifest is None:
        raise StoreError(f"prediction {key[:12]} is not in the store, or damaged; run the recipe again")
    folder = objects.open(manifest.ref, verify=False)
    return load_array(folder / "prediction.npy", mapped=False)


def score_task(request: RowsRequest, job: ScoreJob, objects: Objects) -> Outcome:
    """Scores with intervals of one model, or of the baseline; a failure is an outcome, not an exception."""
    try:
        return _evaluate(request, job, objects)
    except Exception as error:  # noqa: BLE001  (the other models' scores go on)
        step = job.step
        payload = {"model": step.model, "stage": step.stage, "traceback": traceback.format_exc()}
        text = f"{type(error).__name__}: {error}"
        return Outcome(step.key, "evaluate", payload, peak_memory=peak_memory(), error=text)


def _evaluate(request: RowsRequest, job: ScoreJob, objects: Objects) -> Outcome:
    from rapidml.evaluate.baseline import baseline_prediction
    from rapidml.evaluate.scores import ScoredRows, score_parts

    started = time.perf_counter()
    step = job.step
    rows = open_rows(request)
    assert request.profile is not None
    task = request.profile.task
    scored: dict[str, list[ScoredRows]] = {}
    for prediction in step.predictions:
        ids, truth, weight = rows.truth(prediction.part)
        draws = rows.draws.find(prediction.part, ids) if job.keeps_draws else None
        part = ScoredRows(ids, truth, load_prediction(objects, prediction.key), weight, draws)
        scored.setdefault(_group(prediction.part), []).append(part)
    for trained, shown in step.parts:
        truth, weight = rows.training_target(trained, job.training, job.balance)
        ids, shown_truth, shown_weight = rows.truth(shown)
        guess = baseline_prediction(truth, weight, len(ids), task)
        scored.setdefault(_group(shown), []).append(ScoredRows(ids, shown_truth, guess, shown_weight))
    payload: dict[str, Any] = {"model": step.model, "stage": step.stage, "balanced": job.balanced}
    for group, parts in scored.items():
        scores = score_parts(parts, job.metrics, task, balanced=job.balanced)
        if group == "train":
            scores = {name: replace(score, replicas=()) for name, score in scores.items()}
        payload[group] = {name: score.to_json() for name, score in scores.items()}
    return Outcome(step.key, "evaluate", payload, (), time.perf_counter() - started, peak_memory())


def _group(part: str) -> str:
    if part == "valid" or part.startswith("held:"):
        return "selection"
    return "test" if part == "test" else "train"
