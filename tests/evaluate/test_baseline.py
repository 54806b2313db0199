"""The dummy row."""

from __future__ import annotations

import numpy as np
import pytest

from rapidml.dataset.frame import Task
from rapidml.evaluate.baseline import baseline_prediction
from rapidml.evaluate.scores import ScoredRows, score_parts

BINARY, SEVERAL = Task("binary", ("no", "yes")), Task("multiclass", ("a", "b", "c"))
TRUTH = np.array([0.0, 1.0, 1.0, 0.0])


def test_class_shares_are_weighted() -> None:
    assert baseline_prediction(TRUTH, None, 3, BINARY).tolist() == [0.5, 0.5, 0.5]
    assert baseline_prediction(TRUTH, np.array([1.0, 2.0, 1.0, 0.0]), 2, BINARY).tolist() == [0.75, 0.75]
    assert baseline_prediction(TRUTH, None, 2, SEVERAL).tolist() == [[0.5, 0.5, 0.0]] * 2


def test_regression_predicts_the_weighted_mean() -> None:
    prediction = baseline_prediction(np.array([1.0, 5.0]), np.array([3.0, 1.0]), 2, Task("regression"))
    assert prediction.tolist() == [2.0, 2.0]
    assert prediction.dtype == np.float32


def test_negative_sums_are_no_share() -> None:
    assert baseline_prediction(TRUTH, np.array([-1.0, 2.0, 1.0, 0.0]), 1, BINARY).tolist() == [1.0]
    with pytest.raises(ValueError, match="sum to -1"):
        baseline_prediction(TRUTH, np.array([-3.0, 1.0, 1.0, 0.0]), 1, BINARY)


def test_its_scores_are_those_of_knowing_nothing() -> None:
    truth = np.arange(400) % 4 == 0
    guess = baseline_prediction(truth.astype(float), None, 400, BINARY)
    rows = ScoredRows(np.arange(400).astype(np.uint64), truth.astype(float), guess)
    scores = score_parts([rows], ["roc_auc", "log_loss", "average_precision"], BINARY)
    assert (scores["roc_auc"].value, scores["roc_auc"].std) == pytest.approx((0.5, 0.0), abs=1e-12)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert scores["log_loss"].value == pytest.approx(entropy, rel=1e-7)
    assert scores["average_precision"].value == pytest.approx(0.25)
