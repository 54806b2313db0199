"""Metrics against scikit-learn, closed forms, and the laws of weights."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from rapidml.dataset.training_weight import balance_classes
from rapidml.evaluate.metrics import (
    METRICS,
    default_rank_by,
    find_metric,
    get_metric,
    heading,
    list_metrics,
    suggest_metric,
)

Array = NDArray[Any]

SKLEARN_BINARY = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p > 0.5, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
}
SKLEARN_MULTICLASS = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w, multi_class="ovr", average="macro"),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(
        label_binarize(y, classes=range(p.shape[1])), p, sample_weight=w, average="macro"
    ),
}
SKLEARN_REGRESSION = {
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
}


def make_binary(seed: int, n_rows: int, decimals: int | None) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    truth = np.append([0.0, 1.0], rng.integers(0, 2, n_rows - 2))
    chance: Array = 1 / (1 + np.exp(-rng.normal(truth - 0.5)))
    return truth, chance if decimals is None else chance.round(decimals), rng.gamma(1, 2, n_rows)


def make_multiclass(seed: int, n_rows: int, decimals: int | None) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    truth = np.append([0.0, 1.0, 2.0], rng.integers(0, 3, n_rows - 3))
    chance = rng.random((n_rows, 3)) + np.eye(3)[truth.astype(int)] / 2
    chance /= chance.sum(axis=1, keepdims=True)
    if decimals is not None:
        chance = chance.round(decimals)
        chance[:, 2] = 1 - chance[:, :2].sum(axis=1)
    return truth, chance.clip(0, 1), rng.gamma(1, 2, n_rows)


@pytest.mark.parametrize("name", SKLEARN_BINARY)
@pytest.mark.parametrize("decimals", [None, 2, 1])
@pytest.mark.parametrize("n_rows", [2, 30, 1024, 5000])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_equals_scikit_learn(name: str, decimals: int | None, n_rows: int, weighted: bool) -> None:
    truth, chance, weight = make_binary(n_rows, n_rows, decimals)
    given_weight = weight if weighted else None
    expected = SKLEARN_BINARY[name](truth, chance, given_weight)
    assert METRICS[name].compute(truth, chance, given_weight) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SKLEARN_MULTICLASS)
@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("n_rows", [3, 100, 3000])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_classes_equal_scikit_learn(name: str, decimals: int | None, n_rows: int, weighted: bool) -> None:
    truth, chance, weight = make_multiclass(n_rows, n_rows, decimals)
    given_weight = weight if weighted else None
    expected = SKLEARN_MULTICLASS[name](truth, chance, given_weight)
    assert METRICS[name].compute(truth, chance, given_weight) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SKLEARN_REGRESSION)
@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("n_rows", [2, 50, 3000])
@pytest.mark.parametrize("weighted", [False, True])
def test_regression_equals_scikit_learn(name: str, shift: float, n_rows: int, weighted: bool) -> None:
    rng = np.random.default_rng(n_rows)
    truth = rng.normal(size=n_rows) + shift
    guess = truth + rng.normal(size=n_rows)
    weight = rng.gamma(1, 2, n_rows) if weighted else None
    expected = SKLEARN_REGRESSION[name](truth, guess, weight)
    assert METRICS[name].compute(truth, guess, weight) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("guess", "expected"), [([3.0, 3.0, 3.0], 1.0), ([3.0, 3.0, 4.0], 0.0)])
def test_r2_of_a_constant_target_is_scikit_learns(guess: list[float], expected: float) -> None:
    truth = np.full(3, 3.0)
    assert sk.r2_score(truth, guess) == expected
    assert METRICS["r2"].compute(truth, np.array(guess), np.array([1.0, 0.1, 7.0])) == expected


@pytest.mark.parametrize("n_rows", [2, 5000])
def test_all_equal_scores(n_rows: int) -> None:
    truth, _, weight = make_binary(3, n_rows, None)
    same = np.full(n_rows, 0.3)
    assert METRICS["roc_auc"].compute(truth, same, weight) == pytest.approx(0.5, abs=1e-12)
    share = weight[truth == 1].sum() / weight.sum()
    assert METRICS["average_precision"].compute(truth, same, weight) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_clips_certain_mistakes_as_scikit_learn_does(dtype: type) -> None:
    truth = np.array([0.0, 1.0, 1.0])
    chance: Array = np.array([1.0, 0.0, 0.5], dtype=dtype)
    expected = sk.log_loss(truth, chance)
    rel = 1e-9 if dtype is np.float64 else 1e-6
    assert METRICS["log_loss"].compute(truth, chance) == pytest.approx(expected, rel=rel)


def test_a_probability_of_one_half_is_class_0() -> None:
    assert METRICS["accuracy"].compute(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == 0.5
    assert METRICS["accuracy"].compute(np.array([0.0, 1.0]), np.array([[0.5, 0.5], [0.5, 0.5]])) == 0.5


# Laws of weights

weights = st.lists(st.integers(0, 3), min_size=6, max_size=40)


def make_case(name: str, n_rows: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    if "regression" in METRICS[name].tasks:
        return rng.integers(0, 5, n_rows).astype(float), rng.normal(size=n_rows)
    if seed % 2:
        return np.arange(n_rows) % 3, rng.dirichlet([1, 1, 1], n_rows).round(1).clip(0, 1)
    return np.arange(n_rows) % 2, rng.random(n_rows).round(1)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("balanced", [False, True])
@given(counts=weights, seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_weight_2_is_the_row_twice_and_weight_0_no_row(name: str, balanced: bool, counts: list[int], seed: int) -> None:
    counts[:3] = [max(1, count) for count in counts[:3]]
    truth, prediction = make_case(name, len(counts), seed)
    weighted = METRICS[name].compute(truth, prediction, np.array(counts), balanced=balanced)
    repeated = METRICS[name].compute(np.repeat(truth, counts), np.repeat(prediction, counts, axis=0), balanced=balanced)
    assert weighted == pytest.approx(repeated, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_scale_of_weights_does_not_matter(name: str) -> None:
    truth, prediction = make_case(name, 200, 7)
    weight = np.random.default_rng(0).gamma(1, 1, 200)
    first = METRICS[name].compute(truth, prediction, weight)
    assert METRICS[name].compute(truth, prediction, 1e-7 * weight) == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_negative_weights_enter_roc_auc_as_the_closed_form_over_pairs_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score, weight = rng.integers(0, 2, 60), rng.random(60).round(1), rng.normal(1.0, 1.0, 60)
    positive, negative = truth == 1, truth == 0
    pairs = np.sign(score[positive][:, None] - score[negative][None, :]) / 2 + 0.5
    product = np.outer(weight[positive], weight[negative])
    expected = (pairs * product).sum() / product.sum()
    assert METRICS["roc_auc"].compute(truth, score, weight) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_negative_weights_enter_average_precision_with_their_sign(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, score, weight = rng.integers(0, 2, 60), rng.random(60).round(1), rng.normal(1.0, 1.0, 60)
    expected = 0.0
    for cut in np.unique(score):
        above, here = score >= cut, score == cut
        precision = weight[above & (truth == 1)].sum() / weight[above].sum()
        expected += precision * weight[here & (truth == 1)].sum() / weight[truth == 1].sum()
    assert METRICS["average_precision"].compute(truth, score, weight) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("name", "term"), [("mae", np.abs), ("rmse", np.square)])
def test_negative_weights_enter_means_with_their_sign(name: str, term: Any) -> None:
    truth, guess, weight = np.array([1.0, 2.0, 5.0]), np.array([1.5, 0.0, 4.0]), np.array([1.0, 2.0, -0.5])
    mean = (weight * term(truth - guess)).sum() / weight.sum()
    assert METRICS[name].compute(truth, guess, weight) == pytest.approx(mean if name == "mae" else mean**0.5)


# Balance


@pytest.mark.parametrize("name", ["log_loss", "accuracy"])
@pytest.mark.parametrize("make", [make_binary, make_multiclass])
def test_balanced_scores_are_those_under_balanced_weights(name: str, make: Any) -> None:
    truth, chance, weight = make(5, 3000, None)
    expected = METRICS[name].compute(truth, chance, balance_classes(weight, truth.astype(int)))
    assert METRICS[name].compute(truth, chance, weight, balanced=True) == pytest.approx(expected, rel=1e-12)


def test_balanced_accuracy_is_scikit_learns() -> None:
    truth, chance, weight = make_multiclass(5, 300, None)
    expected = sk.balanced_accuracy_score(truth, chance.argmax(axis=1), sample_weight=weight)
    assert METRICS["accuracy"].compute(truth, chance, weight, balanced=True) == pytest.approx(expected, rel=1e-12)


def test_balance_leaves_out_classes_without_rows() -> None:
    truth, chance = np.array([0, 0, 2]), np.eye(3)[[0, 1, 2]]
    assert METRICS["accuracy"].compute(truth, chance, balanced=True) == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_rank_metrics_do_not_change_with_balance(name: str) -> None:
    truth, chance, weight = make_binary(5, 300, None)
    metric = METRICS[name]
    assert metric.compute(truth, chance, weight, balanced=True) == metric.compute(truth, chance, weight)


# What has no score

ONE = np.array([1.0, 1.0])
HALF = np.array([0.5, 0.4])


@pytest.mark.parametrize(
    ("name", "truth", "weight", "message"),
    [
        ("roc_auc", ONE, None, "roc_auc is undefined: there are no rows of class '0'"),
        ("average_precision", 1 - ONE, None, "average_precision is undefined: there are no rows of class '1'"),
        ("roc_auc", [0, 1], [1, 0], "there are no rows of class '1'"),
        ("roc_auc", [0, 1], [-2, 1], "the weights of class '0' sum to -2, which is not above 0"),
        ("log_loss", [0, 1], [-2, 1], "the weights of the rows sum to -1, which is not above 0"),
        ("rmse", [0, 1], [0, 0], "there are no rows with a weight"),
        ("rmse", [10, 0.4], [-1, 2], "negative weights outweigh the rest"),
    ],
)
def test_undefined_scores_say_why(name: str, truth: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METRICS[name].compute(np.array(truth), HALF, None if weight is None else np.array(weight))


def test_average_precision_needs_positives_only() -> None:
    assert METRICS["average_precision"].compute(ONE, HALF) == sk.average_precision_score(ONE, HALF) == 1.0


@pytest.mark.parametrize(
    ("truth", "prediction", "weight", "message"),
    [
        ([0, 1], [0.1, np.nan], None, "1 of 2 numbers in prediction are not finite"),
        ([0, 1], [0.1, 0.2], [1, np.inf], "1 of 2 numbers in weight are not finite"),
        ([0, 1], [0.1, 0.2, 0.3], None, r"prediction has shape \(3,\), expected \(2,\)"),
        ([0, 2], [0.1, 0.2], None, "truth must hold class indices from 0 to 1"),
        ([0, 0.5], [0.1, 0.2], None, "truth must hold class indices from 0 to 1"),
        ([0, 1], [0.1, 1.2], None, r"probabilities must lie in \[0, 1\]; found 0.1 to 1.2"),
    ],
)
def test_wrong_arrays_are_refused(truth: Any, prediction: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METRICS["log_loss"].compute(np.array(truth), np.array(prediction), None if weight is None else np.array(weight))


# The list


def test_names_and_directions() -> None:
    assert {name for name, metric in METRICS.items() if not metric.greater_is_better} == {"log_loss", "rmse", "mae"}
    assert list_metrics("regression") == ("rmse", "mae", "r2")
    assert list_metrics("binary")[:4] == list_metrics("multiclass")
    assert list_metrics("binary")[4:] == ("signal_efficiency@background=0.01", "background_rejection@signal=0.5")
    assert set(list_metrics()) == {*list_metrics("binary"), *list_metrics("regression")}
    for name, metric in METRICS.items():
        assert metric.name == name
    for kind in ("binary", "multiclass", "regression"):
        assert kind in METRICS[default_rank_by(kind)].tasks


def test_unknown_names_get_a_suggestion() -> None:
    assert find_metric("roc_acu") is None
    assert get_metric("r2") is METRICS["r2"]
    with pytest.raises(ValueError, match="no metric is called 'roc_acu': did you mean 'roc_auc'"):
        get_metric("roc_acu")
    with pytest.raises(ValueError, match="no metric is called 'f1': there are roc_auc, log_loss, accuracy"):
        get_metric("f1")
    assert suggest_metric("AUC") == "roc_auc"
    assert suggest_metric("mse", "binary") is None
    assert suggest_metric("logloss", "binary") == "log_loss"


def test_headings_name_balance_only_where_it_matters() -> None:
    assert heading("log_loss", balanced=True) == "log_loss (classes balanced)"
    assert heading("log_loss", balanced=False) == "log_loss"
    assert heading("roc_auc", balanced=True) == "roc_auc"


def test_tables_and_checks_do_not_import_numpy() -> None:
    names = ("metrics", "cut_names", "scores", "comparison", "formatting", "optimism", "racing")
    modules = ", ".join(f"rapidml.evaluate.{name}" for name in names)
    code = f"import sys, {modules}; print(sorted({{'numpy', 'scipy', 'sklearn', 'pydantic'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
