"""Measuring how one model's fit scales: the same fit again and again at each number of threads or shards, in turn."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError
from rapidml.execution.options import RunOptions
from rapidml.execution.running import run_recipe
from rapidml.execution.scaling_report import GIVEN, INTERVAL, NONE, Target, make_report
from rapidml.execution.scaling_subject import Wanted, find_default_target, find_subject
from rapidml.execution.timed_fits import run_timed, warm_up
from rapidml.execution.timings import KIND, Timing, find_rounds, known_scores
from rapidml.store.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client

    from rapidml.events import Event
    from rapidml.execution.scaling_subject import Subject
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

    The fit is the one on the rows outside the validation part, or outside fold 0: its selection rows tell after how
    many rounds it reaches a score. It is trained anew each time and never stored as a model.

    Args:
        document: The recipe.
        store: Where facts, objects and runs live.
        wanted: What to measure.
        watch: Called with every event of the run.
        on_run: Called when the run is finished and the measurement begins.
        on_timed: Called with every fit that was timed.

    Returns:
        Plain JSON; see ``scaling_report.make_report``.

    Raises:
        RecipeError: The recipe or its data are wrong; nothing was started.
        ModelError: The model could not be fitted.
        StoreError: With ``repeat=0``: nothing has been measured.
    """
    if wanted.repeat:
        store.refuse_read_only()
        run_recipe(document, store, RunOptions(), watch)
    on_run()
    subject = find_subject(document, store, wanted)
    before = subject.load_timings()
    if not wanted.repeat:
        return make_report(subject, before, 0, _aimed_at(before, wanted))
    target = _find_target(subject)
    added = _measure(subject, before, target, on_timed)
    return make_report(subject, [*before, *added], len(added), target)


def _find_target(subject: Subject) -> Target:
    if subject.wanted.target is not None:
        return Target(subject.wanted.target, GIVEN)
    default = find_default_target(subject)
    return Target(default, NONE if default is None else INTERVAL)


def _aimed_at(timings: Sequence[Timing], wanted: Wanted) -> Target:
    """The target to show stored timings with: the one that was given, else that of the newest."""
    if not timings:
        numbers = ", ".join(map(str, wanted.numbers))
        raise StoreError(
            f"nothing has been measured at {numbers} {wanted.over} on this machine with these versions of the "
            "libraries: leave out --repeat 0"
        )
    if wanted.target is not None:
        return Target(wanted.target, GIVEN)
    return Target(timings[-1].target, timings[-1].source)


def _measure(
    subject: Subject,
    before: Sequence[Timing],
    target: Target,
    on_timed: Callable[[Timing], None],
) -> list[Timing]:
    """Time every repetition at every number, in turn; each is stored when it is done."""
    session, timings = uuid.uuid4().hex[:12], list(before)
    scoring = subject.make_scoring(target.value)
    n_workers = max(subject.wanted.numbers) if subject.wanted.over == "shards" else 1
    with subject.store.attempts.add_facts(subject.run) as facts, _open_workers(n_workers) as client:
        for number in subject.wanted.numbers:
            warm_up(client, subject.request, subject.make_job(number))
        for repetition in range(1, subject.wanted.repeat + 1):
            for number in subject.wanted.numbers:
                asked = None if _is_scored(subject, timings, number, scoring) else scoring
                others = _OtherPrograms()
                found = run_timed(client, subject.request, subject.make_job(number), asked)
                timing = _make_timing(subject, number, found, (session, repetition), target)
                timing = replace(timing, others=None if asked else others.count())
                facts.append(_make_fact(subject, timing))
                timings.append(timing)
                on_timed(timing)
    return timings[len(before) :]


def _is_scored(subject: Subject, timings: Sequence[Timing], number: int, scoring: Scoring) -> bool:
    """Whether it is known already after how many rounds the model of a number reaches the target."""
    scores, total, score = known_scores(timings, subject.at(number).key)
    if score is None:
        return False
    return total is None or scoring.target is None or find_rounds(scores, total, scoring.reaches) is not None


def _make_timing(subject: Subject, number: int, found: TimedFit, place: tuple[str, int], target: Target) -> Timing:
    step = subject.at(number)
    manifest = subject.store.objects.find_manifest("models", step.key, verify=True)
    stored = None if manifest is None else {name: sha256 for name, (_, sha256) in manifest.ref.files.items()}
    return Timing(
        over=subject.wanted.over,
        number=number,
        threads=subject.threads(number),
        session=place[0],
        repetition=place[1],
        seconds=found.seconds,
        load_seconds=found.load_seconds,
        rounds=found.rounds,
        curve=found.curve,
        files=found.files,
        is_as_stored=None if stored is None else stored == dict(found.files),
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
def _open_workers(count: int) -> Iterator[Client]:
    """Worker processes of our own, so that nothing else runs in them."""
    from rapidml.cluster.served import Wanted as WantedWorkers
    from rapidml.cluster.starting import Started
    from rapidml.cluster.workers import open_served
    from rapidml.execution.preloaded import PRELOAD

    started = Started(WantedWorkers(count, PRELOAD))
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
    """Seconds of all cores that this process and those below it have used."""
    import psutil

    total, me = 0.0, psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total
