"""What of a model's search is to be done next: fits, and the candidates that are scored of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rapidml.models.registry import find_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.candidates import Candidate, ScoreStep
    from rapidml.planning.searching import ModelSearch

Journal = Callable[[dict[str, Any]], None]


@dataclass(eq=False)
class Group:
    """One fit, and the candidates that are scored of it.

    Attributes:
        lane: Search that it belongs to.
        family: Key of its fits but for the rounds.
        part: Rows it trains on.
        wants: Candidates with their steps and models, that of the longest fit last.
        wave: Groups of a lower one are fitted before.
        losses: How often its worker has died.
    """

    lane: Lane
    family: str
    part: str
    wants: list[tuple[Candidate, ScoreStep, ModelSpec]] = field(default_factory=list)
    wave: int = 0
    losses: int = 0

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
        fit_seconds: What the last fit took.
        prepare_seconds: What it last took to prepare the rows of one.
    """

    def __init__(self, search: ModelSearch, journal: Journal) -> None:
        self.search = search
        self.journal = journal
        self.queue: deque[Group] = deque()
        self.begun: set[int] = set()
        self.n_received = 0
        self.fit_seconds = self.prepare_seconds = 0.0
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

    def clock(self, payload: Mapping[str, Any]) -> None:
        """Take what a fit took, and what preparing its rows took if they were not held."""
        if payload.get("trained"):
            self.fit_seconds = payload["seconds"]
            self.prepare_seconds = payload.get("prepared") or self.prepare_seconds

    def count_open(self) -> int:
        """Fits that are still to be done, as far as known."""
        return self._open

    def list_families(self) -> set[str]:
        """Families of the queued fits that can continue others."""
        return {g.family for g in self.queue if g.spec.iterations is not None and g.spec.rounds is not None}

    def floor(self, part: str) -> float | None:
        """Score on a part that a fit must exceed for its model to be kept: that of the best candidate so far."""
        best = self.search.best
        if best is None:
            return None
        parts = [step.part for step in best.steps]
        return self.search.fold_scores(best)[parts.index(part)]


def _length(spec: ModelSpec) -> int:
    """Rounds of a fit, to find the longest of those that are prefixes of each other."""
    return find_adapter(spec.type).prefix_rounds(spec.params) or 0
