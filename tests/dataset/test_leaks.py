"""The leak check: exact against scikit-learn and scipy, and against the real file that made it necessary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from rapidml.dataset.frame import Column, Task
from rapidml.dataset.leaks import Leak, find_leaks
from rapidml.dataset.ranks import auc_bounds, mean_ranks, sort_column, spearman

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.dataset.conftest import Reads

BINARY = Task("binary", ("b", "s"))


def leaks_of(
    values: Any, target: Any, weight: Any = None, task: Task = BINARY, categories: tuple[str, ...] | None = None
) -> list[Leak]:
    column = Column("x", np.asarray(values), categories)
    size = None if weight is None else np.asarray(weight, float)
    return find_leaks([column], np.asarray(target, float), size, task)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.floats(0.1, 5)), min_size=3, max_size=40).filter(
        lambda rows: len({label for _, label, _ in rows}) == 2
    )
)
def test_auc_equals_scikit_learn(rows: list[tuple[int, bool, float]]) -> None:
    values = np.array([value for value, _, _ in rows])
    label = np.array([label for _, label, _ in rows])
    weight = np.array([weight for _, _, weight in rows])
    for size in (np.ones(len(rows)), weight):
        low, high = auc_bounds(sort_column(values), size * label, size * ~label)
        assert low == pytest.approx(high, abs=1e-12)
        assert high == pytest.approx(roc_auc_score(label, values, sample_weight=size), abs=1e-9)


def test_auc_with_nulls_below_above_and_aside() -> None:
    generator = np.random.default_rng(0)
    values = np.round(generator.normal(size=200), 1)
    values[generator.random(200) < 0.3] = np.nan
    label = generator.random(200) < 0.4
    low, high = auc_bounds(sort_column(values), label.astype(float), (~label).astype(float))
    filled = ~np.isnan(values)
    expected = [
        roc_auc_score(label, np.where(filled, values, -99)),
        roc_auc_score(label, np.where(filled, values, 99)),
        roc_auc_score(label[filled], values[filled]),
    ]
    assert low == pytest.approx(min(expected), abs=1e-12)
    assert high == pytest.approx(max(expected), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.booleans()), min_size=8, max_size=40))
def test_spearman_equals_scipy(rows: list[tuple[int, int, bool]]) -> None:
    x = np.array([row[0] for row in rows])
    y = np.array([row[1] for row in rows])
    chosen = np.array([row[2] for row in rows])
    assert np.allclose(mean_ranks(x), stats.rankdata(x) - 1)
    for mask in (None, chosen):
        own, other = (x, y) if mask is None else (x[mask], y[mask])
        if len(set(own.tolist())) > 1 and len(set(other.tolist())) > 1:
            assert spearman(sort_column(x), y, mask) == pytest.approx(stats.spearmanr(own, other)[0], abs=1e-9)
        else:
            assert spearman(sort_column(x), y, mask) == 0


def make_rows(n_rows: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(1)
    return generator.normal(size=n_rows), (generator.random(n_rows) < 0.4).astype(float)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_that_tells_the_target(sign: int) -> None:
    noise, target = make_rows()
    (leak,) = leaks_of(sign * (target + 0.01 * noise), target)
    assert (leak.kind, leak.class_name) == ("target", "s")
    assert leak.value == (1 if sign > 0 else 0)
    assert leak.describe() == f"ROC AUC {leak.value:.4f} for s"
    assert leaks_of(target + noise, target) == []


def test_nulls_that_tell_the_target() -> None:
    noise, target = make_rows()
    assert leaks_of(np.where(target == 1, noise, np.nan), target) != []
    some = np.where(np.arange(400) % 3 == 0, np.nan, target)
    assert leaks_of(some, target) != []


def test_only_the_weighted_rows_leak() -> None:
    noise, target = make_rows()
    honest = np.arange(400) % 2 == 0
    values = np.where(honest, noise, target * 10)
    assert leaks_of(values, target) == []
    (leak,) = [one for one in leaks_of(values, target, np.where(honest, 1e-6, 1.0)) if one.kind == "target"]
    assert leak.is_weighted
    assert leak.describe().endswith(", weighted")


def test_several_classes_one_against_the_rest() -> None:
    noise, _ = make_rows()
    target = np.arange(400) % 3
    task = Task("multiclass", ("a", "b", "c"))
    (leak,) = leaks_of((target == 2) + 0.01 * noise, target, task=task)
    assert leak.class_name == "c"
    assert leaks_of(noise, target, task=task) == []


def test_regression() -> None:
    noise, _ = make_rows()
    task = Task("regression")
    (leak,) = leaks_of(-np.exp(noise), noise, task=task)
    assert leak.value == pytest.approx(-1)
    assert leak.describe() == "rank correlation -1.0000 with the target"
    assert leaks_of(noise + 0.2 * np.sin(37 * noise), noise, task=task) == []


def test_a_feature_that_follows_the_weight_within_a_class() -> None:
    noise, target = make_rows()
    weight = np.exp(noise)
    values = np.where(target == 1, weight, -np.arange(400) % 7)
    (leak,) = [one for one in leaks_of(values, target, weight) if one.kind == "weight"]
    assert leak.class_name == "s"
    assert leak.describe() == "rank correlation 1.0000 with the weight within s"
    assert leaks_of(noise**2, target, np.full(400, 3.0)) == []


def test_categories() -> None:
    _, target = make_rows()
    codes = target.astype(np.int32)
    assert leaks_of(codes, target, categories=("u", "v")) != []
    assert leaks_of(np.where(target == 1, 0, -1).astype(np.int32), target, categories=("u",)) != []
    unique = np.arange(400, dtype=np.int32)
    assert leaks_of(unique, target, categories=tuple(map(str, unique))) == []
    assert leaks_of(unique % 10, target, categories=tuple("abcdefghij")) == []


def test_categories_of_rows_that_alternate_between_classes() -> None:
    target = np.arange(400) % 2
    assert leaks_of(target.astype(np.int32), target, categories=("u", "v")) != []


@pytest.mark.parametrize(("n_positive", "n_negative", "is_found"), [(5, 5, False), (24, 24, False), (26, 26, True)])
def test_few_rows_separate_by_chance(n_positive: int, n_negative: int, is_found: bool) -> None:
    """At the limit the p-value of Mann and Whitney's test is below 2e-9, by its normal approximation."""
    target = np.repeat([1.0, 0.0], [n_positive, n_negative])
    assert bool(leaks_of(target, target)) == is_found
    assert bool(leaks_of(target.astype(np.int32), target, categories=("u", "v"))) == is_found
    deviation = np.sqrt((n_positive + n_negative + 1) / (12 * n_positive * n_negative))
    assert bool(2 * stats.norm.sf(0.49 / deviation) < 2e-9) == is_found


def test_few_rows_follow_by_chance() -> None:
    task = Task("regression")
    values = np.arange(40.0)
    assert leaks_of(values[:37], values[:37], task=task) != []
    assert leaks_of(values[:36], values[:36], task=task) == []
    rare = np.arange(2000) < 14
    assert leaks_of(rare.astype(float), rare) != []
    assert leaks_of(rare.astype(float), rare, np.where(np.arange(2000) < 3, 1.0, 1e-6) * rare + ~rare) != []


def test_arrays_are_not_looked_at() -> None:
    _, target = make_rows()
    assert leaks_of(np.stack([target, target], axis=1), target) == []


def test_a_leak_survives_json() -> None:
    leak = Leak("x", "weight", 0.995, "s", is_weighted=True)
    assert Leak.from_json(leak.to_json()) == leak


class TestManyRows:
    """Above 20,000 rows samples are looked at first; what is reported is still exact."""

    n_rows = 60_000

    def rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        noise, target = make_rows(self.n_rows)
        target[:] = 0
        target[::50] = 1
        return noise, target

    def test_target(self) -> None:
        noise, target = self.rows()
        (leak,) = leaks_of(target + 0.28 * noise, target)
        assert leak.value == pytest.approx(roc_auc_score(target, target + 0.28 * noise), abs=1e-9)
        assert leaks_of(target + 0.5 * noise, target) == []
        half_null = np.where(np.arange(self.n_rows) % 7 < 3, np.nan, target)
        assert leaks_of(half_null, target)[0].value == 1

    def test_weighted_by_a_handful_of_rows(self) -> None:
        noise, target = self.rows()
        heavy = np.arange(self.n_rows) % 500 < 2
        values = np.where(heavy, 10 * target, noise)
        weight = np.where(heavy, 1e6, 1.0)
        assert leaks_of(values, target) == []
        assert {leak.is_weighted for leak in leaks_of(values, target, weight)} == {True}

    def test_weight_within_a_class(self) -> None:
        noise, target = self.rows()
        weight = np.exp(noise)
        (leak,) = leaks_of(np.where(target == 1, weight, -noise[::-1]), target, weight)
        assert (leak.kind, leak.class_name) == ("weight", "s")

    def test_weights_that_hardly_vary(self) -> None:
        _, target = self.rows()
        weight = np.ones(self.n_rows)
        weight[[4, 8, 15]] = 2
        assert [leak.kind for leak in leaks_of(weight, target, weight)] == ["weight"]

    def test_categories_and_regression(self) -> None:
        noise, target = self.rows()
        assert leaks_of(target.astype(np.int32), target, categories=("u", "v")) != []
        assert (
            leaks_of((np.arange(self.n_rows) % 100).astype(np.int32), noise > 1, categories=tuple(map(str, range(100))))
            == []
        )
        task = Task("regression")
        assert leaks_of(np.arctan(noise), noise, task=task)[0].value == pytest.approx(1)
        assert leaks_of(noise, target, task=task) == []

    def test_several_classes(self) -> None:
        noise, _ = self.rows()
        target = np.arange(self.n_rows) % 7
        task = Task("multiclass", tuple("abcdefg"))
        (leak,) = leaks_of((target == 4) + 0.01 * noise, target, np.ones(self.n_rows), task)
        assert leak.class_name == "e"
        assert leaks_of(target % 2 + noise, target, task=task) == []

    def test_a_million_rows_take_a_blink(self) -> None:
        generator = np.random.default_rng(0)
        target = (generator.random(1_000_000) < 0.3).astype(float)
        weight = generator.random(1_000_000)
        columns = [Column(f"x{n}", generator.normal(size=1_000_000)) for n in range(5)]
        started = time.perf_counter()
        assert find_leaks(columns, target, weight, BINARY) == []
        assert time.perf_counter() - started < 3


ATLAS: dict[str, Any] = {
    "path": "atlas-higgs-2014-v2-first22889.csv.gz",
    "target": "Label",
    "positive": "s",
    "id": "EventId",
    "missing": -999,
}


class TestAtlas:
    """KaggleWeight is a multiple of Weight within each class, and far smaller for the signal."""

    def test_found_as_weight_and_as_target(self, shared_data: Path, read: Reads) -> None:
        profile = read(shared_data, weight="Weight", **ATLAS).profile
        (leak,) = profile.leaks
        assert (leak.feature, leak.kind) == ("KaggleWeight", "target")
        assert "; rank correlation 1.0000 with the weight within" in leak.describe()
        assert profile.describe() == "22,889 rows x 31 features, 7,817 s, 15,072 b, weighted"
        assert dict(profile.left_out) == {"KaggleSet": "is constant"}

    def test_without_weights_both_weights_leak(self, shared_data: Path, read: Reads) -> None:
        profile = read(shared_data, **ATLAS).profile
        assert {leak.feature for leak in profile.leaks} == {"KaggleWeight", "Weight"}

    def test_listed_by_its_full_name_it_is_let_through(self, shared_data: Path, read: Reads) -> None:
        listed = read(shared_data, weight="Weight", features=["DER_*", "KaggleWeight"], **ATLAS).profile
        assert listed.leaks == ()
        assert listed.features[-1].name == "KaggleWeight"
        by_glob = read(shared_data, weight="Weight", features=["DER_*", "Kaggle*"], **ATLAS).profile
        assert {leak.feature for leak in by_glob.leaks} == {"KaggleWeight"}
