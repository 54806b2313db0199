"""Paired differences: their uncertainty, ties, and the words in tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rapidml.dataset.frame import Task
from rapidml.evaluate.comparison import beats, choose, compare_scores, describe, describe_difference, order
from rapidml.evaluate.metrics import METRICS
from rapidml.evaluate.scores import Score, ScoredRows, score_parts

BINARY = Task("binary", ("background", "signal"))
AUC, LOSS = METRICS["roc_auc"], METRICS["log_loss"]


def make_score(value: float, *steps: float) -> Score:
    """A score of ten replicas with given deviations, the rest zero."""
    replicas = tuple(value + step for step in (*steps, *[0.0] * (10 - len(steps))))
    return Score(value, value, value, 0.0, replicas, (value,), None if value == value else "there are no rows")


def make_pair(rng: np.random.Generator, first_id: int, n_rows: int = 300) -> tuple[Score, Score]:
    """Two models that see the same feature, the second through more noise."""
    truth = (rng.random(n_rows) < 0.5).astype(float)
    shared = rng.normal(1.5 * truth)
    ids = (np.arange(n_rows) + first_id).astype(np.uint64)
    guesses = (shared + rng.normal(scale=noise, size=n_rows) for noise in (0.3, 0.5))
    parts = [ScoredRows(ids, truth, stats.norm.cdf(guess)) for guess in guesses]
    first, second = (score_parts([part], ["roc_auc"], BINARY)["roc_auc"] for part in parts)
    return first, second


def find_auc(noise: float) -> float:
    return float(stats.norm.cdf(1.5 / math.sqrt(2 * (1 + noise**2))))


def test_interval_of_the_difference_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    pairs = [make_pair(rng, 1000 * number) for number in range(300)]
    differences = [compare_scores(a, b, greater_is_better=True) for a, b in pairs]
    truth = find_auc(0.3) - find_auc(0.5)
    covered = np.mean([d.low <= truth <= d.high for d in differences])
    assert covered == pytest.approx(0.683, abs=0.07)
    spread = np.std([d.value for d in differences])
    assert np.mean([d.std for d in differences]) == pytest.approx(spread, rel=0.12)
    unpaired = np.mean([math.hypot(a.std, b.std) for a, b in pairs])
    assert spread < 0.6 * unpaired


def test_models_of_equal_quality_are_tied_nine_times_in_ten() -> None:
    rng = np.random.default_rng(5)
    ties = []
    for number in range(200):
        truth = (rng.random(200) < 0.5).astype(float)
        ids = (np.arange(200) + 1000 * number).astype(np.uint64)
        parts = [ScoredRows(ids, truth, stats.norm.cdf(rng.normal(truth))) for _ in range(2)]
        a, b = (score_parts([part], ["roc_auc"], BINARY)["roc_auc"] for part in parts)
        ties.append(compare_scores(a, b, greater_is_better=True).tied)
    # The sign is kept in 95% of replicas when the difference is 1.64 standard deviations from 0, on either side.
    assert np.mean(ties) == pytest.approx(0.90, abs=0.06)


def test_difference_in_numbers() -> None:
    a = Score(0.9, 0, 0, 0, (0.90, 0.92, 0.88, 0.95), (0.9,))
    b = Score(0.8, 0, 0, 0, (0.80, 0.93, 0.70, 0.80), (0.8,))
    steps = [0.10, -0.01, 0.18, 0.15]
    difference = compare_scores(a, b, greater_is_better=True)
    assert difference.value == pytest.approx(0.1)
    assert difference.confidence == 0.75
    assert difference.tied
    assert difference.better
    assert not compare_scores(a, b, greater_is_better=False).better
    assert (difference.low, difference.high) == pytest.approx(np.quantile(steps, [0.1585, 0.8415]))
    assert difference.std == pytest.approx(np.std(steps, ddof=1))
    mirrored = compare_scores(b, a, greater_is_better=True)
    assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx(
        (-difference.value, -difference.high, -difference.low)
    )
    assert mirrored.confidence == difference.confidence


@pytest.mark.parametrize(("flips", "tied"), [(0, False), (10, False), (11, True)])
def test_tied_is_a_sign_kept_in_fewer_than_95_percent(flips: int, tied: bool) -> None:
    a = Score(1.0, 0, 0, 0, (-1.0,) * flips + (1.0,) * (200 - flips), (1.0,))
    b = Score(0.0, 0, 0, 0, (0.0,) * 200, (0.0,))
    assert compare_scores(a, b, greater_is_better=True).tied is tied


def test_a_score_is_tied_with_itself() -> None:
    score = make_score(0.9, 0.1, -0.1)
    difference = compare_scores(score, score, greater_is_better=True)
    assert difference.tied
    assert difference.confidence == 0
    assert difference.std == 0
    assert not difference.better


def test_undefined_replicas_are_left_out() -> None:
    a, b = make_score(0.9, *[math.nan] * 4), make_score(0.8)
    difference = compare_scores(a, b, greater_is_better=True)
    assert difference.confidence == 1
    assert not difference.tied
    mostly = compare_scores(make_score(0.9, *[math.nan] * 6), b, greater_is_better=True)
    assert mostly.tied
    assert math.isnan(mostly.confidence)


def test_different_numbers_of_replicas_cannot_be_paired() -> None:
    short = Score(0.5, 0, 0, 0, (0.5,), (0.5,))
    with pytest.raises(ValueError, match="10 and 1 replicas"):
        compare_scores(make_score(0.5), short, greater_is_better=True)


def test_choice_follows_the_direction_and_passes_over_the_undefined() -> None:
    scores = {"none": make_score(math.nan), "low": make_score(0.1), "high": make_score(0.9), "also": make_score(0.9)}
    assert choose(scores, AUC) == "high"
    assert choose(scores, LOSS) == "low"
    assert order(scores, AUC) == ["high", "also", "low", "none"]
    assert order(scores, LOSS) == ["low", "high", "also", "none"]


def test_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="nothing to choose from"):
        choose({}, AUC)
    with pytest.raises(ValueError, match="roc_auc of a is undefined: there are no rows"):
        choose({"a": make_score(math.nan)}, AUC)


def test_words_of_the_result_table() -> None:
    best = Score(0.995, 0, 0, 0, (0.995,) * 200, (0.995,))
    scores = {
        "logistic": best,
        "bdt": Score(0.993, 0, 0, 0, (0.993,) * 180 + (0.996,) * 20, (0.993,)),
        "forest": Score(0.990, 0, 0, 0, (0.990,) * 194 + (0.996,) * 6, (0.990,)),
        "dummy": Score(0.5, 0, 0, 0, (0.5,) * 200, (0.5,)),
        "broken": Score(math.nan, 0, 0, 0, (math.nan,) * 200, (math.nan,), "there are no rows"),
    }
    words = {"logistic": "best", "bdt": "tied", "forest": "worse (97%)", "dummy": "worse (>99%)", "broken": "undefined"}
    assert describe(scores, AUC) == words
    assert describe({"broken": scores["broken"]}, AUC) == {"broken": "undefined"}
    assert beats(best, scores["dummy"], AUC)
    assert not beats(best, scores["bdt"], AUC)
    assert not beats(best, scores["dummy"], LOSS)
    forward = compare_scores(best, scores["forest"], greater_is_better=True)
    assert describe_difference(forward) == "better (97%)"
