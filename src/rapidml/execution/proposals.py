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


LEAST_FINISHED = 3
"""Candidates that are scored on all folds, if there are as many: where fewer went on, the best of those stopped do."""


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
        self._revived: set[int] = set()
        for candidate in search.candidates:
            if candidate.number in search.pruned:
                self._note_reached(candidate)
            if candidate.number not in search.journalled:  # of another run: it keeps its number if this one is ended
                self.journal({"model": search.name, "values": dict(candidate.values)})

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
        if score is None and not is_pruned:  # what it has passed it need not pass again
            done = self._rungs_done[candidate.number] = self._count_passed(candidate)
            rungs = {rung: mean for rung, mean in rungs.items() if rung in self._rungs[:done]}
        return Known(candidate.values, score, rungs, is_pruned)

    def _count_passed(self, candidate: Candidate) -> int:
        """Rungs that an unfinished candidate has passed: something beyond them is scored."""
        for done in range(len(self._rungs) - 1, 0, -1):
            before = {step.key for step in self._steps_at(candidate, self._rungs[done - 1])[0]}
            steps, _ = self._steps_at(candidate, self._rungs[done])
            if any(self.search.is_scored(step) for step in steps if step.key not in before):
                return done
        return 0

    def _note_reached(self, candidate: Candidate) -> None:
        """Write down how far a candidate came that is stopped."""
        for rung in self._rungs[:-1]:
            steps, _ = self._steps_at(candidate, rung)
            mean = self.search.mean_of(steps)
            if mean is not None:
                spent = sum(self.search.known[step.key].seconds for step in steps)
                reached = {"rounds": rung.rounds, "folds": rung.folds, "mean": mean, "seconds": round(spent, 4)}
                self.search.reached[candidate.number] = reached

    def _steps_at(self, candidate: Candidate, rung: Rung) -> tuple[tuple[ScoreStep, ...], ModelSpec]:
        """The fits of a candidate at a rung."""
        if rung.rounds == self._rungs[-1].rounds:
            return candidate.steps[: rung.folds], candidate.spec
        return self.search.rungs_of(candidate, rung.rounds)[: rung.folds], shorten(candidate.spec, rung.rounds)

    def refill(self, wanted: int, *, is_late: bool) -> None:  # noqa: ARG002  (the later asked, the more is known)
        """Ask for a candidate when nothing is queued."""
        while not self.queue:
            candidate = self._choose_next(is_late=is_late)
            if candidate is None:
                return
            self._next_rung(candidate)

    def _choose_next(self, *, is_late: bool) -> Candidate | None:
        """An unfinished candidate, a new one, or at the end one that goes on after all."""
        if not is_late and not self._is_over:
            candidate = self._unfinished.popleft() if self._unfinished else self._ask()
            if candidate is not None:
                return candidate
            self._is_over = True
        return self._revive(1 if is_late else LEAST_FINISHED)

    def _revive(self, least: int) -> Candidate | None:
        """The best of the stopped candidates where fewer than so many are scored on all folds and nothing is open."""
        search = self.search
        if not search.pruned or search.n_scored >= least or any(self._waiting.values()):
            return None
        sign = 1 if search.metric.greater_is_better else -1
        number = max(search.pruned, key=lambda one: self._rank_stopped(one, sign))
        candidate = search.candidates[number]
        search.revive(candidate)
        self.journal({"model": search.name, "values": dict(candidate.values), "pruned": False})
        self._revived.add(number)
        self._rungs_done[number] = len(self._rungs) - 1
        return candidate

    def _rank_stopped(self, number: int, sign: int) -> tuple[float, ...]:
        reached = self.search.reached.get(number)
        return (0,) if reached is None else (reached["folds"], reached["rounds"], sign * reached["mean"])

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
        if mean is None:
            known = (self.search.known.get(step.key) for step in steps)
            self.search.fail(candidate, next((one.error for one in known if one and one.error), "no score"))
        if mean is None or done >= len(self._rungs) - 1:
            if candidate.number not in self._revived:  # the sampler knows how far it came
                self.proposer.tell(candidate.number, mean)
            return True
        if self.proposer.report(candidate.number, self._rungs[done], mean):
            self.search.prune(candidate)
            self._note_reached(candidate)
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
        return self._open + waiting * (len(self.search.parts) + bool(self._rungs))

    def list_families(self) -> set[str]:
        """Families of fits that rungs continue, of candidates that are known."""
        return {step.family for one in self.search.candidates for step in one.steps} if self._rungs else set()

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
