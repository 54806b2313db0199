"""Draws that are kept for many models: the very ones that are made anew, and scores that do not depend on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rapidml.dataset.frame import Task
from rapidml.evaluate.bootstrap import N_REPLICAS, KeptDraws, poisson_draws
from rapidml.evaluate.scores import ScoredRows, score_parts

IDS = np.random.default_rng(3).integers(0, 2**63, 2500).astype(np.uint64)


def test_they_are_those_made_anew() -> None:
    kept = KeptDraws()
    found = kept.find("held:0", IDS)
    assert found is not None
    assert_array_equal(found, poisson_draws(IDS).T)
    assert kept.find("held:0", IDS) is found
    assert_array_equal(kept.find("held:1", IDS[:7]), poisson_draws(IDS[:7]).T)


def test_no_more_than_fits() -> None:
    kept = KeptDraws()
    kept.most_bytes = 3000 * N_REPLICAS
    assert kept.find("held:0", IDS) is not None
    assert kept.find("held:1", IDS) is None
    assert kept.find("held:2", IDS[:500]) is not None
    assert kept.find("held:3", IDS[:1]) is None


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        (Task("binary", ("b", "s")), ["roc_auc"]),
        (
            Task("binary", ("b", "s")),
            ["roc_auc", "average_precision", "log_loss", "signal_efficiency@background=0.1"],
        ),
        (Task("multiclass", ("a", "b", "c")), ["roc_auc", "accuracy"]),
        (Task("regression"), ["rmse", "r2"]),
    ],
    ids=["one", "binary", "multiclass", "regression"],
)
@pytest.mark.parametrize("weighting", ["none", "weights", "some zero"])
def test_scores_are_equal(task: Task, metrics: list[str], weighting: str) -> None:
    draw = np.random.default_rng(4)
    weight = None if weighting == "none" else draw.random(len(IDS))
    if weight is not None and weighting == "some zero":
        weight[::3] = 0
    truth = draw.normal(size=len(IDS)) if task.kind == "regression" else draw.integers(0, len(task.classes), len(IDS))
    prediction = draw.random((len(IDS), 3) if task.kind == "multiclass" else len(IDS))
    if task.kind == "multiclass":
        prediction /= prediction.sum(axis=1, keepdims=True)
    rows = ScoredRows(IDS, truth, prediction, weight)
    with_draws = replace(rows, draws=KeptDraws().find("test", IDS))
    assert score_parts([rows], metrics, task) == score_parts([with_draws], metrics, task)
    fewer = score_parts([with_draws], metrics, task, n_replicas=20)
    assert fewer == score_parts([rows], metrics, task, n_replicas=20)
    more = score_parts([with_draws], metrics, task, n_replicas=N_REPLICAS + 10)
    assert more == score_parts([rows], metrics, task, n_replicas=N_REPLICAS + 10)
