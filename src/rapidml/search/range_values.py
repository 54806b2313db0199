"""The values that one range allows: the points of a grid, draws, membership. Light: no numpy."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rapidml.keys import canonical_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.recipe.ranges import Range

GRID_DIGITS = 12
"""Significant digits of a point of a grid: rounding errors of a platform stay out of keys."""
DRAWN_DIGITS = 6
"""Significant digits of a drawn value."""
_MOST_DIGITS = 16
_TOLERANCE = 1e-11


def list_points(range_: Range) -> tuple[Any, ...] | None:
    """Values that a grid takes of a range.

    Returns:
        The values of ``any`` as written. Of a continuous range with ``points`` that many values, ascending, from bound
        to bound, in even steps (``log``: even ratios); of whole numbers the distinct roundings of these. None if the
        range is continuous and has no ``points``.
    """
    if range_.kind == "any":
        return range_.values
    if range_.points is None:
        return None
    steps = range_.points - 1
    shares = [Fraction(index, steps) for index in range(steps + 1)]
    if range_.is_integer:
        exact = [_at_share(range_, share) for share in shares]
        return tuple(sorted({math.floor(value + Fraction(1, 2)) for value in exact}))
    digits = _count_digits(range_, GRID_DIGITS)
    points = [round_to_digits(float(_at_share(range_, share)), digits) for share in shares]
    return tuple(dict.fromkeys(points))


def _at_share(range_: Range, share: Fraction) -> Fraction:
    """The value at a share of the way from the lower to the upper bound; exact unless logarithmic."""
    # Bounds are taken as the decimal numbers that were written, so the middle of -0.3 and 0.3 is 0.
    low, high = (Fraction(repr(bound)) for bound in range_.values)
    if share in (0, 1):
        return high if share else low
    if range_.kind == "log":
        return Fraction(math.exp(_mix(math.log(low), math.log(high), float(share))))
    return low + share * (high - low)


def list_choices(range_: Range) -> Sequence[Any] | None:
    """All values that a draw from a range can be; None if they cannot be counted."""
    if range_.kind == "any":
        return range_.values
    if range_.is_integer:
        low, high = range_.values
        return range(low, high + 1)
    return None


def make_share(seed: int, name: str, number: int, attempt: int = 0) -> float:
    """A number in [0, 1) from a hash of these four, even over the interval and independent between any two of them."""
    digest = hashlib.sha256(f"candidate {seed} {number} {attempt} {name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def pick_value(range_: Range, share: float) -> Any:
    """The value of a range at a share of its values.

    Args:
        range_: Any range.
        share: In [0, 1): even over the values of ``any``, the whole numbers, the interval, or its logarithm.
    """
    choices = list_choices(range_)
    if choices is not None and range_.kind != "log":
        return choices[int(share * len(choices))]
    low, high = range_.values
    if range_.kind == "between":
        return tidy_value(range_, _mix(low, high, share))
    # Each whole number has the part of the logarithm that rounds to it.
    margin = 0.5 if range_.is_integer else 0.0
    return tidy_value(range_, math.exp(_mix(math.log(low - margin), math.log(high + margin), share)))


def tidy_value(range_: Range, exact: float) -> int | float:
    """The value of a continuous range at or next to a number: a whole one, or one of few digits, within the bounds."""
    low, high = range_.values
    if range_.is_integer:
        return int(min(max(round(exact), low), high))
    value = round_to_digits(exact, _count_digits(range_, DRAWN_DIGITS))
    return float(min(max(value, low), high))


def has_value(range_: Range, value: Any) -> bool:
    """Whether a value is one that the range allows; whole numbers and others, and true and 1, are different values."""
    if range_.kind == "any":
        return any(is_same(value, choice) for choice in range_.values)
    if isinstance(value, bool) or not isinstance(value, int if range_.is_integer else int | float):
        return False
    low, high = range_.values
    # A point of a grid is rounded, and so may lie outside of a bound of more digits.
    return bool(low - _TOLERANCE * abs(low) <= value <= high + _TOLERANCE * abs(high))


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in every key: 1, 1.0 and true are three values."""
    if isinstance(one, list | tuple | dict) or isinstance(other, list | tuple | dict):
        return canonical_json(one) == canonical_json(other)
    return type(one) is type(other) and bool(one == other)


def round_to_digits(value: float, digits: int) -> float:
    """The value with so many significant digits; never negative zero."""
    return float(f"{value:.{digits}g}") + 0.0


def _count_digits(range_: Range, digits: int) -> int:
    """Digits that tell the values of a range apart: more than asked for if it is narrow for its size."""
    low, high = map(float, range_.values)
    if range_.kind == "log":
        return digits
    shared = math.log10(max(abs(low), abs(high)) / (high - low))
    return min(_MOST_DIGITS, digits + max(0, math.floor(shared)))


def _mix(low: float, high: float, share: float) -> float:
    return low + share * (high - low)
