"""Poisson draws: their law, and that they are functions of the row id alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rapidml.dataset.rowid import mix
from rapidml.evaluate.bootstrap import N_REPLICAS, poisson_draws

GOLDEN = [
    [1, 1, 5, 0, 1, 0, 0, 2, 0, 2, 1, 0],
    [1, 2, 5, 0, 1, 0, 1, 1, 1, 1, 2, 3],
    [2, 1, 0, 1, 0, 2, 0, 2, 0, 0, 1, 0],
    [0, 0, 2, 0, 1, 0, 1, 0, 1, 1, 0, 0],
]
GOLDEN_SUMS = [217, 207, 199, 206]


def test_golden_draws() -> None:
    # Stored scores are compared with fresh ones: these may never change.
    ids = np.array([0, 1, 2, 2**64 - 1], dtype=np.uint64)
    draws = poisson_draws(ids)
    assert draws.shape == (N_REPLICAS, 4) == (200, 4)
    assert draws.dtype == np.uint8
    assert draws[:12].T.tolist() == GOLDEN
    assert draws.sum(axis=0).tolist() == GOLDEN_SUMS


def test_draws_are_quantiles_of_sixteen_bits_of_counted_hashes() -> None:
    # The definition once more, one number at a time, with scipy's quantile function.
    row = 1234567
    base = int(mix(np.array([row], dtype=np.uint64), "bootstrap", 683)[0])
    draws = poisson_draws(np.array([row], dtype=np.uint64), 40)[:, 0]
    for number in range(40):
        counter = (base + (number // 4) * 0x9E3779B97F4A7C15) % 2**64
        bits = int(mix(np.array([counter], dtype=np.uint64), "bootstrap", 684)[0])
        lane = (bits >> 16 * (number % 4)) & 0xFFFF
        assert draws[number] == stats.poisson(1).ppf((lane + 0.5) / 65536)


def test_draws_follow_poisson_1() -> None:
    draws = poisson_draws(np.arange(20_000, dtype=np.uint64))
    counts = np.bincount(draws.ravel(), minlength=9)
    counts = np.append(counts[:7], counts[7:].sum())
    expected = np.append(stats.poisson(1).pmf(range(7)), stats.poisson(1).sf(6)) * draws.size
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_the_table_is_poisson_1_to_sixteen_bits() -> None:
    from rapidml.evaluate.bootstrap import _COUNTS

    shares = np.bincount(_COUNTS) / 65536
    assert np.abs(shares - stats.poisson(1).pmf(range(len(shares)))).max() < 1 / 65536
    assert _COUNTS.mean() == pytest.approx(1, abs=2e-5)
    assert _COUNTS.var() == pytest.approx(1, abs=2e-4)


def test_replicas_and_rows_are_independent() -> None:
    draws = poisson_draws(np.arange(4000, dtype=np.uint64), 60).astype(float)
    for table in (draws, draws[:, :60].T):
        n_rows = table.shape[1]
        correlation = np.corrcoef(table)[np.triu_indices(len(table), 1)]
        assert np.abs(correlation).max() < 5 / np.sqrt(n_rows)
        assert correlation.std() == pytest.approx(1 / np.sqrt(n_rows), rel=0.15)


def test_draws_depend_on_the_id_alone() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2**63, 500).astype(np.uint64)
    ids[250:260] = ids[:10]
    draws = poisson_draws(ids)
    assert np.array_equal(draws[:, 250:260], draws[:, :10])
    order = rng.permutation(500)
    assert np.array_equal(poisson_draws(ids[order]), draws[:, order])
    parts = [poisson_draws(part) for part in np.array_split(ids, 7)]
    assert np.array_equal(np.concatenate(parts, axis=1), draws)


@pytest.mark.parametrize("n_replicas", [1, 3, 4, 199])
def test_fewer_replicas_are_the_first_ones(n_replicas: int) -> None:
    ids = np.arange(10, dtype=np.uint64)
    assert np.array_equal(poisson_draws(ids, n_replicas), poisson_draws(ids)[:n_replicas])


def test_no_rows() -> None:
    assert poisson_draws(np.array([], dtype=np.uint64)).shape == (200, 0)
