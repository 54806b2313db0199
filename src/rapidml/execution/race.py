"""A search that leaves candidates out once they are clearly behind, and looks again at those that are tied."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from rapidml.execution.lanes import Group, Lane

if TYPE_CHECKING:
    from rapidml.planning.candidates import Candidate

MOST_REPETITIONS = 2
"""How often the folds are drawn again for candidates of a race that are tied with the best."""
MOST_REPEATED = 8
"""Candidates for which they are."""
FIRST_FOLDS = 2
"""Folds of a candidate in a race before it is first compared with the best."""


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
