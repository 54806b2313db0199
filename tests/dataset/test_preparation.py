"""Preparation steps against scikit-learn's, weights against repeated rows, exact storage, and messages."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from rapidml.dataset.frame import Column, Frame, TrainingRows
from rapidml.dataset.preparation import Preparation, check_steps, fit_preparation
from rapidml.errors import DatasetError
from rapidml.recipe.schema import Choice

NAN = np.nan
SEX = ("female", "male", "other")


def impute(strategy: str) -> Choice:
    return Choice(name="impute", options={"value": strategy})


def constant(value: Any) -> Choice:
    return Choice(name="impute", options={"constant": {"value": value}})


def pca(n_components: Any) -> Choice:
    return Choice(name="pca", options={"n_components": n_components})


def make_rows(numbers: np.ndarray, codes: np.ndarray | None = None, weight: np.ndarray | None = None) -> TrainingRows:
    columns = [Column(f"x{index}", values) for index, values in enumerate(numbers.T)]
    if codes is not None:
        columns.append(Column("sex", codes.astype(np.int32), SEX))
    return TrainingRows(Frame(tuple(columns)), np.zeros(len(numbers)), weight, np.arange(len(numbers), dtype=np.uint64))


def numbers_of(frame: Frame) -> np.ndarray:
    return np.stack([column.values for column in frame.columns], axis=1)


def sample(n_rows: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(3, 10, (n_rows, 4)).round(1)
    numbers[:, 2] = 0.1
    numbers[rng.random(numbers.shape) < 0.1] = NAN
    return numbers


@pytest.mark.parametrize("strategy", ["median", "mean", "most_frequent"])
def test_impute_is_scikit_learns(strategy: str) -> None:
    numbers = sample()
    prepared = fit_preparation([impute(strategy)], make_rows(numbers)).apply(make_rows(numbers).features)
    assert_allclose(numbers_of(prepared), SimpleImputer(strategy=strategy).fit_transform(numbers), rtol=1e-12)
    assert prepared.names == ("x0", "x1", "x2", "x3")


def test_impute_constants_fill_their_own_kind() -> None:
    rows = make_rows(np.array([[1.0], [NAN]]), np.array([-1, 1]))
    both = fit_preparation([constant(0), constant("unknown")], rows).apply(rows.features)
    assert_array_equal(both.columns[0].values, [1.0, 0.0])
    assert both.columns[1].categories == (*SEX, "unknown")
    assert_array_equal(both.columns[1].values, [3, 1])
    numbers_only = fit_preparation([constant(-1.5)], rows).apply(rows.features)
    assert_array_equal(numbers_only.columns[0].values, [1.0, -1.5])
    assert_array_equal(numbers_only.columns[1].values, [-1, 1])


@pytest.mark.parametrize("strategy", ["median", "mean", "most_frequent"])
def test_impute_gives_categories_their_most_frequent_label(strategy: str) -> None:
    rows = make_rows(np.ones((5, 1)), np.array([1, 2, -1, 2, 1]))
    prepared = fit_preparation([impute(strategy)], rows).apply(rows.features)
    assert_array_equal(prepared.columns[1].values, [1, 2, 1, 2, 1])
    rows = make_rows(np.ones((5, 1)), np.array([1, 2, -1, 2, 1]), np.array([1.0, 2, 1, 1, 1]))
    assert_array_equal(
        fit_preparation([impute(strategy)], rows).apply(rows.features).columns[1].values, [1, 2, 2, 2, 1]
    )


@pytest.mark.parametrize("is_weighted", [False, True])
def test_standardize_is_scikit_learns(*, is_weighted: bool) -> None:
    numbers = sample()
    weight = np.random.default_rng(1).uniform(0.1, 3, len(numbers)) if is_weighted else None
    rows = make_rows(numbers, weight=weight)
    prepared = fit_preparation([Choice(name="standardize")], rows).apply(rows.features)
    peer = StandardScaler().fit_transform(numbers, sample_weight=weight)
    assert_allclose(numbers_of(prepared), peer, rtol=1e-9, atol=1e-9)


def test_standardize_leaves_categories_and_keeps_narrow_types() -> None:
    rows = make_rows(np.array([[1.0], [3.0]]), np.array([0, -1]))
    prepared = fit_preparation([Choice(name="standardize")], rows).apply(rows.features)
    assert_array_equal(prepared.columns[0].values, [-1, 1])
    assert prepared.columns[1] is rows.features.columns[1]
    for dtype, expected in ((np.float32, np.float32), (np.uint8, np.float32), (np.int64, np.float64)):
        rows = make_rows(np.array([[1], [3]], dtype))
        assert (
            fit_preparation([Choice(name="standardize")], rows).apply(rows.features).columns[0].values.dtype == expected
        )


def test_one_hot_is_scikit_learns() -> None:
    codes = np.random.default_rng(2).integers(-1, 3, 100)
    codes[:90][codes[:90] == 2] = 1
    train = make_rows(np.ones((90, 1)), codes[:90])
    prepared = fit_preparation([Choice(name="one_hot")], train).apply(make_rows(np.ones((100, 1)), codes).features)
    assert prepared.names == ("x0", "sex=female", "sex=male")
    assert all(column.categories is None for column in prepared.columns)
    labels = np.array([*SEX, "missing"], object)[codes][:, None]
    peer = OneHotEncoder(categories=[["female", "male"]], handle_unknown="ignore", sparse_output=False)
    assert_array_equal(numbers_of(prepared)[:, 1:], peer.fit(labels[codes != 2][:5]).transform(labels))
    assert prepared.columns[1].values.dtype == np.float32


def test_labels_count_not_codes() -> None:
    train = make_rows(np.ones((3, 1)), np.array([0, 1, 1]))
    preparation = fit_preparation([impute("most_frequent"), Choice(name="one_hot")], train)
    other = Frame((Column("x0", np.ones(3)), Column("sex", np.array([0, 1, -1]), ("new", "female"))))
    assert_array_equal(numbers_of(preparation.apply(other))[:, 1:], [[0, 0], [1, 0], [0, 1]])


def test_array_features_are_prepared_element_by_element() -> None:
    images = np.random.default_rng(3).normal(size=(50, 2, 3))
    images[0, 0, 0] = NAN
    rows = TrainingRows(Frame((Column("image", images),)), np.zeros(50), None, np.arange(50, dtype=np.uint64))
    steps = [impute("mean"), Choice(name="standardize")]
    prepared = fit_preparation(steps, rows).apply(rows.features).columns[0].values
    peer = StandardScaler().fit_transform(SimpleImputer().fit_transform(images.reshape(50, 6)))
    assert_allclose(prepared, peer.reshape(50, 2, 3), atol=1e-12)


STEPS = {
    "median": [impute("median"), Choice(name="standardize"), Choice(name="one_hot")],
    "mean": [impute("mean"), Choice(name="one_hot"), Choice(name="standardize")],
    "most_frequent": [Choice(name="standardize"), impute("most_frequent"), Choice(name="one_hot")],
}
WITH_COMPONENTS = {**STEPS, "pca": [impute("median"), Choice(name="one_hot"), pca(3), Choice(name="standardize")]}


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(STEPS)),
    arrays(np.float64, (12, 2), elements=st.sampled_from([NAN, -1.5, 0.0, 0.25, 1.0, 7.0])),
    arrays(np.int64, 12, elements=st.integers(-1, 2)),
    arrays(np.int64, 12, elements=st.integers(0, 3)),
    st.floats(0.01, 100),
)
def test_whole_weights_are_repeated_rows(
    name: str, numbers: np.ndarray, codes: np.ndarray, times: np.ndarray, scale: float
) -> None:
    numbers[0], codes[0], times[0] = 2.0, 0, 1
    repeated = fit_preparation(STEPS[name], make_rows(np.repeat(numbers, times, axis=0), np.repeat(codes, times)))
    weighted = fit_preparation(STEPS[name], make_rows(numbers, codes, times * scale))
    features = make_rows(numbers, codes).features
    assert weighted.apply(features).names == repeated.apply(features).names
    assert_allclose(numbers_of(weighted.apply(features)), numbers_of(repeated.apply(features)), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(st.sampled_from(sorted(WITH_COMPONENTS)), st.integers(0, 99))
def test_storing_keeps_every_bit(name: str, seed: int) -> None:
    numbers = sample(40, seed)
    rows = make_rows(numbers, np.arange(40) % 3, np.random.default_rng(seed).random(40))
    preparation = fit_preparation(WITH_COMPONENTS[name], rows)
    stored = Preparation.from_json(json.loads(json.dumps(preparation.to_json(), allow_nan=False)))
    assert stored == preparation
    for one, other in zip(stored.apply(rows.features).columns, preparation.apply(rows.features).columns, strict=True):
        assert one.name == other.name
        assert one.values.tobytes() == other.values.tobytes()


@pytest.mark.parametrize("name", ["median", "pca"])
def test_rows_are_prepared_one_by_one(name: str) -> None:
    rows = make_rows(sample(), np.arange(200) % 3)
    preparation = fit_preparation(WITH_COMPONENTS[name], rows)
    part = np.arange(30, 70)
    assert_array_equal(
        numbers_of(preparation.apply(rows.features.take(part))), numbers_of(preparation.apply(rows.features))[part]
    )


def test_what_cannot_be_fitted_is_refused() -> None:
    empty = make_rows(np.array([[NAN], [NAN]]))
    with pytest.raises(DatasetError, match="column 'x0' has no value in the fit's rows"):
        fit_preparation([impute("mean")], empty)
    infinite = make_rows(np.array([[1.0], [np.inf]]))
    with pytest.raises(DatasetError, match="column 'x0' holds infinite values"):
        fit_preparation([Choice(name="standardize")], infinite)
    with pytest.raises(ValueError, match="expected impute, standardize, one_hot or pca"):
        fit_preparation([Choice(name="scale")], infinite)
    with pytest.raises(DatasetError, match="has format 3; this version reads up to 2"):
        Preparation.from_json({"format": 3, "steps": []})


PCA = "pca: 10, or pca: {n_components: 10}, a whole number of at least 1"
IMPUTE = "impute: median, mean, most_frequent, or {constant: {value: ..}}"


@pytest.mark.parametrize(
    ("step", "expected", "fix"),
    [
        (Choice(name="standardise"), "impute, standardize, one_hot or pca", "write 'standardize'"),
        (Choice(name="onehot"), "impute, standardize, one_hot or pca", "write 'one_hot'"),
        (Choice(name="median"), "impute, standardize, one_hot or pca", "write 'impute: median'"),
        (Choice(name="PCA"), "impute, standardize, one_hot or pca", None),
        (Choice(name="pca"), PCA, "write 'pca: 10'"),
        (pca(0), PCA, "write 'pca: 10'"),
        (pca(True), PCA, "write 'pca: 10'"),
        (pca(3.0), PCA, "write 'pca: 10'"),
        (pca("3"), PCA, "write 'pca: 10'"),
        (Choice(name="pca", options={"components": 3}), PCA, "write 'pca: 10'"),
        (Choice(name="pca", options={"n_components": 3, "whiten": True}), PCA, "write 'pca: 3'"),
        (Choice(name="impute"), IMPUTE, "write 'impute: median'"),
        (impute("meen"), IMPUTE, "write 'impute: mean'"),
        (impute("constant"), "a number or text as the constant", "write 'impute: {constant: {value: 0}}'"),
        (constant(None), "a number or text as the constant", "write 'impute: {constant: {value: 0}}'"),
        (constant(True), "a number or text as the constant", "write 'impute: {constant: {value: 0}}'"),
        (Choice(name="impute", options={"constant": 0}), "a number or text as the constant", None),
        (Choice(name="impute", options={"mean": {"by": 1}}), "mean without options", "write 'impute: mean'"),
        (Choice(name="impute", options={"value": 3}), IMPUTE, "write 'impute: median'"),
        (Choice(name="impute", options={"value": "mean", "by": 1}), IMPUTE, "write 'impute: median'"),
        (Choice(name="one_hot", options={"value": "sex"}), "one_hot without options", "write 'one_hot'"),
        (Choice(name="standardize", options={"mean": False}), "standardize without options", "write 'standardize'"),
    ],
)
def test_wrong_steps_are_explained(step: Choice, expected: str, fix: str | None) -> None:
    found = list(check_steps([impute("median"), step, constant(0)]))
    assert len(found) == 1
    assert found[0][:2] == (1, expected)
    assert fix in (None, found[0][2])


def test_what_is_stored_without_components_is_read_by_older_versions() -> None:
    assert fit_preparation([impute("mean")], make_rows(sample())).to_json()["format"] == 1
    assert fit_preparation([impute("mean"), pca(2)], make_rows(sample())).to_json()["format"] == 2


def test_checking_needs_no_numpy() -> None:
    code = (
        "import sys, rapidml.recipe.suggest; before = set(sys.modules); import rapidml.dataset.preparation; "
        "print('numpy' in set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
