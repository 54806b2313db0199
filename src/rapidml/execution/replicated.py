"""A fit of a network by several replicas: what runs on the Dask workers beside them, and handing it to these."""

from __future__ import annotations

import contextlib
import secrets
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from distributed import WorkerPlugin, get_worker

from rapidml.cluster.cores import count_cores
from rapidml.errors import ModelError, WorkersLost
from rapidml.events import Event
from rapidml.execution.checkpoints import find_kept
from rapidml.execution.opened import one_at_a_time, open_rows
from rapidml.execution.outcome import Outcome
from rapidml.execution.replica import ReplicaFacts, ReplicaJob, merge_addresses
from rapidml.execution.replica_talk import ask, tell
from rapidml.execution.served_centre import ServedCentre
from rapidml.execution.tasks import FitJob, import_library, make_reporter, peak_memory, store_fit
from rapidml.trainers.collective import RankLostError
from rapidml.trainers.forked import wait_for_any
from rapidml.trainers.gang import LOCAL, SOON, Meeting, run_gang

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from distributed import Future

    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.session import Session
    from rapidml.models.network_model import NetworkModel
    from rapidml.models.trained_model import TrainedModel
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.forked import Child
    from rapidml.trainers.gang import Place
    from rapidml.trainers.helper import Helper

PRELOAD = ("tensorflow", "keras", "rapidml.execution.replica", "rapidml.execution.tasks", "rapidml.trainers.replica")
"""What the helper of a worker imports once, for all replicas that it forks."""
START_SECONDS = 180.0
"""Time in which a replica must have read its rows and built its network."""
MOST_RETURNS = 5
"""How often replicas of a fit are started again."""
LOOK_SECONDS = 0.5


class ReplicaHelper(WorkerPlugin):
    """The helper of a worker: started with its first replica, ended with it."""

    name = "rapidml-replicas"
    idempotent = True

    def __init__(self) -> None:
        self._helper: Helper | None = None

    def get(self, device: str) -> Helper:
        """The helper, started now or before."""
        from rapidml.trainers.helper import Helper

        if self._helper is None or not self._helper.is_alive:
            self._helper = Helper.start(PRELOAD, device=device)
        return self._helper

    def teardown(self, worker: Any) -> None:  # noqa: ARG002  (Dask's signature)
        """Called when the worker closes."""
        if self._helper is not None:
            self._helper.close()


@dataclass
class LoadedReplicas:
    """Replicas of one worker that have their rows; it never leaves the worker.

    Attributes:
        helper: What forks them.
        jobs: What each is to do.
        children: Their processes.
        facts: What they told.
        centre: The centre, on the worker that serves it.
    """

    helper: Helper
    jobs: dict[int, ReplicaJob]
    children: dict[int, Child] = field(default_factory=dict)
    facts: dict[int, ReplicaFacts] = field(default_factory=dict)
    centre: ServedCentre | None = None

    def start(self, number: int) -> None:
        """Fork a replica, for the first time or again."""
        self.children[number] = self.helper.fork("rapidml.execution.replica:run_replica", (self.jobs[number],))

    def await_facts(self, number: int) -> None:
        """Wait until a replica has its rows.

        Raises:
            RankLostError: It died.
            ModelError: It could not, or took too long.
        """
        found = ask(self.children[number], START_SECONDS)
        if not isinstance(found, ReplicaFacts):
            raise ModelError(f"replica {number} was not ready after {START_SECONDS:.0f} s")
        self.facts[number] = found

    def close(self) -> None:
        """End all of them."""
        for child in self.children.values():
            child.close()
        if self.centre is not None:
            self.centre.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # while the interpreter ends, modules may be gone
            self.close()


def load_replicas(jobs: Mapping[int, ReplicaJob]) -> LoadedReplicas:
    """Start some replicas and wait until they have their rows. Runs on a worker."""
    plugin = get_worker().plugins.get(ReplicaHelper.name)
    assert isinstance(plugin, ReplicaHelper)
    device = next(iter(jobs.values())).job.step.spec.device
    loaded = LoadedReplicas(plugin.get(device), dict(jobs))
    try:
        for number in jobs:
            loaded.start(number)
        for number in jobs:
            loaded.await_facts(number)
    except BaseException:  # also Ctrl-C: no process may outlive a load that failed
        loaded.close()
        raise
    return loaded


def list_addresses(loaded: LoadedReplicas) -> dict[int, str]:
    """Where the ranks of a worker are reached. Runs on that worker."""
    return {number: facts.address for number, facts in loaded.facts.items()}


def open_centre(loaded: LoadedReplicas, trainer: TrainerPlan, checkpoint: str | None, host: str) -> dict[str, Any]:
    """Serve the centre on the worker of replica 0."""
    wanted, facts = loaded.jobs[0], loaded.facts[0]
    loaded.centre = ServedCentre(wanted, trainer, facts, host, secrets.token_bytes(32), checkpoint)
    return loaded.centre.told


def train_replicas(loaded: LoadedReplicas, told: Mapping[str, Any]) -> list[Outcome] | None:
    """Train with some replicas; the worker with replica 0 stores the model and predicts. Runs on a worker.

    Args:
        loaded: The replicas.
        told: How they reach each other.

    Returns:
        The fit's outcome first, then one for each prediction; None on the other workers.
    """
    from rapidml.store.store import open_store

    started = time.perf_counter()
    with one_at_a_time(), contextlib.closing(loaded):
        model = train_together(loaded, told)
        if model is None:
            return None
        wanted = loaded.jobs[0]
        import_library(wanted.job.step.spec.type)
        rows = open_rows(wanted.request)
        objects = open_store(wanted.request.store).objects
        return store_fit(rows, model, wanted.job, objects, started)


def train_together(loaded: LoadedReplicas, told: Mapping[str, Any]) -> TrainedModel | None:
    """Train with some replicas; the model where replica 0 is, None elsewhere. Runs on a worker."""
    is_dealt = loaded.centre is not None or "address" in told
    model = _train_dealt(loaded, told) if is_dealt else _train_ranks(loaded, told)
    return None if model is None else _wrap(loaded.jobs[0], loaded.facts[0], model)


def _wrap(wanted: ReplicaJob, facts: ReplicaFacts, model: NetworkModel) -> TrainedModel:
    from rapidml.models.registry import find_adapter
    from rapidml.models.trained_model import TrainedModel

    assert wanted.request.profile is not None
    spec = wanted.job.step.spec
    versions = find_adapter(spec.type).versions()
    return TrainedModel(spec, wanted.request.profile.task, facts.features, facts.preparation, model, versions)


def _train_ranks(loaded: LoadedReplicas, told: Mapping[str, Any]) -> NetworkModel | None:
    """Ranks that take every step together: without one of them nothing goes on."""
    for child in loaded.children.values():
        tell(child, told)
    job = next(iter(loaded.jobs.values())).job
    report = make_reporter(job.step.key, job.step.title, job.topic, job.step.spec.unit)
    open_children = dict(loaded.children)
    started, epochs = time.perf_counter(), 0
    while open_children:
        wait_for_any(open_children.values(), LOOK_SECONDS)
        for number, child in list(open_children.items()):
            message = ask(child)
            if message is not None and number == 0:
                epochs += 1  # of this attempt: those of a checkpoint are not told again
                report(*message[1:])
            if child.has_returned:
                del open_children[number]
    if 0 not in loaded.children:
        return None
    found: NetworkModel = loaded.children[0].result
    counts = loaded.facts[0].counts
    counted = {"trainer": "multiworker", "replicas": len(counts), "samples": epochs * sum(counts)}
    return replace(found, report={**counted, "lost": told.get("lost", 0), "seconds": time.perf_counter() - started})


def _train_dealt(loaded: LoadedReplicas, told: Mapping[str, Any]) -> NetworkModel | None:
    """Replicas with a centre: one that is lost is started again, and the others go on meanwhile."""
    dealt, centre = _Dealt(loaded, told), loaded.centre
    dealt.begin()
    while dealt.running or (centre is not None and not centre.is_over):
        if centre is not None:
            centre.look()
        if not wait_for_any(dealt.running.values(), LOOK_SECONDS) and not dealt.running:
            time.sleep(LOOK_SECONDS)  # replicas of other workers go on
            if centre is not None and centre.is_deserted:
                raise ModelError(f"replicas were lost {centre.centre.tally.lost} times; the last one here: {dealt.why}")
        for number in list(dealt.running):
            dealt.hear(number)
    return None if centre is None else centre.finish()


class _Dealt:
    """The replicas of one worker that are dealt their rows by a centre.

    Args:
        loaded: The replicas.
        told: How they reach the centre.
    """

    def __init__(self, loaded: LoadedReplicas, told: Mapping[str, Any]) -> None:
        self.loaded, self.told = loaded, told
        self.running = dict(loaded.children)
        self.why = "none"
        self._returns = 0

    def begin(self) -> None:
        """Let all of them train."""
        for number, child in list(self.running.items()):
            try:
                tell(child, self.told)
            except RankLostError as error:
                self._lose(number, str(error))

    def hear(self, number: int) -> None:
        """Take the next message of a replica, or that it is gone."""
        child = self.running[number]
        try:
            if isinstance(ask(child), ReplicaFacts):  # it was started again
                tell(child, self.told)
        except RankLostError as error:
            self._lose(number, str(error))
            return
        if child.has_returned:
            del self.running[number]

    def _lose(self, number: int, why: str) -> None:
        del self.running[number]
        self.why = why
        self._returns += 1
        centre = self.loaded.centre
        if centre is not None:
            centre.lose(number, why)
        if self._returns <= MOST_RETURNS and not (centre is not None and centre.is_over):
            self.loaded.start(number)
            self.running[number] = self.loaded.children[number]


@dataclass
class _ReplicatedFit:
    """The replicas of one fit, as ``trainers.gang`` wants them."""

    session: Session
    request: RowsRequest
    job: FitJob
    trainer: TrainerPlan
    checkpoint: str | None = None
    attempts: int = 0

    @property
    def goes_on(self) -> bool:
        return has_centre(self.trainer)

    def begin(self) -> None:
        found = find_kept(self.request.store, self.job.step.key)
        self.checkpoint = None if found is None else str(found)
        self.attempts += 1

    def load(self, worker: str, ranks: Sequence[int]) -> Future[Any]:
        host = urlsplit(worker).hostname or ""
        is_here = self.session.workers.kind != "cluster"
        threads = max(1, count_cores() // self.trainer.replicas if is_here else self.job.threads // len(ranks))
        place = "127.0.0.1" if host in LOCAL else host
        jobs = {number: ReplicaJob(self.request, self.job, number, threads, place) for number in ranks}
        return self._submit("load", load_replicas, jobs, worker=worker)

    def meet(self, place: Place) -> Meeting:
        return meet_replicas(place, self.trainer, self.checkpoint, self._submit)

    def train(self, worker: str, ranks: Sequence[int], loaded: Future[Any], told: Mapping[str, Any]) -> Future[Any]:  # noqa: ARG002
        return self._submit("fit", train_replicas, loaded, {**told, "lost": self.attempts - 1}, worker=worker)

    def _submit(self, what: str, *task: Any, worker: str) -> Future[Any]:
        return self.session.submit(*task, name=f"{what}-{self.job.step.key[:16]}", priority=SOON, worker=worker)

    def warn(self, text: str) -> None:
        step = self.job.step
        self.session.announce(Event("note", "fit", step.key, f"{step.title}: {text}"))


def meet_replicas(
    place: Place, trainer: TrainerPlan | None, checkpoint: str | None, submit: Callable[..., Future[Any]]
) -> Meeting:
    """How replicas find each other: the address of the centre, or those of all ranks; see ``Gang.meet``.

    Args:
        place: Where they are.
        trainer: The trainer; None for one rank without others.
        checkpoint: What training goes on from.
        submit: Runs ``submit(what, function, *arguments, worker=...)``.
    """
    if has_centre(trainer):
        task = (open_centre, place.loaded[0], trainer, checkpoint, place.host)
        opened = submit("centre", *task, worker=place.seats[0].worker)
        return Meeting((opened,), lambda: opened.result(timeout=10))
    found = [
        submit("addresses", list_addresses, loaded, worker=seat.worker)
        for seat, loaded in zip(place.seats, place.loaded, strict=True)
    ]

    def tell() -> Mapping[str, Any]:
        addresses = merge_addresses([future.result(timeout=10) for future in found])
        return {"addresses": addresses, "checkpoint": checkpoint}

    return Meeting(found, tell)


def has_centre(trainer: TrainerPlan | None) -> bool:
    """Whether replicas share a centre, and go on when one of them is lost."""
    return trainer is not None and trainer.name != "multiworker"


def run_replicated(session: Session, request: RowsRequest, job: FitJob) -> list[Outcome]:
    """One fit by all its replicas at once; a failure is an outcome, not an exception.

    Args:
        session: The attempt; its workers do nothing else meanwhile.
        request: Rows of the run.
        job: The fit.

    Returns:
        The fit's outcome first, then one for each prediction.
    """
    from rapidml.models.trainer_plan import read_trainer

    step = job.step
    trainer = read_trainer(step.spec.trainer)
    assert trainer is not None
    try:
        session.workers.client.register_plugin(ReplicaHelper())
        gang = _ReplicatedFit(session, request, job, trainer)
        found: list[Outcome] = run_gang(
            session.workers.client, gang, trainer.replicas, insecure=session.options.insecure
        )
        return found
    except WorkersLost:
        raise
    except Exception as error:  # noqa: BLE001  (one failed fit never ends a run: it is stored with its traceback)
        session.refuse_lost()
        text = f"{type(error).__name__}: {error}"
        payload = {"model": step.model, "part": step.part, "traceback": traceback.format_exc()}
        return [Outcome(step.key, "fit", payload, peak_memory=peak_memory(), family=step.family, error=text)]
