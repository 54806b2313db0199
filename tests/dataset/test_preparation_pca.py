"""Principal components against scikit-learn's, weights against repeated rows, cuts, and what is refused."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from rapidml.dataset.frame import Column, Frame, TrainingRows
from rapidml.dataset.preparation import check_counts, check_missing, fit_preparation
from rapidml.dataset.preparation_keeping import KeptSteps
from rapidml.dataset.preparation_pca import BLOCK, FIT_BLOCK
from rapidml.errors import DatasetError
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.dataset.preparation import Preparation
    from rapidml.dataset.profile import Feature

N_NUMBERS = 6
STANDARDIZE, ONE_HOT = Choice(name="standardize"), Choice(name="one_hot")
IMPUTE = Choice(name="impute", options={"value": "median"})


def pca(n_components: int) -> Choice:
    return Choice(name="pca", options={"n_components": n_components})


def sample(n_rows: int = 300, seed: int = 0, n_numbers: int = N_NUMBERS) -> np.ndarray:
    """Correlated numbers of well separated variances."""
    random = np.random.default_rng(seed)
    return 5 + random.normal(size=(n_rows, n_numbers)) * 2.0 ** -np.arange(n_numbers) @ random.normal(
        size=(n_numbers, n_numbers)
    )


def make_rows(numbers: np.ndarray, weight: np.ndarray | None = None, *more: Column) -> TrainingRows:
    columns = [Column(f"x{index}", np.ascontiguousarray(values)) for index, values in enumerate(numbers.T)]
    ids = np.arange(len(numbers), dtype=np.uint64)
    return TrainingRows(Frame((*columns, *more)), np.zeros(len(numbers)), weight, ids)


def prepare(steps: Sequence[Choice], rows: TrainingRows, **more: Any) -> np.ndarray:
    return numbers_of(fit_preparation(steps, rows, **more), rows)


def numbers_of(preparation: Preparation, rows: TrainingRows) -> np.ndarray:
    return np.stack([column.values for column in preparation.apply(rows.features).columns], axis=1)


def components_of(preparation: Preparation) -> np.ndarray:
    return np.array(next(tree for tree in preparation.to_json()["steps"] if tree["name"] == "pca")["components"])


# Against scikit-learn


@pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
@pytest.mark.parametrize("n_components", [1, 3, N_NUMBERS])
@pytest.mark.parametrize("n_rows", [7, 300, 2 * FIT_BLOCK + 11])
def test_components_are_scikit_learns(solver: str, n_components: int, n_rows: int) -> None:
    numbers = sample(n_rows)
    preparation = fit_preparation([pca(n_components)], make_rows(numbers))
    peer = PCA(n_components, svd_solver=solver).fit(numbers)
    assert_allclose(components_of(preparation), peer.components_, rtol=1e-9, atol=1e-9)  # the signs too
    new = make_rows(sample(BLOCK + 3, seed=1))
    assert_allclose(numbers_of(preparation, new), peer.transform(sample(BLOCK + 3, seed=1)), rtol=1e-9, atol=1e-8)
    assert preparation.apply(new.features).names == tuple(f"pca_{number + 1}" for number in range(n_components))


def test_whole_weights_are_scikit_learns_repeated_rows() -> None:
    numbers, times = sample(), np.random.default_rng(2).integers(0, 4, 300)
    peer = PCA(4, svd_solver="full").fit(np.repeat(numbers, times, axis=0))
    found = prepare([pca(4)], make_rows(numbers, times * 0.3))
    assert_allclose(found, peer.transform(numbers), rtol=1e-9, atol=1e-9)


def test_any_weights_give_the_weighted_covariance_numpy_finds() -> None:
    numbers, weight = sample(), np.random.default_rng(3).exponential(size=300)
    variances = np.linalg.eigvalsh(np.cov(numbers, rowvar=False, aweights=weight, ddof=0))[::-1]
    found = prepare([pca(N_NUMBERS)], make_rows(numbers, weight))
    assert_allclose(
        np.cov(found, rowvar=False, aweights=weight, ddof=0), np.diag(variances), rtol=1e-9, atol=1e-9 * variances[0]
    )
    assert_allclose(np.average(found, axis=0, weights=weight), 0, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 999), st.integers(1, 9), st.floats(0.01, 100), st.booleans())
def test_weights_are_repeated_rows_also_where_rows_are_few(seed: int, n_rows: int, scale: float, doubled: bool) -> None:
    """Fewer rows than numbers, or a number that is there twice: no direction is left to rounding."""
    numbers, times = sample(n_rows, seed), np.random.default_rng(seed).integers(0, 3, n_rows)
    times[0] = 1
    numbers = np.concatenate([numbers, numbers[:, :1]], axis=1) if doubled else numbers
    repeated = fit_preparation([pca(N_NUMBERS)], make_rows(np.repeat(numbers, times, axis=0)))
    weighted = fit_preparation([pca(N_NUMBERS)], make_rows(numbers, -scale * times))
    new = make_rows(np.concatenate([numbers, numbers + 1]))
    assert_allclose(numbers_of(weighted, new), numbers_of(repeated, new), rtol=1e-6, atol=1e-6)


# Columns


def test_categories_stay_behind_the_components_and_arrays_are_flattened() -> None:
    images = np.random.default_rng(4).normal(size=(50, 2, 3)).astype(np.float32)
    group = Column("group", np.arange(50, dtype=np.int32) % 3, ("a", "b", "c"))
    rows = TrainingRows(
        Frame((group, Column("image", images), Column("x", np.arange(50)))),
        np.zeros(50),
        None,
        np.arange(50, dtype=np.uint64),
    )
    prepared = fit_preparation([pca(7)], rows).apply(rows.features)
    assert prepared.names == (*(f"pca_{number}" for number in range(1, 8)), "group")
    assert prepared.columns[-1] is group
    assert {column.values.dtype for column in prepared.columns[:-1]} == {np.dtype(np.float64)}
    flat = np.concatenate([images.reshape(50, 6), np.arange(50)[:, None]], axis=1).astype(np.float64)
    found = np.stack([column.values for column in prepared.columns[:-1]], axis=1)
    assert_allclose(found, PCA(7, svd_solver="full").fit_transform(flat), rtol=1e-5, atol=1e-5)


def test_directions_without_variance_are_zero() -> None:
    numbers = np.array([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]])
    assert_array_equal(components_of(fit_preparation([pca(2)], make_rows(numbers))), [[1, 0], [0, 0]])
    assert_array_equal(prepare([pca(2)], make_rows(numbers[:1]))[0], [0, 0])


def test_signs_do_not_hang_on_the_last_bit() -> None:
    random = np.random.default_rng(5)
    for _ in range(30):  # two standardized numbers: both factors of both directions are equal in size
        rows = make_rows(random.normal(size=(40, 2)), random.exponential(size=40))
        components = components_of(fit_preparation([STANDARDIZE, pca(2)], rows))
        assert_allclose(np.sort(components, axis=0), np.array([[1, -1], [1, 1]]) / np.sqrt(2), rtol=1e-9)


def test_a_second_step_reads_the_components_of_the_first() -> None:
    found = prepare([pca(4), pca(2)], make_rows(sample()))
    assert_allclose(found, prepare([pca(2)], make_rows(sample())), rtol=1e-9, atol=1e-9)


# Fewer components are the first of more


@pytest.mark.parametrize("steps", [[], [STANDARDIZE], [IMPUTE, ONE_HOT, STANDARDIZE]])
@pytest.mark.parametrize("after", [[], [STANDARDIZE, ONE_HOT]])
def test_a_cut_is_the_fit_of_its_own(steps: list[Choice], after: list[Choice], monkeypatch: pytest.MonkeyPatch) -> None:
    group = Column("group", np.arange(300, dtype=np.int32) % 3, ("a", "b", "c"))
    rows = make_rows(sample(), np.random.default_rng(6).exponential(size=300), group)
    fresh = {n: fit_preparation([*steps, pca(n), *after], rows) for n in (1, 3, 6, 2)}
    count = count_decompositions(monkeypatch)
    kept = KeptSteps()
    for n, own in fresh.items():
        cut = fit_preparation([*steps, pca(n), *after], rows, kept=kept)
        assert cut == own
        assert cut.to_json() == own.to_json()
        for one, other in zip(cut.apply(rows.features).columns, own.apply(rows.features).columns, strict=True):
            assert (one.name, one.values.tobytes()) == (other.name, other.values.tobytes())
    assert len(count) == 1
    first, longest = (fresh[n].apply(rows.features).columns[0].values for n in (1, 6))
    assert_array_equal(first, longest)


def count_decompositions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets the size of each matrix whose eigenvectors are found."""
    sizes: list[int] = []
    real = np.linalg.eigh

    def eigh(matrix: np.ndarray) -> Any:
        sizes.append(len(matrix))
        return real(matrix)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    return sizes


def test_only_what_is_the_same_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, count, kept = make_rows(sample()), count_decompositions(monkeypatch), KeptSteps()
    for steps in ([pca(2)], [STANDARDIZE, pca(2)], [pca(4), pca(2)], [pca(5), pca(2)]):
        for n in (2, 1):
            assert_array_equal(prepare([*steps[:-1], pca(n)], rows, kept=kept), prepare([*steps[:-1], pca(n)], rows))
    assert len(count) == (1 + 1 + 2 + 2) * (1 + 2)  # once with what is kept, and for each comparison
    del count[:]
    fit_preparation([pca(2)], rows, kept=kept, which="other rows")
    assert len(count) == 1


def test_preparations_used_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, count, kept = make_rows(sample()), count_decompositions(monkeypatch), KeptSteps()
    for which in [*map(str, range(32)), "0", "new", "0", "1"]:
        fit_preparation([pca(2)], rows, kept=kept, which=which)
    assert len(count) == 32 + 1 + 1


# What is refused


def test_missing_and_infinite_values_are_refused_with_the_fix() -> None:
    numbers = sample()
    right = fit_preparation([pca(2)], make_rows(numbers))
    numbers[:3, 1] = np.nan
    text = "column 'x1' has 3 missing values, which pca cannot take; write 'impute: median' before pca in prepare"
    with pytest.raises(DatasetError, match=re.escape(text)):
        fit_preparation([pca(2)], make_rows(numbers))
    with pytest.raises(DatasetError, match=re.escape(text)):
        right.apply(make_rows(numbers).features)
    fit_preparation([pca(2)], make_rows(numbers, (np.arange(300) >= 3).astype(float)))  # such rows are absent
    fit_preparation([IMPUTE, pca(2)], make_rows(numbers))
    numbers[:3, 1] = np.inf
    with pytest.raises(DatasetError, match="column 'x1' holds infinite values; leave such rows out"):
        right.apply(make_rows(numbers).features)


def test_rows_without_enough_numbers_are_refused() -> None:
    with pytest.raises(DatasetError, match="pca wants 7 components of rows with 6 numbers; write at most 6"):
        fit_preparation([pca(7)], make_rows(sample()))
    group = Column("group", np.zeros(3, np.int32), ("a",))
    rows = TrainingRows(Frame((group,)), np.zeros(3), None, np.arange(3, dtype=np.uint64))
    with pytest.raises(DatasetError, match="pca needs columns of numbers; write 'one_hot' before it"):
        fit_preparation([pca(1)], rows)
    with pytest.raises(DatasetError, match="the numbers are too large for pca; write 'standardize' before it"):
        fit_preparation([pca(1)], make_rows(sample() * 1e200))
    taken = Column("pca_1", np.zeros(300, np.int32), ("a",))
    with pytest.raises(DatasetError, match="the rows have a column 'pca_1', as pca names its own"):
        fit_preparation([pca(1)], make_rows(sample(), None, taken)).apply(make_rows(sample(), None, taken).features)


def feature(name: str, kind: str = "number", **more: Any) -> Feature:
    default = {"categories": (), "nulls": 0, "shape": ()}
    return cast("Feature", SimpleNamespace(name=name, kind=kind, **{**default, **more}))


FEATURES = [
    feature("x", nulls=12),
    feature("image", "array", shape=(2, 3)),
    feature("sex", "categorical", categories=("f", "m"), nulls=5),
]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([pca(7)], None),
        ([pca(8)], (0, "at most 7 components, as its rows have 7 numbers", "write 7 or less")),
        ([Choice(name="pca", options={"value": 8})], (0, "at most 7 components, as its rows have 7 numbers", None)),
        ([ONE_HOT, pca(9), STANDARDIZE], None),
        ([ONE_HOT, pca(10)], (1, "at most 9 components, as its rows have 9 numbers", "write 9 or less")),
        ([pca(3), pca(4)], (1, "at most 3 components, as its rows have 3 numbers", "write 3 or less")),
        ([pca(1), pca(2)], (1, "at most 1 components, as its rows have 1 number", "write 1 or less")),
        ([IMPUTE, STANDARDIZE], None),
    ],
)
def test_too_many_components_are_found_before_anything_is_fitted(
    steps: list[Choice], problem: tuple[int, str, str | None] | None
) -> None:
    found = list(check_counts(steps, FEATURES))
    assert len(found) == (problem is not None)
    for (index, expected, fix), wanted in zip(found, [problem], strict=False):
        assert wanted is not None
        assert (index, expected) == wanted[:2]
        assert wanted[2] in (None, fix)


def test_components_of_categories_alone_need_one_hot() -> None:
    found = list(check_counts([pca(1)], FEATURES[2:]))
    assert found == [(0, "features that are numbers, as pca takes no categories", "add 'one_hot' before it")]
    assert list(check_counts([ONE_HOT, pca(2)], FEATURES[2:])) == []


def test_missing_values_are_found_before_anything_is_fitted() -> None:
    expected = "numbers without missing values; pca cannot take those of 'x' (12 rows)"
    assert list(check_missing([STANDARDIZE, pca(2), IMPUTE], FEATURES)) == [
        (1, expected, "add 'impute: median' before it")
    ]
    text = Choice(name="impute", options={"constant": {"value": "none"}})
    assert len(list(check_missing([text, pca(2)], FEATURES))) == 1
    zero = Choice(name="impute", options={"constant": {"value": 0}})
    for steps in ([IMPUTE, pca(2)], [zero, pca(2)], [STANDARDIZE], []):
        assert list(check_missing(steps, FEATURES)) == []
    assert list(check_missing([pca(2)], FEATURES[1:])) == []
