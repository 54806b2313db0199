"""Rows without weights: replicas of the ROC area are computed in single precision, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import roc_auc_score

from rapidml.dataset.frame import Task
from rapidml.evaluate.bootstrap import poisson_draws
from rapidml.evaluate.scores import ScoredRows, score_parts

BINARY = Task("binary", ("b", "s"))
N_ROWS = 3000


def make_rows(weight: float | None, digits: int, share: float = 0.5) -> ScoredRows:
    """Rows of equal weight; few digits make ties."""
    draw = np.random.default_rng(5)
    truth = (draw.random(N_ROWS) < share).astype(float)
    score = np.round(1 / (1 + np.exp(-truth - draw.normal(size=N_ROWS))), digits).astype(np.float32)
    weights = None if weight is None else np.full(N_ROWS, weight)
    return ScoredRows(np.arange(N_ROWS, dtype=np.uint64), truth, score, weights)


@pytest.mark.parametrize("digits", [7, 2], ids=["no ties", "ties"])
@pytest.mark.parametrize("share", [0.5, 0.99, 0.01])
def test_double_precision_gives_the_same(digits: int, share: float) -> None:
    plain, twice = (
        score_parts([make_rows(weight, digits, share)], ["roc_auc"], BINARY)["roc_auc"] for weight in (None, 2.0)
    )
    assert_array_equal(plain.replicas, twice.replicas)  # a factor of two changes no digit
    assert plain.value == twice.value


def test_replicas_are_those_of_scikit_learn() -> None:
    rows = make_rows(None, 2)
    found = score_parts([rows], ["roc_auc"], BINARY, n_replicas=5)["roc_auc"].replicas
    draws = poisson_draws(rows.ids, 5)
    assert found == pytest.approx([roc_auc_score(rows.truth, rows.prediction, sample_weight=one) for one in draws])
