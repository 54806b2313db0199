"""Scores alone: the same numbers as with replicas, to the last bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidml.dataset.frame import Task
from rapidml.evaluate.metrics import list_metrics
from rapidml.evaluate.points import point_scores
from rapidml.evaluate.ranking import rank_rows
from rapidml.evaluate.scores import ScoredRows, score_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASKS = {
    "binary": Task("binary", ("background", "signal")),
    "multiclass": Task("multiclass", ("a", "b", "c")),
    "regression": Task("regression"),
}


def make_rows(task: Task, n_rows: int, weights: str, dtype: type, decimals: int | None) -> ScoredRows:
    rng = np.random.default_rng(n_rows)
    ids = np.arange(n_rows, dtype=np.uint64)
    weight = {"none": None, "plain": rng.gamma(1, 1, n_rows), "signed": rng.normal(1, 1, n_rows).round(1)}[weights]
    n_classes = len(task.classes)
    truth = rng.normal(size=n_rows) if not n_classes else rng.integers(0, n_classes, n_rows)
    if task.kind == "regression":
        prediction = truth + rng.normal(size=n_rows)
    elif task.kind == "binary":
        prediction = rng.random(n_rows)
    else:
        prediction = rng.dirichlet([1] * n_classes, n_rows)
    if decimals is not None:
        prediction = prediction.round(decimals)
    return ScoredRows(ids, truth, prediction.astype(dtype), weight)


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("n_rows", [0, 1, 37, 2500])
@pytest.mark.parametrize(
    ("weights", "dtype", "decimals"), [("none", np.float32, None), ("plain", np.float32, 1), ("signed", np.float64, 2)]
)
def test_equal_to_the_value_with_replicas_to_the_last_bit(
    kind: str, balanced: bool, n_rows: int, weights: str, dtype: type, decimals: int | None
) -> None:
    task = TASKS[kind]
    part = make_rows(task, n_rows, weights, dtype, decimals)
    names = list_metrics(kind)
    points = point_scores(part, names, task, balanced=balanced)
    scores = score_parts([part], names, task, balanced=balanced, n_replicas=3)
    assert list(points) == list(scores) == list(names)
    for name, value in points.items():
        assert repr(value) == repr(scores[name].parts[0])
        assert repr(point_scores(part, [name], task, balanced=balanced)[name]) == repr(value)
        assert math.isnan(value) is (scores[name].undefined is not None)


def test_value_of_a_constant_prediction_is_one_half_in_both() -> None:
    truth = np.arange(1000) % 3 == 0
    part = ScoredRows(np.arange(1000, dtype=np.uint64), truth, np.full(1000, 0.3, np.float32), np.linspace(0, 2, 1000))
    for names in (["roc_auc"], ["roc_auc", "log_loss"]):
        assert point_scores(part, names, TASKS["binary"])["roc_auc"] == 0.5
        assert score_parts([part], names, TASKS["binary"])["roc_auc"].value == 0.5


def test_names_are_the_metrics_own() -> None:
    part = make_rows(TASKS["binary"], 50, "none", np.float32, None)
    points = point_scores(part, ["signal_efficiency@background=1e-2", "roc_auc"], TASKS["binary"])
    assert list(points) == ["signal_efficiency@background=0.01", "roc_auc"]


def test_mistakes_are_refused() -> None:
    part = make_rows(TASKS["binary"], 50, "none", np.float32, None)
    with pytest.raises(ValueError, match="rmse is for regression, not for binary"):
        point_scores(part, ["rmse"], TASKS["binary"])
    with pytest.raises(ValueError, match="no metric is called 'roc'"):
        point_scores(part, ["roc"], TASKS["binary"])
    part.prediction[3] = np.nan
    with pytest.raises(ValueError, match="1 of 50 numbers in prediction are not finite"):
        point_scores(part, ["roc_auc"], TASKS["binary"])


# The order of rows


def check_order(score: NDArray[np.float32], positive: NDArray[np.bool_]) -> None:
    found = rank_rows(score, positive, np.ones(len(score)))
    expected = sorted(range(len(score)), key=lambda row: (-float(score[row]), bool(positive[row]), row))
    assert found.order.tolist() == expected
    assert np.array_equal(found.is_positive, positive[expected])
    ranked = score[expected]
    assert found.is_end.tolist() == [i + 1 == len(ranked) or ranked[i] != ranked[i + 1] for i in range(len(ranked))]


@given(
    rows=st.lists(
        st.tuples(
            st.floats(width=32, allow_nan=False, allow_infinity=False)
            | st.sampled_from([0.0, -0.0, 0.5, -0.5, 1e-45, -1e-45]),
            st.booleans(),
        ),
        max_size=30,
    )
)
@settings(max_examples=200, deadline=None)
def test_rows_of_single_precision_are_sorted_by_score_then_kind_then_place(rows: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in rows], dtype=np.float32)
    check_order(scores, np.array([kind for _, kind in rows], dtype=bool))


def test_both_precisions_give_one_order() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=4000).round(2).astype(np.float32)
    positive = rng.random(4000) < 0.5
    single, double = (rank_rows(score.astype(dtype), positive, np.ones(4000)) for dtype in (np.float32, np.float64))
    assert np.array_equal(single.order, double.order)
    strided = np.stack([score, -score], axis=1)[:, 0]
    assert np.array_equal(rank_rows(strided, positive, np.ones(4000)).order, single.order)
