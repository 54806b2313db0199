"""What of a model's search is to be done next: all of a grid, fold after fold in a race, or what a sampler proposes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rapidml.models.registry import find_adapter
from rapidml.planning.searching import shorten
from rapidml.search.space import identify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.candidates import Candidate, ScoreStep
    from rapidml.planning.searching import ModelSearch
    from rapidml.search.proposing import Known

Journal = Callable[[dict[str, Any]], None]
MOST_REPETITIONS = 2
"""How often the folds are drawn again for candidates of a race that are tied with the best."""
MOST_REPEATED = 8
"""Candidates for which they are."""
FIRST_FOLDS = 2
"""Folds of a candidate in a race before it is first compared with the best."""


@dataclass(eq=False)
class Group:
    """One fit, and the candidates that are scored of it.

    Attributes:
        lane: Search that it belongs to.
        family: Key of its fits but for the rounds.
        part: Rows it trains on.
        wants: Candidates with their steps and models, that of the longest fit last.
        wave: Groups of a lower one are fitted before.
    """

    lane: Lane
    family: str
    part: str
    wants: list[tuple[Candidate, ScoreStep, ModelSpec]] = field(default_factory=list)
    wave: int = 0

    @property
    def spec(self) -> ModelSpec:
        """The model that is fitted: the longest."""
        return self.wants[-1][2]

    @property
    def repetition(self) -> int:
        """Which drawing of the folds."""
        return self.wants[0][1].repetition

    @property
    def team(self) -> str:
        """Equal for the groups of the same candidates on other folds."""
        return self.wants[0][0].steps[0].family

    @cached_property
    def rows(self) -> tuple[str, str]:
        """Equal for groups that share their rows in the library's form."""
        from rapidml.models.holding import held_content

        return f"{self.part}, {self.repetition}", held_content(self.spec)


class Lane:
    """A search over candidates that are known from the start, in no need of each other.

    Args:
        search: The search.
        journal: Writes down what cannot be found out again.

    Attributes:
        queue: Groups that can be fitted now.
        begun: Numbers of the candidates of which a fit has begun.
        n_received: Groups that came back.
    """

    def __init__(self, search: ModelSearch, journal: Journal) -> None:
        self.search = search
        self.journal = journal
        self.queue: deque[Group] = deque()
        self.begun: set[int] = set()
        self.n_received = 0
        self._open = 0
        self._begin()

    def _begin(self) -> None:
        """Queue what is known to be missing."""
        self.queue.extend(self._list_groups())
        self._open = len(self.queue)

    def _list_groups(self) -> Iterator[Group]:
        groups: dict[tuple[str, str], Group] = {}
        for candidate in self.search.candidates:
            if len(self.search.list_open(candidate)) < len(candidate.steps):
                self.begun.add(candidate.number)
            for step in self.search.list_open(candidate):
                key = (step.family, step.part)
                groups.setdefault(key, Group(self, *key)).wants.append((candidate, step, candidate.spec))
        for group in groups.values():
            group.wants.sort(key=lambda want: _length(want[2]))
            yield group

    def refill(self, wanted: int, *, is_late: bool) -> None:
        """Put more into the queue, if what comes depends on what was found so far.

        Args:
            wanted: Number of groups that could begin now.
            is_late: Whether no more candidates may begin.
        """

    def receive(self, group: Group) -> None:  # noqa: ARG002  (races look at it)
        """A group has come back; its scores are in the search."""
        self.n_received += 1
        self._open -= 1

    def retry(self, group: Group, wants: list[tuple[Candidate, ScoreStep, ModelSpec]]) -> None:
        """Put some of the candidates of a group back at the front of the queue."""
        self.queue.appendleft(Group(self, group.family, group.part, wants))

    def count_open(self) -> int:
        """Fits that are still to be done, as far as known."""
        return self._open

    def list_families(self) -> set[str]:
        """Families of the queued fits that can continue others."""
        return {g.family for g in self.queue if g.spec.iterations is not None and g.spec.rounds is not None}

    def floor(self, part: str) -> float | None:
        """Score on a part that a fit must reach for its model to be kept: that of the best candidate so far."""
        best = self.search.best
        if best is None:
            return None
        parts = [step.part for step in best.steps]
        return self.search.fold_scores(best)[parts.index(part)]


class Race(Lane):
    """Candidates that are clearly behind after some folds are not fitted on the others."""

    def _begin(self) -> None:
        self._later: dict[str, deque[Group]] = {}
        self._waves: dict[str, int] = {}
        self._leaders: dict[tuple[int, ...], list[float]] = {}
        for group in self._list_groups():
            self._later.setdefault(group.team, deque()).append(group)
        self._open = sum(map(len, self._later.values()))
        self._running: dict[str, int] = dict.fromkeys(self._later, 0)
        for team in self._later:
            self._release(team, FIRST_FOLDS)

    def _release(self, team: str, count: int) -> None:
        """Queue the next folds of candidates that share their fits, without those that were stopped."""
        while count and self._later[team]:
            group = self._later[team].popleft()
            group.wants = [want for want in group.wants if want[0].number not in self.search.pruned]
            if group.wants:
                group.wave = self._waves[team] = self._waves.get(team, 0) + 1
                self.queue.append(group)
                self._running[team] += 1
                count -= 1
            else:
                self._open -= 1

    def receive(self, group: Group) -> None:
        """Stop candidates of the group that are clearly behind, and go on with the others."""
        super().receive(group)
        self._running[group.team] -= 1
        for candidate, _, _ in group.wants:
            self._look(candidate)
        if not self._running[group.team]:
            self._release(group.team, 1)
        if not self._open:
            self._repeat_ties()

    def _repeat_ties(self) -> None:
        """Draw the folds again for the candidates that are tied with the best, if they are several."""
        search = self.search
        done = max((step.repetition for steps in search.repeats.values() for step in steps), default=0)
        tied = [candidate for candidate in search.ranked()[:MOST_REPEATED] if self._is_tied(candidate)]
        if len(tied) < 2 or done >= MOST_REPETITIONS or not isinstance(search.resolved.recipe.split.folds, int):
            return
        for candidate in tied:
            search.repeat(candidate, done + 1)
            self.journal({"model": search.name, "values": dict(candidate.values), "repetition": done + 1})
        self._begin()

    def _is_tied(self, candidate: Candidate) -> bool:
        """Whether a candidate is not clearly worse than the best, on all folds that both have."""
        from rapidml.evaluate.racing import is_behind

        best = self.search.best
        assert best is not None
        own, others = (self.search.list_scores(one) for one in (candidate, best))
        greater = self.search.metric.greater_is_better
        return candidate is best or not is_behind(
            own, others, greater_is_better=greater, folds=len(self.search.parts), looks=1
        )

    def _look(self, candidate: Candidate) -> None:
        """Compare a candidate with the best of those fitted as far; if it is the best now, the others with it."""
        own = self.search.fold_scores(candidate)
        done = tuple(fold for fold, score in enumerate(own) if score is not None)
        if len(done) < FIRST_FOLDS:
            return
        scores = [score for score in own if score is not None]
        best = self._leaders.get(done)
        greater = self.search.metric.greater_is_better
        if best is None or (math.fsum(scores) > math.fsum(best) if greater else math.fsum(scores) < math.fsum(best)):
            self._leaders[done] = scores
            others = [one for one in self.search.candidates if one is not candidate]
        else:
            others = [candidate]
        for other in others:
            if self._is_behind(other, done):
                self.search.prune(other)
                self.journal({"model": self.search.name, "values": dict(other.values), "pruned": True})

    def _is_behind(self, candidate: Candidate, folds: tuple[int, ...]) -> bool:
        """Whether a candidate that is not fitted on all folds is clearly worse on some folds than the best there."""
        from rapidml.evaluate.racing import is_behind

        own = self.search.fold_scores(candidate)
        scores = [score for fold in folds if (score := own[fold]) is not None]
        if candidate.number in self.search.pruned or len(scores) < len(folds) or None not in own:
            return False
        looks, greater = max(1, len(own) - FIRST_FOLDS), self.search.metric.greater_is_better
        return is_behind(scores, self._leaders[folds], greater_is_better=greater, folds=len(own), looks=looks)


class Proposals(Lane):
    """Candidates that a sampler proposes while others are fitted; with rungs they are looked at as they train."""

    def _begin(self) -> None:
        from rapidml.search.proposing import Proposer, list_rungs

        search = self.search
        self._rungs_done: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._is_over = False
        rounds = self._find_largest()
        self._rungs = () if rounds is None else list_rungs(rounds)
        self.proposer = Proposer(
            search.space,
            seed=search.resolved.recipe.seed,
            greater_is_better=search.metric.greater_is_better,
            rounds=rounds,
            known=[self._describe(candidate) for candidate in search.candidates],
        )
        self._unfinished = deque(one for one in search.candidates if search.list_open(one))

    def _find_largest(self) -> int | None:
        """Rounds of a whole fit, if candidates are looked at before."""
        if self.search.search.method != "hyperband":
            return None
        return self.search.find_rounds()

    def _describe(self, candidate: Candidate) -> Known:
        """What is known of a candidate: sampler and search number them alike."""
        from rapidml.search.proposing import Known

        is_pruned = candidate.number in self.search.pruned
        rungs = {rung: mean for rung in self._rungs[:-1] if (mean := self._mean_at(candidate, rung)) is not None}
        score = rungs[max(rungs)] if is_pruned and rungs else self.search.mean(candidate)
        return Known(candidate.values, score, rungs if is_pruned or score is not None else {}, is_pruned)

    def _mean_at(self, candidate: Candidate, rounds: int) -> float | None:
        return self.search.mean_of(self.search.rungs_of(candidate, rounds))

    def refill(self, wanted: int, *, is_late: bool) -> None:
        """Ask for candidates while the queue is shorter than what could begin."""
        while len(self.queue) < wanted and not is_late and not self._is_over:
            candidate = self._unfinished.popleft() if self._unfinished else self._ask()
            if candidate is None:
                self._is_over = True
                return
            self._next_rung(candidate)

    def _ask(self) -> Candidate | None:
        """A new candidate; None if there are as many as wanted, or no other."""
        total = self.search.wanted
        if total is not None and len(self.search.candidates) >= total:
            return None
        asked = self.proposer.ask()
        if asked is None:
            return None
        number, values = asked
        candidate = self.search.add(values)
        assert candidate.number == number
        self.journal({"model": self.search.name, "values": dict(values)})
        return candidate

    def _next_rung(self, candidate: Candidate) -> None:
        """Queue the fits of a candidate up to its next look; what is stored is looked at now."""
        while True:
            steps, spec = self._steps(candidate)
            missing = [step for step in steps if not self.search.is_scored(step)]
            if missing:
                self._waiting[candidate.number] = len(missing)
                self._open += len(missing)
                self.queue.extend(Group(self, s.family, s.part, [(candidate, s, spec)]) for s in missing)
                return
            if self._look(candidate, steps):
                return

    def _steps(self, candidate: Candidate) -> tuple[tuple[ScoreStep, ...], ModelSpec]:
        done = self._rungs_done.get(candidate.number, 0)
        if done >= len(self._rungs) - 1:
            return candidate.steps, candidate.spec
        return self.search.rungs_of(candidate, self._rungs[done]), shorten(candidate.spec, self._rungs[done])

    def _look(self, candidate: Candidate, steps: tuple[ScoreStep, ...]) -> bool:
        """Tell the sampler how a candidate does; whether it has ended."""
        mean, done = self.search.mean_of(steps), self._rungs_done.get(candidate.number, 0)
        if mean is not None and done < len(self._rungs) - 1:
            spent = sum(self.search.known[step.key].seconds for step in steps)
            reached = {"rounds": self._rungs[done], "mean": mean, "seconds": round(spent, 4)}
            self.search.reached[candidate.number] = reached
        if mean is None or done >= len(self._rungs) - 1:
            self.proposer.tell(candidate.number, mean)
            return True
        if self.proposer.report(candidate.number, self._rungs[done], mean):
            self.search.prune(candidate)
            self.journal({"model": self.search.name, "values": dict(candidate.values), "pruned": True})
            self.proposer.tell(candidate.number, mean, pruned=True)
            return True
        self._rungs_done[candidate.number] = done + 1
        return False

    def receive(self, group: Group) -> None:
        """When all folds of a rung are there, look at the candidate."""
        super().receive(group)
        candidate = group.wants[0][0]
        self._waiting[candidate.number] -= 1
        if not self._waiting[candidate.number]:
            steps, _ = self._steps(candidate)
            if not self._look(candidate, steps):
                self._next_rung(candidate)

    def count_open(self) -> int:
        """Fits that are queued or running, and those of candidates not proposed yet."""
        waiting = self.search.count_coming() + len(self._unfinished)
        return self._open + waiting * len(self.search.parts)

    def floor(self, part: str) -> float | None:
        """Every model is kept while rungs may continue it."""
        return None if self._rungs else super().floor(part)


class Draws(Lane):
    """Random candidates for as long as there is time."""

    def _begin(self) -> None:
        super()._begin()
        search = self.search
        seen = {identify(one.values) for one in search.candidates}
        self._draws = search.space.iter_draws(search.resolved.recipe.seed, seen)
        self._is_over = False

    def refill(self, wanted: int, *, is_late: bool) -> None:
        """Draw candidates while the queue is shorter than what could begin."""
        while len(self.queue) < wanted and not is_late and not self._is_over:
            values = next(self._draws, None)
            if values is None:
                self._is_over = True
                return
            candidate = self.search.add(values)
            self.journal({"model": self.search.name, "values": dict(values)})
            missing = self.search.list_open(candidate)
            self._open += len(missing)
            self.queue.extend(Group(self, s.family, s.part, [(candidate, s, candidate.spec)]) for s in missing)


def make_lane(search: ModelSearch, journal: Journal) -> Lane:
    """The lane of a search."""
    if search.is_adaptive:
        return Proposals(search, journal)
    if search.search.race:
        return Race(search, journal)
    if search.search.method == "random" and search.wanted is None:
        return Draws(search, journal)
    return Lane(search, journal)


def _length(spec: ModelSpec) -> int:
    """Rounds of a fit, to find the longest of those that are prefixes of each other."""
    return find_adapter(spec.type).prefix_rounds(spec.params) or 0
