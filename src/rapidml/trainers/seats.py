"""What a centre knows of a replica: where it is, and its last request with the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapidml.trainers.replies import How, Reply
    from rapidml.trainers.shard_work import Window


class Place(Enum):
    """Where a replica is."""

    EXPECTED = "on its way"
    WORKING = "has an item"
    WAITING = "its request is not answered yet"
    GONE = "lost"
    STOPPED = "told to stop"


@dataclass(eq=False)
class Seat:
    """What the centre knows of a replica.

    Attributes:
        replica: Its number.
        place: Where it is.
        seq: Number of its last request.
        is_known: Whether it has joined this centre at all.
        has_joined: Whether its last request was to join.
        how: What it does with the weights that go with its next window.
        reply: The answer to its last request, once there is one.
        pushed: Window, and its mean loss, whose commit waits for its round.
    """

    replica: int
    place: Place = Place.EXPECTED
    seq: int = 0
    is_known: bool = False
    has_joined: bool = False
    how: How = "replace"
    reply: Reply | None = None
    pushed: tuple[Window, float] | None = None

    @property
    def is_here(self) -> bool:
        """Whether it has joined and is neither lost nor done."""
        return self.place in (Place.WORKING, Place.WAITING)

    def ask(self, seq: int, how: How, *, has_joined: bool = False) -> None:
        """It waits for the answer to a new request."""
        self.place, self.seq, self.how, self.reply, self.has_joined = Place.WAITING, seq, how, None, has_joined
        self.is_known = self.is_known or has_joined
