"""Connections that break, replicas that die or freeze, a centre that is gone: every row still counts once."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import ModelError
from rapidml.trainers import centre_client, exchange, served_replica
from rapidml.trainers.centre import Centre
from rapidml.trainers.centre_client import CentreLostError
from rapidml.trainers.exchange import serve_centre
from rapidml.trainers.forked import ChildLostError
from rapidml.trainers.helper import Helper
from tests.trainers.serving import (
    SECRET,
    DirectReplica,
    Serving,
    assert_same_weights,
    make_served,
    run_in_threads,
)
from tests.trainers.toy_replica import ToyReplica, make_centre

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.cluster  # sockets and processes of their own


@pytest.fixture
def downpour() -> Iterator[Serving]:
    with make_served("downpour", window=2) as serving:
        yield serving


# Connections that break.


class Proxy:
    """Between a client and a server; it can cut the line at chosen moments.

    Attributes:
        cut: ``up`` cuts when the next bytes come from the client, ``down`` when they come from the server, after the
            server has read what the client sent.
        cuts: How often it has cut.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.target = address
        self.cut = ""
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self._lines += [near, far]
            for way, one, other in (("up", near, far), ("down", far, near)):
                thread = threading.Thread(target=self._carry, args=(way, one, other), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, way: str, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                if self.cut == way and len(data) > 64:  # no sign of life, and no greeting
                    self.cut, self.cuts = "", self.cuts + 1
                    break
                other.sendall(data)
        except OSError:
            pass
        for line in (one, other):
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
            line.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def proxied(downpour: Serving) -> Iterator[tuple[Serving, Proxy]]:
    proxy = Proxy(downpour.server.address)
    yield downpour, proxy
    for client in downpour.clients:
        client.close()
    proxy.close()


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_request_that_is_sent_again_counts_once(proxied: tuple[Serving, Proxy], way: str) -> None:
    serving, proxy = proxied
    direct = make_centre("downpour", window=2)
    expected = ToyReplica(DirectReplica(direct, 0), direct.plan)
    toy = serving.make_toy(0, address=proxy.address)
    for number in range(5):
        if number in (2, 4):
            proxy.cut = way
        toy.step()
        expected.step()
    assert proxy.cuts == 2
    assert serving.server.report()["exchanges"] == 4
    assert serving.server.report()["lost"] == 0
    assert_same_weights(serving.centre.weights, direct.weights)
    assert_same_weights([toy.now], [expected.now])


def test_an_answer_held_back_survives_a_broken_connection() -> None:
    with make_served("easgd", 2, window=1, epochs=1) as serving:
        proxy = Proxy(serving.server.address)
        toys = [serving.make_toy(0, address=proxy.address), serving.make_toy(1)]
        joining = threading.Thread(target=toys[0].step, daemon=True)
        joining.start()
        serving.wait_for("joined", 0)
        proxy.cut = "down"
        toys[1].step()
        joining.join(10)
        assert proxy.cuts == 1
        run_in_threads(toys)
        assert serving.server.report()["samples"] == 80
        assert serving.server.report()["lost"] == 0
        serving.clients[0].close()
        proxy.close()


def test_windows_of_a_lost_replica_are_done_by_others() -> None:
    with Serving(make_centre("adag", 2, window=2), leave=0.2) as serving:
        lost, other = serving.make_toy(0), serving.make_toy(1)
        lost.step()
        lost.step()
        client = serving.clients[0]
        client._closing.set()
        assert client._line is not None
        client._line.shut()
        assert serving.wait_for("left") == {"kind": "left", "replica": 0, "why": "its connection broke"}
        other.run()
        assert serving.server.wait(10)
        report = serving.server.report()
        assert (report["samples"], report["lost"]) == (160, 1)
        assert len(lost.windows) + len(other.windows) == 2 * 2 * 5


def test_a_replica_without_signs_of_life_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centre_client, "BEAT_SECONDS", 600.0)
    with Serving(make_centre("adag", 2, window=2), silent=0.3) as serving:
        serving.make_toy(0).step()
        event = serving.wait_for("left")
        assert event == {"kind": "left", "replica": 0, "why": "it gave no sign of life"}
        serving.clients[0]._closing.set()


def test_a_replica_that_computes_for_long_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centre_client, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(served_replica, "BEAT_SECONDS", 0.05)
    with Serving(make_centre("easgd", 2, window=1), silent=0.4) as serving:
        toys = [serving.make_toy(replica, silent=0.4) for replica in range(2)]
        joining = threading.Thread(target=toys[0].step, daemon=True)
        joining.start()  # its answer is held back
        serving.wait_for("joined", 0)
        with pytest.raises(queue.Empty):  # three times as long as silence may last
            serving.events.get(timeout=1.2)
        toys[1].step()
        joining.join(10)
        assert serving.server.report()["lost"] == 0
        assert [client.joined for client in serving.clients] == [1, 1]


def test_a_busy_centre_is_not_taken_for_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BEAT_SECONDS", 0.05)
    with make_served("downpour", 1, window=2) as serving:
        toy = serving.make_toy(0, silent=0.4)
        toy.step()
        line = serving.clients[0]._line
        with serving.server._lock:
            busy = threading.Thread(target=toy.step, daemon=True)
            busy.start()
            busy.join(1.2)  # three times as long as silence may last
            assert busy.is_alive()
        busy.join(10)
        assert serving.clients[0]._line is line
        assert serving.server.report()["exchanges"] == 1


def test_a_replica_that_comes_back_late_goes_on() -> None:
    with Serving(make_centre("downpour", 2, window=2, epochs=1), leave=0.05) as serving:
        toy = serving.make_toy(0)
        toy.step()
        client = serving.clients[0]
        assert client._line is not None
        client._line.shut()
        serving.wait_for("left", 0)
        toy.step()
        assert client.joined == 1  # its window was still its own
        run_in_threads([toy, serving.make_toy(1)])
        assert serving.server.wait(10)
        report = serving.server.report()
        assert (report["samples"], report["lost"]) == (80, 1)


def test_a_replica_whose_window_was_dealt_joins_again() -> None:
    with Serving(make_centre("downpour", 2, window=100, epochs=1), leave=0.05) as serving:
        late, other = serving.make_toy(0), serving.make_toy(1)
        late.step()
        client = serving.clients[0]
        assert client._line is not None
        client._line.shut()
        serving.wait_for("left", 0)
        other.run()
        late.run()
        assert client.joined == 2
        assert serving.server.wait(10)
        assert serving.server.report()["samples"] == 80


def test_another_process_takes_the_place_of_a_replica(downpour: Serving) -> None:
    earlier, later = downpour.make_toy(0), downpour.make_toy(0)
    earlier.step()
    later.step()
    with pytest.raises(ModelError, match="another process has taken the place of replica 0"):
        earlier.run()
    later.step()
    assert downpour.server.report()["exchanges"] == 1


def test_a_lost_centre_is_looked_for_and_given_up() -> None:
    with make_served("downpour") as serving:
        client = serving.connect(0, retry=0.4)
        client.join()
        serving.server.close()
        began = time.monotonic()
        with pytest.raises(CentreLostError, match=r"the centre of the training at 127\.0\.0\.1:\d+ is gone: "):
            client.join()
        assert 0.3 < time.monotonic() - began < 5


def test_training_goes_on_at_a_centre_from_a_snapshot() -> None:
    with make_served("adag", 1, window=2, epochs=2) as serving:
        toy = serving.make_toy(0)
        for _ in range(4):
            toy.step()
        state = serving.server.snapshot()
        serving.server.close()
        again = Centre.from_snapshot(serving.centre.plan, *state)
        with serve_centre(again, "127.0.0.1", SECRET) as server:
            serving.clients[0].address = server.address
            toy.run()
            assert server.wait(10)
            assert server.report()["samples"] == 80
        assert serving.clients[0].joined == 2


# Processes that are killed or frozen.


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    with Helper.start(["numpy", "tests.trainers.toy_replica"]) as started:
        yield started


def fork_replicas(helper: Helper, serving: Serving, waits: Sequence[int]) -> list[Any]:
    plan = serving.centre.plan
    return [
        helper.fork(
            "tests.trainers.toy_replica:train_in_child",
            (serving.server.address, SECRET, replica, plan.name, plan.replicas, wait),
        )
        for replica, wait in enumerate(waits)
    ]


@pytest.mark.faults
@pytest.mark.parametrize("name", ["adag", "easgd", "averaging"])
def test_a_killed_replica_does_not_end_the_training(helper: Helper, name: str) -> None:
    with make_served(name, 3, epochs=2) as serving:
        children = fork_replicas(helper, serving, [0, 1, 0])
        assert children[1].poll(20) == "Window"  # and goes on when it is told to: never
        os.kill(children[1].pid, signal.SIGKILL)
        for child in (children[0], children[2]):
            assert list(child.messages())
        with pytest.raises(ChildLostError):
            children[1].poll(20)
        assert serving.server.wait(10)
        report = serving.server.report()
        assert (report["samples"], report["lost"]) == (240, 1)
        for child in children:
            child.close()


@pytest.mark.faults
def test_a_frozen_replica_is_left_behind_and_comes_back(helper: Helper) -> None:
    with Serving(make_centre("adag", 2, epochs=1, window=2), silent=2.5) as serving:
        children = fork_replicas(helper, serving, [1, 2])
        assert [child.poll(20) for child in children] == ["Window", "Window"]
        os.kill(children[0].pid, signal.SIGSTOP)
        assert serving.wait_for("left")["why"] == "it gave no sign of life"
        os.kill(children[0].pid, signal.SIGCONT)
        for child in children:
            for _ in range(2):
                child.send("go on")
        for child in children:
            list(child.messages())
            child.close()
        assert serving.server.wait(10)
        report = serving.server.report()
        assert (report["samples"], report["lost"]) == (80, 1)
