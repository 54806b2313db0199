"""Serves a centre to its replicas over TCP: a thread for each connection, one lock round the centre.

Replicas prove that they know the secret of the training (``wire.py``), say who they are, and make one request at a
time. An answer that the centre holds back keeps nobody else waiting. A replica is lost when its connection broke and it
is not back within ``LEAVE_SECONDS``, or when it gave no sign of life for ``SILENT_SECONDS``.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from rapidml.trainers.flat import Layout
from rapidml.trainers.limits import BEAT_SECONDS, LEAVE_SECONDS, SILENT_SECONDS
from rapidml.trainers.served_replica import ServedReplica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rapidml.trainers.centre import Centre
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.weights import Array

    Event = Mapping[str, Any]
    OnEvent = Callable[[Event], object]
    Keep = Callable[[dict[str, Array], dict[str, Any]], object]

MOST_STRANGERS = 64
"""Connections that have not proven yet that they know the secret; more are closed at once."""
KEEP_SECONDS = 30.0
"""Longest time between two snapshots; there is one at the end of each epoch, too."""
COME_SECONDS = 60.0
"""Time in which replicas come that have read their rows already; nobody waits longer."""
_TICK = 0.1
_CLOSES_WITHIN = 5.0

logger = logging.getLogger("rapidml.trainers")


def serve_centre(
    centre: Centre,
    host: str,
    secret: bytes,
    on_event: OnEvent | None = None,
    keep: Keep | None = None,
    *,
    silent: float = SILENT_SECONDS,
    leave: float = LEAVE_SECONDS,
) -> Server:
    """Serve a centre until it is closed.

    Args:
        centre: The centre; only the server may use it while it is served.
        host: Address of this machine to listen on; 127.0.0.1 keeps it on this host.
        secret: What replicas must know; 32 random bytes.
        on_event: Called in a thread of the server with ``{"kind": "joined", "replica": n}``, ``{"kind": "left",
            "replica": n, "why": text}`` and ``{"kind": "evaluated", "epoch": n, "scores": {...}}``.
        keep: Called in a thread of the server with what ``Centre.snapshot`` gives: at the end of every epoch, and now
            and then in a long one.
        silent: Seconds without a sign of life after which a replica is lost.
        leave: Seconds after which a replica is lost whose connection broke.
    """
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    return Server(centre, listener, secret, on_event, keep, silent=silent, leave=leave)


class Server:
    """A served centre; see ``serve_centre``. Any thread may use it; close it, or use it in ``with``.

    Attributes:
        address: Host and port.
        error: What went wrong in the centre, ``on_event`` or ``keep``, and ended the training; None if nothing did.
    """

    def __init__(
        self,
        centre: Centre,
        listener: socket.socket,
        secret: bytes,
        on_event: OnEvent | None,
        keep: Keep | None,
        *,
        silent: float,
        leave: float,
    ) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self.error: BaseException | None = None
        self.layout = Layout.of(centre.weights[0])
        self.n_replicas = centre.plan.replicas
        self.silent = silent
        self.secret, self._leave = secret, leave
        self._centre = centre
        self._lock = threading.Lock()  # round the centre, and all that follows
        self._listener = listener
        listener.settimeout(_CLOSES_WITHIN / 2)  # where shutting it down wakes nobody
        self._connected: dict[int, ServedReplica] = {}
        self._sessions: dict[int, list[str]] = {}
        self._broken: dict[int, float] = {}
        self._connections: set[ServedReplica] = set()
        self._finished = threading.Event()
        self._opened = self._attended = time.monotonic()
        self._closing = threading.Event()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._on_event, self._keep = on_event, keep
        self._kept = (time.monotonic(), centre.updates, centre.work.epochs_done)
        self._threads = [
            threading.Thread(target=target, name=f"centre {name}", daemon=True)
            for name, target in (("accepts", self._accept), ("looks", self._look))
        ]
        for thread in self._threads:
            thread.start()

    # For who trains.

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the centre has finished and every replica that is there has been told; or ``error`` is set."""
        return self._finished.wait(timeout)

    def drop(self, replica: int, why: str = "it was given up") -> None:
        """A replica is known to be lost, or will not come: nobody waits for it."""
        with self._lock, self._guard():
            connection = self._connected.pop(replica, None)
            if connection is not None:
                connection.shut()
            self._lose(replica, why)

    def report(self) -> dict[str, Any]:
        """What happened so far; see ``Centre.report``."""
        with self._lock:
            return self._centre.report()

    @property
    def deserted_seconds(self) -> float:
        """Time since a replica was there, or was still expected."""
        return time.monotonic() - self._attended

    def history(self) -> dict[str, list[Any]]:
        """Losses of the finished epochs; see ``Centre.history``."""
        with self._lock:
            return self._centre.history

    def snapshot(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The state of the centre; see ``Centre.snapshot``."""
        with self._lock:
            return self._centre.snapshot()

    def close(self) -> None:
        """End all connections. The centre is the caller's again."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.shut()
        end = time.monotonic() + _CLOSES_WITHIN
        for thread in (*self._threads, *connections):
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # For the connections.

    def take_place(self, connection: ServedReplica, replica: int, session: str) -> str | None:
        """Let a connection speak for a replica, in place of an earlier one.

        Args:
            connection: The connection.
            replica: Number of the replica.
            session: What tells its process from others that were this replica.

        Returns:
            Why it may not; None if it may.
        """
        with self._lock:
            sessions = self._sessions.setdefault(replica, [])
            if session in sessions[:-1]:
                return f"another process has taken the place of replica {replica}"
            if session not in sessions:
                sessions.append(session)
            earlier = self._connected.get(replica)
            if earlier is not None:
                earlier.shut()
            self._connected[replica] = connection
            self._broken.pop(replica, None)
            return None

    def ask(self, connection: ServedReplica, question: Callable[[Centre, float], Reply | None]) -> Reply | None:
        """Ask the centre something for a replica that is there.

        Args:
            connection: Who asks.
            question: Gets the centre and the time; called under the lock.

        Returns:
            The answer; None if it is held back, then the connection gets it by ``give``.
        """
        while not self._lock.acquire(timeout=BEAT_SECONDS):
            connection.show_life()  # many replicas of a large network
        try:
            if self._connected.get(connection.replica) is not connection:
                raise ConnectionAbortedError("another connection speaks for this replica")
            connection.is_answering = True
            with self._guard():
                reply = question(self._centre, time.monotonic())
                self._hand_out()
        finally:
            self._lock.release()
        return reply

    def tell(self, event: Event) -> None:
        """Let who trains know of something, soon and in order."""
        self._events.put(event)

    def answered(self, connection: ServedReplica) -> None:
        """An answer was sent."""
        connection.is_answering = False

    def forget(self, connection: ServedReplica, why: str, *, may_return: bool) -> None:
        """A connection has ended.

        Args:
            connection: The connection.
            why: How.
            may_return: Whether its replica may be back soon.
        """
        with self._lock, self._guard():
            self._connections.discard(connection)
            connection.is_answering = False
            if self._connected.get(connection.replica) is connection:
                del self._connected[connection.replica]
                if may_return:
                    self._broken[connection.replica] = time.monotonic()
                else:
                    self._lose(connection.replica, why)

    def _lose(self, replica: int, why: str) -> None:
        """Let a replica leave; under the lock."""
        self._broken.pop(replica, None)
        if replica in self._centre.here:
            self.tell({"kind": "left", "replica": replica, "why": why})
        self._centre.leave(replica, time.monotonic())
        self._hand_out()

    def _hand_out(self) -> None:
        """Give connections the answers that were held back; under the lock."""
        for replica, reply in self._centre.ready():
            connection = self._connected.get(replica)
            if connection is not None:  # else it will ask again
                connection.give(reply)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Notice what goes wrong in the centre; a request that is itself wrong is the asking replica's error."""
        try:
            yield
        except (ValueError, OSError):
            raise
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        logger.error("the centre of a training failed", exc_info=error)
        self.error = self.error or error
        self._finished.set()

    # The threads.

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                line, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if self._closing.wait(_TICK):
                    return
                logger.warning("a connection was not taken: %s", error)  # no descriptors left, say
                continue
            self._welcome(line)

    def _welcome(self, line: socket.socket) -> None:
        """Hear what a peer has to say, if there are not too many already."""
        with self._lock:
            strangers = sum(connection.replica < 0 for connection in self._connections)
            if strangers >= MOST_STRANGERS or self._closing.is_set():
                line.close()
                return
            connection = ServedReplica(self, line)
            self._connections.add(connection)
            connection.start()

    def _look(self) -> None:
        """Look after replicas that do not come back, tell events, keep snapshots."""
        while not self._closing.wait(_TICK):
            try:
                self._look_once()
            except Exception as error:  # noqa: BLE001  (of the centre, or of who is told; handed to who trains)
                self._fail(error)
                return
        with contextlib.suppress(Exception):
            self._tell_all()

    def _look_once(self) -> None:
        now = time.monotonic()
        with self._lock:
            for replica in [one for one, since in self._broken.items() if now - since > self._leave]:
                self._lose(replica, "its connection broke")
            if now - self._opened > COME_SECONDS:
                for replica in self._centre.expected:
                    self._lose(replica, "it did not come")
            if self._centre.here or self._centre.expected:
                self._attended = now
        self._tell_all()
        self._keep_sometimes(now)
        with self._lock:
            is_told = not any(connection.is_answering for connection in self._connections)
            if self._centre.is_finished and not self._centre.here and is_told:
                self._finished.set()

    def _tell_all(self) -> None:
        while not self._events.empty():
            event = self._events.get()
            if self._on_event is not None:
                self._on_event(event)

    def _keep_sometimes(self, now: float) -> None:
        if self._keep is None:
            return
        last, updates, epochs = self._kept
        with self._lock:
            state = (now, self._centre.updates, self._centre.work.epochs_done)
            is_fine = self._centre.failure is None  # who tries again must not fail at once
            is_time = is_fine and (state[2] > epochs or (now - last > KEEP_SECONDS and state[1] > updates))
            found = self._centre.snapshot() if is_time else None
        if found is not None:
            self._kept = state
            self._keep(*found)
