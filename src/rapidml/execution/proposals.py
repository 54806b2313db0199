"""Searches whose candidates come while others are fitted: from a sampler that learns of the scores, or drawn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rapidml.execution.lanes import Group, Lane
from rapidml.planning.searching import shorten
from rapidml.search.space import identify

if TYPE_CHECKING:
    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.candidates import Candidate, ScoreStep
    from rapidml.search.proposing import Known, Rung


class Proposals(Lane):
    """Candidates that a sampler proposes while others are fitted; with rungs they are looked at as they train."""

    def _begin(self) -> None:
        from rapidml.search.proposing import Proposer, list_rungs

        search = self.search
        self._rungs_done: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._is_over = False
        rounds = self._find_largest()
        self._rungs = () if rounds is None else list_rungs(rounds, len(search.parts))
        self.proposer = Proposer(
            search.space,
            seed=search.resolved.recipe.seed,
            greater_is_better=search.metric.greater_is_better,
            rungs=self._rungs,
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
        rungs = {
            rung: mean
            for rung in self._rungs[:-1]
            if (mean := self.search.mean_of(self._steps_at(candidate, rung)[0])) is not None
        }
        score = rungs[max(rungs)] if is_pruned and rungs else self.search.mean(candidate)
        return Known(candidate.values, score, rungs if is_pruned or score is not None else {}, is_pruned)

    def _steps_at(self, candidate: Candidate, rung: Rung) -> tuple[tuple[ScoreStep, ...], ModelSpec]:
        """The fits of a candidate at a rung."""
        if rung.rounds == self._rungs[-1].rounds:
            return candidate.steps[: rung.folds], candidate.spec
        return self.search.rungs_of(candidate, rung.rounds)[: rung.folds], shorten(candidate.spec, rung.rounds)

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
        return self._steps_at(candidate, self._rungs[done]) if self._rungs else (candidate.steps, candidate.spec)

    def _look(self, candidate: Candidate, steps: tuple[ScoreStep, ...]) -> bool:
        """Tell the sampler how a candidate does; whether it has ended."""
        mean, done = self.search.mean_of(steps), self._rungs_done.get(candidate.number, 0)
        if mean is not None and done < len(self._rungs) - 1:
            spent = sum(self.search.known[step.key].seconds for step in steps)
            reached = {"rounds": self._rungs[done].rounds, "mean": mean, "seconds": round(spent, 4)}
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
