"""ROC curves against scikit-learn, and that fewer points draw the same curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from rapidml.evaluate.curves import MAX_POINTS, roc_curve
from rapidml.evaluate.metrics import METRICS

Array = NDArray[Any]


def make_rows(n_rows: int, decimals: int | None = None, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    truth = np.append([0, 1], rng.integers(0, 2, n_rows - 2))
    score = rng.normal(2.0 * truth)
    return truth, score if decimals is None else score.round(decimals), rng.gamma(1, 1, n_rows)


@pytest.mark.parametrize("decimals", [None, 0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(decimals: int | None, weighted: bool) -> None:
    truth, score, weight = make_rows(500, decimals)
    given_weight = weight if weighted else None
    curve = roc_curve(truth, score, given_weight, max_points=None)
    false, true, threshold = sk.roc_curve(truth, score, sample_weight=given_weight, drop_intermediate=False)
    assert curve.false_positive_rate == pytest.approx(false, abs=1e-9)
    assert curve.true_positive_rate == pytest.approx(true, abs=1e-9)
    assert np.array_equal(curve.threshold, threshold)
    assert curve.area == pytest.approx(METRICS["roc_auc"].compute(truth, score, given_weight), rel=1e-9)


@given(counts=st.lists(st.integers(0, 3), min_size=2, max_size=60), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_weight_2_is_the_row_twice_and_weight_0_no_row(counts: list[int], seed: int) -> None:
    counts[:2] = [max(1, count) for count in counts[:2]]
    truth, score, _ = make_rows(len(counts), 1, seed)
    weighted = roc_curve(truth, score, np.array(counts), max_points=None)
    repeated = roc_curve(np.repeat(truth, counts), np.repeat(score, counts), max_points=None)
    for name in ("false_positive_rate", "true_positive_rate", "threshold"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-12)


@pytest.mark.parametrize("n_rows", [3000, 200_000])
def test_few_points_draw_the_same_curve(n_rows: int) -> None:
    truth, score, weight = make_rows(n_rows)
    whole = roc_curve(truth, score, weight, max_points=None)
    shown = roc_curve(truth, score, weight)
    assert len(shown.threshold) <= MAX_POINTS
    assert shown.area == pytest.approx(whole.area, abs=2e-5)
    assert (shown.false_positive_rate[0], shown.true_positive_rate[0]) == (0, 0)
    assert (shown.false_positive_rate[-1], shown.true_positive_rate[-1]) == pytest.approx((1, 1))
    # A curve that only rises stays inside the box between two of its points.
    assert np.minimum(np.diff(shown.false_positive_rate), np.diff(shown.true_positive_rate)).max() < 0.003
    # Small false positive rates stay resolved, as a logarithmic axis shows them.
    low = shown.false_positive_rate[shown.false_positive_rate > 0]
    assert (low < 1e-2).sum() > (200 if n_rows > 100_000 else 20)


def test_corners_are_enough_for_few_rows() -> None:
    curve = roc_curve(np.array([1, 1, 1, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    assert curve.false_positive_rate.tolist() == [0, 0, 1, 1]
    assert curve.true_positive_rate.tolist() == [0, 0.75, 0.75, 1]
    assert curve.threshold.tolist() == [np.inf, 0.7, 0.5, 0.4]


def test_negative_weights_keep_ends_and_area() -> None:
    truth, score, weight = make_rows(5000)
    weight = weight - 0.2
    curve = roc_curve(truth, score, weight, max_points=None)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert curve.area == pytest.approx(METRICS["roc_auc"].compute(truth, score, weight), rel=1e-9)
    shown = roc_curve(truth, score, weight)
    assert len(shown.threshold) <= MAX_POINTS
    assert shown.area == pytest.approx(curve.area, abs=1e-3)


def test_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="needs both classes"):
        roc_curve(np.ones(3), np.arange(3.0))
