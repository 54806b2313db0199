"""One timed fit as it is kept in a fact, and what follows from several: medians, speed-ups, times to a score. Pure."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rapidml.keys import make_key
from rapidml.planning.cost_model import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rapidml.store.facts import Fact

Over = Literal["threads", "shards", "replicas"]
KIND = "scaling"
FORMAT = 1
LONGEST_CURVE = 200
"""Rounds whose times are kept; those between lie on a line."""


@dataclass(frozen=True)
class Timing:
    """One fit that was timed.

    Attributes:
        over: What was varied.
        number: Its number of threads, shards or replicas.
        threads: Threads of each process.
        session: Timings of one session were made in turn.
        repetition: Its place in the session, from 1.
        seconds: From rows in memory to the fitted model.
        load_seconds: From the store to rows in memory, before that; with replicas until training began.
        rounds: Rounds of the model; None for models without.
        curve: Rounds done and seconds since the start, ascending; empty if the fit did not tell.
        files: SHA-256 of the model's files by name.
        is_as_stored: Whether these are the bytes that the store holds under the fit's key; None if it holds none.
        scores: Rounds, and the score of the model cut to them; only where it was scored. With replicas of every epoch.
        score: Score of the whole model; None where it was not scored.
        others: Cores that other programs used meanwhile; None if unknown.
        fit: Key of the fit.
        model: Name of the model then.
        part: Rows it was trained on.
        metric: What the scores are.
        target: Score that was aimed at then; None without one.
        source: Where the target came from.
        machine: Where it was timed.
        versions: Versions of the libraries.
        draw: Which seed the fit had: 0 is that of the recipe; None where all fits have that.
        trainer: Name of its trainer; None without.
    """

    over: Over
    number: int
    threads: int
    session: str
    repetition: int
    seconds: float
    load_seconds: float
    rounds: int | None
    curve: tuple[tuple[int, float], ...]
    files: Mapping[str, str]
    is_as_stored: bool | None
    scores: tuple[tuple[int, float], ...]
    score: float | None
    others: float | None
    fit: str
    model: str
    part: str
    metric: str
    target: float | None
    source: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    draw: int | None = None
    trainer: str | None = None

    def to_payload(self) -> dict[str, Any]:
        """What the fact holds of it; versions stand beside it there."""
        tree = asdict(replace(self, curve=thin_out(self.curve)))
        del tree["versions"]
        return {"format": FORMAT, **tree}

    @classmethod
    def from_fact(cls, fact: Fact) -> Timing | None:
        """The timing of a fact; None if a later version wrote it."""
        tree = {name: value for name, value in fact.payload.items() if name in cls.__dataclass_fields__}
        if fact.kind != KIND or fact.payload.get("format") != FORMAT:
            return None
        pairs = {name: tuple((int(rounds), value) for rounds, value in tree[name]) for name in ("curve", "scores")}
        return cls(**{**tree, **pairs, "versions": fact.versions})


def timing_key(fit: str, over: Over) -> str:
    """Key of the facts about the timings of a fit: all repetitions share it.

    Args:
        fit: Key of the fit; of one shard or replica where these are varied.
        over: What is varied.
    """
    return make_key({"step": KIND, "format": FORMAT, "fit": fit, "over": over})


def thin_out(curve: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """A curve of at most ``LONGEST_CURVE`` points, the first and the last among them."""
    if len(curve) <= LONGEST_CURVE:
        return tuple(curve)
    last, steps = len(curve) - 1, LONGEST_CURVE - 1
    return tuple(curve[round(step * last / steps)] for step in range(LONGEST_CURVE))


def seconds_at(curve: Sequence[tuple[int, float]], rounds: int) -> float | None:
    """Seconds after which some rounds were done; None if the curve does not reach so far.

    Before its first point the seconds are those of that point: what comes before the first round is not a round.
    """
    before: tuple[int, float] | None = None
    for done, seconds in curve:
        if done >= rounds:
            if before is None or done == rounds:
                return seconds
            share = (rounds - before[0]) / (done - before[0])
            return before[1] + share * (seconds - before[1])
        before = (done, seconds)
    return None


def find_scores(score: Callable[[int], float], total: int, reaches: Callable[[float], bool]) -> dict[int, float]:
    """Scores of a model cut to some rounds, until the first round that reaches a target is known, by bisection.

    A score that goes up and down around the target crosses it more than once; one of the crossings is found.

    Args:
        score: Score of the model cut to a number of rounds.
        total: Rounds of the whole model.
        reaches: Whether a score is good enough.

    Returns:
        Score by rounds, the whole model's among them.
    """
    found = {total: score(total)}
    if total == 1 or not reaches(found[total]):
        return found
    found[1] = score(1)
    if reaches(found[1]):
        return found
    low, high = 1, total
    while high - low > 1:
        middle = (low + high) // 2
        found[middle] = score(middle)
        low, high = (low, middle) if reaches(found[middle]) else (middle, high)
    return found


def find_rounds(scores: Mapping[int, float], total: int, reaches: Callable[[float], bool]) -> int | None:
    """Rounds needed for a target, as far as the known scores tell.

    Returns:
        The number; 0 if the whole model does not reach it; None if the scores do not tell.
    """
    if total in scores and not reaches(scores[total]):
        return 0
    for rounds in sorted(scores):
        if reaches(scores[rounds]) and (rounds == 1 or (rounds - 1 in scores and not reaches(scores[rounds - 1]))):
            return rounds
    return None


def find_first(scores: Mapping[int, float], reaches: Callable[[float], bool]) -> int | None:
    """The first of the scored rounds that is good enough, whatever comes after it; None if none is."""
    return next((rounds for rounds in sorted(scores) if reaches(scores[rounds])), None)


def spread(values: Iterable[float]) -> Interval | None:
    """Median, least and largest; None of nothing."""
    ordered = sorted(values)
    return Interval(statistics.median(ordered), ordered[0], ordered[-1]) if ordered else None


def speed_up(timings: Sequence[Timing], number: int, base: int) -> Interval | None:
    """How many times faster a number is than another one: ratios within each repetition, so that drifts cancel."""
    own = [[timing for timing in timings if timing.number == one] for one in (base, number)]
    return spread_ratios(*([(timing, timing.seconds) for timing in found] for found in own))


def spread_ratios(above: Iterable[tuple[Timing, float]], below: Iterable[tuple[Timing, float]]) -> Interval | None:
    """Ratios of what belongs to timings of the same repetition of the same session."""
    first, second = (
        {(timing.session, timing.repetition): value for timing, value in found} for found in (above, below)
    )
    return spread(value / second[place] for place, value in first.items() if place in second)


def known_scores(timings: Sequence[Timing], fit: str) -> tuple[dict[int, float], int | None, float | None]:
    """All scores of the cuts of a fit's model, its rounds, and its own score; None where it was not scored."""
    own = [timing for timing in timings if timing.fit == fit and timing.score is not None]
    scores = {rounds: score for timing in own for rounds, score in timing.scores}
    return scores, own[-1].rounds if own else None, own[-1].score if own else None
