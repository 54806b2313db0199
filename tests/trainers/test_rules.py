"""Rules of the trainers: vectors worked out by hand, laws, and that they work in place without large temporaries."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidml.models.trainer_plan import TRAINERS, TrainerPlan, read_trainer
from rapidml.recipe.schema import Choice
from rapidml.trainers.rules import (
    AsynchronousRule,
    SynchronousRule,
    leave_look_ahead,
    make_rule,
    update_statistics,
)
from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rapidml.trainers.rules import Rule

ASYNCHRONOUS = ["downpour", "adag", "adag_staleness", "dynsgd", "aeasgd", "eamsgd", "ensemble"]
SYNCHRONOUS = ["easgd", "averaging"]
SIZE = 1_000_000


def plan(name: str, replicas: int = 2, **options: Any) -> TrainerPlan:
    found = read_trainer(Choice(name=name, options={"replicas": replicas, **options}))
    assert found is not None
    return found


def rule(name: str, **options: Any) -> Rule:
    return make_rule(plan(name, **options))


def one(value: float) -> list[NDArray[Any]]:
    return [np.array([value])]


@dataclass(frozen=True)
class Vector:
    """A line of the table: the centre was 1 at the pull, the replica has got to 0.4 in 5 mini-batches."""

    name: str
    commit: float
    centre: float
    weights: float
    options: dict[str, Any] = field(default_factory=dict)
    centre_now: float = 1.0
    staleness: int = 0


VECTORS = [
    Vector("downpour", -0.6, 0.4, 0.4),
    Vector("adag", -0.12, 0.88, 0.88),
    Vector("aeasgd", 0.4, 0.7, 0.7),
    Vector("eamsgd", 0.4, 0.7, 0.7),
    Vector("dynsgd", -0.6, 0.35, 0.35, centre_now=0.5, staleness=3),
    Vector("adag_staleness", -0.12, 0.404, 0.404, centre_now=0.5, staleness=1),
    Vector("adag_staleness", -0.12, 0.49995202, 0.49995202, {"gamma": 1e-4}, centre_now=0.5, staleness=1),
    Vector("ensemble", 0.4, 0.4, 0.4),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector.name}-{vector.centre}")
def test_vectors(vector: Vector) -> None:
    used = rule(vector.name, **vector.options)
    assert isinstance(used, AsynchronousRule)
    commit = used.commit(one(0.4), one(1.0), 5)
    centre, reply = used.apply(one(vector.centre_now), commit, staleness=vector.staleness, pulled=one(1.0))
    weights = used.merge(one(0.4), reply)
    assert commit[0] == pytest.approx(vector.commit, abs=1e-12)
    assert centre[0] == pytest.approx(vector.centre, abs=1e-8)
    assert weights[0] == pytest.approx(vector.weights, abs=1e-8)


def test_the_elastic_force_of_the_vector() -> None:
    used = rule("aeasgd")
    assert isinstance(used, AsynchronousRule)
    _, reply = used.apply(one(1.0), one(0.4))
    assert reply[0] == pytest.approx(-0.3)


@pytest.mark.parametrize("gradient", [0.0, 1.0, -7.5])
def test_vector_of_synchronous_easgd(gradient: float) -> None:
    used = rule("easgd", rho=5.0, learning_rate=0.01)
    assert isinstance(used, SynchronousRule)
    after = one(0.4 - 0.01 * gradient)
    commit = used.commit(after, one(0.4), 1)
    centre, (reply,) = used.apply_round(one(1.0), [commit], rows=[5])
    assert centre[0] == pytest.approx(0.97)
    assert used.merge(after, reply)[0] == pytest.approx(0.43 - 0.01 * gradient)


def test_easgd_is_the_published_formula_for_several_replicas() -> None:
    # Zhang et al., eq. 2 and 3, with the mean in place of the sum as dist-keras had it.
    rng = np.random.default_rng(1)
    centre: Any = rng.normal(size=7)
    begin: Any = rng.normal(size=(3, 7))
    gradient = rng.normal(size=(3, 7))
    used, alpha = rule("easgd", rho=2.0, learning_rate=0.05), 0.1
    assert isinstance(used, SynchronousRule)
    after = begin - 0.05 * gradient
    commits = [used.commit([after[k]], [begin[k]], 1) for k in range(3)]
    new, replies = used.apply_round([centre], commits, rows=[1, 2, 3])
    merged = [used.merge([after[k]], replies[k])[0] for k in range(3)]
    np.testing.assert_allclose(new[0], centre + alpha * (begin - centre).mean(axis=0))
    np.testing.assert_allclose(merged, begin - 0.05 * gradient - alpha * (begin - centre))


def test_averaging_weighs_by_rows_and_counts_what_was_averaged_before() -> None:
    used = rule("averaging")
    assert isinstance(used, SynchronousRule)
    centre, replies = used.apply_round(one(99.0), [one(1.0), one(4.0)], rows=[20, 10])
    assert centre[0] == pytest.approx(2.0)
    assert [reply[0] for reply in replies] == [pytest.approx(2.0)] * 2
    centre, _ = used.apply_round(centre, [one(8.0)], rows=[15], seen=30)
    assert centre[0] == pytest.approx((20 * 1 + 10 * 4 + 15 * 8) / 45)


@settings(deadline=None)
@given(
    st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), max_size=30))),
    st.floats(0.01, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_aeasgd_conserves_replica_plus_centre(schedule: tuple[int, list[int]], alpha: float, seed: int) -> None:
    replicas, order = schedule
    used = rule("aeasgd", rho=alpha, learning_rate=1.0)
    assert isinstance(used, AsynchronousRule)
    rng = np.random.default_rng(seed)
    centre: list[Any] = [rng.normal(size=(2, 3)), rng.normal(size=4)]
    weights: list[list[Any]] = [[rng.normal(size=(2, 3)), rng.normal(size=4)] for _ in range(replicas)]
    whole = [sum(parts, start=mine.copy()) for mine, *parts in zip(centre, *weights, strict=True)]
    for replica in order:
        before = [mine + own for mine, own in zip(centre, weights[replica], strict=True)]
        commit = used.commit(weights[replica], weights[replica], 3)
        centre, reply = used.apply(centre, commit)
        weights[replica] = used.merge(weights[replica], reply)
        after = [mine + own for mine, own in zip(centre, weights[replica], strict=True)]
        for one_before, one_after in zip(before, after, strict=True):
            np.testing.assert_allclose(one_after, one_before, atol=1e-12)
    for total, mine, *parts in zip(whole, centre, *weights, strict=True):
        np.testing.assert_allclose(sum(parts, start=mine), total, atol=1e-11)


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 9), st.integers(1, 20))
def test_rules_meet_where_nothing_is_late(now: float, pulled: float, staleness: int, batches: int) -> None:
    plain, late, damped, divided = (rule(name) for name in ("downpour", "dynsgd", "adag_staleness", "adag"))
    for used in (plain, late, damped, divided):
        assert isinstance(used, AsynchronousRule)
    results = {
        used.name: used.apply(one(pulled), used.commit(one(now), one(pulled), batches), pulled=one(pulled))[0][0][0]  # type: ignore[attr-defined]
        for used in (plain, late, damped, divided)
    }
    assert results["downpour"] == results["dynsgd"]
    assert results["adag"] == results["adag_staleness"]
    assert results["downpour"] - pulled == pytest.approx(batches * (results["adag"] - pulled), abs=1e-9)


def make_lists(count: int) -> list[list[NDArray[np.float32]]]:
    """Arrays that are smaller and larger than a block, an empty one, a scalar."""
    rng = np.random.default_rng(count)
    shapes: list[tuple[int, ...]] = [(700, 400), (3,), (0, 5), (), (131_072,)]
    return [[rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(count)]


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_in_place_is_the_pure_function_for_any_shapes(name: str) -> None:
    used = rule(name)
    assert isinstance(used, AsynchronousRule)
    now, pulled, centre = make_lists(3)
    kept = [[array.copy() for array in arrays] for arrays in (now, pulled, centre)]
    commit = used.commit(now, pulled, 3)
    new, reply = used.apply(centre, commit, staleness=2, pulled=pulled)
    merged = used.merge(now, reply)
    commit = [array.copy() for array in commit]  # of weights alone it is the very arrays
    for arrays, copies in zip((now, pulled, centre), kept, strict=True):
        assert all(np.array_equal(one, two) for one, two in zip(arrays, copies, strict=True))
    assert {array.dtype for array in [*new, *reply, *merged, *commit]} == {np.dtype(np.float32)}
    own = used.commit(now, pulled, 3, out=[np.empty_like(array) for array in now])
    used.update(centre, own, pulled, staleness=2, pulled=pulled)  # the reply in the place of what was pulled
    used.merge(now, pulled, out=now)
    for expected, found in ((commit, own), (new, centre), (reply, pulled), (merged, now)):
        assert all(np.array_equal(one, two) for one, two in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", SYNCHRONOUS)
def test_rounds_in_place_are_the_pure_function_in_any_order(name: str) -> None:
    used = rule(name)
    assert isinstance(used, SynchronousRule)
    centre, *pushed = make_lists(4)
    new, replies = used.apply_round(centre, pushed, rows=[3, 5, 2], seen=1)
    again, _ = used.apply_round(centre, pushed[::-1], rows=[2, 5, 3], seen=1)
    for one_order, other in zip(new, again, strict=True):
        np.testing.assert_allclose(one_order, other, atol=2e-6)
    used.update_round(centre, pushed, rows=[3, 5, 2], seen=1)
    for expected, found in zip([new, *replies], [centre, *pushed], strict=True):
        assert all(np.array_equal(one, two) for one, two in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", [*ASYNCHRONOUS, *SYNCHRONOUS])
def test_the_centre_needs_no_memory_of_the_size_of_the_network(name: str) -> None:
    used = rule(name)
    centre, commit, reply = ([np.ones(SIZE, np.float32)] for _ in range(3))
    tracemalloc.start()
    try:
        if isinstance(used, AsynchronousRule):
            used.update(centre, commit, reply, staleness=3, pulled=reply)
        elif isinstance(used, SynchronousRule):
            used.update_round(centre, [commit, reply], rows=[1, 2])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SIZE * 4 / 5


def test_what_cannot_be_changed_in_place_is_refused() -> None:
    used = rule("downpour")
    assert isinstance(used, AsynchronousRule)
    columns = [np.ones((4, 4), np.float32)[:, ::2]]
    with pytest.raises(ValueError, match="must be contiguous"):
        used.update(columns, [np.ones((4, 2), np.float32)], [np.ones((4, 2), np.float32)])
    late = rule("adag_staleness")
    assert isinstance(late, AsynchronousRule)
    with pytest.raises(ValueError, match="needs the centre as the replica pulled it"):
        late.apply(one(1.0), one(0.4))


def test_every_trainer_with_a_centre_has_a_rule() -> None:
    for name in TRAINERS.keys() - {"single", "multiworker"}:
        made = rule(name)
        assert made.name == name
        assert made.is_synchronous == (name in SYNCHRONOUS) == isinstance(made, SynchronousRule)
        assert plan(name).is_asynchronous == (name in ASYNCHRONOUS and name != "ensemble")
    assert make_rule(plan("agn")).name == "adag"
    with pytest.raises(ValueError, match="multiworker is no trainer with a centre"):
        rule("multiworker")


def test_statistics_are_a_moving_mean_over_replicas() -> None:
    centre, pushed = one(1.0), one(5.0)
    update_statistics(centre, [pushed], 4)
    assert centre[0] == pushed[0] == pytest.approx(2.0)
    round_of_two = [one(3.0), one(7.0)]
    update_statistics(centre, round_of_two, 2)
    assert centre[0] == pytest.approx(5.0)
    assert [reply[0] for reply in round_of_two] == [pytest.approx(5.0)] * 2
    alone = [np.array([0.1, 0.7], np.float32)]
    mine = [np.array([3.3, 9.1], np.float32)]
    update_statistics(mine, [[alone[0].copy()]], 1)
    assert np.array_equal(mine[0], alone[0])


def test_the_point_without_the_look_ahead() -> None:
    now: list[Any] = [np.array([1.0, 2.0])]
    velocity: list[Any] = [np.array([0.5, -1.0])]
    assert leave_look_ahead(now, velocity, 0.9)[0].tolist() == pytest.approx([0.55, 2.9])
    out: list[Any] = [np.empty(2)]
    leave_look_ahead(now, velocity, 0.9, out=out)
    assert out[0].tolist() == pytest.approx([0.55, 2.9])
    assert now[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_not_finite_are_found(bad: float) -> None:
    arrays = [np.ones((3, 2), np.float32), np.ones(1000, np.float32)]
    assert Weights(arrays, []).is_finite()
    arrays[1][777] = bad
    assert not Weights(arrays, []).is_finite()
    assert not Weights([], arrays).is_finite()
