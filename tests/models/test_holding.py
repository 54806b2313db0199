"""Rows kept in a library's form: who can share them, and that nothing of a fit or a prediction depends on it."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.dataset.frame import Column, Frame
from rapidml.errors import ModelError
from rapidml.models.fitting import ModelSpec, load_model, resolve_model, train
from rapidml.models.holding import held_content, hold, predict_held, train_held
from rapidml.models.scikit_learn import ScikitLearn, list_classes
from rapidml.models.shares import Source
from rapidml.recipe.schema import Choice, ModelEntry
from tests.models.conformance import TASKS, Kind, make_rows, stored_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BINARY = TASKS["binary"]
FOREST, BAYES = "sklearn.ensemble.RandomForestClassifier", "sklearn.naive_bayes.GaussianNB"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
IMPUTE = Choice(name="impute", options={"value": "median"})
RANDOM = {"subsample": 0.7, "colsample_bynode": 0.6, "n_estimators": 52, "max_depth": 3}


def spec(type_name: str = "xgboost", kind: Kind = "binary", **fields: Any) -> ModelSpec:
    return resolve_model(ModelEntry(type=type_name, **fields), TASKS[kind])


# Who shares rows


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (spec(), spec(params={"max_depth": 3, "n_estimators": 7, "subsample": 0.5, "eta": 0.1})),
        (spec(), spec(params={"max_bin": 256})),
        (spec(early_stopping=5), spec(early_stopping=50)),
        (spec(), spec(early_stopping=5).with_rounds(9)),
        (spec(LOGISTIC), spec(LOGISTIC, params={"C": 2.0})),
        (spec(FOREST), spec("sklearn.ensemble.ExtraTreesClassifier")),
    ],
)
def test_models_that_read_the_same_rows_share_them(one: ModelSpec, other: ModelSpec) -> None:
    assert held_content(one) == held_content(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (spec(), spec(params={"max_bin": 64})),
        (spec(), spec(early_stopping=5)),
        (spec(), spec(weights="ignore")),
        (spec(), spec(prepare=(IMPUTE,))),
        (spec(prepare=(IMPUTE,)), spec(prepare=(Choice(name="impute", options={"value": "mean"}),))),
        (spec(), spec(device="cuda")),
        (spec(), spec(FOREST)),
        (spec(FOREST), spec(BAYES)),  # of these only one takes missing values
    ],
)
def test_models_that_read_other_rows_do_not(one: ModelSpec, other: ModelSpec) -> None:
    assert held_content(one) != held_content(other)


def test_rows_of_shards_are_not_held() -> None:
    rows = make_rows("binary")
    dealt = spec(shards=2)
    with pytest.raises(ValueError, match="a fit of 2 shards has its rows dealt to ranks"):
        hold(dealt, Source.from_rows(rows), rows.features, BINARY, seed=1)
    held = hold(spec(), Source.from_rows(rows), rows.features, BINARY, seed=1)
    with pytest.raises(ValueError, match="a fit of 2 shards has its rows dealt to ranks"):
        train_held(dealt, held, BINARY, seed=1)


def test_rows_serve_no_model_of_another_form() -> None:
    rows = make_rows("binary")
    held = hold(spec(), Source.from_rows(rows), rows.features, BINARY, seed=1)
    with pytest.raises(ValueError, match="these rows are held for models with"):
        train_held(spec(params={"max_bin": 64}), held, BINARY, seed=1)


def test_rows_that_cannot_train_are_refused_at_once() -> None:
    rows = make_rows("binary", missing=True)
    with pytest.raises(ModelError, match=r"prepare: \[impute: median\]"):
        hold(spec(LOGISTIC), Source.from_rows(rows), rows.features, BINARY, seed=1)
    whole = make_rows("binary")
    with pytest.raises(ModelError, match=r"prepare: \[impute: median\]"):
        hold(spec(LOGISTIC), Source.from_rows(whole), rows.features, BINARY, seed=1)
    with pytest.raises(ModelError, match="one class, 'signal'"):
        hold(spec(), Source.from_rows(whole.take(whole.target == 1)), whole.features, BINARY, seed=1)


# The same bytes


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_many_models_on_the_same_binned_rows_are_those_on_fresh_ones(kind: Kind, tmp_path: Path) -> None:
    rows = make_rows(kind, weighted=True, categories=True, missing=True)
    shown = make_rows(kind, 200, seed=1, categories=True, missing=True).features
    task = TASKS[kind]
    held = hold(spec(kind=kind), Source.from_rows(rows), shown, task, seed=2)
    params: list[dict[str, Any]] = [RANDOM, {"max_depth": 8, "n_estimators": 5}, RANDOM | {"eta": 0.05}, RANDOM]
    for number, given in enumerate(params):
        wanted = spec(kind=kind, params=given)
        model, fresh = train_held(wanted, held, task, seed=2), train(wanted, rows, task, seed=2)
        assert stored_bytes(model, tmp_path / f"{number}") == stored_bytes(fresh, tmp_path / f"{number} fresh")
        np.testing.assert_array_equal(predict_held(model, held)[0], fresh.predict(shown))


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_early_stopping_watches_the_same_rows(kind: Kind, tmp_path: Path) -> None:
    rows, task = make_rows(kind, 600, weighted=True, missing=True), TASKS[kind]
    wanted = spec(kind=kind, params={"max_depth": 2, "subsample": 0.8}, early_stopping=5, prepare=(IMPUTE,))
    held = hold(wanted, Source.from_rows(rows), rows.features, task, seed=4)
    model, fresh = train_held(wanted, held, task, seed=4), train(wanted, rows, task, seed=4)
    assert model.best_round == fresh.best_round
    assert stored_bytes(model, tmp_path / "held") == stored_bytes(fresh, tmp_path / "fresh")
    np.testing.assert_array_equal(predict_held(model, held)[0], fresh.predict(rows.features))


def test_constraints_and_given_starts_are_used(tmp_path: Path) -> None:
    rows, task = make_rows("multiclass", weighted=True), TASKS["multiclass"]
    held = hold(spec(kind="multiclass"), Source.from_rows(rows), rows.features, task, seed=2)
    variants: list[dict[str, Any]] = [{"monotone_constraints": {"x1": -1}}, {"base_score": 0.1}]
    for number, params in enumerate(variants):
        wanted = spec(kind="multiclass", params={"n_estimators": 5, **params})
        model, fresh = train_held(wanted, held, task, seed=2), train(wanted, rows, task, seed=2)
        assert stored_bytes(model, tmp_path / f"{number}") == stored_bytes(fresh, tmp_path / f"{number} fresh")
    with pytest.raises(ModelError, match="names 'x9', which is not a feature"):
        train_held(spec(kind="multiclass", params={"monotone_constraints": {"x9": 1}}), held, task, seed=2)


def test_fits_on_held_rows_are_continued_and_reported(tmp_path: Path) -> None:
    rows = make_rows("binary", weighted=True)
    held = hold(spec(), Source.from_rows(rows), rows.features, BINARY, seed=2)
    short, long = (spec(params=RANDOM | {"n_estimators": n}) for n in (55, 70))
    stored_bytes(train_held(short, held, BINARY, seed=2), tmp_path / "short")
    start = load_model(tmp_path / "short").fitted
    seen: list[int] = []
    model = train_held(long, held, BINARY, seed=2, start=start, report=lambda done, total, losses: seen.append(done))
    assert seen == list(range(51, 71))  # from the end of the last block of random numbers
    fresh = train(long, rows, BINARY, seed=2)
    assert stored_bytes(model, tmp_path / "long") == stored_bytes(fresh, tmp_path / "fresh")


@pytest.mark.parametrize("name", list_classes())
def test_no_class_changes_the_rows_it_is_given(name: str, tmp_path: Path) -> None:
    adapter = ScikitLearn(name)
    kind: Kind = "regression" if "regression" in adapter.tasks else "binary"
    rows, task = make_rows(kind, 150, weighted=adapter.takes_weights), TASKS[kind]
    known = adapter._about["parameters"]
    small = {"n_estimators": 3, "max_iter": 20 if "HistGradient" not in name else 3}
    wanted = spec(name, kind, params={key: value for key, value in small.items() if key in known})
    held = hold(wanted, Source.from_rows(rows), rows.features, task, seed=3)
    before = [held.rows.matrix.copy(), held.rows.target.copy(), held.shown.copy()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn", message=".*(converge|onvergence|max_iter).*")
        models = [train_held(wanted, held, task, seed=3) for _ in range(2)]
    one, other = (predict_held(model, held)[0] for model in models)
    np.testing.assert_array_equal(one, other)
    for array, old in zip([held.rows.matrix, held.rows.target, held.shown], before, strict=True):
        np.testing.assert_array_equal(array, old)
    first, second = (stored_bytes(model, tmp_path / str(number)) for number, model in enumerate(models))
    assert first == second


# Memory


@pytest.mark.parametrize("type_name", ["xgboost", LOGISTIC])
def test_columns_are_not_kept_beside_the_librarys_form(type_name: str) -> None:
    rows = make_rows("binary", 2000)
    loaded: list[weakref.ref[NDArray[Any]]] = []

    def copy(frame: Frame) -> Frame:
        columns = tuple(Column(column.name, column.values.copy()) for column in frame.columns)
        loaded.extend(weakref.ref(column.values) for column in columns)
        return Frame(columns)

    source = Source(rows.target, rows.weight, rows.ids, lambda positions: copy(rows.features.take(positions)))
    held = hold(spec(type_name), source, copy(rows.features), BINARY, seed=1)
    gc.collect()
    assert len(loaded) >= 8
    assert [reference for reference in loaded if reference() is not None] == []
    n_numbers = 2000 * 4
    assert 2 * n_numbers < held.n_bytes < 20 * n_numbers


def test_the_size_of_held_rows_is_known() -> None:
    rows = make_rows("binary", 1000, weighted=True)
    held = hold(spec(BAYES), Source.from_rows(rows), rows.features, BINARY, seed=1)
    assert held.n_bytes == 8 * (2 * 1000 * 4 + 1000 + 1000)
    sizes = [
        hold(spec(params={"max_bin": bins}), Source.from_rows(rows), rows.features, BINARY, seed=1).n_bytes
        for bins in (64, 1000)
    ]
    assert 4 * 1000 * 4 < sizes[0] < sizes[1] < 20 * 1000 * 4
