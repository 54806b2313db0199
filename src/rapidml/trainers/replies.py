"""What a centre answers to its replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rapidml.trainers.shard_work import Evaluate, Stop, Wait, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.trainers.shard_work import Item
    from rapidml.trainers.weights import Weights


@dataclass(frozen=True, slots=True)
class Rejoin:
    """The centre knows nothing of what the replica did: it was taken for lost, or the centre came back.

    The replica joins again, with nothing of its own.
    """


How = Literal["merge", "replace", "show", "keep"]


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        seq: Number of the replica's next request.
        item: What it is to do; never ``Wait``, since the answer is held until there is something.
        how: What to do with ``sets``. ``merge``: the rule's reply, for ``Rule.merge``. ``replace``: the replica's
            weights from now on. ``show``: weights to compute scores with; its own are to be kept. ``keep``: there
            are none, its weights stay as they are.
        sets: One set of weights; none with ``keep``; with ``show`` as many as the centre keeps apart. They are the
            centre's own memory, safe until the replica's next request and not to be changed.
    """

    seq: int
    item: Item | Rejoin
    how: How = "keep"
    sets: tuple[Weights, ...] = ()


_PLAIN: dict[str, Item | Rejoin] = {"wait": Wait(), "stop": Stop(), "rejoin": Rejoin()}


def describe_item(item: Item | Rejoin) -> list[Any]:
    """An item as JSON values."""
    if isinstance(item, Window):
        return ["window", item.epoch, item.shard, item.first, item.last]
    if isinstance(item, Evaluate):
        return ["evaluate", item.epoch]
    return [type(item).__name__.lower()]


def parse_item(tree: Sequence[Any]) -> Item | Rejoin:
    """The item that ``describe_item`` described.

    Raises:
        ValueError: It is none.
    """
    match list(tree):
        case ["window", int(epoch), int(shard), int(first), int(last)]:
            return Window(epoch, shard, first, last)
        case ["evaluate", int(epoch)]:
            return Evaluate(epoch)
        case [str(name)] if name in _PLAIN:
            return _PLAIN[name]
    raise ValueError(f"not an item of work: {tree!r}")
