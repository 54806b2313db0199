"""What comes to the port of a centre and is no replica: it gets nothing and harms nobody."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.trainers import wire
from rapidml.trainers.centre_client import CentreClient
from rapidml.trainers.exchange import MOST_STRANGERS, Server
from rapidml.trainers.flat import Layout
from rapidml.trainers.wire import Kind, Line, WireError, greet_as_client, greet_as_server
from tests.trainers.serving import (
    SECRET,
    Serving,
    make_served,
    run_in_threads,
)
from tests.trainers.toy_replica import make_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster  # sockets and processes of their own


@pytest.fixture
def downpour() -> Iterator[Serving]:
    with make_served("downpour", window=2) as serving:
        yield serving


# Strangers.


def dial(server: Server) -> socket.socket:
    line = socket.create_connection(server.address, timeout=10)
    line.settimeout(10)
    return line


def assert_closed(line: socket.socket) -> None:
    """Whatever the server still says: it ends."""
    try:
        while line.recv(4096):
            pass
    except ConnectionResetError:
        pass


def test_who_does_not_know_the_secret_gets_nothing(downpour: Serving) -> None:
    expected = pytest.raises(WireError, match="does not know the secret of this training")
    with CentreClient(downpour.server.address, b"x" * 32, 0, make_weights()) as client, expected:
        client.join()
    assert downpour.server.report()["exchanges"] == 0
    assert downpour.events.empty()
    assert not downpour.server._connected
    run_in_threads([downpour.make_toy(replica) for replica in range(2)])
    assert downpour.server.wait(10)


def test_a_server_that_does_not_know_the_secret_is_not_believed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = threading.Thread(target=lambda: theirs.sendall(b"rapidml\x01" + bytes(32) + bytes(32)))
        answer.start()
        with pytest.raises(WireError, match="does not know the secret of this training"):
            greet_as_client(ours, SECRET)
        answer.join()


def test_an_own_proof_sent_back_proves_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def reflect() -> None:
            theirs.sendall(b"rapidml\x01" + bytes(32))
            said = theirs.recv(64, socket.MSG_WAITALL)
            theirs.sendall(said[32:])

        answer = threading.Thread(target=reflect)
        answer.start()
        with pytest.raises(WireError, match="does not know the secret of this training"):
            greet_as_client(ours, SECRET)
        answer.join()


def test_something_else_that_listens_is_named(downpour: Serving) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        with pytest.raises(WireError, match="what answers there is no centre of this version of rapidml"):
            greet_as_client(ours, SECRET)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(40), bytes(64), os.urandom(5000)]
)
def test_noise_is_dropped(downpour: Serving, said: bytes) -> None:
    with dial(downpour.server) as line:
        line.sendall(said)
        if not said:
            line.shutdown(socket.SHUT_WR)
        assert_closed(line)
    run_in_threads([downpour.make_toy(replica) for replica in range(2)])
    assert downpour.server.wait(10)
    assert downpour.server.error is None


def test_who_says_nothing_is_dropped(downpour: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "GREETING_SECONDS", 0.2)
    with dial(downpour.server) as line:
        assert_closed(line)
    with dial(downpour.server) as line:
        began = time.monotonic()
        while time.monotonic() - began < 0.6:  # one byte after the other does not help
            try:
                line.sendall(b"x")
            except OSError:
                break
            time.sleep(0.05)  # as slow as a peer that wants to stay may be
        assert_closed(line)


def test_strangers_have_little_room(downpour: Serving) -> None:
    lines = [dial(downpour.server) for _ in range(MOST_STRANGERS + 1)]
    assert lines[-1].recv(1) == b""
    assert lines[0].recv(1) == b"r"
    lines[0].close()
    while len(downpour.server._connections) >= MOST_STRANGERS:
        time.sleep(0.01)  # another thread: there is nothing to wait on
    downpour.make_toy(0).step()
    for line in lines:
        line.close()


def greet(server: Server) -> Line:
    line = dial(server)
    greet_as_client(line, SECRET)
    return Line(line, 10)


def say_hello(server: Server, **changes: Any) -> Line:
    line = greet(server)
    hello = {"replica": 0, "session": "s", "layout": Layout.of(make_weights()).to_tree(), **changes}
    line.send(Kind.HELLO, 0, hello)
    return line


@pytest.mark.parametrize(
    "changes", [{"replica": -1}, {"replica": 2}, {"replica": "0"}, {"session": None}, {"layout": []}, {"replica": True}]
)
def test_a_replica_must_say_who_it_is(downpour: Serving, changes: Any) -> None:
    line = say_hello(downpour.server, **changes)
    answer = line.receive()
    assert answer is None or answer.kind is Kind.REFUSED
    line.close()
    downpour.make_toy(0).step()


HEADER = wire._HEADER


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(b"XXXX", Kind.JOIN, 0, 0, 0),
        HEADER.pack(b"RMF\x01", 200, 0, 0, 0),
        HEADER.pack(b"RMF\x01", Kind.PUSH, 0xFFFFFFFF, 0, 0),
        HEADER.pack(b"RMF\x01", Kind.PUSH, 0, 0, 2**60),
        HEADER.pack(b"RMF\x01", Kind.PUSH, 0, 0, 15),
        HEADER.pack(b"RMF\x01", Kind.JOIN, 2, 0, 0) + b"[]",
        HEADER.pack(b"RMF\x01", Kind.JOIN, 4, 0, 0) + b"\xff{}\x00",
        HEADER.pack(b"RMF\x01", Kind.JOIN, 100_000, 0, 0) + b"[" * 100_000,
        HEADER.pack(b"RMF\x01", Kind.PUSH, 2, 1, 0) + b"{}",
        HEADER.pack(b"RMF\x01", Kind.PUSH, 2, 1, 16) + b"{}" + bytes(64),
        HEADER.pack(b"RMF\x01", Kind.PUSH, 42, 1, 16) + b'{"item": ["evaluate", 1], "losses": [0.1]}' + bytes(64),
        HEADER.pack(b"RMF\x01", Kind.EVALUATED, 28, 1, 0) + b'{"epoch": 1, "scores": "no"}',
        HEADER.pack(b"RMF\x01", Kind.HELLO, 0, 1, 0),
        HEADER.pack(b"RMF\x01", Kind.REPLY, 0, 1, 0),
    ],
)
def test_bad_frames_end_their_connection_alone(downpour: Serving, frame: bytes) -> None:
    line = say_hello(downpour.server)
    assert line.receive() == wire.Frame(Kind.REPLY, 0)
    line.socket.sendall(frame)
    assert_closed(line.socket)
    line.close()
    assert downpour.server.error is None
    run_in_threads([downpour.make_toy(replica) for replica in range(2)])
    assert downpour.server.wait(10)
    assert downpour.server.report()["samples"] == 160


def test_a_second_request_before_the_answer_ends_the_connection() -> None:
    with make_served("easgd", 2) as serving:
        line = say_hello(serving.server)
        line.receive()
        line.send(Kind.JOIN)
        serving.wait_for("joined", 0)
        line.send(Kind.JOIN)
        assert_closed(line.socket)
        line.close()


def test_frames_carry_only_what_they_are_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(ours)
        with pytest.raises(ValueError, match="float32"):
            line.send(Kind.PUSH, 0, {}, [np.zeros(3)])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="little JSON"):
            line.send(Kind.PUSH, 0, {"long": "x" * wire.MOST_TEXT})


def test_a_greeting_works_between_two_who_know_the_secret() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = threading.Thread(target=greet_as_server, args=(theirs, SECRET))
        server.start()
        greet_as_client(ours, SECRET)
        server.join(10)
        assert not server.is_alive()
