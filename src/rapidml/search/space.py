"""The candidates of one model: every combination of the values of its ranges that is not forbidden. Light: no numpy.

The values of a candidate are a mapping from the name of each range to a value.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.search.edges import Edge, find_edge
from rapidml.search.range_values import has_value, list_choices, list_points, make_share, pick_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rapidml.recipe.ranges import Range

__all__ = ["Edge", "Space", "identify"]

MOST_ATTEMPTS = 1000
"""Draws of one candidate, all forbidden, after which there is none."""
MOST_REPEATS = 100
"""Draws in a row that only repeat earlier candidates, after which the ones that are left are listed instead."""
MOST_LISTED = 1_000_000
"""Combinations that are looked through for the ones that are left."""


def identify(values: Mapping[str, Any]) -> str:
    """Text that two candidates share if and only if their values are the same in every key."""
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Space:
    """All candidates of a model.

    Attributes:
        ranges: The ranges of the model, in the order in which they are written.
        forbid: Each takes the values of a candidate and says whether it is none.
    """

    ranges: tuple[Range, ...]
    forbid: tuple[Callable[[Mapping[str, Any]], bool], ...] = ()

    @property
    def size(self) -> int | None:
        """Points of the grid, forbidden ones included; None if a continuous range has no ``points``."""
        return _multiply([list_points(range_) for range_ in self.ranges])

    @property
    def count(self) -> int | None:
        """Different candidates that draws can give, forbidden ones included; None if they cannot be counted."""
        return _multiply([list_choices(range_) for range_ in self.ranges])

    def list_grid(self, most: int | None = None) -> list[dict[str, Any]]:
        """The points of the grid that are not forbidden; the first range changes slowest.

        Args:
            most: No more than so many, the first ones; all if None.

        Raises:
            ValueError: A continuous range has no ``points``.
        """
        columns = [list_points(range_) for range_ in self.ranges]
        if None in columns:
            missing = ", ".join(r.name for r, points in zip(self.ranges, columns, strict=True) if points is None)
            raise ValueError(f"a grid needs points for {missing}")
        return list(itertools.islice(self._combine([points for points in columns if points is not None]), most))

    def draw(self, seed: int, number: int) -> dict[str, Any] | None:
        """Random candidate number ``number``, counted from 0.

        The value of a range depends on the seed, the name of the range and the number alone: a longer search begins
        with the shorter one, and a change of one range leaves the values of the others as they were. Two numbers may
        give the same candidate.

        Returns:
            The values, or None if nothing but forbidden candidates was drawn.
        """
        for attempt in range(MOST_ATTEMPTS):
            values = {r.name: pick_value(r, make_share(seed, r.name, number, attempt)) for r in self.ranges}
            if self.is_allowed(values):
                return values
        return None

    def list_draws(self, seed: int, most: int) -> list[dict[str, Any]]:
        """The first different candidates among those of ``draw``; a longer list begins with the shorter one.

        Args:
            seed: Seed of the draws.
            most: Number of candidates; fewer come back if there are no more.
        """
        return list(itertools.islice(self.iter_draws(seed, set()), most))

    def iter_draws(self, seed: int, seen: set[str]) -> Iterator[dict[str, Any]]:
        """Different candidates at random, until there is no other one.

        A space with more than a million combinations, of which nearly all are forbidden or seen, may end before.

        Args:
            seed: Seed of the draws.
            seen: What ``identify`` gives for the candidates that are left out. It grows here by every candidate that
                comes, and may grow by others meanwhile.

        Yields:
            The values of the next candidate.
        """
        repeats = 0
        for number in itertools.count():
            values = self.draw(seed, number)
            if values is None or repeats > MOST_REPEATS:
                break
            repeats += 1
            if (name := identify(values)) not in seen:
                repeats = 0
                seen.add(name)
                yield values
        for name, values in self._list_rest(seed, seen):
            if name not in seen:
                seen.add(name)
                yield values

    def is_allowed(self, values: Mapping[str, Any]) -> bool:
        """Whether no expression forbids the values."""
        return not any(forbids(values) for forbids in self.forbid)

    def contains(self, values: Mapping[str, Any]) -> bool:
        """Whether every range has a value inside it, and they are allowed together; other names are passed over."""
        inside = all(range_.name in values and has_value(range_, values[range_.name]) for range_ in self.ranges)
        return inside and self.is_allowed(values)

    def find_edges(self, values: Mapping[str, Any]) -> tuple[Edge, ...]:
        """The ranges of numbers at whose lowest or highest value the best candidate lies, and that could go on there.

        Args:
            values: Values of the best candidate.
        """
        found = [find_edge(range_, values[range_.name]) for range_ in self.ranges if range_.name in values]
        return tuple(edge for edge in found if edge is not None)

    def _combine(self, columns: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
        names = [range_.name for range_ in self.ranges]
        combined = (dict(zip(names, point, strict=True)) for point in itertools.product(*columns))
        return filter(self.is_allowed, combined) if self.forbid else combined

    def _list_rest(self, seed: int, seen: set[str]) -> list[tuple[str, dict[str, Any]]]:
        """The few candidates that are left, by identity, in random order."""
        columns = [list_choices(range_) for range_ in self.ranges]
        if self.count is None or self.count > MOST_LISTED:
            return []
        combined = self._combine([choices for choices in columns if choices is not None])
        rest = [(name, values) for values in combined if (name := identify(values)) not in seen]
        return sorted(rest, key=lambda item: make_share(seed, item[0], 0))


def _multiply(columns: Sequence[Sequence[Any] | None]) -> int | None:
    counted = [column for column in columns if column is not None]
    return math.prod(map(len, counted)) if len(counted) == len(columns) else None
