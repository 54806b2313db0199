"""Which rows of which shard each replica trains on next, so that every row counts once an epoch, come what may.

Every replica has a *shard*: its part of the rows, in an order of its own each epoch. It works through it in *windows*
of some mini-batches; the last batch of an epoch and its last window may be smaller. When a replica is lost, its open
window is to do again, and windows of its shard are dealt to the replicas left, each when it has finished its own shard
in that epoch. A replica that comes back takes its shard again. Epochs count from 1.

Nothing here knows of weights, time or processes: the order of the calls decides everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Window:
    """Rows to train on between two exchanges.

    Attributes:
        epoch: Number of the epoch, from 1.
        shard: Whose rows.
        first: Position of the first row in the shard's order of the epoch.
        last: The position behind the last row.
    """

    epoch: int
    shard: int
    first: int
    last: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.last - self.first

    def count_batches(self, batch_size: int) -> int:
        """Number of mini-batches; the last one may be smaller."""
        return -(-self.rows // batch_size)


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Scores to compute with the centre as it was at the end of an epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until another replica has done something."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing to do any more."""


Item = Window | Evaluate | Wait | Stop
"""What a replica can be told to do."""


@dataclass
class _Course:
    """A shard in its current epoch.

    Attributes:
        shard: Its number.
        rows: Its rows.
        step: Rows of a full window.
        epoch: The epoch; beyond the last one when all is done.
        dealt: Windows dealt so far, those given back included.
        back: Windows that were given back, ascending.
        out: Windows that replicas have.
    """

    shard: int
    rows: int
    step: int
    epoch: int = 1
    dealt: int = 0
    back: list[int] = field(default_factory=list)
    out: set[int] = field(default_factory=set)

    @property
    def n_windows(self) -> int:
        return -(-self.rows // self.step)

    @property
    def has_work(self) -> bool:
        return bool(self.back) or self.dealt < self.n_windows

    def make_window(self, number: int) -> Window:
        first = number * self.step
        return Window(self.epoch, self.shard, first, min(first + self.step, self.rows))

    def take(self) -> Window:
        if self.back:
            number = self.back.pop(0)
        else:
            number, self.dealt = self.dealt, self.dealt + 1
        self.out.add(number)
        return self.make_window(number)

    def give_back(self, window: Window) -> None:
        number = window.first // self.step
        self.out.remove(number)
        self.back = sorted([*self.back, number])

    def claim(self, window: Window) -> bool:
        number = window.first // self.step
        if number not in self.back or self.make_window(number) != window:
            return False
        self.back.remove(number)
        self.out.add(number)
        return True

    def commit(self, window: Window) -> None:
        self.out.remove(window.first // self.step)
        if not self.has_work and not self.out:
            self.epoch, self.dealt = self.epoch + 1, 0


class ShardWork:
    """What is to do, who does it and what is done.

    Every replica is taken to be there, or on its way, until it leaves: what one that will never come should do is not
    dealt to others before.

    Args:
        rows: Rows of each shard, one shard a replica; some may have none.
        epochs: Number of epochs.
        batch_size: Rows of a mini-batch.
        window: Mini-batches of a window; None for all of a shard's epoch.
        ahead: Epochs by which a shard may be ahead of the slowest; 0 keeps all in the same epoch.
        is_evaluated: Whether the end of every epoch makes one item to evaluate.

    Raises:
        ValueError: There is nothing to do.
    """

    def __init__(
        self,
        rows: Sequence[int],
        epochs: int,
        batch_size: int,
        window: int | None,
        *,
        ahead: int = 1,
        is_evaluated: bool = True,
    ) -> None:
        if not sum(rows) or min(rows) < 0 or epochs < 1 or batch_size < 1 or (window is not None and window < 1):
            raise ValueError(f"no work: shards of {list(rows)} rows, {epochs} epochs, batch {batch_size}, {window=}")
        self.rows, self.epochs, self.batch_size, self.window = tuple(rows), epochs, batch_size, window
        self.ahead, self.is_evaluated = ahead, is_evaluated
        self.samples = [0] * epochs
        self.is_stopped = False
        self._courses = [
            _Course(shard, count, window * batch_size if window else max(1, count)) for shard, count in enumerate(rows)
        ]
        self._with_rows = [course for course in self._courses if course.rows]
        self._here = set(range(len(rows)))
        self._held: dict[int, Window | Evaluate] = {}
        self._to_evaluate: list[int] = []

    @property
    def epochs_done(self) -> int:
        """Epochs of which every row has been committed."""
        return min(course.epoch for course in self._with_rows) - 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is to do any more."""
        return self.is_stopped or (self.epochs_done == self.epochs and not self._to_evaluate and not self._held)

    def next(self, replica: int) -> Item:
        """What a replica does next; the same again until it has done it.

        Raises:
            ValueError: The replica has left.
        """
        if replica not in self._here:
            raise ValueError(f"replica {replica} has left")
        if self.is_stopped:
            return Stop()
        if replica not in self._held:
            found = self._find_evaluation() or self._find_window(replica)
            if found is None:
                return Stop() if self.is_over else Wait()
            self._held[replica] = found
        return self._held[replica]

    def _find_evaluation(self) -> Evaluate | None:
        """The next epoch to evaluate; one at a time, so that they come in order."""
        is_busy = any(isinstance(item, Evaluate) for item in self._held.values())
        return Evaluate(self._to_evaluate.pop(0)) if self._to_evaluate and not is_busy else None

    def _find_window(self, replica: int) -> Window | None:
        """The first window of the earliest epoch, of the replica's own shard if there is one."""
        newest = min(self.epochs_done + 1 + self.ahead, self.epochs)
        open_to_it = [
            course
            for course in self._with_rows
            if (course.shard == replica or course.shard not in self._here) and course.has_work
        ]
        first = min(
            (course for course in open_to_it if course.epoch <= newest),
            key=lambda course: (course.epoch, course.shard != replica, course.shard),
            default=None,
        )
        return None if first is None else first.take()

    def holds(self, replica: int, item: Item) -> bool:
        """Whether this is what a replica is to do at the moment."""
        return replica in self._held and self._held[replica] == item

    def commit(self, replica: int, window: Window) -> int | None:
        """Count a window that a replica has trained on.

        Returns:
            The epoch that it was the last one of; None if others are still to do.

        Raises:
            ValueError: The replica does not have this window.
        """
        before = self.epochs_done
        self._let_go(replica, window)
        self._courses[window.shard].commit(window)
        self.samples[window.epoch - 1] += window.rows
        if self.epochs_done == before:
            return None
        if self.is_evaluated:
            self._to_evaluate.append(self.epochs_done)
        return self.epochs_done

    def finish_evaluation(self, replica: int, epoch: int) -> None:
        """Count an evaluation.

        Raises:
            ValueError: The replica was not to do it.
        """
        self._let_go(replica, Evaluate(epoch))

    def _let_go(self, replica: int, item: Window | Evaluate) -> None:
        if not self.holds(replica, item):
            raise ValueError(f"replica {replica} does not have {item}")
        del self._held[replica]

    def leave(self, replica: int, *, keeps: bool = False) -> None:
        """A replica is lost: its shard is open to others.

        Args:
            replica: Its number.
            keeps: Whether what it has is not to do again, since it is done and only to be counted.
        """
        self._here.discard(replica)
        if keeps or replica not in self._held:
            return
        item = self._held.pop(replica)
        if isinstance(item, Evaluate):
            self._to_evaluate.insert(0, item.epoch)
        else:
            self._courses[item.shard].give_back(item)

    def join(self, replica: int) -> None:
        """A replica is there, perhaps again: its shard is its own."""
        self._here.add(replica)

    def claim(self, replica: int, item: Item) -> bool:
        """Let a replica that was lost come back to what it was doing.

        Returns:
            Whether it may: not if somebody else has taken it or has done it. If so, the replica is there again.
        """
        if replica in self._held:
            is_free = self._held[replica] == item
        elif isinstance(item, Window):
            is_free = self._courses[item.shard].claim(item)
        elif isinstance(item, Evaluate):
            is_free = item.epoch in self._to_evaluate
            self._to_evaluate = [epoch for epoch in self._to_evaluate if epoch != item.epoch]
        else:
            is_free = True
        if is_free:
            self._here.add(replica)
            if isinstance(item, Window | Evaluate):
                self._held[replica] = item
        return is_free

    def stop(self) -> None:
        """End the work before all is done."""
        self.is_stopped = True

    def to_tree(self) -> dict[str, Any]:
        """The state as JSON values. What replicas have at the moment is still to do in it."""
        evaluating = [item.epoch for item in self._held.values() if isinstance(item, Evaluate)]
        return {
            "rows": list(self.rows),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "window": self.window,
            "ahead": self.ahead,
            "is_evaluated": self.is_evaluated,
            "samples": list(self.samples),
            "is_stopped": self.is_stopped,
            "to_evaluate": [*evaluating, *self._to_evaluate],
            "courses": [[one.epoch, one.dealt, sorted([*one.back, *one.out])] for one in self._courses],
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> ShardWork:
        """The state that ``to_tree`` gave; all replicas are taken to be on their way."""
        work = cls(
            tree["rows"],
            tree["epochs"],
            tree["batch_size"],
            tree["window"],
            ahead=tree["ahead"],
            is_evaluated=tree["is_evaluated"],
        )
        work.samples, work.is_stopped = list(tree["samples"]), tree["is_stopped"]
        work._to_evaluate = list(tree["to_evaluate"])
        for course, (epoch, dealt, back) in zip(work._courses, tree["courses"], strict=True):
            course.epoch, course.dealt, course.back = epoch, dealt, list(back)
        return work
