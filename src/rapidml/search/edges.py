"""Best values at the edge of their range, and the range one step further. Light: no numpy."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rapidml.recipe.ranges import POINTS
from rapidml.search.range_values import GRID_DIGITS, is_same, list_points, round_to_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.recipe.ranges import Range

Side = Literal["low", "high"]
Number = int | float

NEAR = 0.05
"""Part of a continuous range, from its bound on, in which a drawn value counts as at the bound."""
_FEW_DIGITS = 3
_LEAST_RATIO = 2.0
"""Two values of more than this ratio are taken for a series of constant ratio."""
_FACTORS = ((100.0, 10.0), (10.0, 3.0), (1.0, 2.0))
"""Factor by which a logarithmic range grows whose bounds have at least this ratio."""


@dataclass(frozen=True)
class Edge:
    """A range that ends where it is best.

    Attributes:
        name: Name of the range.
        value: Best value.
        side: Which end it is at.
        extended: The range one step further, as it is written in a recipe: ``{any: [4, 6, 8, 10]}``.
        longer: The same as a range.
    """

    name: str
    value: Any
    side: Side
    extended: str
    longer: Range


def find_edge(range_: Range, value: Any) -> Edge | None:
    """Whether the best value of a range lies at one of its ends, and the range could go on there.

    A range goes on to values of the same sign: 0, and whole numbers next to it, are natural ends. Values that are not
    all numbers have no ends. What the parameter itself allows is not known here.

    Args:
        range_: Any range.
        value: Its best value.
    """
    if not _is_number(value) or not all(map(_is_number, range_.values)):
        return None
    extend = _extend_list if range_.kind == "any" else _extend_interval
    side = _find_side(range_, value)
    longer = extend(range_, side) if side is not None else None
    if side is None or longer is None:
        return None
    return Edge(range_.name, value, side, write_range(longer), longer)


def write_range(range_: Range) -> str:
    """A range of numbers as it is written in a recipe, on one line."""
    points = "" if range_.points is None else f", {POINTS}: {range_.points}"
    return f"{{{range_.kind}: [{', '.join(map(repr, range_.values))}]{points}}}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _find_side(range_: Range, value: Number) -> Side | None:
    low, high = min(range_.values), max(range_.values)
    if low == high:
        return None
    if range_.kind == "any":
        return "low" if value == low else "high" if value == high else None
    scale = math.log if range_.kind == "log" else float
    share = (scale(value) - scale(low)) / (scale(high) - scale(low))
    near = NEAR if range_.points is None else min(NEAR, 0.5 / (range_.points - 1))
    return "low" if share <= near else "high" if share >= 1 - near else None


def _extend_list(range_: Range, side: Side) -> Range | None:
    ascending = sorted(range_.values)
    ordered = ascending if side == "high" else ascending[::-1]
    added = _step_beyond(ordered)
    if added is None:
        return None
    written = list(range_.values)
    is_first = written == (ascending if side == "low" else ascending[::-1])
    return dataclasses.replace(range_, values=(added, *written) if is_first else (*written, added))


def _step_beyond(ordered: Sequence[Number]) -> Number | None:
    """The next of some numbers that go up or down; None at a natural end."""
    last, before = ordered[-1], ordered[-2]
    if _is_by_ratio(ordered):
        step = round_to_digits(last * (last / before), _FEW_DIGITS)
    else:
        step = round_to_digits(last + (last - before), GRID_DIGITS)
    return _keep_sign(step, last, going_up=last > before, whole=all(isinstance(value, int) for value in ordered))


def _is_by_ratio(ordered: Sequence[Number]) -> bool:
    """Whether numbers of one sign are nearer to a constant ratio than to a constant difference."""
    if not (min(ordered) > 0 or max(ordered) < 0):
        return False
    last, before = ordered[-1], ordered[-2]
    if len(ordered) == 2:
        return max(last / before, before / last) > _LEAST_RATIO
    return not math.isclose(last - before, before - ordered[-3], rel_tol=1e-6)


def _keep_sign(step: Number, last: Number, *, going_up: bool, whole: bool) -> Number | None:
    """A step beyond the last value, halfway to 0 if it would get there; None if the last value is a natural end."""
    if last == 0 or not math.isfinite(step):
        return None
    if step * last <= 0:
        step = last / 2
    if whole:
        step = math.floor(step + 0.5)
        if step == last:
            step += 1 if going_up else -1
    return step if step * last > 0 else None


def _extend_interval(range_: Range, side: Side) -> Range | None:
    low, high = range_.values
    beyond = _make_bound(range_, side)
    if beyond is None:
        return None
    points = None if range_.points is None else range_.points + 1
    values = (low, beyond) if side == "high" else (beyond, high)
    longer = dataclasses.replace(range_, values=values, points=points)
    old, new = list_points(range_), list_points(longer)
    if old is None or new is None or all(any(is_same(value, other) for other in new) for value in old):
        return longer
    # Rounding moved points of the old grid: written out, they stay what they are.
    listed = (*old, beyond) if side == "high" else (beyond, *old)
    return dataclasses.replace(range_, kind="any", values=listed, points=None)


def _make_bound(range_: Range, side: Side) -> Number | None:
    """The bound one step further out: a step of the grid, else a part of the range."""
    low, high = range_.values
    going_up = side == "high"
    bound = high if going_up else low
    if range_.kind == "log":
        ratio = math.log(high) - math.log(low)
        factor = _pick_factor(ratio) if range_.points is None else math.exp(ratio / (range_.points - 1))
        step = bound * factor if going_up else bound / factor
    else:
        width = (high - low) / (2 if range_.points is None else range_.points - 1)
        step = bound + width if going_up else bound - width
    step = round_to_digits(step, _FEW_DIGITS if range_.points is None else GRID_DIGITS)
    return _keep_sign(step, bound, going_up=going_up, whole=range_.is_integer)


def _pick_factor(log_ratio: float) -> float:
    return next(factor for least, factor in _FACTORS if log_ratio >= math.log(least) - 1e-9)
