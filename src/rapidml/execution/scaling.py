"""Measuring how fits scale: the same fits again and again at each number of threads, shards or replicas, in turn."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError, StoreError
from rapidml.execution.options import RunOptions
from rapidml.execution.running import run_recipe
from rapidml.execution.scaling_report import GIVEN, INTERVAL, NONE, Target, make_report
from rapidml.execution.scaling_subject import Wanted, find_default_target, find_subjects
from rapidml.execution.timed_fits import run_timed, warm_up
from rapidml.execution.timed_replicas import run_timed_replicas, warm_up_replicas
from rapidml.execution.timings import KIND, Timing, find_rounds, known_scores
from rapidml.execution.trainers_report import Failure, Series, make_trainers_report
from rapidml.models.trainer_plan import SINGLE
from rapidml.store.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from distributed import Client

    from rapidml.events import Event
    from rapidml.execution.scaling_subject import Subject
    from rapidml.execution.tasks import FitJob
    from rapidml.execution.timed_fits import Scoring, TimedFit
    from rapidml.recipe.document import Document
    from rapidml.store.store import Store

__all__ = ["Wanted", "measure_scaling"]


def measure_scaling(
    document: Document,
    store: Store,
    wanted: Wanted,
    watch: Callable[[Event], None],
    on_run: Callable[[], None] = lambda: None,
    on_timed: Callable[[Timing], None] = lambda _timing: None,
) -> dict[str, Any]:
    """Run a recipe if need be, time a fit of one of its models at each number, store the times, and report.

    With replicas it is a fit of each model that has a trainer, and of the same network without one. The fit is the one
    on the rows outside the validation part, or outside fold 0: its selection rows tell after how many rounds it reaches
    a score. It is trained anew each time and never stored as a model.

    Args:
        document: The recipe.
        store: Where facts, objects and runs live.
        wanted: What to measure.
        watch: Called with every event of the run.
        on_run: Called when the run is finished and the measurement begins.
        on_timed: Called with every fit that was timed.

    Returns:
        Plain JSON; see ``scaling_report.make_report``, and with replicas ``trainers_report.make_trainers_report``.

    Raises:
        RecipeError: The recipe or its data are wrong; nothing was started.
        ModelError: The model could not be fitted.
        StoreError: With ``repeat=0``: nothing has been measured.
    """
    if wanted.repeat:
        store.refuse_read_only()
        run_recipe(document, store, RunOptions(), watch)
    on_run()
    series = [Series(subject, subject.load_timings()) for subject in find_subjects(document, store, wanted)]
    if not wanted.repeat:
        return _report(series, _aimed_at(series, wanted))
    target = _find_target(series, wanted)
    _measure(series, target, on_timed)
    if not any(one.timings for one in series):
        raise ModelError(next(failure.text for one in series for failure in one.failures))
    return _report(series, target)


def _report(series: Sequence[Series], target: Target) -> dict[str, Any]:
    if series[0].subject.wanted.over == "replicas":
        return make_trainers_report(series, target)
    return make_report(series[0].subject, series[0].timings, len(series[0].added), target)


def _find_target(series: Sequence[Series], wanted: Wanted) -> Target:
    """The target that was given, else the one that all models of the run have come to."""
    if wanted.target is not None:
        return Target(wanted.target, GIVEN)
    subjects = [one.subject for one in series]
    stored = [one for one in subjects if one.step.state == "stored" and one.step.predictions]
    found = [find_default_target(subject) for subject in stored]
    known = [target for target in found if target is not None]
    if not known:
        return Target(None, NONE)
    return Target(min(known) if subjects[0].make_scoring().greater_is_better else max(known), INTERVAL)


def _aimed_at(series: Sequence[Series], wanted: Wanted) -> Target:
    """The target to show stored timings with: the one that was given, else that of the newest."""
    timings = [timing for one in series for timing in one.timings]
    if not timings:
        numbers = ", ".join(map(str, wanted.numbers))
        raise StoreError(
            f"nothing has been measured at {numbers} {wanted.over} on this machine with these versions of the "
            "libraries: leave out --repeat 0"
        )
    if wanted.target is not None:
        return Target(wanted.target, GIVEN)
    newest = next(one.timings[-1] for one in series if one.timings)
    return Target(newest.target, newest.source)


def _measure(series: Sequence[Series], target: Target, on_timed: Callable[[Timing], None]) -> None:
    """Time every repetition of every subject at every number, in turn; each is stored when it is done."""
    first = series[0].subject
    wanted, session, last = first.wanted, uuid.uuid4().hex[:12], _find_last_draw(series)
    n_workers = max(wanted.numbers) if wanted.over != "threads" else 1
    with first.store.attempts.add_facts(first.run) as facts, _open_workers(n_workers, first) as client:
        timer = _Timer(client, target)
        timer.warm_up(first)
        for repetition in range(1, wanted.repeat + 1):
            for one in series:
                for number in one.subject.numbers:
                    place = _Place(session, repetition, last + repetition)
                    timing = timer.time(one, number, place)
                    if timing is not None:
                        facts.append(_make_fact(one.subject, timing))
                        one.added.append(timing)
                        on_timed(timing)


def _find_last_draw(series: Sequence[Series]) -> int:
    """The last seed that was used; -1 for none."""
    return max((timing.draw for one in series for timing in one.timings if timing.draw is not None), default=-1)


@dataclass(frozen=True)
class _Place:
    """Which of the repetitions a fit is, and its seed."""

    session: str
    repetition: int
    draw: int


@dataclass(frozen=True)
class _Timer:
    """Times fits on workers that do nothing else."""

    client: Client
    target: Target

    def warm_up(self, subject: Subject) -> None:
        """Let the workers do short fits, whose time counts nowhere."""
        if subject.wanted.over != "replicas":
            for number in subject.wanted.numbers:
                warm_up(self.client, subject.request, subject.make_job(number))
            return
        job = subject.make_job(max(subject.wanted.numbers))
        with self._scratch(subject, job) as folder:
            warm_up_replicas(self.client, subject.request, job, subject.make_scoring(), folder)

    def time(self, series: Series, number: int, place: _Place) -> Timing | None:
        """Time one fit; None if it failed where that is a result of its own."""
        subject = series.subject
        scoring = subject.make_scoring(self.target.value)
        others = _OtherPrograms()
        if subject.wanted.over != "replicas":
            asked = None if _is_scored(subject, series.timings, number, scoring) else scoring
            found = run_timed(self.client, subject.request, subject.make_job(number), asked)
            timing = _make_timing(subject, number, found, place, self.target)
            return replace(timing, others=None if asked else others.count(), is_as_stored=_is_stored(subject, timing))
        job = subject.make_job(number, place.draw)
        try:
            with self._scratch(subject, job) as folder:
                found = run_timed_replicas(self.client, subject.request, job, scoring, folder)
        except ModelError as error:
            series.failures.append(Failure(number, place.draw, str(error)))
            return None
        timing = _make_timing(subject, number, found, place, self.target)
        trainer = SINGLE if subject.trainer is None else subject.trainer.name
        return replace(timing, others=others.count(), draw=place.draw, trainer=trainer)

    @staticmethod
    def _scratch(subject: Subject, job: FitJob) -> contextlib.AbstractContextManager[Path]:
        return subject.store.work.scratch(job.step.key)


def _is_scored(subject: Subject, timings: Sequence[Timing], number: int, scoring: Scoring) -> bool:
    """Whether it is known already after how many rounds the model of a number reaches the target."""
    scores, total, score = known_scores(timings, subject.at(number).key)
    if score is None:
        return False
    return total is None or scoring.target is None or find_rounds(scores, total, scoring.reaches) is not None


def _is_stored(subject: Subject, timing: Timing) -> bool | None:
    """Whether a model has the bytes that the store holds under its key; None if it holds none."""
    manifest = subject.store.objects.find_manifest("models", timing.fit, verify=True)
    stored = None if manifest is None else {name: sha256 for name, (_, sha256) in manifest.ref.files.items()}
    return None if stored is None else stored == dict(timing.files)


def _make_timing(subject: Subject, number: int, found: TimedFit, place: _Place, target: Target) -> Timing:
    step = subject.at(number)
    return Timing(
        over=subject.wanted.over,
        number=number,
        threads=subject.threads(number),
        session=place.session,
        repetition=place.repetition,
        seconds=found.seconds,
        load_seconds=found.load_seconds,
        rounds=found.rounds,
        curve=found.curve,
        files=found.files,
        is_as_stored=None,
        scores=tuple(sorted(found.scores.items())),
        score=found.score,
        others=None,
        fit=step.key,
        model=step.model,
        part=step.part,
        metric=subject.plan.resolved.rank_by,
        target=target.value,
        source=target.source,
        machine=subject.machine,
        versions=subject.versions,
    )


def _make_fact(subject: Subject, timing: Timing) -> Fact:
    payload = timing.to_payload()
    return Fact(subject.key, KIND, payload=payload, seconds=timing.seconds, versions=timing.versions)


@contextlib.contextmanager
def _open_workers(count: int, subject: Subject) -> Iterator[Client]:
    """Worker processes of our own, so that nothing else runs in them."""
    from rapidml.cluster.served import Wanted as WantedWorkers
    from rapidml.cluster.starting import Started
    from rapidml.cluster.workers import open_served
    from rapidml.execution.preloaded import PRELOAD, TASKS, list_preload

    preload = list_preload([subject.step.spec.type]) if subject.wanted.over == "replicas" else PRELOAD
    started = Started(WantedWorkers(count, preload, TASKS))
    with contextlib.closing(started), open_served(started.wait(), "processes") as workers:
        yield workers.client


class _OtherPrograms:
    """How many cores other programs keep busy, from now until it is asked."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy, self._own = _busy_seconds(), _own_seconds()

    def count(self) -> float:
        """Cores, on average."""
        own = _own_seconds()
        busy = _busy_seconds() - self._busy
        return max(0.0, busy - (own - self._own)) / (time.monotonic() - self._started)


def _busy_seconds() -> float:
    """Seconds of all cores that were not idle, since the machine started."""
    import psutil

    times = psutil.cpu_times()
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal")))


def _own_seconds() -> float:
    """Seconds of all cores that this process and those below it have used, with those that have ended."""
    import psutil

    total, me = 0.0, psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total
