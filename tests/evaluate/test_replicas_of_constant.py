"""A prediction that is the same for all rows: its ROC area is one half in every replica, without drawing any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rapidml.dataset.frame import Task
from rapidml.evaluate.replicas import ENOUGH
from rapidml.evaluate.scores import Score, ScoredRows, score_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINARY = Task("binary", ("b", "s"))


def score(
    truth: NDArray[np.float64], weight: NDArray[np.float64] | None = None, metrics: tuple[str, ...] = ("roc_auc",)
) -> dict[str, Score]:
    ids = np.arange(len(truth), dtype=np.uint64)
    return score_parts([ScoredRows(ids, truth, np.full(len(truth), 0.3, np.float32), weight)], metrics, BINARY)


def test_many_rows_are_a_coin_toss() -> None:
    truth = (np.arange(1000) % 3 == 0).astype(float)
    found = score(truth, np.linspace(0, 2, 1000))["roc_auc"]
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert found.value == roc_auc_score(truth, np.full(1000, 0.3))
    assert set(found.replicas) == {0.5}


def test_beside_other_metrics_it_is_the_same() -> None:
    truth = (np.arange(1000) % 3 == 0).astype(float)
    assert score(truth, metrics=("roc_auc", "log_loss"))["roc_auc"].value == pytest.approx(0.5, abs=1e-12)


def test_a_rare_class_is_drawn_as_ever() -> None:
    truth = np.zeros(500)
    truth[:2] = 1
    replicas = np.array(score(truth)["roc_auc"].replicas)
    assert np.isnan(replicas).any(), "some replicas draw neither of two rows: exp(-2) of them"
    assert ENOUGH > 2


def test_negative_weights_are_drawn_as_ever() -> None:
    truth = (np.arange(400) % 2).astype(float)
    weight = np.where(truth == 1, -1.0, 1.0)
    found = score(truth, weight)["roc_auc"]
    assert np.isnan(found.value)
    assert found.undefined is not None
