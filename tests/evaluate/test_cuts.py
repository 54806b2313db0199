"""Efficiencies at a cut: against scikit-learn's ROC curve with numpy.interp, and in every replica."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from rapidml.dataset.frame import Task
from rapidml.evaluate.bootstrap import poisson_draws
from rapidml.evaluate.metrics import get_metric
from rapidml.evaluate.scores import ScoredRows, score_parts

Array = NDArray[Any]
BINARY = Task("binary", ("background", "signal"))
EFFICIENCIES = [0.001, 0.01, 0.25, 0.5, 0.9, 0.999]


def make_rows(n_rows: int, decimals: int | None, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    truth = np.append([0, 1], rng.integers(0, 2, n_rows - 2))
    score = 1 / (1 + np.exp(-rng.normal(1.5 * truth)))
    return truth, score if decimals is None else score.round(decimals), rng.gamma(1, 1, n_rows)


def expect(form: str, at: float, truth: Array, score: Array, weight: Array | None) -> float:
    false, true, _ = sk.roc_curve(truth, score, sample_weight=weight, drop_intermediate=False)
    if form == "signal_efficiency@background":
        return float(np.interp(at, false, true))
    passed = float(np.interp(at, true, false))
    return 1 / passed if passed else math.nan


def compute(form: str, at: float, truth: Array, score: Array, weight: Array | None = None) -> float:
    ids = np.arange(len(truth), dtype=np.uint64)
    name = f"{form}={at!r}"
    return score_parts([ScoredRows(ids, truth, score, weight)], [name], BINARY, n_replicas=0)[name].value


@pytest.mark.parametrize("form", ["signal_efficiency@background", "background_rejection@signal"])
@pytest.mark.parametrize("at", EFFICIENCIES)
@pytest.mark.parametrize("decimals", [None, 2, 1])
@pytest.mark.parametrize("n_rows", [2, 100, 5000])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn_and_numpy(form: str, at: float, decimals: int | None, n_rows: int, weighted: bool) -> None:
    truth, score, weight = make_rows(n_rows, decimals)
    given_weight = weight if weighted else None
    expected = expect(form, at, truth, score, given_weight)
    assert compute(form, at, truth, score, given_weight) == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("form", ["signal_efficiency@background", "background_rejection@signal"])
@pytest.mark.parametrize("decimals", [None, 2])
@pytest.mark.parametrize("n_rows", [100, 3000])
def test_a_replica_is_the_curve_with_weights_times_draws(form: str, decimals: int | None, n_rows: int) -> None:
    truth, score, weight = make_rows(n_rows, decimals)
    part = ScoredRows(np.arange(n_rows, dtype=np.uint64), truth, score, weight)
    names = [f"{form}={at!r}" for at in EFFICIENCIES]
    scores = score_parts([part], [*names, "roc_auc"], BINARY)
    draws = poisson_draws(part.ids)
    for name, at in zip(names, EFFICIENCIES, strict=True):
        for replica in (0, 7, 199):
            expected = expect(form, at, truth, score, weight * draws[replica])
            assert scores[name].replicas[replica] == pytest.approx(expected, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("form", ["signal_efficiency@background", "background_rejection@signal"])
@given(counts=st.lists(st.integers(0, 3), min_size=4, max_size=60), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_weight_2_is_the_row_twice_and_weight_0_no_row(form: str, counts: list[int], seed: int) -> None:
    counts[:2] = [max(1, count) for count in counts[:2]]
    truth, score, _ = make_rows(len(counts), 1, seed)
    for at in (0.1, 0.25, 0.5):
        weighted = compute(form, at, truth, score, np.array(counts))
        repeated = compute(form, at, np.repeat(truth, counts), np.repeat(score, counts))
        assert weighted == pytest.approx(repeated, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("scale", [1e-7, 0.1, 3.0])
@pytest.mark.parametrize("at", [0.01, 0.07, 0.29, 0.57])
def test_neither_scale_of_weights_nor_rounding_matters_at_a_step(scale: float, at: float) -> None:
    # A hundred rows of each class: every efficiency here is exactly that of some cut, where the curve jumps.
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 100)
    score = rng.permutation(200) / 200
    expected = expect("signal_efficiency@background", at, truth, score, None)
    cut = np.sort(score[truth == 0])[::-1][round(100 * at)]
    assert expected == pytest.approx(np.mean(score[truth == 1] > cut))
    assert compute("signal_efficiency@background", at, truth, score, np.full(200, scale)) == pytest.approx(expected)


def test_a_cut_lies_between_groups_of_equal_scores() -> None:
    truth = np.array([1, 0, 1, 0, 0, 1])
    score = np.array([0.9, 0.8, 0.8, 0.8, 0.1, 0.1])
    # The curve goes through (0, 1/3), (2/3, 2/3) and (1, 1) in straight lines.
    assert compute("signal_efficiency@background", 1 / 3, truth, score) == pytest.approx(0.5)
    assert compute("background_rejection@signal", 0.5, truth, score) == pytest.approx(3)


@pytest.mark.parametrize(("form", "value"), [("signal_efficiency@background", 0.2), ("background_rejection@signal", 5)])
def test_a_constant_prediction_is_a_coin(form: str, value: float) -> None:
    truth, _, weight = make_rows(3000, None)
    name = f"{form}=0.2"
    part = ScoredRows(np.arange(3000, dtype=np.uint64), truth, np.full(3000, 0.4, np.float32), weight)
    score = score_parts([part], [name], BINARY)[name]
    assert score.value == pytest.approx(value)
    assert score.replicas == pytest.approx([value] * 200)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("fixed", [0, 1])
def test_with_negative_weights_the_tightest_cut_that_passes_the_efficiency_counts(seed: int, fixed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score, weight = np.arange(80) % 2, rng.random(80).round(1), rng.normal(0.5, 1.0, 80)
    totals = [weight[truth == code].sum() for code in (0, 1)]
    form = ("signal_efficiency@background", "background_rejection@signal")[fixed]
    if min(totals) <= 0:
        assert math.isnan(compute(form, 0.3, truth, score, weight))
        return
    below = [0.0, 0.0]
    for cut in np.unique(score)[::-1]:
        passed = [weight[(score >= cut) & (truth == code)].sum() / totals[code] for code in (0, 1)]
        if passed[fixed] > 0.3:
            break
        below = passed
    share = (0.3 - below[fixed]) / (passed[fixed] - below[fixed])
    other = below[1 - fixed] + share * (passed[1 - fixed] - below[1 - fixed])
    expected = other if fixed == 0 else 1 / other if other > 0 else math.nan
    part = ScoredRows(np.zeros(80, dtype=np.uint64), truth, score, weight)
    found = score_parts([part], [f"{form}=0.3"], BINARY)[f"{form}=0.3"]
    assert found.value == pytest.approx(expected, rel=1e-9, nan_ok=True)
    # All rows have one id, so that a replica that draws them at all has the same score.
    assert [x for x in found.replicas if not math.isnan(x)] == pytest.approx(
        [expected] * sum(not math.isnan(x) for x in found.replicas), rel=1e-6
    )


def test_interval_covers_the_spread_of_independent_samples() -> None:
    rng = np.random.default_rng(2)
    name = "signal_efficiency@background=0.1"
    scores = []
    for number in range(150):
        truth = np.arange(800) % 2
        ids = (np.arange(800) + 1000 * number).astype(np.uint64)
        guess = 1 / (1 + np.exp(-rng.normal(1.2 * truth)))
        scores.append(score_parts([ScoredRows(ids, truth, guess)], [name], BINARY)[name])
    spread = np.std([score.value for score in scores])
    assert np.mean([score.std for score in scores]) == pytest.approx(spread, rel=0.2)
    covered = np.mean([score.low <= 0.467 <= score.high for score in scores])  # 1 - Phi(Phi^-1(0.9) - 1.2)
    assert covered == pytest.approx(0.683, abs=0.12)


@pytest.mark.parametrize(
    ("name", "truth", "weight", "message"),
    [
        ("signal_efficiency@background=0.1", [1, 1, 1], None, "there are no rows of class '0'"),
        ("signal_efficiency@background=0.1", [0, 0, 0], None, "there are no rows of class '1'"),
        ("background_rejection@signal=0.5", [0, 1, 1], [-1, 1, 1], "the weights of class '0' sum to -1"),
        ("background_rejection@signal=0.5", [0, 1, 1], None, "no background is left at a signal efficiency of 0.5"),
        ("background_rejection@signal=0.5", [], None, "there are no rows with a weight"),
    ],
)
def test_undefined_scores_say_why(name: str, truth: list[int], weight: Any, message: str) -> None:
    score = np.arange(len(truth)) / 4
    with pytest.raises(ValueError, match=message):
        get_metric(name).compute(np.array(truth), score, None if weight is None else np.array(weight))


def test_for_two_classes_only() -> None:
    with pytest.raises(ValueError, match=r"signal_efficiency@background=0\.01 is for binary, not for multiclass"):
        get_metric("signal_efficiency@background=0.01").compute(np.array([0, 1, 2]), np.eye(3))
