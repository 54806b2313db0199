"""Laws of the split: disjoint, complete, independent of order, partition and test targets; quotas."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import StratifiedKFold

from rapidml.dataset.rowid import hash_columns, hash_record, uniform
from rapidml.dataset.split import EXACT_BELOW, Parts, assign_parts, early_stopping_mask
from rapidml.errors import DatasetError
from rapidml.recipe.schema import FoldsBy, Split, SplitColumn

SPLITS = [Split(test=0.2, folds=5), Split(test=0.25, valid=0.3), Split(folds=3), Split(test=0.5, folds=2, seed=9)]


def make_ids(n_rows: int, n_events: int | None = None, seed: int = 0) -> np.ndarray:
    if n_events is None:
        return hash_record("events.csv", None, np.arange(n_rows))
    return hash_columns([np.random.default_rng(seed).integers(0, n_events, n_rows)])


def make_codes(n_rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(3, n_rows, p=[0.6, 0.3, 0.1])


def as_columns(parts: Parts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return parts.test, parts.fold, parts.valid


def check_laws(parts: Parts, ids: np.ndarray) -> None:
    n_rows = len(ids)
    assert_array_equal(np.sort(np.concatenate([parts.rows("train"), parts.rows("test")])), np.arange(n_rows))
    assert_array_equal(np.sort(np.concatenate([parts.rows("fit"), parts.rows("valid")])), parts.rows("train"))
    for fold in range(parts.n_folds):
        both = np.concatenate([parts.rows(f"fold:{fold}"), parts.rows(f"held:{fold}")])
        assert_array_equal(np.sort(both), parts.rows("train"))
        assert len(parts.rows(f"held:{fold}")) > 0
    assert_array_equal(parts.fold == -1, parts.test | (parts.n_folds == 0))
    for column in as_columns(parts):
        by_id: dict[int, Any] = {}
        assert all(by_id.setdefault(int(row), value) == value for row, value in zip(ids, column, strict=True))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("n_rows", "n_events"), [(400, None), (400, 150), (12_000, None), (12_000, 3_000)])
def test_parts_are_disjoint_complete_and_keep_ids_together(split: Split, n_rows: int, n_events: int | None) -> None:
    ids, codes = make_ids(n_rows, n_events), make_codes(n_rows)
    parts = assign_parts(ids, split, 0, target_codes=codes)
    check_laws(parts, ids)
    order = np.random.default_rng(2).permutation(n_rows)
    shuffled = assign_parts(ids[order], split, 0, target_codes=codes[order])
    for one, other in zip(as_columns(parts), as_columns(shuffled), strict=True):
        assert_array_equal(one[order], other)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_laws_hold_for_any_ids_and_classes(data: st.DataObject) -> None:
    events = data.draw(st.lists(st.integers(0, 40), min_size=30, max_size=120).filter(lambda e: len(set(e)) > 15))
    codes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(events), max_size=len(events))))
    ids = hash_columns([np.array(events)])
    split, seed = data.draw(st.sampled_from(SPLITS)), data.draw(st.integers(0, 9))
    parts = assign_parts(ids, split, seed, target_codes=codes)
    check_laws(parts, ids)
    order = np.array(data.draw(st.permutations(range(len(events)))))
    shuffled = assign_parts(ids[order], split, seed, target_codes=codes[order])
    for one, other in zip(as_columns(parts), as_columns(shuffled), strict=True):
        assert_array_equal(one[order], other)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("n_rows", [500, 20_000])
def test_permuted_test_targets_change_no_part(split: Split, n_rows: int) -> None:
    ids, codes = make_ids(n_rows, n_rows // 3), make_codes(n_rows)
    before = assign_parts(ids, split, 0, target_codes=codes)
    test = before.rows("test")
    codes[test] = np.random.default_rng(3).permutation(codes[test]) + 7
    after = assign_parts(ids, split, 0, target_codes=codes)
    for one, other in zip(as_columns(before), as_columns(after), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("n_rows", [2, 3, 10, 569, 4_321, EXACT_BELOW - 1])
@pytest.mark.parametrize("share", [0.1, 0.2, 1 / 3, 0.5, 0.9])
def test_small_test_part_is_the_exact_number_of_smallest_hashes(n_rows: int, share: float) -> None:
    ids = make_ids(n_rows)
    numbers = uniform(ids, "test", 4)
    count = min(max(int(share * n_rows + 0.5), 1), n_rows - 1)
    split = Split(test=share, valid=0.5)
    if n_rows - count < 2:
        with pytest.raises(DatasetError):
            assign_parts(ids, split, 4)
        return
    test = assign_parts(ids, split, 4).rows("test")
    assert_array_equal(np.sort(np.argsort(numbers)[:count]), test)


def test_large_parts_follow_the_hash_alone() -> None:
    ids = make_ids(30_000)
    parts = assign_parts(ids, Split(test=0.2, folds=4), 1, target_codes=make_codes(30_000))
    assert_array_equal(parts.test, uniform(ids, "test", 1) < 0.2)
    train = parts.rows("train")
    assert_array_equal(parts.fold[train], np.floor(uniform(ids[train], "folds", 1) * 4))
    valid = assign_parts(ids, Split(test=0.2, valid=0.1), 1).valid
    assert_array_equal(valid[train], uniform(ids[train], "valid", 1) < 0.1)


@pytest.mark.parametrize("split", SPLITS)
def test_rows_keep_their_part_when_others_are_added(split: Split) -> None:
    before = assign_parts(make_ids(EXACT_BELOW), split, 0, target_codes=make_codes(EXACT_BELOW))
    after = assign_parts(make_ids(25_000), split, 0, target_codes=make_codes(25_000, seed=5))
    for one, other in zip(as_columns(before), as_columns(after), strict=True):
        assert_array_equal(one, other[:EXACT_BELOW])


@pytest.mark.parametrize("n_folds", [2, 5, 7])
def test_small_folds_have_the_class_quotas_of_scikit_learn(n_folds: int) -> None:
    codes = make_codes(569)
    parts = assign_parts(make_ids(569), Split(test=0.2, folds=n_folds), 0, target_codes=codes)
    train = codes[parts.rows("train")]
    peer = [np.bincount(train[held], minlength=3) for _, held in StratifiedKFold(n_folds).split(train, train)]
    ours = [np.bincount(codes[parts.rows(f"held:{fold}")], minlength=3) for fold in range(n_folds)]
    assert_array_equal(np.sort(ours, axis=0), np.sort(peer, axis=0))
    sizes = np.sum(ours, axis=1)
    assert sizes.max() - sizes.min() <= 1


def test_small_folds_of_regression_differ_by_one_row() -> None:
    parts = assign_parts(make_ids(442), Split(test=0.2, folds=5), 0)
    sizes = np.bincount(parts.fold[parts.rows("train")])
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("share", [0.1, 0.2, 1 / 3, 0.5])
def test_small_valid_has_the_share_of_every_class(share: float) -> None:
    codes = make_codes(700)
    parts = assign_parts(make_ids(700), Split(test=0.2, valid=share), 0, target_codes=codes)
    train, valid = codes[parts.rows("train")], codes[parts.rows("valid")]
    assert len(valid) == int(share * len(train) + 0.5)
    assert np.all(np.abs(np.bincount(valid) - share * np.bincount(train)) < 1)


@pytest.mark.parametrize("n_events", [300, 1_000, 5_000])
def test_small_quotas_are_met_as_nearly_as_whole_ids_allow(n_events: int) -> None:
    ids, codes = make_ids(2_000, n_events), make_codes(2_000)
    largest = np.unique(ids, return_counts=True)[1].max()
    parts = assign_parts(ids, Split(test=0.2, folds=5), 0, target_codes=codes)
    assert abs(parts.test.sum() - 400) <= largest / 2
    counts = np.array([np.bincount(codes[parts.rows(f"held:{fold}")], minlength=3) for fold in range(5)])
    assert np.all(counts.max(axis=0) - counts.min(axis=0) <= 2)
    valid = assign_parts(ids, Split(valid=0.25), 0, target_codes=codes).valid
    assert np.all(np.abs(np.bincount(codes[valid]) - 0.25 * np.bincount(codes)) <= 2)


def test_the_seed_of_the_split_wins() -> None:
    ids = make_ids(1_000)
    default = assign_parts(ids, Split(test=0.2, folds=5), 0)
    other = assign_parts(ids, Split(test=0.2, folds=5), 1)
    assert not np.array_equal(default.test, other.test)
    assert_array_equal(assign_parts(ids, Split(test=0.2, folds=5, seed=1), 0).fold, other.fold)
    assert assign_parts(ids, Split(), 0).n_folds == 5


def test_folds_by_values() -> None:
    event = np.arange(400)
    split = Split(test=0.2, folds=FoldsBy(by="event % 5 - 1"))
    for by in (event % 5 - 1, (event % 5 - 1).astype(float)):
        parts = assign_parts(make_ids(400), split, 0, by=by)
        assert parts.fold_labels == ("-1", "0", "1", "2", "3")
        train = parts.rows("train")
        assert_array_equal(parts.fold[train], event[train] % 5)
        assert parts.divided_ids == 0


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (np.zeros(400), "2 to 100 different values in the training rows; the expression has 1; "),
        (np.arange(400), "training rows; the expression has 400;"),
        (np.arange(400) / 2, r"expected whole numbers; the expression gives 0.5; to fix: use int\("),
        (np.where(np.arange(400) < 3, np.nan, 1.0), "is null in 3 rows"),
        (np.array(["a", "b"] * 200), "gives text"),
    ],
)
def test_folds_by_refuses_what_cannot_be_folds(by: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        assign_parts(make_ids(400), Split(folds=FoldsBy(by="x")), 0, by=by)


@pytest.mark.parametrize("column", [np.array(list("tbtv") * 25), np.array(list("tbtv") * 25, object)])
def test_test_part_by_column(column: np.ndarray) -> None:
    rule = SplitColumn(column="KaggleSet", train=("t",), test=("b", "v"))
    parts = assign_parts(make_ids(100), Split(test=rule), 0, test_column=column)
    assert_array_equal(parts.test, column != "t")
    check_laws(parts, make_ids(100))


def test_test_part_by_numbers_and_booleans() -> None:
    years = np.repeat([2024, 2025], 50)
    rule = SplitColumn(column="year", train=(2024,), test=(2025,))
    assert_array_equal(assign_parts(make_ids(100), Split(test=rule), 0, test_column=years).test, years == 2025)
    rule = SplitColumn(column="late", train=(False,), test=(True,))
    assert_array_equal(assign_parts(make_ids(100), Split(test=rule), 0, test_column=years > 2024).test, years == 2025)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (("t",), ("b",), "every value of set under train or test; 25 rows have others: 'v'; to fix: list them"),
        (("t", "v"), ("b", "v"), "'v' is in train and in test"),
        (("t", "b", "v"), ("x",), "rows in this part; none of 100 is in it"),
        (("x",), ("t", "b", "v"), "rows that are left to train on, of 100; there are none"),
    ],
)
def test_test_column_rules(train: tuple[str, ...], test: tuple[str, ...], message: str) -> None:
    rule = SplitColumn(column="set", train=train, test=test)
    with pytest.raises(DatasetError, match=message):
        assign_parts(make_ids(100), Split(test=rule), 0, test_column=np.array(list("tbtv") * 25))


def test_given_test_rows_are_the_test_part() -> None:
    given_rows = np.arange(300) >= 250
    parts = assign_parts(make_ids(300), Split(test=0.2, folds=5), 0, test_rows=given_rows)
    assert_array_equal(parts.test, given_rows)
    check_laws(parts, make_ids(300))
    with pytest.raises(DatasetError, match=r"dataset\.test: expected rows in this part; none of 300"):
        assign_parts(make_ids(300), Split(), 0, test_rows=np.zeros(300, bool))


def test_ids_that_explicit_rules_divide_are_counted() -> None:
    ids = np.repeat(make_ids(50), 2)
    by = np.arange(100) % 2
    by[:20] = 0
    assert assign_parts(ids, Split(folds=FoldsBy(by="x")), 0, by=by).divided_ids == 40
    assert assign_parts(ids, Split(folds=2), 0, test_rows=np.arange(100) < 21).divided_ids == 1
    assert assign_parts(ids, Split(test=0.2, folds=2), 0).divided_ids == 0


@pytest.mark.parametrize(
    ("n_ids", "split", "message"),
    [
        (4, Split(folds=5), r"split\.folds: expected at least 5 different ids among the training rows, for 5 folds"),
        (1, Split(test=0.2), r"split\.test: expected rows with at least 2 different ids; there is 1"),
    ],
)
def test_what_cannot_be_split_is_refused(n_ids: int, split: Split, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        assign_parts(make_ids(n_ids), split, 0)
    with pytest.raises(DatasetError, match=message):
        assign_parts(np.repeat(make_ids(n_ids), 2), split, 0)


def test_folds_and_valid_together_are_a_programming_mistake() -> None:
    with pytest.raises(ValueError, match="not both"):
        assign_parts(make_ids(10), Split(folds=5, valid=0.2), 0)


@pytest.mark.parametrize("part", ["fold:5", "held:-1", "fold:", "all", "test:1"])
def test_unknown_parts_are_refused(part: str) -> None:
    parts = assign_parts(make_ids(100), Split(folds=5), 0)
    with pytest.raises(ValueError, match="no part"):
        parts.rows(part)


@pytest.mark.parametrize(("n_rows", "tolerance"), [(200, 0.0), (50_000, 0.01)])
def test_early_stopping_holds_out_15_percent(n_rows: int, tolerance: float) -> None:
    ids = make_ids(n_rows)
    mask = early_stopping_mask(ids, 0)
    assert mask.mean() == pytest.approx(0.15, abs=tolerance)
    order = np.random.default_rng(0).permutation(n_rows)
    assert_array_equal(early_stopping_mask(ids[order], 0), mask[order])


def test_a_million_rows_split_in_well_under_a_second() -> None:
    ids, codes = make_ids(1_000_000), make_codes(1_000_000)
    start = time.perf_counter()
    assign_parts(ids, Split(test=0.2, folds=5), 0, target_codes=codes)
    assert time.perf_counter() - start < 2
