"""The server's side of one connection: who is there, its requests, answers that are held back."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from typing import TYPE_CHECKING

from rapidml.trainers.flat import list_arrays
from rapidml.trainers.limits import BEAT_SECONDS
from rapidml.trainers.replies import describe_item, parse_item
from rapidml.trainers.shard_work import Window
from rapidml.trainers.wire import Frame, Kind, Line, WireError, greet_as_server, prepare

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from rapidml.trainers.centre import Centre
    from rapidml.trainers.exchange import Server
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.weights import Weights

logger = logging.getLogger("rapidml.trainers")


class ServedReplica(threading.Thread):
    """A connection that a replica has made, or a stranger.

    Args:
        server: Who has the centre.
        connection: The socket; this object closes it.

    Attributes:
        replica: Number of the replica; negative as long as nobody has said and proven it.
        is_answering: Whether an answer is being made or sent.
    """

    def __init__(self, server: Server, connection: socket.socket) -> None:
        super().__init__(name="centre of a replica", daemon=True)
        self.replica = -1
        self.is_answering = False
        self._server = server
        self._line = Line(connection, server.silent)
        self._held: Reply | None = None
        self._wake = os.pipe()
        self._layout = server.layout

    def shut(self) -> None:
        """End the connection; its thread ends, too."""
        self._line.shut()

    def give(self, reply: Reply) -> None:
        """Hand over an answer that was held back; the server's lock is held."""
        self._held = reply
        os.write(self._wake[1], b".")

    def show_life(self) -> None:
        """Tell the replica that its request is not forgotten."""
        self._line.send(Kind.ALIVE)

    def run(self) -> None:
        """Serve the connection until it ends."""
        why, may_return = "its connection broke", True
        try:
            prepare(self._line.socket)
            greet_as_server(self._line.socket, self._server.secret)
            self._line.socket.settimeout(self._server.silent)
            if self._let_in():
                may_return = self._serve()
                why = why if may_return else "it has ended"
        except TimeoutError:
            why, may_return = "it gave no sign of life", False
        except (OSError, WireError) as error:
            logger.info("a connection of a training ended: %s", error)
        except Exception as error:  # noqa: BLE001  (of the centre: the server has it, too)
            why, may_return = f"the centre failed: {error}", False
            self._refuse(0, why)
        finally:
            self._server.forget(self, why, may_return=may_return)
            self._line.close()
            for end in self._wake:
                os.close(end)

    def _let_in(self) -> bool:
        """Learn who is there; whether it may be there."""
        frame = self._line.receive()
        if frame is None:
            return False
        replica, session = frame.tree.get("replica"), frame.tree.get("session")
        if frame.kind is not Kind.HELLO or type(replica) is not int or not isinstance(session, str):
            raise WireError("a peer did not say who it is")
        refusal = None
        if not 0 <= replica < self._server.n_replicas:
            refusal = f"there is no replica {replica} in this training of {self._server.n_replicas}"
        elif frame.tree.get("layout") != self._layout.to_tree():
            refusal = f"the network of replica {replica} has other weights than the centre"
        else:
            self.replica = replica
            refusal = self._server.take_place(self, replica, session)
        if refusal is not None:
            self._refuse(0, refusal)
            return False
        self._line.send(Kind.REPLY)
        return True

    def _serve(self) -> bool:
        """Answer requests; whether the replica may be back when the connection has ended."""
        memory = self._layout.make_vector()
        commit = self._layout.cut(memory)
        while True:
            frame = self._line.receive(lambda _, n_values: memory if n_values == memory.size else None)
            if frame is None:
                return True
            if frame.kind is Kind.LEAVE:
                return False
            try:
                reply = self._ask(frame, commit)
            except (ValueError, KeyError, TypeError) as error:
                self._refuse(frame.number, f"replica {self.replica}: {error}")
                return False
            self._send(frame.number, reply or self._hold())
            self._server.answered(self)

    def _ask(self, frame: Frame, commit: Weights) -> Reply | None:
        """Hand a request to the centre.

        Raises:
            ValueError: The request is wrong. So do KeyError and TypeError say.
        """
        replica, seq, tree = self.replica, frame.number, frame.tree
        if frame.kind is Kind.JOIN:
            return self._server.ask(self, self._join)
        if frame.kind is Kind.PUSH:
            window, losses = parse_item(tree["item"]), [float(loss) for loss in tree["losses"]]
            if not isinstance(window, Window) or not frame.n_values:
                raise ValueError("a push is of a window and its commit")
            return self._server.ask(self, lambda centre, now: centre.push(replica, seq, commit, window, losses, now))
        if frame.kind is Kind.EVALUATED:
            epoch, scores = int(tree["epoch"]), {str(name): float(value) for name, value in tree["scores"].items()}
            return self._server.ask(self, lambda centre, now: self._evaluated(centre, seq, epoch, scores, now))
        raise ValueError(f"not a request: {frame.kind.name}")

    def _join(self, centre: Centre, now: float) -> Reply | None:
        is_new = self.replica not in centre.here
        reply = centre.join(self.replica, now)
        if is_new:
            self._server.tell({"kind": "joined", "replica": self.replica})
        return reply

    def _evaluated(self, centre: Centre, seq: int, epoch: int, scores: Mapping[str, float], now: float) -> Reply | None:
        is_known = epoch in centre.tally.scores
        reply = centre.evaluated(self.replica, seq, epoch, scores, now)
        if epoch in centre.tally.scores and not is_known:
            self._server.tell({"kind": "evaluated", "epoch": epoch, "scores": scores})
        return reply

    def _refuse(self, number: int, why: str) -> None:
        with contextlib.suppress(OSError):
            self._line.send(Kind.REFUSED, number, {"why": why})

    def _send(self, number: int, reply: Reply) -> None:
        tree = {"next": reply.seq, "item": describe_item(reply.item), "how": reply.how, "sets": len(reply.sets)}
        self._line.send(Kind.REPLY, number, tree, list_arrays(reply.sets))

    def _hold(self) -> Reply:
        """Wait for the answer to come, while both sides show that they live."""
        heard = time.monotonic()
        while self._held is None:
            ready = self._look(BEAT_SECONDS)
            now = time.monotonic()
            if self._line.socket.fileno() in ready:
                self._line.hear()
                heard = now
            elif now - heard > self._server.silent:
                raise TimeoutError("a replica gave no sign of life")
            if self._wake[0] in ready:
                os.read(self._wake[0], 16)
            else:
                self.show_life()
        reply, self._held = self._held, None
        return reply

    def _look(self, seconds: float) -> set[int]:
        """Which of connection and wake-up have something."""
        poll = select.poll()
        for descriptor in (self._line.socket.fileno(), self._wake[0]):
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
