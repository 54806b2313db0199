"""The optimism of the best of many: against simulations in which the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from rapidml.dataset.frame import Task
from rapidml.evaluate.optimism import Optimism, estimate_optimism
from rapidml.evaluate.scores import Score, ScoredRows, score_parts

BINARY = Task("binary", ("background", "signal"))
N_SEARCHES = 400


def draw_scores(rng: np.random.Generator, truth: list[float], shared: float) -> list[Score]:
    """Scores of standard deviation 1 around their true values, and noise that moves all of them together."""
    values = truth + rng.normal(size=len(truth)) + shared * rng.normal()
    replicas = values[:, None] + rng.normal(size=(len(truth), 200)) + shared * rng.normal(size=200)
    std = math.hypot(1, shared)
    return [
        Score(value, value - std, value + std, std, tuple(row), (value,))
        for value, row in zip(values, replicas, strict=True)
    ]


def simulate(truth: list[float], shared: float, sign: int = 1) -> tuple[list[Optimism], list[float]]:
    """What is estimated in each of many searches, and the true value of the candidate that looked best."""
    rng = np.random.default_rng(len(truth))
    found, chosen = [], []
    for _ in range(N_SEARCHES):
        scores = draw_scores(rng, truth, shared)
        found.append(estimate_optimism(scores, greater_is_better=sign > 0))
        chosen.append(truth[int(np.argmax([sign * score.value for score in scores]))])
    return found, chosen


def expect_largest(n_candidates: int) -> float:
    """Mean of the largest of n standard normal numbers."""

    def integrand(x: float) -> float:
        return float(x * n_candidates * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n_candidates - 1))

    return float(integrate.quad(integrand, -10, 10)[0])


@pytest.mark.parametrize("n_candidates", [2, 5, 20, 100])
@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_of_equal_candidates_it_is_the_mean_of_the_largest(n_candidates: int, shared: float) -> None:
    found, _ = simulate([0.0] * n_candidates, shared)
    values = [one.value for one in found]
    error = float(np.std(values)) / math.sqrt(N_SEARCHES)
    assert np.mean(values) == pytest.approx(expect_largest(n_candidates), abs=4 * error + 0.1)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "truth", [[0.0, -1.4], [-0.25 * k for k in range(20)], [0.0] * 5 + [-4.0] * 30], ids=["two", "ladder", "cluster"]
)
def test_of_different_candidates_the_corrected_score_is_right_on_average(sign: int, truth: list[float]) -> None:
    found, chosen = simulate([sign * value for value in truth], 0.0, sign)
    wrong = [sign * (one.corrected - true) for one, true in zip(found, chosen, strict=True)]
    uncorrected = [sign * (one.corrected - true) + one.value for one, true in zip(found, chosen, strict=True)]
    error = float(np.std(wrong)) / math.sqrt(N_SEARCHES)
    assert np.mean(wrong) == pytest.approx(0, abs=3 * error + 0.05)
    assert abs(np.mean(wrong)) < 0.5 * np.mean(uncorrected)


def test_a_clear_winner_owes_little_to_luck() -> None:
    found, _ = simulate([0.0, -8.0, -9.0], 0.0)
    assert np.mean([one.value for one in found]) < 0.02


@pytest.mark.parametrize("shared", [0.5, 3.0])
def test_interval_covers_the_truth_about_as_often_as_it_says(shared: float) -> None:
    found, chosen = simulate([-0.1 * k for k in range(10)], shared)
    covered = np.mean([one.low <= true <= one.high for one, true in zip(found, chosen, strict=True)])
    assert covered == pytest.approx(0.683, abs=0.08)


def test_one_candidate_needs_no_luck() -> None:
    score = draw_scores(np.random.default_rng(0), [0.5], 0.0)[0]
    assert estimate_optimism([score], greater_is_better=True) == Optimism(0.0, score.value, score.low, score.high)
    twice = estimate_optimism([score, score], greater_is_better=True)
    assert twice.value == pytest.approx(0.0, abs=1e-12)


def test_direction_mirrors_everything() -> None:
    scores = draw_scores(np.random.default_rng(4), [0.0] * 10, 1.0)
    mirrored = [
        Score(-one.value, -one.high, -one.low, one.std, tuple(-x for x in one.replicas), (-one.value,))
        for one in scores
    ]
    first = estimate_optimism(scores, greater_is_better=True)
    second = estimate_optimism(mirrored, greater_is_better=False)
    assert second.value == pytest.approx(first.value)
    assert (second.corrected, second.low, second.high) == pytest.approx((-first.corrected, -first.high, -first.low))
    best = max(scores, key=lambda one: one.value)
    assert first.value > 0
    assert first.corrected == pytest.approx(best.value - first.value)
    assert first.high - first.low == pytest.approx(best.high - best.low)


def test_random_guesses_look_better_than_a_coin() -> None:
    # Real scores: forty models that know nothing. Their true area is one half, whatever the best of them shows.
    rng = np.random.default_rng(8)
    corrected, apparent = [], []
    for number in range(15):
        ids = (np.arange(400) + 1000 * number).astype(np.uint64)
        truth = np.arange(400) % 2
        parts = [ScoredRows(ids, truth, rng.random(400).astype(np.float32)) for _ in range(40)]
        scores = [score_parts([part], ["roc_auc"], BINARY)["roc_auc"] for part in parts]
        corrected.append(estimate_optimism(scores, greater_is_better=True).corrected)
        apparent.append(max(score.value for score in scores))
    assert np.mean(apparent) > 0.55
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.015)


def test_undefined_scores_and_replicas_are_left_out() -> None:
    scores = draw_scores(np.random.default_rng(5), [0.0] * 6, 0.0)
    nothing = Score(math.nan, math.nan, math.nan, math.nan, (math.nan,) * 200, (math.nan,), "there are no rows")
    found = estimate_optimism([nothing, *scores], greater_is_better=True)
    assert found == estimate_optimism(scores, greater_is_better=True)
    for lost, is_known in ((100, True), (101, False)):
        holes = (*[math.nan] * lost, *scores[0].replicas[lost:])
        rare = Score(scores[0].value, scores[0].low, scores[0].high, 1.0, holes, (scores[0].value,))
        value = estimate_optimism([rare, *scores[1:]], greater_is_better=True)
        assert math.isnan(value.value) is not is_known
        assert math.isnan(value.corrected) is not is_known


def test_mistakes_are_refused() -> None:
    scores = draw_scores(np.random.default_rng(6), [0.0, 0.0], 0.0)
    with pytest.raises(ValueError, match="no defined score"):
        estimate_optimism([], greater_is_better=True)
    short = Score(0.5, 0.4, 0.6, 0.1, (0.5,) * 10, (0.5,))
    with pytest.raises(ValueError, match="different numbers of replicas"):
        estimate_optimism([*scores, short], greater_is_better=True)
