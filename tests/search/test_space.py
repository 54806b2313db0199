"""Candidates of a space: grids against numpy, draws against their distributions, and what they may depend on."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rapidml.recipe.ranges import Range
from rapidml.search.range_values import list_points
from rapidml.search.space import Space, identify
from tests.search.written import make_space, name_values, parse_range

GOLDEN_DRAWS = [
    name_values(depth=2, rate=0.00233373, share=0.997198, leaves=5, impute={"constant": 0}),
    name_values(depth=6, rate=0.24198, share=0.532857, leaves=4, impute={"constant": 0}),
    name_values(depth=4, rate=0.454988, share=0.877151, leaves=7, impute={"constant": 0}),
]


def make_wide(**changed: str) -> Space:
    ranges = {
        "depth": "{any: [2, 4, 6]}",
        "rate": "{log: [0.001, 1.0]}",
        "share": "{between: [0.5, 1.0]}",
        "leaves": "{log: [2, 300]}",
        "impute": "{any: [mean, null, {constant: 0}]}",
    }
    return make_space(**{**ranges, **changed})


def test_a_grid_is_every_combination_with_the_first_range_slowest() -> None:
    space = make_space(depth="{any: [3, 6]}", rate="{log: [0.01, 1.0], points: 3}")
    assert space.size == 6
    assert space.list_grid() == [
        name_values(depth=depth, rate=rate) for depth, rate in itertools.product([3, 6], [0.01, 0.1, 1.0])
    ]
    assert space.list_grid(most=2) == space.list_grid()[:2]


def test_a_grid_leaves_out_what_is_forbidden() -> None:
    space = make_space(
        lambda v: v["depth"] > 3 and v["rate"] == 0.3,
        lambda v: v["depth"] == 3 and v["rate"] == 0.1,
        depth="{any: [3, 6]}",
        rate="{any: [0.1, 0.3]}",
    )
    assert space.size == 4
    assert space.list_grid() == [name_values(depth=3, rate=0.3), name_values(depth=6, rate=0.1)]


def test_a_space_without_ranges_has_one_candidate() -> None:
    space = Space(())
    assert (space.size, space.count) == (1, 1)
    assert space.list_grid() == space.list_draws(0, 5) == [{}]


def test_sizes_of_continuous_ranges() -> None:
    space = make_space(depth="{any: [3, 6]}", rate="{log: [0.01, 1.0]}")
    assert (space.size, space.count) == (None, None)
    with pytest.raises(ValueError, match=r"a grid needs points for params\.rate"):
        space.list_grid()
    # A draw takes any whole number, a grid only the points.
    space = make_space(depth="{between: [1, 10], points: 4}")
    assert (space.size, space.count) == (4, 10)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{between: [-0.3, 0.3], points: 7}", [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        ("{between: [0, 1.0], points: 3}", [0.0, 0.5, 1.0]),
        ("{log: [0.001, 100.0], points: 6}", [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]),
        ("{log: [0.02, 0.3], points: 4}", [0.02, 0.0493242414866, 0.121644039911, 0.3]),
        ("{between: [1, 10], points: 4}", [1, 4, 7, 10]),
        ("{between: [1, 4], points: 7}", [1, 2, 3, 4]),
        ("{log: [1, 1000], points: 4}", [1, 10, 100, 1000]),
        ("{log: [1, 8], points: 9}", [1, 2, 3, 4, 5, 6, 8]),
    ],
)
def test_points_of_a_continuous_range(text: str, points: list[Any]) -> None:
    found = list_points(parse_range("x", text))
    assert found is not None
    assert list(map(repr, found)) == list(map(repr, points))


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6), points=st.integers(2, 30))
def test_even_points_are_those_of_numpy(low: float, width: float, points: int) -> None:
    high = low + width
    if not low < high - 1e-9 * max(abs(low), abs(high)):
        return
    found = list_points(Range(("params", "x"), "between", (low, high), points))
    assert found is not None
    assert len(found) == points
    np.testing.assert_allclose(found, np.linspace(low, high, points), rtol=1e-11, atol=1e-11 * max(abs(low), abs(high)))


@given(low=st.floats(1e-6, 1e6), ratio=st.floats(1.01, 1e6), points=st.integers(2, 30))
def test_logarithmic_points_are_those_of_numpy(low: float, ratio: float, points: int) -> None:
    found = list_points(Range(("params", "x"), "log", (low, low * ratio), points))
    assert found is not None
    np.testing.assert_allclose(found, np.geomspace(low, low * ratio, points), rtol=1e-11)
    assert all(value == float(f"{value:.12g}") for value in found)


def test_draws_never_change() -> None:
    # A longer search finds the candidates of the shorter one in the store: these may never change.
    space = make_wide()
    assert [space.draw(7, number) for number in range(3)] == GOLDEN_DRAWS


def test_a_draw_depends_on_the_seed_the_name_and_the_number_alone() -> None:
    space, changed = make_wide(), make_wide(depth="{any: [2, 4, 6, 8]}", new="{any: [1, 2]}")
    for number in range(50):
        one, other = space.draw(3, number), changed.draw(3, number)
        assert one is not None
        assert other is not None
        assert {k: v for k, v in one.items() if k != "params.depth"}.items() <= other.items()
    assert space.draw(3, 0) != space.draw(4, 0)
    reordered = Space(space.ranges[::-1])
    assert reordered.draw(3, 0) == space.draw(3, 0)


def test_a_longer_list_of_draws_begins_with_the_shorter_one() -> None:
    space = make_wide()
    longer = space.list_draws(1, 300)
    assert longer[:40] == space.list_draws(1, 40)
    assert len({identify(values) for values in longer}) == 300
    small = make_space(lambda v: v["a"] == v["b"], a="{between: [1, 20]}", b="{between: [1, 20]}")
    every = small.list_draws(1, 1000)
    assert len(every) == 380
    assert all(small.list_draws(1, n) == every[:n] for n in (1, 100, 370, 379))
    assert sorted(map(identify, every)) == sorted(
        identify(name_values(a=a, b=b)) for a in range(1, 21) for b in range(1, 21) if a != b
    )


def test_few_candidates_among_many_forbidden_ones_are_found() -> None:
    space = make_space(lambda v: v["a"] != v["b"] or v["a"] > 3, a="{between: [1, 300]}", b="{between: [1, 300]}")
    found = space.list_draws(0, 10)
    assert sorted(values["params.a"] for values in found) == [1, 2, 3]
    nothing = make_space(lambda _: True, a="{between: [0.0, 1.0]}")
    assert nothing.draw(0, 0) is None
    assert nothing.list_draws(0, 10) == []


@pytest.mark.parametrize(
    ("text", "cdf"),
    [
        ("{between: [-2.0, 3]}", stats.uniform(-2, 5).cdf),
        ("{log: [0.001, 10.0]}", stats.loguniform(0.001, 10).cdf),
        ("{between: [100.0, 100.001]}", stats.uniform(100, 0.001).cdf),
    ],
)
def test_continuous_draws_have_their_distribution(text: str, cdf: Any) -> None:
    space = make_space(x=text)
    drawn = [values["params.x"] for n in range(2000) if (values := space.draw(5, n))]
    assert stats.kstest(drawn, cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("{any: [a, b, c]}", [0, 1, 2, 3]),
        ("{between: [3, 9]}", np.arange(8)),
        ("{log: [1, 30]}", np.log(np.arange(0.5, 31))),
    ],
)
def test_draws_of_few_values_have_their_frequencies(text: str, edges: Any) -> None:
    space = make_space(x=text)
    drawn = [values["params.x"] for n in range(3000) if (values := space.draw(5, n))]
    found, counts = np.unique(drawn, return_counts=True)
    shares = np.diff(edges) / (edges[-1] - edges[0])
    assert len(found) == len(shares)
    assert stats.chisquare(counts, 3000 * shares).pvalue > 0.01


def test_ranges_are_drawn_independently() -> None:
    space = make_space(a="{between: [0.0, 1.0]}", b="{between: [0.0, 1.0]}")
    a, b = np.array([list(values.values()) for values in space.list_draws(2, 2000)]).T
    assert abs(stats.spearmanr(a, b).statistic) < 0.06
    assert abs(stats.spearmanr(a[1:], a[:-1]).statistic) < 0.06


@given(low=st.floats(-1e9, 1e9), width=st.floats(1e-9, 1e9), number=st.integers(0, 1000))
def test_draws_and_points_are_inside(low: float, width: float, number: int) -> None:
    if not low < low + width:
        return
    for kind in ("between", "log") if low > 0 else ("between",):
        space = Space((Range(("params", "x"), kind, (low, low + width), 5),))
        drawn = space.draw(0, number)
        assert drawn is not None
        assert low <= drawn["params.x"] <= low + width
        assert all(space.contains(values) for values in (drawn, *space.list_grid()))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("{any: [1, 2.0, true, a, [1, 2], null]}", [1, 2.0, True, "a", [1, 2], (1, 2), None], [2, 1.0, "1", [2, 1], 0]),
        ("{between: [1, 5]}", [1, 3, 5], [0, 6, 3.0, True, "3", None]),
        ("{between: [0.0, 5]}", [0.0, 3, 5.0], [-0.1, 5.1, True, "3", float("nan")]),
        ("{log: [0.1, 1.0]}", [0.1, 1.0, 1], [0.0, 0.0999, [0.5]]),
    ],
)
def test_which_values_are_inside(text: str, inside: list[Any], outside: list[Any]) -> None:
    space = make_space(x=text)
    assert [value for value in inside if not space.contains({"params.x": value})] == []
    assert [value for value in outside if space.contains({"params.x": value})] == []


def test_a_candidate_needs_every_range_and_may_not_be_forbidden() -> None:
    space = make_space(lambda v: v["a"] + v["b"] > 3, a="{any: [1, 2]}", b="{any: [1, 2]}")
    assert space.contains({**name_values(a=1, b=2), "params.other": 5})
    assert not space.contains(name_values(a=1))
    assert not space.contains(name_values(a=2, b=2))


def test_ten_thousand_candidates_are_listed_at_once() -> None:
    start = time.perf_counter()
    assert len(make_wide().list_draws(0, 10_000)) == 10_000
    assert (
        len(make_space(a="{between: [1, 100], points: 100}", b="{between: [1, 100], points: 100}").list_grid())
        == 10_000
    )
    assert time.perf_counter() - start < 2


def test_spaces_need_no_library() -> None:
    program = (
        "import sys\n"
        "from rapidml.recipe.ranges import Range\n"
        "from rapidml.search import proposing\n"
        "from rapidml.search.space import Space\n"
        "space = Space((Range(('params', 'x'), 'log', (0.1, 10.0), 5),))\n"
        "space.list_grid(), space.list_draws(0, 9), space.find_edges({'params.x': 10.0})\n"
        "print({'numpy', 'optuna', 'scipy', 'ruamel', 'logging'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
