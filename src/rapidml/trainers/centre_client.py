"""The replica's side of the exchange with its centre: one request at a time, tried again when the connection breaks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.errors import ModelError
from rapidml.trainers.flat import Layout, list_arrays
from rapidml.trainers.limits import BEAT_SECONDS, RETRY_SECONDS, SILENT_SECONDS
from rapidml.trainers.replies import Reply, describe_item, parse_item
from rapidml.trainers.wire import GREETING_SECONDS, Frame, Kind, Line, WireError, greet_as_client, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.trainers.shard_work import Window
    from rapidml.trainers.weights import Array, Weights

_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between attempts to connect; the last one again and again."""
_HOWS = ("merge", "replace", "show", "keep")


class CentreLostError(ModelError):
    """The centre could not be reached for too long."""


class CentreClient:
    """A replica's connection to its centre. One thread makes requests; close it, or use it in ``with``.

    Each request returns what to do next (``Reply.item``) and what to do with the weights that came (``Reply.how``).

    The weights of an answer lie in memory of the client, to read or to change: those of a ``show`` answer for as long
    as they are used, the others until the second request after it has been answered.

    Args:
        address: Host and port of the centre.
        secret: What all processes of the training know.
        replica: Number of this replica.
        like: Weights of the replica's network; only their shapes matter.
        silent: Seconds without a sign of life after which a connection is broken.
        retry: Seconds for which a centre that cannot be reached is looked for.

    Attributes:
        joined: How often this replica has joined.
    """

    def __init__(
        self,
        address: tuple[str, int],
        secret: bytes,
        replica: int,
        like: Weights,
        *,
        silent: float = SILENT_SECONDS,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self.address = address
        self.replica = replica
        self.joined = 0
        self._secret, self._silent, self._retry = secret, silent, retry
        self._session = os.urandom(8).hex()
        self._layout = Layout.of(like)
        self._memory = [self._layout.make_vector(), self._layout.make_vector()]
        self._next = 0
        self._shown = self._memory[0][:0]
        self._line: Line | None = None
        self._number = 0
        self._closing = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="signs of life to the centre", daemon=True)
        self._beating.start()

    def join(self) -> Reply:
        """Come to the centre with nothing of one's own.

        Raises:
            CentreLostError: There is none.
            WireError: It is another one.
            ModelError: It refuses.
        """
        self.joined += 1
        return self._ask(Kind.JOIN, {})

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        """Hand over what a window has brought.

        Args:
            commit: What the rule commits, and the statistics as they are.
            window: The window.
            losses: Mean loss of each mini-batch in order, or the mean loss of all rows alone.

        Raises:
            CentreLostError: The centre is gone.
            ModelError: It refuses.
        """
        tree = {"item": describe_item(window), "losses": [float(loss) for loss in losses]}
        return self._ask(Kind.PUSH, tree, list_arrays((commit,)))

    def evaluated(self, epoch: int, scores: Mapping[str, float]) -> Reply:
        """Hand over scores that were computed with the centre as it was at the end of an epoch.

        Raises:
            CentreLostError: The centre is gone.
            ModelError: It refuses.
        """
        tree = {"epoch": epoch, "scores": {name: float(score) for name, score in scores.items()}}
        return self._ask(Kind.EVALUATED, tree)

    def close(self) -> None:
        """Leave the centre."""
        self._closing.set()
        line = self._line
        if line is not None:
            with contextlib.suppress(OSError):
                line.send(Kind.LEAVE)
        self._drop()
        self._beating.join()

    def __enter__(self) -> CentreClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, kind: Kind, tree: Mapping[str, Any], values: Sequence[Array] = ()) -> Reply:
        """Make a request until it is answered: the centre counts one with the same number once."""
        end: float | None = None
        attempt = 0
        while True:
            try:
                line = self._line or self._connect()
                line.send(kind, self._number, tree, values)
                frame = line.receive(self._place)
                if frame is None:
                    raise ConnectionResetError("the centre closed the connection")
                return self._read(frame)
            except OSError as error:
                self._drop()
                end = end or time.monotonic() + self._retry
                if time.monotonic() > end or self._closing.is_set():
                    host, port = self.address
                    raise CentreLostError(f"the centre of the training at {host}:{port} is gone: {error}") from error
                self._closing.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
            except ModelError:  # whatever else is on this connection answers nothing any more
                self._drop()
                raise

    def _connect(self) -> Line:
        """Connect, prove to each other that the secret is known, say who this is."""
        connection = socket.create_connection(self.address, timeout=min(GREETING_SECONDS, self._silent))
        try:
            prepare(connection)
            greet_as_client(connection, self._secret)
            line = Line(connection, self._silent)
            hello = {"replica": self.replica, "session": self._session, "layout": self._layout.to_tree()}
            line.send(Kind.HELLO, 0, hello)
            answer = line.receive()
            if answer is None:
                raise ConnectionResetError("the centre closed the connection")
            _check(answer)
        except BaseException:  # whatever it was, the socket is nobody's then
            connection.close()
            raise
        self._line = line
        return line

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _place(self, tree: Mapping[str, Any], n_values: int) -> Array | None:
        """Where the weights of an answer go."""
        size, n_sets = self._layout.size, tree.get("sets")
        if not size or not isinstance(n_sets, int) or n_values != n_sets * size:
            return None
        if tree.get("how") == "show":
            self._shown = np.empty(n_values, np.float32)
            return self._shown
        return self._memory[self._next] if n_sets == 1 else None

    def _read(self, frame: Frame) -> Reply:
        _check(frame)
        tree = frame.tree
        if frame.number != self._number or tree.get("how") not in _HOWS or not isinstance(tree.get("next"), int):
            raise WireError("what came is no answer to the request")
        sets: tuple[Weights, ...] = ()
        if frame.n_values and tree["how"] == "show":
            sets = self._layout.cut_many(self._shown)
        elif frame.n_values:
            sets = (self._layout.cut(self._memory[self._next]),)
            self._next = 1 - self._next
        self._number = tree["next"]
        return Reply(self._number, parse_item(tree.get("item", ())), tree["how"], sets)

    def _beat(self) -> None:
        """Show the centre that this process lives, while it trains or waits."""
        while not self._closing.wait(BEAT_SECONDS):
            line = self._line
            if line is not None:
                with contextlib.suppress(OSError):
                    line.send(Kind.ALIVE)


def _check(answer: Frame) -> None:
    if answer.kind is Kind.REFUSED:
        raise ModelError(str(answer.tree.get("why", "the centre refused a request")))
    if answer.kind is not Kind.REPLY:
        raise WireError("what came is no answer to the request")
