"""Numbers as text."""

from __future__ import annotations

import doctest
import math

import pytest

from rapidml.evaluate import formatting
from rapidml.evaluate.comparison import compare_scores
from rapidml.evaluate.formatting import (
    align_decimals,
    find_decimals,
    format_change,
    format_difference,
    format_number,
    format_score,
)
from rapidml.evaluate.scores import Score


def make_score(value: float, half: float) -> Score:
    return Score(value, value - half, value + half, half, (value,) * 200, (value,))


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.99512, 0.99318, 0.99683, "0.995 [0.993, 0.997]"),
        (0.9953, 0.99527, 0.99533, "0.99530 [0.99527, 0.99533]"),
        (0.5, 0.5, 0.5, "0.500 [0.500, 0.500]"),
        (47731.8, 47104.0, 48296.0, "47,730 [47,100, 48,300]"),
        (47731.8, 47731.8, 47731.8, "47,732 [47,732, 47,732]"),
        (1234.5, 1230.1, 1238.9, "1,234 [1,230, 1,239]"),
        (0.07, 0.05, 0.09, "0.07 [0.05, 0.09]"),
        (-0.0001, -0.004, 0.003, "0.000 [-0.004, 0.003]"),
        (0.99, 0.98, 1.0, "0.99 [0.98, 1.00]"),
        (3.2e-7, 3.0e-7, 3.4e-7, "0.00000032 [0.00000030, 0.00000034]"),
        (math.nan, math.nan, math.nan, "undefined"),
        (0.5, math.nan, math.nan, "0.500"),
    ],
)
def test_format_score(value: float, low: float, high: float, text: str) -> None:
    assert format_score(value, low, high) == text


@pytest.mark.parametrize(
    ("uncertainty", "decimals"),
    [(0.00096, 3), (0.002, 3), (0.09, 2), (0.96, 0), (9.6, 0), (60, 0), (96, -1), (600, -1)],
)
def test_the_first_digit_of_the_uncertainty_is_the_last_shown(uncertainty: float, decimals: int) -> None:
    assert find_decimals(uncertainty) == decimals


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (0.0012, 0.0009, "+0.0012 +- 0.0009"),
        (0.0012, 0.0012, "+0.001 +- 0.001"),
        (-0.0004, 0.0012, "+0.000 +- 0.001"),
        (-731.8, 600.0, "-730 +- 600"),
        (0.0, 0.0, "+0.000 +- 0.000"),
        (0.004, math.nan, "+0.004"),
        (math.nan, 0.1, "undefined"),
    ],
)
def test_format_difference(value: float, std: float, text: str) -> None:
    assert format_difference(value, std) == text


def test_a_column_shares_its_decimals() -> None:
    scores = [make_score(0.995, 0.002), make_score(0.9, 0.03), make_score(0.5, 0.0), make_score(math.nan, 0.1)]
    assert align_decimals(scores) == 3
    assert format_score(0.9, 0.87, 0.93, 3) == "0.900 [0.870, 0.930]"
    assert align_decimals([make_score(0.5, 0.0)]) == 3
    assert align_decimals([]) == 3


def test_infinite_numbers() -> None:
    assert format_number(math.inf, 3) == "+inf"


def test_change_against_another_run() -> None:
    def compare(after: list[float], before: list[float]) -> str:
        a, b = (Score(sum(r) / 4, 0, 0, 0, tuple(r), ()) for r in (after, before))
        return format_change(compare_scores(a, b, greater_is_better=True), "the run before")

    assert compare([0.994, 0.995, 0.992, 0.995], [0.993, 0.993, 0.993, 0.993]) == (
        "tied with the run before (+0.001 +- 0.001)"
    )
    assert compare([0.90, 0.91, 0.92, 0.91], [0.80] * 4) == "better than the run before (>99%, +0.110 +- 0.008)"
    assert compare([0.70, 0.71, 0.72, 0.71], [0.80] * 4) == "worse than the run before (>99%, -0.090 +- 0.008)"
    undefined = Score(math.nan, 0, 0, 0, (math.nan,) * 4, (), "there are no rows")
    difference = compare_scores(undefined, undefined, greater_is_better=True)
    assert format_change(difference, "bdt") == "not comparable with bdt"


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(formatting).failed == 0
