"""A fit of a network by replicas that is timed and not stored: what runs on the workers beside them, and handing it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.execution.opened import one_at_a_time
from rapidml.execution.replica import ReplicaJob
from rapidml.execution.replicated import ReplicaHelper, has_centre, load_replicas, meet_replicas, train_together
from rapidml.execution.rows import load_rows
from rapidml.execution.tasks import import_library
from rapidml.execution.timed_fits import TimedFit, digest, score_prediction, submit
from rapidml.execution.timed_replica import read_begin, read_epochs
from rapidml.models.trainer_plan import read_trainer
from rapidml.trainers.gang import run_gang

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distributed import Client, Future
    from numpy.typing import NDArray

    from rapidml.execution.replicated import LoadedReplicas
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.tasks import FitJob
    from rapidml.execution.timed_fits import Scoring
    from rapidml.models.network_model import NetworkModel
    from rapidml.models.trained_model import TrainedModel
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.gang import Meeting, Place

_WARM_EPOCHS = 1


def time_replicas(loaded: LoadedReplicas, told: Mapping[str, Any], scoring: Scoring, asked: float) -> TimedFit | None:
    """Train with some replicas, then score the centre of every epoch with what was kept. Runs on a worker.

    Args:
        loaded: The replicas.
        told: How they reach each other.
        scoring: How to score.
        asked: When the fit was asked for, by ``time.monotonic`` of the host.

    Returns:
        The times; None on workers without replica 0.

    Raises:
        ModelError: Training was not possible, or a replica was lost.
    """
    with one_at_a_time(), contextlib.closing(loaded):
        model = train_together(loaded, told)
        if model is None:
            return None
        wanted = loaded.jobs[0]
        assert wanted.timed is not None
        if model.report is not None and model.report.get("lost"):
            raise ModelError("a replica was lost while the fit was timed; measure again")
        return _score_epochs(model, wanted, Path(wanted.timed), scoring, asked)


def _score_epochs(model: TrainedModel, wanted: ReplicaJob, folder: Path, scoring: Scoring, asked: float) -> TimedFit:
    import_library(model.spec.type)
    rows = load_rows(wanted.request)
    features = rows.features(scoring.part)

    def score(fitted: TrainedModel) -> float:
        predicted = fitted.predict(features, threads=scoring.threads)
        return score_prediction(rows, scoring, predicted, n_replicas=0).value

    began, curve, scores = read_begin(folder), [], {}
    for epoch, seconds, sets in read_epochs(folder):
        curve.append((epoch, seconds - began))
        scores[epoch] = score(replace(model, fitted=_put_weights(model.fitted, sets)))
    return TimedFit(
        curve[-1][1], began - asked, tuple(curve), model.rounds, digest(model), scores=scores, score=score(model)
    )


def _put_weights(fitted: Any, sets: Sequence[list[NDArray[Any]]]) -> NetworkModel:
    """The same network with other weights."""
    first, *others = sets
    state = {"weights": first, "optimizer": [], "seeds": []}
    found: NetworkModel = replace(fitted, state=state, members=tuple(others))
    return found


@dataclass(frozen=True)
class _TimedReplicas:
    """The replicas of a timed fit, as ``trainers.gang`` wants them."""

    client: Client
    request: RowsRequest
    job: FitJob
    trainer: TrainerPlan | None
    scoring: Scoring
    folder: str
    asked: float

    @property
    def goes_on(self) -> bool:
        return has_centre(self.trainer)

    def begin(self) -> None:
        """A timed fit has no checkpoints."""

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        threads = self.job.threads
        jobs = {n: ReplicaJob(self.request, self.job, n, threads, "127.0.0.1", self.folder) for n in ranks}
        return submit(self.client, worker, load_replicas, jobs)

    def meet(self, place: Place) -> Meeting:
        def hand(_what: str, function: Any, *arguments: Any, worker: str) -> Future[Any]:
            return submit(self.client, worker, function, *arguments)

        return meet_replicas(place, self.trainer, None, hand)

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], told: Mapping[str, Any]) -> Future[Any]:  # noqa: ARG002
        return submit(self.client, worker, time_replicas, loaded, dict(told), self.scoring, self.asked)

    def warn(self, text: str) -> None:
        raise ModelError(f"{self.job.step.title}: {text.partition(';')[0]} while it was timed; measure again")


def run_timed_replicas(client: Client, request: RowsRequest, job: FitJob, scoring: Scoring, folder: Path) -> TimedFit:
    """Time one fit of a network in processes of its own: replicas with a worker each, or one alone.

    Args:
        client: Client of the workers, all on this host; none of them should be doing anything else.
        request: Rows of the run.
        job: The fit; its threads are those of one replica.
        scoring: How to score the network of every epoch, afterwards.
        folder: An empty folder, for the weights of every epoch.

    Returns:
        The times. ``load_seconds`` are those until training began: processes, rows, networks, compiling.

    Raises:
        ModelError: Training was not possible, or a replica was lost.
    """
    client.register_plugin(ReplicaHelper())
    trainer = read_trainer(job.step.spec.trainer)
    gang = _TimedReplicas(client, request, job, trainer, scoring, str(folder), time.monotonic())
    timed: TimedFit = run_gang(client, gang, 1 if trainer is None else trainer.replicas)
    return timed


def warm_up_replicas(client: Client, request: RowsRequest, job: FitJob, scoring: Scoring, folder: Path) -> None:
    """Start the helpers of the workers with a short fit, whose time counts nowhere."""
    step = replace(job.step, spec=job.step.spec.with_rounds(_WARM_EPOCHS))
    run_timed_replicas(client, request, replace(job, step=step), scoring, folder)
