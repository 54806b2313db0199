"""Mini-batches: every row once an epoch, by row id alone, for any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidml.models.network_batches import make_batches, order_rows


def list_rows(batches: object) -> list[np.ndarray]:
    return [row[:size] for row, size in zip(batches.rows, batches.sizes, strict=True)]  # type: ignore[attr-defined]


@given(n=st.integers(1, 300), size=st.integers(1, 70))
def test_every_row_is_in_one_batch(n: int, size: int) -> None:
    batches = make_batches(order_rows(np.arange(n, dtype=np.uint64), 3, 0), size)
    found = np.concatenate(list_rows(batches))
    assert sorted(found) == list(range(n))
    assert set(batches.sizes[:-1]) <= {size}
    assert 1 <= batches.sizes[-1] <= size
    np.testing.assert_array_equal(batches.totals, batches.sizes)


@given(counts=st.lists(st.integers(1, 200), min_size=2, max_size=5), size=st.integers(2, 64))
@settings(max_examples=50)
def test_ranks_take_equally_many_steps(counts: list[int], size: int) -> None:
    ranks = [make_batches(np.arange(count), size, tuple(counts), rank) for rank, count in enumerate(counts)]
    assert len({one.n_steps for one in ranks}) == 1
    for count, one in zip(counts, ranks, strict=True):
        assert sorted(np.concatenate(list_rows(one))) == list(range(count))
        assert one.sizes.max() - one.sizes.min() <= 1
        np.testing.assert_array_equal(one.totals, np.sum([other.sizes for other in ranks], axis=0))
    assert min(one.sizes.min() for one in ranks) >= 1, "statistics of no rows are no numbers"
    if min(counts) * size >= sum(counts):
        assert ranks[0].totals.max() <= size + len(counts)


def test_the_order_belongs_to_the_ids() -> None:
    ids = np.random.default_rng(0).permutation(1000).astype(np.uint64)
    shuffled = np.random.default_rng(1).permutation(1000)
    first, second = order_rows(ids, 7, 2), order_rows(ids[shuffled], 7, 2)
    np.testing.assert_array_equal(ids[first], ids[shuffled][second])


@pytest.mark.parametrize(("seed", "epoch"), [(7, 3), (8, 2)])
def test_seeds_and_epochs_have_orders_of_their_own(seed: int, epoch: int) -> None:
    ids = np.arange(1000, dtype=np.uint64)
    same = np.mean(order_rows(ids, 7, 2) == order_rows(ids, seed, epoch))
    assert same < 0.02
