"""Best values at the edge of a range, and how the range goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.recipe.ranges import Range
from rapidml.search.edges import find_edge, write_range
from rapidml.search.range_values import is_same, list_points
from tests.search.written import make_space, name_values, parse_range


@pytest.mark.parametrize(
    ("text", "value", "side", "extended"),
    [
        ("{any: [4, 6, 8]}", 8, "high", "{any: [4, 6, 8, 10]}"),
        ("{any: [4, 6, 8]}", 4, "low", "{any: [2, 4, 6, 8]}"),
        ("{any: [8, 6, 4]}", 8, "high", "{any: [10, 8, 6, 4]}"),
        ("{any: [8, 6, 4]}", 4, "low", "{any: [8, 6, 4, 2]}"),
        ("{any: [6, 4, 8]}", 8, "high", "{any: [6, 4, 8, 10]}"),
        ("{any: [2, 4, 6]}", 2, "low", "{any: [1, 2, 4, 6]}"),
        ("{any: [100, 200, 400]}", 400, "high", "{any: [100, 200, 400, 800]}"),
        ("{any: [3, 5, 8]}", 8, "high", "{any: [3, 5, 8, 13]}"),
        ("{any: [0.01, 0.1, 1.0]}", 0.01, "low", "{any: [0.001, 0.01, 0.1, 1.0]}"),
        ("{any: [0.1, 0.2, 0.3]}", 0.3, "high", "{any: [0.1, 0.2, 0.3, 0.4]}"),
        ("{any: [50, 100]}", 100, "high", "{any: [50, 100, 150]}"),
        ("{any: [10, 100]}", 100, "high", "{any: [10, 100, 1000]}"),
        ("{any: [-1, 0, 1]}", 1, "high", "{any: [-1, 0, 1, 2]}"),
        ("{any: [0, 1, 2]}", 2, "high", "{any: [0, 1, 2, 3]}"),
        ("{log: [0.001, 0.1], points: 3}", 0.1, "high", "{log: [0.001, 1.0], points: 4}"),
        ("{log: [0.001, 0.1], points: 3}", 0.001, "low", "{log: [0.0001, 0.1], points: 4}"),
        ("{log: [0.001, 0.1]}", 0.1, "high", "{log: [0.001, 1.0]}"),
        ("{log: [0.001, 0.1]}", 0.0011, "low", "{log: [0.0001, 0.1]}"),
        ("{log: [0.02, 0.3]}", 0.29, "high", "{log: [0.02, 0.9]}"),
        ("{log: [50, 800], points: 5}", 800, "high", "{log: [50, 1600], points: 6}"),
        ("{between: [0.5, 1.0]}", 0.99, "high", "{between: [0.5, 1.25]}"),
        ("{between: [0.1, 0.5]}", 0.1, "low", "{between: [0.05, 0.5]}"),
        ("{between: [2, 10], points: 5}", 10, "high", "{between: [2, 12], points: 6}"),
        ("{between: [2, 10], points: 5}", 2, "low", "{any: [1, 2, 4, 6, 8, 10]}"),
    ],
)
def test_a_range_goes_on_beyond_its_best_value(text: str, value: Any, side: Any, extended: str) -> None:
    space = make_space(x=text)
    (edge,) = space.find_edges(name_values(x=value))
    assert (edge.name, edge.value, edge.side, edge.extended) == ("params.x", value, side, extended)
    assert write_range(edge.longer) == extended


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{any: [4, 6, 8]}", 6),
        ("{any: [4]}", 4),
        ("{any: [a, b, c]}", "a"),
        ("{any: [true, false]}", True),
        ("{any: [1, 2, null]}", 1),
        ("{any: [[1], [2], [3]]}", [3]),
        ("{any: [0, 1, 2]}", 0),
        ("{any: [1, 2, 3]}", 1),
        ("{any: [-2, -1, 0]}", 0),
        ("{between: [0.0, 0.5]}", 0.001),
        ("{between: [1, 10]}", 1),
        ("{between: [0.0, 1.0]}", 0.5),
        ("{between: [0.0, 1.0], points: 41}", 0.975),
        ("{log: [0.001, 1.0]}", 0.7),
        ("{log: [1, 1000]}", 1),
    ],
)
def test_the_middle_and_natural_ends_are_no_edges(text: str, value: Any) -> None:
    assert find_edge(parse_range("x", text), value) is None


def test_every_range_at_its_edge_is_said() -> None:
    space = make_space(a="{any: [1, 2, 3]}", b="{any: [x, y]}", c="{log: [0.1, 1.0]}")
    found = space.find_edges(name_values(a=3, b="x", c=0.1))
    assert [(edge.name, edge.side) for edge in found] == [("params.a", "high"), ("params.c", "low")]
    assert space.find_edges({"params.other": 3}) == ()


@st.composite
def list_number_ranges(draw: st.DrawFn) -> Range:
    kind = draw(st.sampled_from(["any", "log", "between"]))
    whole = draw(st.booleans())
    low, high = (1, 10**6) if kind == "log" else (-1000, 1000)
    numbers: st.SearchStrategy[Any] = st.integers(low, high)
    if not whole:
        numbers = st.integers(low, high).map(lambda number: number / 1000)
    if kind == "any":
        return Range(("params", "x"), "any", tuple(draw(st.lists(numbers, min_size=2, max_size=6, unique=True))))
    values = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    points = draw(st.none() | st.integers(2, 12))
    return Range(("params", "x"), "log" if kind == "log" else "between", tuple(values), points)


@given(list_number_ranges(), st.booleans())
def test_a_longer_range_has_the_old_values_and_new_ones_beyond(range_: Range, is_high: bool) -> None:
    best = max(range_.values) if is_high else min(range_.values)
    edge = find_edge(range_, best)
    if edge is None:
        return
    longer = parse_range("x", edge.extended)
    assert write_range(longer) == edge.extended
    assert edge.side == ("high" if is_high else "low")
    assert (max(longer.values) > best) if is_high else (min(longer.values) < best)
    added = max(longer.values) if is_high else min(longer.values)
    assert added * best > 0
    old, new = list_points(range_), list_points(longer)
    assert all(any(is_same(value, other) for other in new or ()) for value in old or ())
    # One value more: the price of the extension is one column of the grid.
    if old is not None and new is not None and not range_.is_integer:
        assert len(new) == len(old) + 1
