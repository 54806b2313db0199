"""Where the values of a range stand on the axis of a plot. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.search_text import shorten_names, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.candidate_table import CandidateTable, TableRange

_DIGITS = 4
_BINS = 10
_SCATTER = 0.5
"""Width within which candidates of one choice are spread, so that they do not hide each other."""


@dataclass(frozen=True)
class RangeAxis:
    """A range as an axis: choices stand side by side, numbers where they are, or where their logarithm is.

    Attributes:
        name: Name of the range.
        label: What the axis is called.
        choices: Values of ``any``, in the order of the recipe; empty for numbers.
        low: Coordinate of the lower bound of numbers.
        high: Coordinate of the upper bound.
        is_log: Whether a coordinate is the decimal logarithm of a number.
    """

    name: str
    label: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False

    def place(self, value: Any) -> float:
        """Coordinate of a value; NaN for one that has no place."""
        if self.choices:
            return float(_find(self.choices, value))
        if not isinstance(value, int | float) or (self.is_log and value <= 0):
            return math.nan
        return math.log10(value) if self.is_log else float(value)

    def scatter(self, value: Any, number: int, axis: int) -> float:
        """Coordinate of a candidate: beside its choice, by an amount that depends on its number alone."""
        return self.place(value) + (_offset(number, axis) * _SCATTER if self.choices else 0.0)

    def share(self, value: Any) -> float:
        """Place between the ends of the axis, from 0 to 1."""
        low, high = (0.0, len(self.choices) - 1.0) if self.choices else (self.low, self.high)
        return (self.place(value) - low) / (high - low) if high > low else 0.5

    def scatter_share(self, value: Any, number: int, axis: int) -> float:
        """As ``share``, but beside the choice, so that lines through one choice can be told apart."""
        room = _SCATTER / max(1, len(self.choices)) if self.choices else 0.0
        return self.share(value) + _offset(number, axis) * room

    def find_cell(self, value: Any) -> tuple[float, float]:
        """Ends of the cell of a heat map that a value falls in."""
        place = self.place(value)
        if self.choices:
            return place - 0.5, place + 0.5
        share, size = self.share(value), (self.high - self.low) / _BINS
        number = 0 if math.isnan(share) else min(_BINS - 1, max(0, int(share * _BINS)))
        return self.low + number * size, self.low + (number + 1) * size

    @property
    def ends(self) -> tuple[float, float]:
        """Coordinates of the ends of the axis, with room beside them."""
        if self.choices:
            return -0.6, len(self.choices) - 0.4
        room = 0.04 * (self.high - self.low) or 0.5
        return self.low - room, self.high + room

    def list_ticks(self) -> list[tuple[float, str]]:
        """Coordinates and texts of the ticks."""
        if self.choices:
            return [(float(i), value_text(choice, _DIGITS)) for i, choice in enumerate(self.choices)]
        if self.is_log:
            return [(math.log10(value), f"{value:.3g}") for value in self._list_round()]
        return [(value, f"{value:.3g}") for value in (self.low, (self.low + self.high) / 2, self.high)]

    def _list_round(self) -> list[float]:
        """Powers of ten between the bounds; twos and fives too, or the bounds, where there are too few."""
        first, last = math.floor(self.low), math.ceil(self.high)
        for factors in ((1,), (1, 2, 5)):
            values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
            inside = [value for value in values if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9]
            if len(inside) > 2:
                return inside
        return [10.0**self.low, 10.0**self.high]


def _find(choices: Sequence[Any], value: Any) -> float:
    """Number of a choice; 1 and true are two."""
    found = [i for i, choice in enumerate(choices) if choice == value and type(choice) is type(value)]
    return found[0] if found else math.nan


def _offset(number: int, axis: int) -> float:
    """Between -0.5 and 0.5, for a candidate on an axis: well spread, and always the same."""
    return (number * (0.618 + 0.137 * axis)) % 1.0 - 0.5


def make_axes(table: CandidateTable) -> tuple[RangeAxis, ...]:
    """The axes of a search, one for each range."""
    labels = shorten_names([known.name for known in table.ranges])
    return tuple(_make_axis(known, labels[known.name], table) for known in table.ranges)


def _make_axis(known: TableRange, label: str, table: CandidateTable) -> RangeAxis:
    if known.kind == "any":
        return RangeAxis(known.name, label, choices=_list_choices(known, table))
    is_log = known.kind == "log"
    low, high = (math.log10(bound) if is_log else float(bound) for bound in known.values)
    return RangeAxis(known.name, label, low=low, high=high, is_log=is_log)


def _list_choices(known: TableRange, table: CandidateTable) -> tuple[Any, ...]:
    """The values as written, and after them what else candidates have."""
    choices: list[Any] = []
    for value in (*known.values, *(row.values.get(known.name) for row in table.rows)):
        if math.isnan(_find(choices, value)):
            choices.append(value)
    return tuple(choices)
