"""The defects of dist-keras, each a test by its number.

They were found by reading its code at 06c4e39; numbers are those of the list that names all thirteen.
"""

from __future__ import annotations

import inspect
import json
import math
import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from rapidml.models.network_batches import order_rows
from rapidml.trainers import centre as centre_module
from rapidml.trainers.centre import Centre
from rapidml.trainers.rules import AsynchronousRule, leave_look_ahead, make_rule
from rapidml.trainers.shard_work import Stop, Window
from rapidml.trainers.weights import Weights
from tests.trainers.players import BATCH, Players, add, make_centre, make_plan, weights
from tests.trainers.serving import make_served


@pytest.mark.parametrize("name", ["averaging", "ensemble", "downpour"])
def test_01_no_replica_stops_after_one_mini_batch_and_all_have_a_history(name: str) -> None:
    batches = 0

    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        nonlocal batches
        batches += window.count_batches(BATCH)
        return add(1.0)(now, window)

    players = Players(make_centre(make_plan(name, 2), [10, 7], epochs=3), train)
    players.finish()
    assert batches == 3 * (5 + 4)
    assert players.centre.history == {"round": [1, 2, 3], "train": [1.0] * 3}
    assert sorted(players.centre.report()["curves"]["replicas"]) == ["0", "1"]


def test_02_ensemble_trains_its_epochs_and_gives_a_network_a_replica() -> None:
    players = Players(make_centre(make_plan("ensemble", 3), [2, 4, 6], epochs=2), add(1.0))
    players.finish()
    assert [one.trained[0][0] for one in players.centre.weights] == [2.0, 4.0, 6.0]


def test_03_rows_are_shuffled_anew_in_every_epoch_and_none_is_left_out() -> None:
    ids = np.arange(1000, dtype=np.uint64)
    first, second, again = (order_rows(ids, seed, epoch) for seed, epoch in ((1, 0), (1, 1), (1, 0)))
    np.testing.assert_array_equal(first, again)
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
        assert (order == np.arange(1000)).mean() < 0.02
    assert (first == second).mean() < 0.02


def test_04_averaging_forgets_the_replicas_of_earlier_epochs() -> None:
    to_go = {(1, 0): 1.0, (1, 1): 3.0, (2, 0): 10.0, (2, 1): 20.0}

    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        return weights(to_go[window.epoch, window.shard]), [1.0] * window.count_batches(BATCH)

    players = Players(make_centre(make_plan("averaging", 2), [4, 4], epochs=2), train)
    players.join(0, 1)
    means = []
    for _ in range(2):
        players.do(0)
        players.do(1)
        means.append(float(players.centre.weights[0].trained[0][0]))
    assert means == [2.0, 15.0]


def test_05_the_number_of_updates_is_a_number() -> None:
    players = Players(make_centre(make_plan("dynsgd", 2, window=1), [8, 8]), add(1.0))
    players.join(0, 1)
    players.do(0)
    assert players.centre.updates == 1
    assert players.centre.report()["exchanges"] == 1


@pytest.mark.parametrize("window", [1, 5, 12, 100])
def test_06_the_last_partial_batch_and_the_last_partial_window_of_every_epoch_count(window: int) -> None:
    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        return Weights([now.trained[0] + window.rows], now.statistics), [1.0] * window.count_batches(BATCH)

    players = Players(make_centre(make_plan("downpour", 2, window=window), [23, 9], epochs=3), train)
    players.finish()
    assert players.centre.weights[0].trained[0][0] == 3 * (23 + 9)
    assert players.centre.samples == 3 * (23 + 9)


def test_07_the_end_is_an_answer_and_a_stalled_replica_is_not_taken_for_done() -> None:
    assert not hasattr(centre_module, "time")
    players = Players(make_centre(make_plan("downpour", 2, window=2), [4, 4]), add(1.0))
    players.join(0, 1)
    players.do(0)
    assert not players.is_done(0)  # its answer is held back
    players.seconds += 3600
    players.do(1)
    assert list(players.items.values()) == [Stop(), Stop()]
    assert players.centre.samples == 8


def test_08_a_wrong_commit_and_a_diverged_one_are_told_and_never_taken() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=1), [4, 4]), add(math.nan))
    joined = players.centre.join(0, 0.0)
    assert joined is not None
    assert isinstance(joined.item, Window)
    with pytest.raises(ValueError, match="other shapes"):
        players.centre.push(0, joined.seq, weights(1.0, 2.0), joined.item, [1.0], 0.0)
    players.join(0)
    players.do(0)
    assert players.centre.failure is not None
    assert players.centre.weights[0].trained[0][0] == 0.0
    assert players.centre.samples == 0


@pytest.mark.cluster  # sockets of its own
def test_09_a_replica_that_waits_for_others_uses_no_processor() -> None:
    with make_served("easgd", 2, window=1) as serving:
        toys = [serving.make_toy(replica) for replica in range(2)]
        joining = [threading.Thread(target=toy.step, daemon=True) for toy in toys]
        for thread in joining:
            thread.start()
        for thread in joining:
            thread.join(10)
        waiting = threading.Thread(target=toys[0].step, daemon=True)
        waiting.start()
        while not any(one.is_answering for one in serving.server._connected.values()):
            time.sleep(0.01)
        began = time.process_time()
        time.sleep(0.5)
        assert waiting.is_alive()
        assert time.process_time() - began < 0.25
        toys[1].step()
        waiting.join(10)
        assert not waiting.is_alive()


def test_10_staleness_is_exact_and_is_what_divides_the_commit() -> None:
    players = Players(make_centre(make_plan("dynsgd", 4, window=1), [8] * 4, begin=weights(1.0)), add(-0.6))
    players.join(0, 1, 2, 3)
    for replica in (1, 2, 3):
        players.do(replica)
    before = float(players.centre.weights[0].trained[0][0])
    assert before == pytest.approx(1 - 0.6 * (1 + 1 / 2 + 1 / 3))
    players.do(0)  # three commits of others since its pull: a quarter of it counts
    assert players.centre.weights[0].trained[0][0] == pytest.approx(before - 0.6 / 4)
    assert players.centre.tally.staleness == {0: 1, 1: 1, 2: 1, 3: 1}


def test_11_eamsgd_looks_ahead_in_the_direction_it_goes() -> None:
    """The trajectory of Zhang et al. (2015), algorithm 2, with replicas that step as Keras' SGD does."""
    scales, steps, window, rate, momentum = np.array([1.0, 6.0]), 60, 3, 0.05, 0.9
    plan = make_plan("eamsgd", 2, window=window, learning_rate=rate, rho=5.0, momentum=momentum)
    alpha, rule = 5.0 * rate, make_rule(plan)
    assert isinstance(rule, AsynchronousRule)

    def gradient(point: Any) -> Any:
        return scales * point

    points: list[Any] = [np.array([4.0, -3.0]) for _ in range(2)]
    looks: list[Any] = [point.copy() for point in points]
    speeds: list[Any] = [np.zeros(2) for _ in range(2)]
    own_speeds: list[Any] = [np.zeros(2) for _ in range(2)]
    centre: list[Any] = [points[0].copy()]
    expected_centre = points[0].copy()
    for _ in range(steps):
        for replica in (0, 1):
            for _ in range(window):  # as published: x is the point, the gradient is taken at x + momentum * v
                speeds[replica] = momentum * speeds[replica] - rate * gradient(
                    points[replica] + momentum * speeds[replica]
                )
                points[replica] = points[replica] + speeds[replica]
            force = alpha * (points[replica] - expected_centre)
            points[replica], expected_centre = points[replica] - force, expected_centre + force

            for _ in range(window):  # as in Keras: the weights are the look-ahead
                slope = gradient(looks[replica])
                own_speeds[replica] = momentum * own_speeds[replica] - rate * slope
                looks[replica] = looks[replica] + momentum * own_speeds[replica] - rate * slope
            point = leave_look_ahead([looks[replica]], [own_speeds[replica]], momentum)
            commit = rule.commit(point, [], window)
            centre, reply = rule.apply(centre, commit)
            looks[replica] = rule.merge([looks[replica]], reply)[0]
            np.testing.assert_allclose(centre[0], expected_centre, atol=1e-12)
    assert np.abs(centre[0]).max() < 0.01


def test_12_replicas_are_as_many_as_asked_for_and_nothing_is_pickled() -> None:
    centre = make_centre(make_plan("adag", 7), [8] * 7)
    assert centre.report()["replicas"] == 7
    arrays, tree = centre.snapshot()
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree
    assert "pickle" not in inspect.getsource(centre_module)
    assert isinstance(Centre.from_snapshot(centre.plan, arrays, tree), Centre)


def test_13_an_exchange_of_ten_million_weights_makes_no_copies_of_them() -> None:
    size = 10_000_000
    plan = make_plan("adag", 1, window=1)
    centre = make_centre(plan, [8], begin=Weights([np.zeros(size, np.float32)], []))
    commit = Weights([np.ones(size, np.float32)], [])
    reply = centre.join(0, 0.0)
    tracemalloc.start()
    try:
        for _ in range(4):
            assert reply is not None
            assert isinstance(reply.item, Window)
            reply = centre.push(0, reply.seq, commit, reply.item, [1.0], 0.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert centre.weights[0].trained[0][-1] == 4.0
    assert peak < size * 4 / 10
