"""One model as a whole: what is held out, prepared, implied and remembered."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.dataset.frame import Column, Frame, TrainingRows
from rapidml.dataset.split import early_stopping_mask
from rapidml.errors import ModelError
from rapidml.models.fitting import ModelSpec, load_model, middle_rounds, resolve_model, train
from rapidml.models.matrix import flat_categorical, flat_names, make_matrix
from rapidml.recipe.schema import Choice, ModelEntry
from tests.models.conformance import TASKS, make_rows

if TYPE_CHECKING:
    from pathlib import Path

BINARY = TASKS["binary"]
LOGISTIC = "sklearn.linear_model.LogisticRegression"
IMPUTE = Choice(name="impute", options={"value": "median"})


def resolve(type_name: str, **fields: Any) -> ModelSpec:
    return resolve_model(ModelEntry(type=type_name, **fields), BINARY)


# Specifications


def test_entries_become_specifications() -> None:
    plain = resolve("xgboost", params={"eta": 0.1})
    assert plain.params == {"n_estimators": 100, "learning_rate": 0.1}
    assert (plain.rounds, plain.iterations, plain.early_stopping) == (100, "n_estimators", None)
    stopped = resolve("xgboost", early_stopping=30)
    assert stopped.params == {"n_estimators": 2000}
    assert (stopped.rounds, stopped.early_stopping) == (None, 30)
    linear = resolve(LOGISTIC, weights="ignore")
    assert (linear.rounds, linear.iterations, linear.weights_ignored) == (None, None, True)
    assert stopped.with_rounds(40).rounds == 40
    with pytest.raises(ValueError, match="has no rounds"):
        linear.with_rounds(40)


def test_specifications_survive_json() -> None:
    spec = resolve("xgboost", params={"max_depth": 3}, early_stopping=9, prepare=(IMPUTE,))
    assert ModelSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(("best", "middle"), [([7], 7), ([9, 3], 3), ([5, 1, 9], 5), ([4, 1, 3, 2], 2)])
def test_the_final_fit_takes_the_lower_median(best: list[int], middle: int) -> None:
    assert middle_rounds(best) == middle


def test_a_median_needs_rounds() -> None:
    with pytest.raises(ValueError, match="no fold"):
        middle_rounds([])


# Holding out


def test_early_stopping_holds_out_rows_by_their_ids() -> None:
    rows = make_rows("binary", 600, weighted=True)
    model = train(resolve("xgboost", params={"max_depth": 2}, early_stopping=5), rows, BINARY, seed=11)
    assert model.best_round is not None
    kept = rows.take(~early_stopping_mask(rows.ids, 11))
    fixed = train(resolve("xgboost", params={"max_depth": 2, "n_estimators": model.best_round}), kept, BINARY, seed=11)
    np.testing.assert_array_equal(model.predict(rows.features), fixed.predict(rows.features))


def test_fixed_rounds_win_over_early_stopping() -> None:
    rows = make_rows("binary")
    spec = resolve("xgboost", params={"max_depth": 2}, early_stopping=5).with_rounds(6)
    plain = resolve("xgboost", params={"max_depth": 2, "n_estimators": 6})
    first, second = (train(s, rows, BINARY, seed=1) for s in (spec, plain))
    assert (first.rounds, first.best_round) == (6, None)
    np.testing.assert_array_equal(first.predict(rows.features), second.predict(rows.features))


def test_the_order_of_rows_in_memory_is_part_of_the_fit_but_not_of_the_holding_out() -> None:
    rows = make_rows("binary", 500)
    turned = rows.take(np.arange(500)[::-1])
    np.testing.assert_array_equal(early_stopping_mask(rows.ids, 3), early_stopping_mask(turned.ids, 3)[::-1])


# Preparation


def test_missing_values_are_filled_as_in_training(tmp_path: Path) -> None:
    rows = make_rows("binary", missing=True, weighted=True)
    spec = resolve(LOGISTIC, prepare=(IMPUTE, Choice(name="standardize")))
    model = train(spec, rows, BINARY, seed=1)
    only_missing = Frame(tuple(Column(c.name, np.full(2, np.nan)) for c in rows.features.columns))
    assert np.isfinite(model.predict(only_missing)).all()
    model.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict(only_missing), model.predict(only_missing))


def test_preparation_sees_the_training_rows_alone() -> None:
    rows = make_rows("binary", 600)
    mask = early_stopping_mask(rows.ids, 1)
    spec = resolve("xgboost", params={"max_depth": 2, "n_estimators": 5}, prepare=(IMPUTE,), early_stopping=50)
    first = rows.features.columns[0]
    shifted = Column(first.name, np.where(mask, np.nan, first.values))
    other = replace(rows, features=Frame((shifted, *rows.features.columns[1:])))
    filled = train(spec, other, BINARY, seed=1).preparation
    assert filled is not None
    frame = filled.apply(
        Frame((Column("x0", np.array([np.nan])), *(c for c in rows.features.take(np.array([0])).columns[1:])))
    )
    assert frame.columns[0].values[0] == pytest.approx(np.median(first.values[~mask]), rel=1e-6)


def test_categories_are_one_hot_encoded_where_an_adapter_needs_it() -> None:
    rows = make_rows("binary", categories=True)
    implied = train(resolve(LOGISTIC), rows, BINARY, seed=1)
    written = train(resolve(LOGISTIC, prepare=(Choice(name="one_hot"),)), rows, BINARY, seed=1)
    np.testing.assert_array_equal(implied.predict(rows.features), written.predict(rows.features))
    assert train(resolve("xgboost"), rows, BINARY, seed=1).preparation is None


def test_only_categories_of_the_fits_own_rows_are_known() -> None:
    rows = make_rows("binary", categories=True)
    group = rows.features.columns[-1]
    without = rows.take(group.values != 3)
    wider = replace(
        without,
        features=Frame(
            (*without.features.columns[:-1], Column("group", without.features.columns[-1].values, (*"abcd", "zz")))
        ),
    )
    first, second = (train(resolve("xgboost"), r, BINARY, seed=1) for r in (without, wider))
    assert first.features[-1].categories == ("a", "b", "c")
    np.testing.assert_array_equal(first.predict(rows.features), second.predict(rows.features))


# Refusals


def test_columns_of_another_kind_are_refused() -> None:
    rows = make_rows("binary", categories=True)
    model = train(resolve("xgboost"), rows, BINARY, seed=1)
    *numbers, group = rows.features.columns
    with pytest.raises(ModelError, match="'group' held categories in training and now holds numbers"):
        model.predict(Frame((*numbers, Column("group", group.values.astype(float)))))
    with pytest.raises(ModelError, match="'x0' had shape"):
        model.predict(Frame((Column("x0", np.ones((400, 2))), *numbers[1:], group)))


def test_rows_without_weight_cannot_train() -> None:
    rows = replace(make_rows("binary"), weight=np.zeros(400))
    with pytest.raises(ModelError, match="no rows whose weight is not 0"):
        train(resolve("xgboost"), rows, BINARY, seed=1)


def test_negative_values_are_explained() -> None:
    rows = make_rows("binary")
    first = rows.features.columns[0]
    negative = replace(rows, features=Frame((Column("x0", first.values - 9), *rows.features.columns[1:])))
    with pytest.raises(ModelError, match="'x0' holds negative values"):
        train(resolve("sklearn.naive_bayes.MultinomialNB"), negative, BINARY, seed=1)


def test_newer_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not hold a whole model"):
        load_model(tmp_path)
    train(resolve("xgboost"), make_rows("binary"), BINARY, seed=1).save(tmp_path)
    about = tmp_path / "model.json"
    about.write_text(about.read_text().replace('"format": 1,', '"format": 2,', 1))
    with pytest.raises(ModelError, match="format 2; this rapidml reads 1: upgrade it"):
        load_model(tmp_path)


# Matrices


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 5))
def test_matrices_hold_every_number_once(widths: list[int], n: int) -> None:
    values = np.arange(float(n * sum(widths))).reshape(n, sum(widths))
    edges = np.cumsum([0, *widths])
    columns = [Column(f"c{i}", values[:, a:b].reshape(n, b - a, 1)) for i, (a, b) in enumerate(pairwise(edges))]
    frame = Frame(tuple(columns))
    np.testing.assert_array_equal(make_matrix(frame, np.float64), values)
    assert len(flat_names(frame)) == len(flat_categorical(frame)) == sum(widths)


def test_missing_categories_are_nan_in_a_matrix() -> None:
    frame = Frame((Column("g", np.array([1, -1], np.int32), ("a", "b")), Column("x", np.array([5, 6]))))
    np.testing.assert_array_equal(make_matrix(frame, np.float32), [[1, 5], [np.nan, 6]])
    assert flat_categorical(frame) == [True, False]
    assert flat_names(frame) == ["g", "x"]
    image = Frame((Column("image", np.ones((2, 2, 2))),))
    assert flat_names(image) == ["image[0]", "image[1]", "image[2]", "image[3]"]


def test_training_rows_are_not_changed() -> None:
    rows: TrainingRows = make_rows("binary", categories=True, weighted=True, missing=True)
    before = [column.values.copy() for column in rows.features.columns]
    train(resolve("xgboost", early_stopping=3), rows, BINARY, seed=1)
    for column, values in zip(rows.features.columns, before, strict=True):
        np.testing.assert_array_equal(column.values, values)
