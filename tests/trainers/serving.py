"""A served centre with its replicas, for tests."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.trainers.centre_client import CentreClient
from rapidml.trainers.exchange import serve_centre
from rapidml.trainers.flat import list_arrays
from rapidml.trainers.shard_work import Stop, Window
from tests.trainers.toy_replica import ToyReplica, make_centre

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.trainers.centre import Centre
    from rapidml.trainers.replies import Reply
    from rapidml.trainers.weights import Weights

SECRET = bytes(range(32))


class Serving:
    """A served centre with clients, all closed at the end.

    Args:
        centre: The centre.
        options: Of ``serve_centre``.
    """

    def __init__(self, centre: Centre, **options: Any) -> None:
        self.centre = centre
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.server = serve_centre(centre, "127.0.0.1", SECRET, self.events.put, **options)
        self.clients: list[CentreClient] = []

    def connect(self, replica: int, address: tuple[str, int] | None = None, **options: Any) -> CentreClient:
        client = CentreClient(address or self.server.address, SECRET, replica, self.centre.weights[0], **options)
        self.clients.append(client)
        return client

    def make_toy(self, replica: int, **options: Any) -> ToyReplica:
        return ToyReplica(self.connect(replica, **options), self.centre.plan)

    def wait_for(self, kind: str, replica: int | None = None) -> dict[str, Any]:
        """The next event of a kind; those before it are dropped."""
        while True:
            event: dict[str, Any] = self.events.get(timeout=20)
            if event["kind"] == kind and replica in (None, event.get("replica")):
                return event

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.server.close()


class DirectReplica:
    """Asks a centre by calls, as the client does over TCP."""

    def __init__(self, centre: Centre, replica: int) -> None:
        self.centre, self.replica, self.seq = centre, replica, 0

    def _note(self, reply: Reply | None) -> Reply:
        assert reply is not None
        self.seq = reply.seq
        return reply

    def join(self) -> Reply:
        return self._note(self.centre.join(self.replica, 0.0))

    def push(self, commit: Weights, window: Window, losses: Sequence[float]) -> Reply:
        return self._note(self.centre.push(self.replica, self.seq, commit, window, losses, 0.0))

    def evaluated(self, epoch: int, scores: Any) -> Reply:
        return self._note(self.centre.evaluated(self.replica, self.seq, epoch, scores, 0.0))


def take_turns(toys: Sequence[ToyReplica]) -> None:
    """Let replicas step in an order that is not regular, where no answer is held back."""
    going = list(toys)
    order = np.random.default_rng(3)
    while going:
        toy = going[order.integers(len(going))]
        if isinstance(toy.step().item, Stop):
            going.remove(toy)


def run_in_threads(toys: Sequence[ToyReplica]) -> None:
    errors: list[BaseException] = []

    def run(toy: ToyReplica) -> None:
        try:
            toy.run()
        except BaseException as error:  # (raised again below)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(toy,), daemon=True) for toy in toys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for error in errors:
        raise error


def assert_same_weights(one: Sequence[Weights], other: Sequence[Weights]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(list_arrays(one), list_arrays(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def make_served(name: str, replicas: int = 2, **options: Any) -> Serving:
    return Serving(make_centre(name, replicas, **options))
