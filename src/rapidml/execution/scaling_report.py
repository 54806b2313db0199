"""What a set of timings says, as one JSON object: times, speed-ups, efficiencies, and the cost model that goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.execution.timings import find_rounds, known_scores, seconds_at, speed_up, spread
from rapidml.models.registry import find_adapter
from rapidml.planning.cost_model import Interval, fit_cost_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.scaling_subject import Subject
    from rapidml.execution.timings import Timing
    from rapidml.planning.cost_model import CostModel

GIVEN, INTERVAL, NONE = "given", "interval", "none"
FURTHER = (2, 4, 8)
"""Multiples of the largest number that is fitted, to which the cost model is extrapolated."""
MISFIT = 0.1
"""Largest share by which the model may miss the times at a number, or it is not extrapolated."""
BUSY = 0.2
"""Cores that other programs may use before it is said that the times are too long."""
_CURVE_POINTS = 40


@dataclass(frozen=True)
class Target:
    """The score whose time is asked for.

    Attributes:
        value: The score; None if there is none to aim at.
        source: ``given`` by the user, the worse end of the ``interval`` of the selection score, or ``none``.
    """

    value: float | None
    source: str


def make_report(subject: Subject, timings: Sequence[Timing], n_added: int, target: Target) -> dict[str, Any]:
    """The object that ``scaling --json`` prints.

    Args:
        subject: What was measured.
        timings: All of it, oldest first.
        n_added: How many of them are new.
        target: The score whose time is asked for.

    Returns:
        Plain JSON. Intervals are ``{"value", "low", "high"}``: of times median, least and largest; of the cost model
        the value and the central 68.3% of bootstrap draws. Seconds, but for speed-ups and efficiencies.
    """
    resolved, step = subject.plan.resolved, subject.step
    numbers = sorted({timing.number for timing in timings})
    model = fit_times(subject, timings)
    return {
        "run": subject.run,
        "model": step.model,
        "type": step.spec.type,
        "part": step.part,
        "rows": count_rows(subject),
        "features": len(resolved.profile.features),
        "over": subject.wanted.over,
        "uses_threads": find_adapter(step.spec.type).uses_threads,
        "threads_each": None if subject.wanted.over == "threads" else subject.threads(1),
        "machine": dict(subject.machine),
        "versions": dict(subject.versions),
        "measured": {"added": n_added, "before": len(timings) - n_added},
        "others": as_json(spread(timing.others for timing in timings if timing.others is not None)),
        "target": {"metric": resolved.rank_by, "value": target.value, "source": target.source},
        "numbers": [_report_number(subject, timings, number, numbers[0], target) for number in numbers],
        "cost_model": None if model is None else describe_model(model),
        "timings": [timing.to_payload() for timing in timings],
    }


def count_rows(subject: Subject) -> int | None:
    """Rows that the fit trains on, as its fact says."""
    fact = subject.store.index.find_facts([subject.step.key]).get(subject.step.key)
    return None if fact is None else fact.payload.get("rows")


def _report_number(
    subject: Subject, timings: Sequence[Timing], number: int, base: int, target: Target
) -> dict[str, Any]:
    own = [timing for timing in timings if timing.number == number]
    scores, total, score = known_scores(own, subject.at(number).key)
    if subject.wanted.over == "threads":  # one model for all
        scores, total, score = known_scores(timings, subject.step.key)
    needed = _find_needed(subject, scores, total, score, target)
    faster = speed_up(timings, number, base)
    share = base / number
    efficiency = multiply(faster, share)
    return {
        "number": number,
        "is_beyond_cores": number > find_most(subject),
        "repetitions": len(own),
        "seconds": as_json(spread(timing.seconds for timing in own)),
        "target_seconds": as_json(spread(_seconds_to(own, needed))),
        "target_rounds": needed,
        "speed_up": as_json(faster),
        "efficiency": as_json(efficiency),
        "load_seconds": as_json(spread(timing.load_seconds for timing in own)),
        "rounds": own[-1].rounds,
        "score": score,
        "is_as_stored": _all_true([timing.is_as_stored for timing in own]),
        "is_repeated": len({tuple(sorted(timing.files.items())) for timing in own}) == 1,
    }


def _find_needed(
    subject: Subject, scores: dict[int, float], total: int | None, score: float | None, target: Target
) -> int | None:
    """Rounds to the target: 0 if it is not reached, None if unknown; of models without rounds 1, all of it."""
    if score is None or target.value is None:
        return None
    scoring = subject.make_scoring(target.value)
    if total is None:
        return 1 if scoring.reaches(score) else 0
    return find_rounds(scores, total, scoring.reaches)


def _seconds_to(timings: Sequence[Timing], needed: int | None) -> list[float]:
    """Seconds of each timing to some rounds; to completion where the fit does not say when its rounds were done."""
    if not needed:
        return []
    found = [timing.seconds if timing.rounds is None else seconds_at(timing.curve, needed) for timing in timings]
    return [timing.seconds if each is None else each for timing, each in zip(timings, found, strict=True)]


def find_most(subject: Subject) -> int:
    """Largest number that has cores of its own."""
    return max(1, int(subject.machine["cores"]) // (1 if subject.wanted.over == "threads" else subject.threads(1)))


def _all_true(found: Sequence[bool | None]) -> bool | None:
    known = [each for each in found if each is not None]
    return all(known) if known else None


def fit_times(subject: Subject, timings: Sequence[Timing]) -> CostModel | None:
    """The cost model of the numbers that have cores of their own; None of fewer than two."""
    repetitions: dict[tuple[str, int], dict[int, float]] = {}
    for timing in timings:
        if timing.number <= find_most(subject):
            repetitions.setdefault((timing.session, timing.repetition), {})[timing.number] = timing.seconds
    if len({number for times in repetitions.values() for number in times}) < 2:
        return None
    return fit_cost_model(list(repetitions.values()), with_exchange=subject.wanted.over != "threads")


def describe_model(model: CostModel) -> dict[str, Any]:
    """A cost model with what it extrapolates, as plain JSON."""
    last = model.numbers[-1]
    further = FURTHER if model.misfit <= MISFIT else ()
    return {
        "numbers": list(model.numbers),
        "fits": model.n_fits,
        "draws": len(model.draws),
        "is_tested": model.is_tested,
        "terms": {name: model.term(name).to_json() for name in model.terms},
        "misfit": model.misfit,
        "limit": model.limit().to_json(),
        "extrapolated": [_point(model, last * times) for times in further],
        "curve": [_point(model, number) for number in _spread_numbers(model.numbers[0], last * FURTHER[-1])],
    }


def _point(model: CostModel, number: float) -> dict[str, Any]:
    seconds, faster = model.seconds(number), model.speed_up(number)
    return {"number": number, "seconds": seconds.to_json(), "speed_up": faster.to_json()}


def _spread_numbers(first: float, last: float) -> list[float]:
    """Numbers in equal ratios, for a smooth line."""
    ratio = (last / first) ** (1 / _CURVE_POINTS)
    return [first * ratio**step for step in range(_CURVE_POINTS + 1)]


def multiply(interval: Interval | None, factor: float) -> Interval | None:
    """An interval times a factor above zero."""
    return None if interval is None else Interval(*(factor * x for x in (interval.value, interval.low, interval.high)))


def as_json(interval: Interval | None) -> dict[str, float | None] | None:
    """``value``, ``low`` and ``high``; None of nothing."""
    return None if interval is None else interval.to_json()
