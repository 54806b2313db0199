"""The form in which replicas and their centre talk over TCP: proof of a shared secret, then frames.

A frame is a header, a little JSON and float32 values. Nothing here runs code that came over the wire, and nothing is
allocated for what a peer merely claims to send: values go into memory of the size that the receiver expects.
Byte order is that of the machine, little-endian on all that TensorFlow supports.
"""

from __future__ import annotations

import contextlib
import enum
import hmac
import json
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.trainers.limits import SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Place = Callable[[Mapping[str, Any], int], "NDArray[np.float32] | None"]
    """Says where so many values of a frame with this JSON go; None if they are not expected."""

SECRET_BYTES = 32
MOST_TEXT = 4 << 20
"""Longest JSON of a frame, bytes."""
GREETING_SECONDS = 5.0
"""Time in which a peer must have proven that it knows the secret."""
_MAGIC = b"rapidml\x01"
_HEADER = struct.Struct("<4sBxxxIQQ")
"""Mark, kind, bytes of JSON, number of the request, number of values."""
_MARK = b"RMF\x01"
_NONCE = 32
_BUFFER = 1 << 20
_MOST_PIECES = 512
"""Arrays handed to one system call; the system's own limit is 1024."""


class WireError(ModelError):
    """A peer does not speak this language, does not know the secret, or sends what was not expected."""


class Kind(enum.IntEnum):
    """What a frame is; the server's kinds begin at 64."""

    ALIVE = 0
    HELLO = 1
    JOIN = 2
    PUSH = 3
    EVALUATED = 4
    LEAVE = 5
    REPLY = 64
    REFUSED = 65


@dataclass(frozen=True)
class Frame:
    """What came: the kind, the replica's number of the request, JSON, and how many values were received."""

    kind: Kind
    number: int
    tree: Mapping[str, Any] = field(default_factory=dict)
    n_values: int = 0


def prepare(line: socket.socket) -> None:
    """Set a connection up for large frames and quick answers."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, buffer, _BUFFER)


def greet_as_server(line: socket.socket, secret: bytes) -> None:
    """Let a peer prove that it knows the secret, then prove it too.

    Raises:
        WireError: The peer could not.
        OSError: The connection broke, or the peer took too long.
    """
    end = time.monotonic() + GREETING_SECONDS
    mine = os.urandom(_NONCE)
    line.settimeout(GREETING_SECONDS)
    line.sendall(_MAGIC + mine)
    answer = _read_exactly(line, _NONCE + 32, end)
    theirs, proof = answer[:_NONCE], answer[_NONCE:]
    if not hmac.compare_digest(proof, _prove(secret, b"replica", mine, theirs)):
        line.sendall(bytes(32))  # so that it need not guess why the connection ends
        raise WireError("a peer does not know the secret of this centre")
    line.sendall(_prove(secret, b"centre", mine, theirs))


def greet_as_client(line: socket.socket, secret: bytes) -> None:
    """Prove to a centre that the secret is known, and let it prove the same.

    Raises:
        WireError: It is no centre, or one with another secret.
        OSError: The connection broke, or the peer took too long.
    """
    end = time.monotonic() + GREETING_SECONDS
    line.settimeout(GREETING_SECONDS)
    said = _read_exactly(line, len(_MAGIC) + _NONCE, end)
    if said[: len(_MAGIC)] != _MAGIC:
        raise WireError("what answers there is no centre of this version of rapidml")
    theirs, mine = said[len(_MAGIC) :], os.urandom(_NONCE)
    line.sendall(mine + _prove(secret, b"replica", theirs, mine))
    proof = _read_exactly(line, 32, end)
    if not hmac.compare_digest(proof, _prove(secret, b"centre", theirs, mine)):
        raise WireError("what answers there does not know the secret of this training")


def _prove(secret: bytes, role: bytes, server: bytes, client: bytes) -> bytes:
    """What only who knows the secret can say, in one role, to one pair of random numbers."""
    return hmac.digest(secret, b"rapidml exchange 1 " + role + server + client, "sha256")


def _read_exactly(line: socket.socket, n_bytes: int, end: float) -> bytes:
    found = b""
    while len(found) < n_bytes:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("a peer did not prove in time that it knows the secret")
        line.settimeout(left)
        piece = line.recv(n_bytes - len(found))
        if not piece:
            raise ConnectionResetError("the connection was closed")
        found += piece
    return found


class Line:
    """A connection that carries frames. One thread receives, any thread sends.

    Args:
        connection: The socket; greeted already.
        silent: Seconds in which a peer must move something, be it a sign of life.
    """

    def __init__(self, connection: socket.socket, silent: float = SILENT_SECONDS) -> None:
        connection.settimeout(silent)
        self.socket = connection
        self._sending = threading.Lock()
        self._header = memoryview(bytearray(_HEADER.size))

    def send(
        self,
        kind: Kind,
        number: int = 0,
        tree: Mapping[str, Any] | None = None,
        values: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        """Send one frame.

        Args:
            kind: What it is.
            number: The replica's number of the request.
            tree: What goes as JSON.
            values: float32 arrays, C-contiguous, sent one behind the other; nothing is copied here.

        Raises:
            OSError: The connection broke, or the peer took nothing for too long.
        """
        text = json.dumps(tree).encode() if tree else b""
        if len(text) > MOST_TEXT or any(one.dtype != "float32" for one in values):
            raise ValueError("a frame carries float32 values and a little JSON")
        pieces = [one.data.cast("B") for one in values if one.size]
        n_values = sum(len(piece) for piece in pieces) // 4
        head = _HEADER.pack(_MARK, kind, len(text), number, n_values) + text
        with self._sending:
            _send_all(self.socket, [memoryview(head), *pieces])

    def receive(self, place: Place | None = None) -> Frame | None:
        """The next frame that is no mere sign of life.

        Args:
            place: Says where values go, as a contiguous array of just so many; without it there must be none.

        Returns:
            The frame; None if the peer closed the connection between two.

        Raises:
            WireError: It is no frame, or has values that are not expected.
            OSError: The connection broke, or the peer was silent.
        """
        frame = self._read_frame(place)
        while frame is not None and frame.kind is Kind.ALIVE:
            frame = self._read_frame(place)
        return frame

    def hear(self) -> None:
        """Take a sign of life, where nothing else can come.

        Raises:
            WireError: Something else came.
            OSError: The connection broke.
        """
        frame = self._read_frame(None)
        if frame is None:
            raise ConnectionResetError("the connection was closed")
        if frame.kind is not Kind.ALIVE:
            raise WireError("a request came before the last one was answered")

    def _read_frame(self, place: Place | None) -> Frame | None:
        if not _fill(self.socket, self._header):
            return None
        mark, kind, n_text, number, n_values = _HEADER.unpack(self._header)
        if mark != _MARK or n_text > MOST_TEXT or kind not in _KINDS:
            raise WireError("what came is no frame of an exchange")
        tree = _parse(self._take(n_text)) if n_text else {}
        if n_values:
            into = None if place is None else place(tree, n_values)
            if into is None or into.size != n_values:
                raise WireError(f"{n_values} values came that were not expected")
            _fill_or_break(self.socket, into.data.cast("B"))
        return Frame(Kind(kind), number, tree, n_values)

    def _take(self, n_bytes: int) -> bytearray:
        data = bytearray(n_bytes)
        _fill_or_break(self.socket, memoryview(data))
        return data

    def shut(self) -> None:
        """End the connection at once; who waits on it learns of it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection and let it go; nobody may be using it any more."""
        self.shut()
        self.socket.close()


_KINDS = frozenset(Kind)


def _parse(text: bytearray) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise WireError("what came is no frame of an exchange")
    return tree


def _send_all(connection: socket.socket, pieces: list[memoryview]) -> None:
    first = 0
    while first < len(pieces):
        sent = connection.sendmsg(pieces[first : first + _MOST_PIECES])
        while first < len(pieces) and sent >= len(pieces[first]):
            sent -= len(pieces[first])
            first += 1
        if sent:
            pieces[first] = pieces[first][sent:]


def _fill(connection: socket.socket, into: memoryview) -> bool:
    """Receive exactly so many bytes; False if the peer closed before the first."""
    done = 0
    while done < len(into):
        n_bytes = connection.recv_into(into[done:])
        if not n_bytes:
            if not done:
                return False
            raise ConnectionResetError("the connection was closed in the middle of a frame")
        done += n_bytes
    return True


def _fill_or_break(connection: socket.socket, into: memoryview) -> None:
    if not _fill(connection, into):
        raise ConnectionResetError("the connection was closed in the middle of a frame")
