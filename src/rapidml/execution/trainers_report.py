"""What timings of several trainers say, as one JSON object: times, speed-ups and scores of each, over seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.execution.scaling_report import as_json, count_rows, describe_model, find_most, fit_times, multiply
from rapidml.execution.timings import find_first, seconds_at, speed_up, spread, spread_ratios
from rapidml.execution.trainer_subjects import Network
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.scaling_report import Target
    from rapidml.execution.scaling_subject import Subject
    from rapidml.execution.timed_fits import Scoring
    from rapidml.execution.timings import Timing


@dataclass(frozen=True)
class Failure:
    """A fit that could not be timed.

    Attributes:
        number: Its number of replicas.
        draw: Which seed it had.
        text: Why.
    """

    number: int
    draw: int
    text: str


@dataclass
class Series:
    """The timings of one subject.

    Attributes:
        subject: What was timed.
        before: Those that were stored.
        added: Those that were made now.
        failures: Fits that failed now.
    """

    subject: Subject
    before: list[Timing]
    added: list[Timing] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def timings(self) -> list[Timing]:
        """All of them, oldest first."""
        return [*self.before, *self.added]


def make_trainers_report(series: Sequence[Series], target: Target) -> dict[str, Any]:
    """The object that ``scaling --replicas --json`` prints.

    Args:
        series: Every trainer, and networks without one.
        target: The score whose time is asked for.

    Returns:
        Plain JSON. Intervals are ``{"value", "low", "high"}``: median, least and largest over the repetitions, each of
        which has another seed. Seconds, but for speed-ups, efficiencies, scores and epochs.
    """
    subject = series[0].subject
    resolved = subject.plan.resolved
    timings = [timing for one in series for timing in one.timings]
    networks = {Network.of(one.subject.step.spec) for one in series if one.timings}
    return {
        "run": subject.run,
        "part": subject.step.part,
        "rows": next((rows for one in series if (rows := count_rows(one.subject)) is not None), None),
        "features": len(resolved.profile.features),
        "over": "replicas",
        "threads_each": subject.threads(1),
        "machine": dict(subject.machine),
        "versions": dict(subject.versions),
        "measured": {"added": sum(len(one.added) for one in series), "before": sum(len(one.before) for one in series)},
        "others": as_json(spread(timing.others for timing in timings if timing.others is not None)),
        "target": {"metric": resolved.rank_by, "value": target.value, "source": target.source},
        "is_one_network": len(networks) == 1,
        "trainers": [_report_trainer(one, _find_single(one, series), target) for one in series if one.timings],
        "failures": [_report_failure(one.subject, failure) for one in series for failure in one.failures],
        "timings": [timing.to_payload() for timing in timings],
    }


def _find_single(one: Series, series: Sequence[Series]) -> Series:
    """The same network without a trainer."""
    network = Network.of(one.subject.step.spec)
    singles = [other for other in series if other.subject.trainer is None]
    return next(other for other in singles if Network.of(other.subject.step.spec) == network)


def _report_failure(subject: Subject, failure: Failure) -> dict[str, Any]:
    return {"model": subject.label, "number": failure.number, "draw": failure.draw, "error": failure.text}


def _report_trainer(one: Series, single: Series, target: Target) -> dict[str, Any]:
    subject, trainer = one.subject, one.subject.trainer
    model = fit_times(subject, one.timings) if trainer is not None else None
    numbers = sorted({timing.number for timing in one.timings})
    return {
        "model": subject.label,
        "trainer": SINGLE if trainer is None else trainer.name,
        "window": None if trainer is None else trainer.window,
        "is_asynchronous": trainer is not None and trainer.is_asynchronous,
        "single": single.subject.label,
        "numbers": [_report_number(one, number, single, target) for number in numbers],
        "cost_model": None if model is None else describe_model(model),
    }


def _report_number(one: Series, number: int, single: Series, target: Target) -> dict[str, Any]:
    subject = one.subject
    scoring = subject.make_scoring(target.value)
    own = [timing for timing in one.timings if timing.number == number]
    first = [timing for timing in one.timings if timing.number == 1]
    reached, at_first = (_reach(found, scoring) for found in (own, first))
    faster = speed_up(one.timings, number, 1)
    return {
        "number": number,
        "is_beyond_cores": number > find_most(subject),
        "repetitions": len(own),
        "seconds": as_json(spread(timing.seconds for timing in own)),
        "speed_up": as_json(faster),
        "efficiency": as_json(multiply(faster, 1 / number)),
        "against_single": as_json(spread_ratios(_seconds(single.timings), _seconds(own))),
        "start_seconds": as_json(spread(timing.load_seconds for timing in own)),
        "epochs": as_json(spread(timing.rounds for timing in own if timing.rounds is not None)),
        "score": as_json(spread(timing.score for timing in own if timing.score is not None)),
        "reached": len(reached),
        "target_seconds": as_json(spread(seconds for _, seconds, _ in reached)),
        "target_epochs": as_json(spread(epochs for _, _, epochs in reached)),
        "target_speed_up": as_json(
            spread_ratios(*([(timing, seconds) for timing, seconds, _ in found] for found in (at_first, reached)))
        ),
    }


def _seconds(timings: Sequence[Timing]) -> list[tuple[Timing, float]]:
    return [(timing, timing.seconds) for timing in timings]


def _reach(timings: Sequence[Timing], scoring: Scoring) -> list[tuple[Timing, float, int]]:
    """Those whose score reached the target, with the seconds and epochs that took."""
    found = []
    for timing in timings:
        epochs = find_first(dict(timing.scores), scoring.reaches)
        seconds = None if epochs is None else seconds_at(timing.curve, epochs)
        if epochs is not None and seconds is not None:
            found.append((timing, seconds, epochs))
    return found
