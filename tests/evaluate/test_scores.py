"""Scores with intervals: replicas by definition, coverage, laws, storage."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from rapidml.dataset.frame import Task
from rapidml.evaluate.bootstrap import poisson_draws
from rapidml.evaluate.metrics import get_metric, list_metrics
from rapidml.evaluate.points import point_scores
from rapidml.evaluate.scores import Score, ScoredRows, score_parts

BINARY = Task("binary", ("background", "signal"))
SEVERAL = Task("multiclass", ("a", "b", "c"))
REGRESSION = Task("regression")


def make_rows(task: Task, n_rows: int, seed: int = 0, *, decimals: int = 2, first_id: int = 0) -> ScoredRows:
    rng = np.random.default_rng(seed)
    ids = (np.arange(n_rows) + first_id).astype(np.uint64)
    weight = rng.gamma(2, 1, n_rows)
    if task.kind == "regression":
        value = rng.normal(size=n_rows)
        return ScoredRows(ids, value, value + rng.normal(size=n_rows), weight)
    truth = np.arange(n_rows) % len(task.classes)
    if task.kind == "binary":
        return ScoredRows(ids, truth, stats.norm.cdf(rng.normal(truth - 0.5)).round(decimals), weight)
    return ScoredRows(ids, truth, rng.dirichlet([1, 1, 1], n_rows).round(decimals).clip(0, 1), weight)


@pytest.mark.parametrize("task", [BINARY, SEVERAL, REGRESSION])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("n_rows", [60, 3000])
def test_a_replica_is_the_score_with_weights_times_draws(task: Task, balanced: bool, n_rows: int) -> None:
    parts = [make_rows(task, n_rows, seed, first_id=seed * n_rows) for seed in (1, 2)]
    scores = score_parts(parts, list_metrics(task.kind), task, balanced=balanced)
    draws = [poisson_draws(part.ids) for part in parts]
    for name, score in scores.items():
        metric = get_metric(name)
        values = [metric.compute(p.truth, p.prediction, p.weight, balanced=balanced) for p in parts]
        assert score.parts == pytest.approx(values, rel=1e-9)
        assert score.value == pytest.approx(np.mean(values), rel=1e-9)
        for replica in (0, 7, 199):
            drawn = [
                ScoredRows(p.ids, p.truth, p.prediction, p.weight * d[replica])
                for p, d in zip(parts, draws, strict=True)
            ]
            expected = [point_scores(part, [name], task, balanced=balanced)[name] for part in drawn]
            assert score.replicas[replica] == pytest.approx(np.mean(expected), rel=1e-6, nan_ok=True)


def test_interval_and_std_are_those_of_the_replicas() -> None:
    score = score_parts([make_rows(BINARY, 300)], ["roc_auc"], BINARY)["roc_auc"]
    assert len(score.replicas) == 200
    assert (score.low, score.high) == pytest.approx(np.percentile(score.replicas, [15.85, 84.15]), rel=1e-12)
    assert score.std == pytest.approx(np.std(score.replicas, ddof=1), rel=1e-9)
    assert score.low < score.value < score.high


# Coverage: independent samples tell what the truth and the spread are

SEPARATION = 1.2
TRUE_AUC = float(stats.norm.cdf(SEPARATION / math.sqrt(2)))


def sample_scores(rng: np.random.Generator, first_id: int, n_rows: int = 300) -> ScoredRows:
    truth = (rng.random(n_rows) < 0.4).astype(float)
    guess = stats.norm.cdf(rng.normal(SEPARATION * truth))
    ids = (np.arange(n_rows) + first_id).astype(np.uint64)
    # Weights that tell nothing about the score keep the expected AUC and widen its spread.
    return ScoredRows(ids, truth, guess, rng.gamma(1, 1, n_rows))


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    scores = [score_parts([sample_scores(rng, 1000 * k)], ["roc_auc"], BINARY)["roc_auc"] for k in range(400)]
    covered = np.mean([score.low <= TRUE_AUC <= score.high for score in scores])
    # 400 experiments: one standard deviation is 0.023; the percentile interval of 300 weighted rows is a little narrow.
    assert covered == pytest.approx(0.683, abs=0.06)
    spread = np.std([score.value for score in scores])
    assert np.mean([score.std for score in scores]) == pytest.approx(spread, rel=0.10)


def test_std_is_that_of_the_ordinary_bootstrap() -> None:
    rows = make_rows(BINARY, 400, seed=3)
    rng = np.random.default_rng(0)
    assert rows.weight is not None
    ordinary = []
    for _ in range(600):
        drawn = rng.integers(0, 400, 400)
        ordinary.append(roc_auc_score(rows.truth[drawn], rows.prediction[drawn], sample_weight=rows.weight[drawn]))
    score = score_parts([rows], ["roc_auc"], BINARY, n_replicas=2000)["roc_auc"]
    assert score.std == pytest.approx(np.std(ordinary), rel=0.10)
    assert (score.low, score.high) == pytest.approx(np.percentile(ordinary, [15.85, 84.15]), abs=0.15 * score.std)


def test_std_of_a_mean_is_the_closed_form() -> None:
    rows = make_rows(REGRESSION, 2000, seed=5)
    score = score_parts([rows], ["mae"], REGRESSION, n_replicas=2000)["mae"]
    assert rows.weight is not None
    deviation = np.abs(rows.truth - rows.prediction) - score.value
    expected = math.sqrt(np.sum((rows.weight * deviation) ** 2)) / rows.weight.sum()
    assert score.std == pytest.approx(expected, rel=0.06)


def test_rows_of_one_id_are_drawn_together() -> None:
    rows = make_rows(REGRESSION, 1000, seed=5)
    grouped = ScoredRows(rows.ids // np.uint64(100), rows.truth + 3 * (rows.ids // np.uint64(100)), rows.prediction)
    apart = ScoredRows(rows.ids, grouped.truth, rows.prediction)
    together = score_parts([grouped], ["mae"], REGRESSION)["mae"]
    assert together.std > 5 * score_parts([apart], ["mae"], REGRESSION)["mae"].std


# Laws


@pytest.mark.parametrize("task", [BINARY, SEVERAL, REGRESSION])
@given(counts=st.lists(st.integers(0, 3), min_size=12, max_size=40), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_weight_2_is_the_row_twice_in_every_replica(task: Task, counts: list[int], seed: int) -> None:
    rows = make_rows(task, len(counts), seed, decimals=1)
    weighted = ScoredRows(rows.ids, rows.truth, rows.prediction, np.array(counts))
    repeated = ScoredRows(*(np.repeat(x, counts, axis=0) for x in (rows.ids, rows.truth, rows.prediction)))
    names = list_metrics(task.kind)
    first, second = (score_parts([part], names, task, balanced=True) for part in (weighted, repeated))
    for name in names:
        assert first[name].value == pytest.approx(second[name].value, rel=1e-9, abs=1e-12, nan_ok=True)
        assert first[name].replicas == pytest.approx(second[name].replicas, rel=1e-6, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("task", [BINARY, SEVERAL, REGRESSION])
def test_order_of_rows_does_not_matter(task: Task) -> None:
    rows = make_rows(task, 2500)
    order = np.random.default_rng(1).permutation(2500)
    assert rows.weight is not None
    shuffled = ScoredRows(rows.ids[order], rows.truth[order], rows.prediction[order], rows.weight[order])
    names = list_metrics(task.kind)
    first, second = (score_parts([part], names, task) for part in (rows, shuffled))
    for name in names:
        assert first[name].value == pytest.approx(second[name].value, rel=1e-12)
        assert first[name].replicas == pytest.approx(second[name].replicas, rel=2e-7)


def test_metrics_do_not_depend_on_which_others_are_asked_for() -> None:
    rows = make_rows(BINARY, 2500)
    together = score_parts([rows], list_metrics("binary"), BINARY)
    assert list(together) == list(list_metrics("binary"))
    for name, score in together.items():
        alone = score_parts([rows], [name], BINARY)[name]
        assert alone.value == pytest.approx(score.value, rel=1e-12)
        assert alone.replicas == pytest.approx(score.replicas, rel=2e-7)


def test_ties_over_many_blocks() -> None:
    rows = make_rows(BINARY, 5000, decimals=0)
    assert len(np.unique(rows.prediction)) == 2
    score = score_parts([rows], ["roc_auc"], BINARY)["roc_auc"]
    expected = roc_auc_score(rows.truth, rows.prediction, sample_weight=rows.weight)
    assert score.value == pytest.approx(expected, rel=1e-12)
    weight = rows.weight * poisson_draws(rows.ids)[5]
    assert score.replicas[5] == pytest.approx(
        roc_auc_score(rows.truth, rows.prediction, sample_weight=weight), rel=1e-6
    )


# Undefined scores


def test_a_part_without_a_class_makes_the_score_undefined_and_says_so() -> None:
    good = make_rows(BINARY, 100)
    lacking = ScoredRows(good.ids, np.zeros(100), good.prediction, good.weight)
    scores = score_parts([good, lacking], ["roc_auc", "log_loss", "average_precision"], BINARY)
    score = scores["roc_auc"]
    assert math.isnan(score.value)
    assert math.isnan(score.low)
    assert score.undefined == "in part 2 of 2 there are no rows of class 'signal'"
    assert not math.isnan(score.parts[0])
    assert scores["log_loss"].undefined is None
    assert scores["average_precision"].undefined == score.undefined


def test_replicas_without_a_class_are_left_out() -> None:
    rows = make_rows(BINARY, 100)
    rare = (np.arange(100) < 2).astype(float)
    score = score_parts([ScoredRows(rows.ids, rare, rows.prediction)], ["roc_auc"], BINARY)["roc_auc"]
    lost = sum(map(math.isnan, score.replicas))
    expected = 200 * math.exp(-2)
    assert lost == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert not math.isnan(score.std)
    assert score.low <= score.high


def test_too_few_replicas_give_no_interval() -> None:
    rows = make_rows(BINARY, 100)
    parts = []
    for start in (0, 100, 200):
        truth = np.zeros(100)
        truth[3] = 1
        parts.append(ScoredRows(rows.ids + np.uint64(start), truth, rows.prediction))
    score = score_parts(parts, ["roc_auc"], BINARY)["roc_auc"]
    assert not math.isnan(score.value)
    assert math.isnan(score.low)
    assert math.isnan(score.std)


@pytest.mark.parametrize(
    ("parts", "name", "message"),
    [
        ([], "roc_auc", "at least one part"),
        ([make_rows(BINARY, 10)], "rmse", "rmse is for regression, not for binary"),
        ([make_rows(BINARY, 10)], "roc", "no metric is called 'roc'"),
        ([make_rows(SEVERAL, 10)], "roc_auc", r"prediction has shape \(10, 3\), expected \(10,\)"),
    ],
)
def test_mistakes_are_refused(parts: list[ScoredRows], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_parts(parts, [name], BINARY)


# Storage


def test_scores_survive_json() -> None:
    good = make_rows(BINARY, 100)
    rare = ScoredRows(good.ids, (np.arange(100) < 2).astype(float), good.prediction)
    lacking = ScoredRows(good.ids, np.zeros(100), good.prediction)
    for part in (good, rare, lacking):
        score = score_parts([part], ["roc_auc"], BINARY)["roc_auc"]
        text = json.dumps(score.to_json(), allow_nan=False)
        assert repr(Score.from_json(json.loads(text))) == repr(score)
        assert len(text) < 4000
    assert score_parts([good], ["roc_auc"], BINARY)["roc_auc"].summary().keys() == {"value", "low", "high"}


def test_memory_stays_bounded_by_blocks() -> None:
    import tracemalloc

    n_rows = 100_000
    rows = make_rows(BINARY, n_rows)
    tracemalloc.start()
    score_parts([rows], ["roc_auc", "log_loss"], BINARY, n_replicas=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A matrix of all draws would take 20 MB as bytes and 160 MB in double precision.
    assert peak < 40e6
