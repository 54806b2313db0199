"""Replicas and a centre over TCP: the same as by calls, and what who trains sees of it."""

from __future__ import annotations

import math
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.errors import ModelError
from rapidml.trainers.centre import Centre
from rapidml.trainers.centre_client import CentreClient, CentreLostError
from rapidml.trainers.exchange import serve_centre
from rapidml.trainers.flat import Layout, list_arrays
from rapidml.trainers.replies import Reply
from rapidml.trainers.shard_work import Stop, Window
from rapidml.trainers.weights import Weights
from tests.trainers.serving import (
    SECRET,
    DirectReplica,
    Serving,
    assert_same_weights,
    make_served,
    run_in_threads,
    take_turns,
)
from tests.trainers.toy_replica import ToyReplica, make_centre, make_plan, make_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.cluster  # sockets and processes of their own

ASYNCHRONOUS = ["downpour", "adag", "adag_staleness", "dynsgd", "aeasgd", "eamsgd", "ensemble"]
SYNCHRONOUS = ["easgd", "averaging"]


@pytest.fixture
def downpour() -> Iterator[Serving]:
    with make_served("downpour", window=2) as serving:
        yield serving


# The protocol.


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_a_training_over_tcp_is_the_one_by_calls(name: str) -> None:
    options = {"is_evaluated": False} if name == "ensemble" else {"is_evaluated": False, "window": 2}
    direct, rows = make_centre(name, 1, **options), 40
    take_turns([ToyReplica(DirectReplica(direct, 0), direct.plan)])
    with Serving(make_centre(name, 1, **options)) as serving:
        take_turns([serving.make_toy(0)])
        assert serving.server.wait(10)
        report = serving.server.report()
    assert_same_weights(serving.centre.weights, direct.weights)
    assert report["samples"] == direct.report()["samples"] == 2 * rows
    assert report["staleness"] == direct.report()["staleness"]
    assert report["bytes"] == direct.report()["bytes"]


def test_two_replicas_in_one_order_are_the_same_over_tcp_and_by_calls() -> None:
    def run(make_asked: Callable[[Centre, int], Any], centre: Centre) -> list[list[Window]]:
        toys = [ToyReplica(make_asked(centre, replica), centre.plan) for replica in range(2)]
        for toy in toys:
            toy.step()
        for number in (0, 1, 1, 0, 0, 1, 0, 1, 0, 1):  # an epoch of five windows each
            toys[number].step()
        return [toy.windows for toy in toys]

    direct = make_centre("dynsgd", window=2, epochs=3)
    windows = run(DirectReplica, direct)
    with make_served("dynsgd", window=2, epochs=3) as serving:
        assert run(lambda _, replica: serving.connect(replica), serving.centre) == windows
        report = serving.server.report()
    assert_same_weights(serving.centre.weights, direct.weights)
    assert report["staleness"] == direct.report()["staleness"] == {"0": 3, "1": 5, "2": 2}


@pytest.mark.parametrize("name", [*ASYNCHRONOUS, *SYNCHRONOUS])
def test_every_row_counts_once_an_epoch(name: str) -> None:
    with make_served(name, 3, epochs=3) as serving:
        toys = [serving.make_toy(replica) for replica in range(3)]
        run_in_threads(toys)
        assert serving.server.wait(10)
        assert serving.server.report()["samples"] == 3 * 3 * 40
    rows = sorted((window.epoch, window.shard, row) for toy in toys for window in toy.windows for row in _rows(window))
    assert rows == [(epoch, shard, row) for epoch in (1, 2, 3) for shard in range(3) for row in range(40)]
    assert sorted(epoch for toy in toys for epoch in toy.evaluated) == [1, 2, 3]


def _rows(window: Window) -> range:
    return range(window.first, window.last)


@pytest.mark.parametrize("name", SYNCHRONOUS)
def test_a_synchronous_training_is_the_same_every_time(name: str) -> None:
    found = []
    for _ in range(2):
        with make_served(name, 3) as serving:
            run_in_threads([serving.make_toy(replica) for replica in range(3)])
            found.append(serving.centre.weights)
    for mine, theirs in zip(list_arrays(found[0]), list_arrays(found[1]), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_an_answer_held_back_keeps_nobody_else_waiting() -> None:
    with make_served("easgd", 3, window=1) as serving:
        toys = [serving.make_toy(replica) for replica in range(3)]
        joining = [threading.Thread(target=toy.step, daemon=True) for toy in toys]
        for thread in joining:
            thread.start()
        for thread in joining:
            thread.join(10)
        waiting = [threading.Thread(target=toy.step, daemon=True) for toy in toys[:2]]
        for thread in waiting:
            thread.start()
        while sum(one.is_answering for one in serving.server._connected.values()) < 2:
            time.sleep(0.01)  # in another thread: there is nothing to wait on
        assert [thread.is_alive() for thread in waiting] == [True, True]
        with pytest.raises(ModelError, match="no replica 7"):
            serving.connect(7).join()  # who comes meanwhile is answered
        toys[2].step()
        for thread in waiting:
            thread.join(10)
        assert [thread.is_alive() for thread in waiting] == [False, False]
        assert [toy.reply.how for toy in toys if toy.reply is not None] == ["merge"] * 3


def test_weights_of_many_arrays_and_of_large_ones_arrive() -> None:
    shapes = ([(3, 2)] * 700 + [(1000, 300), (0,), ()], [(5,)])
    weights = make_weights(0.5, shapes)
    plan = make_plan("aeasgd", 1, rho=1.0, learning_rate=0.5)
    with Serving(Centre(plan, [weights], rows=[8], epochs=1, batch_size=4)) as serving:
        client = serving.connect(0)
        (pulled,) = client.join().sets
        assert_same_weights([pulled], [weights])
        commit = Weights(*([np.asarray(array * np.float32(2)) for array in part] for part in pulled))
        reply = client.push(commit, Window(1, 0, 0, 8), [1.0])
        expected = [np.float32(0.5) * (mine - was) for mine, was in zip(commit.trained, weights.trained, strict=True)]
        assert reply.how == "show"
        for found, was, change in zip(reply.sets[0].trained, weights.trained, expected, strict=True):
            np.testing.assert_allclose(found, was + change, rtol=1e-6)


def test_losses_that_are_no_numbers_arrive_and_end_the_training(downpour: Serving) -> None:
    client = downpour.connect(0)
    reply = client.join()
    assert isinstance(reply.item, Window)
    reply = client.push(reply.sets[0], reply.item, [0.5, math.nan])
    assert reply == Reply(reply.seq, Stop())
    assert downpour.centre.failure is not None
    assert "the loss is not a number in epoch 1" in downpour.centre.failure


def test_an_answer_stays_until_the_second_request_after_it(downpour: Serving) -> None:
    client = downpour.connect(0)
    first = client.join()
    values = [array.copy() for array in first.sets[0].trained]
    assert isinstance(first.item, Window)
    second = client.push(first.sets[0], first.item, [0.5])
    for found, value in zip(first.sets[0].trained, values, strict=True):
        np.testing.assert_array_equal(found, value)
    assert not np.shares_memory(first.sets[0].trained[0], second.sets[0].trained[0])


def test_layouts_cut_and_join() -> None:
    weights = make_weights()
    layout = Layout.of(weights)
    vector = np.concatenate([array.reshape(-1) for array in list_arrays([weights])])
    assert layout.size == vector.size == 16
    assert_same_weights([layout.cut(vector)], [weights])
    assert all(np.shares_memory(array, vector) for array in list_arrays([layout.cut(vector)]))
    assert_same_weights(layout.cut_many(np.tile(vector, 3)), [weights] * 3)


# Who trains.


def test_events_and_snapshots() -> None:
    kept: list[Any] = []
    centre = make_centre("adag", 1, epochs=3, window=3)
    with Serving(centre, keep=lambda *state: kept.append(state)) as serving:
        serving.make_toy(0).run()
        assert serving.server.wait(10)
        seen: list[Any] = []
        while len(seen) < 4:
            seen.append(serving.events.get(timeout=10))
    assert seen[0] == {"kind": "joined", "replica": 0}
    assert [(event["kind"], event["epoch"]) for event in seen[1:]] == [
        ("evaluated", 1),
        ("evaluated", 2),
        ("evaluated", 3),
    ]
    arrays, tree = kept[-1]
    again = Centre.from_snapshot(centre.plan, arrays, tree)
    assert again.samples in (40, 80, 120)


def test_waiting_ends_when_every_replica_has_been_told() -> None:
    with make_served("downpour", epochs=1, rows=8, window=2, is_evaluated=False) as serving:
        first, second = (serving.make_toy(replica) for replica in range(2))
        first.step()
        second.step()
        assert not serving.server.wait(0.3)
        run_in_threads([first, second])
        assert serving.server.wait(10)
        assert serving.server.error is None


def test_a_replica_that_will_not_come_is_given_up() -> None:
    with make_served("easgd", 2, window=1, epochs=1) as serving:
        toy = serving.make_toy(0)
        thread = threading.Thread(target=toy.run, daemon=True)
        thread.start()
        serving.wait_for("joined", 0)
        assert thread.is_alive()
        serving.server.drop(1, "its process did not start")
        thread.join(20)
        assert not thread.is_alive()
        assert serving.server.wait(10)
        assert serving.server.report()["samples"] == 80


def test_a_replica_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapidml.trainers.exchange.COME_SECONDS", 1.0)
    with make_served("easgd", 2, window=1, epochs=1) as serving:
        run_in_threads([serving.make_toy(0)])
        assert serving.server.wait(10)
        assert serving.server.report()["samples"] == 80


def test_a_deserted_centre_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapidml.trainers.exchange.COME_SECONDS", 0.0)
    with Serving(make_centre("downpour", 2), leave=0.1) as serving:
        serving.connect(0).join()
        time.sleep(0.5)
        assert serving.server.deserted_seconds < 0.4
        serving.clients[0].close()
        time.sleep(1.0)
        assert serving.server.deserted_seconds > 0.5


def test_a_failure_is_not_kept() -> None:
    kept: list[Any] = []
    with Serving(make_centre("downpour", 1, window=2), keep=lambda *state: kept.append(state)) as serving:
        client = serving.connect(0)
        window = client.join().item
        assert isinstance(window, Window)
        client.push(serving.centre.weights[0], window, [math.nan])
        assert serving.server.wait(10)
        assert serving.centre.failure is not None
    assert kept == []


@pytest.mark.parametrize("where", ["centre", "event", "keep"])
def test_what_goes_wrong_on_the_servers_side_ends_the_training(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake of ours")

    centre = make_centre("downpour", 1, epochs=1)
    if where == "centre":
        monkeypatch.setattr(centre, "push", fail)
    on_event, keep = (fail if where == "event" else None), (fail if where == "keep" else None)
    with serve_centre(centre, "127.0.0.1", SECRET, on_event, keep) as server:
        with CentreClient(server.address, SECRET, 0, make_weights(), retry=0.5) as client:
            toy = ToyReplica(client, centre.plan)
            if where == "centre":
                with pytest.raises(ModelError, match="the centre failed: a mistake of ours"):
                    toy.run()
            else:
                toy.run()
        assert server.wait(10)
        assert isinstance(server.error, RuntimeError)


def test_a_closed_server_leaves_no_thread_and_no_port() -> None:
    before = set(threading.enumerate())
    with make_served("easgd", 2, window=1) as serving:
        toys = [serving.make_toy(replica, retry=0.1) for replica in range(2)]
        errors: list[Exception] = []

        def run() -> None:
            try:
                toys[0].run()
            except ModelError as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        serving.wait_for("joined", 0)
        serving.server.close()  # while an answer is held back
        thread.join(10)
        assert isinstance(errors[0], CentreLostError)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(serving.server.address)
    assert set(threading.enumerate()) <= before


def test_a_request_that_is_wrong_is_refused_and_harms_nobody(downpour: Serving) -> None:
    client = downpour.connect(0)
    reply = client.join()
    assert isinstance(reply.item, Window)
    with pytest.raises(ModelError, match=r"replica 0: 3 losses of 2 mini-batches"):
        client.push(reply.sets[0], reply.item, [0.5] * 3)
    assert downpour.server.error is None
    run_in_threads([downpour.make_toy(replica) for replica in range(2)])
    assert downpour.server.wait(10)
    assert downpour.server.report()["samples"] == 160


@pytest.mark.parametrize(
    "like", [make_weights(1.0, ([(3, 2), (3,), (3, 1), ()], [(3,)])), make_weights(1.0, ([(2,)], []))]
)
def test_another_network_is_refused(downpour: Serving, like: Weights) -> None:
    expected = pytest.raises(ModelError, match="the network of replica 0 has other weights than the centre")
    with CentreClient(downpour.server.address, SECRET, 0, like) as client, expected:
        client.join()
