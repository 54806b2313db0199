"""Curves: few points however long a training is, and no value forgotten in their means."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidml.trainers.curves import MOST_POINTS, Curve


def test_a_short_curve_is_what_was_added() -> None:
    curve = Curve()
    for number in range(1, 2 * MOST_POINTS):
        curve.add(number / 2, 10 * number, 1 / number)
    assert curve.points == [(number / 2, 10 * number, 1 / number) for number in range(1, 2 * MOST_POINTS)]


@pytest.mark.parametrize("count", [2 * MOST_POINTS, 4 * MOST_POINTS - 1, 1777, 20_000])
def test_a_long_curve_has_few_points_with_the_means_of_all_values(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    curve = Curve()
    for number, value in enumerate(values):
        curve.add(float(number), 3 * number, float(value))
    assert MOST_POINTS <= len(curve.points) <= 2 * MOST_POINTS
    blocks = np.split(values, range(curve.stride, count, curve.stride))
    assert [point[2] for point in curve.points] == pytest.approx([block.mean() for block in blocks])
    ends = np.minimum(np.arange(1, len(blocks) + 1) * curve.stride, count) - 1
    assert [point[:2] for point in curve.points] == [(float(end), 3 * end) for end in ends]


@settings(deadline=None)
@given(st.integers(0, 1500), st.integers(0, 1500))
def test_a_curve_that_was_written_down_goes_on(before: int, after: int) -> None:
    whole = Curve()
    for number in range(before):
        whole.add(float(number), number, number % 7)
    again = Curve.from_tree(json.loads(json.dumps(whole.to_tree())))
    for number in range(before, before + after):
        whole.add(float(number), number, number % 7)
        again.add(float(number), number, number % 7)
    assert again == whole
