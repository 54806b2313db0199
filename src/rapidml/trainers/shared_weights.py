"""The weights of a centre, what each replica has of them, and what they were when epochs ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.trainers.rules import AsynchronousRule, SynchronousRule, make_rule, update_statistics
from rapidml.trainers.weights import Weights, fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.replies import How
    from rapidml.trainers.weights import Array


@dataclass
class _Copy:
    """What a replica has.

    Attributes:
        own: Which set of weights.
        version: Updates of the centre when the replica pulled or exchanged last.
        buffer: What it pulled last, or the reply to its last commit, or its commit as long as that waits for a round.
    """

    own: int
    version: int = 0
    buffer: Weights | None = None


class SharedWeights:
    """The weights that replicas share.

    Args:
        plan: The trainer.
        sets: The weights to begin with: one set, or one a replica for a trainer that keeps them apart.

    Attributes:
        rule: What is done in an exchange.
        sets: The centre.
        updates: How often it was changed.
        ends: The centre at the end of epochs that are not judged yet, by epoch.
        best: The centre at the end of the best epoch; empty if none was found to be.

    Raises:
        ValueError: The number of sets is not that of the trainer.
    """

    def __init__(self, plan: TrainerPlan, sets: Sequence[Weights]) -> None:
        self.rule = make_rule(plan)
        if len(sets) != (plan.replicas if self.rule.keeps_apart else 1):
            raise ValueError(f"{len(sets)} sets of weights for {plan.replicas} replicas of {plan.name}")
        self.sets = tuple(one.copy() for one in sets)
        self.updates = 0
        self.ends: dict[int, tuple[Weights, ...]] = {}
        self.best: tuple[Weights, ...] = ()
        self._replicas = plan.replicas
        self._copies = [_Copy(self._find_set(replica)) for replica in range(plan.replicas)]

    def _find_set(self, shard: int) -> int:
        return shard if self.rule.keeps_apart else 0

    def take(self, replica: int, commit: Weights, shard: int) -> int:
        """Take a commit of an asynchronous trainer; the reply is in the replica's buffer then.

        Returns:
            Its staleness: updates by others since the replica pulled.
        """
        assert isinstance(self.rule, AsynchronousRule)
        copy = self._copies[replica]
        assert copy.buffer is not None, "a replica commits only after it has pulled"
        copy.own = self._find_set(shard)
        mine, late = self.sets[copy.own], self.updates - copy.version
        pulled = copy.buffer.trained
        self.rule.update(mine.trained, commit.trained, pulled, staleness=late, pulled=pulled)
        fill(copy.buffer.statistics, commit.statistics)
        update_statistics(mine.statistics, [copy.buffer.statistics], 1 if self.rule.keeps_apart else self._replicas)
        self.updates += 1
        copy.version = self.updates
        return late

    def hold(self, replica: int, commit: Weights) -> None:
        """Keep a commit of a synchronous trainer until its round is complete."""
        buffer = self._copies[replica].buffer
        assert buffer is not None, "a replica commits only after it has pulled"
        buffer.fill(commit)

    def finish_round(self, rows: Mapping[int, int], seen: int) -> None:
        """Take all commits that are held; the replies are in the replicas' buffers then.

        Args:
            rows: Rows that each replica with a commit has trained on.
            seen: Rows of the epoch that the centre has learned from before.
        """
        assert isinstance(self.rule, SynchronousRule)
        buffers = [buffer for buffer in (self._copies[replica].buffer for replica in rows) if buffer is not None]
        counts, centre = list(rows.values()), self.sets[0]
        self.rule.update_round(centre.trained, [one.trained for one in buffers], rows=counts, seen=seen)
        update_statistics(centre.statistics, [one.statistics for one in buffers], self._replicas)
        self.updates += 1
        for replica in rows:
            self._copies[replica].version = self.updates

    def hand_out(self, replica: int, shard: int, how: How) -> tuple[How, Weights]:
        """What a replica gets with its next window: the centre as it is now, or the reply to its last commit.

        Args:
            replica: Its number.
            shard: Whose rows it trains on next.
            how: ``merge`` if its last commit is still to be answered, ``replace`` if it has nothing.

        Returns:
            What the replica does with the weights, and the weights: memory of the replica's own here.
        """
        copy, own = self._copies[replica], self._find_set(shard)
        if own != copy.own:
            how = "replace"
        if how == "replace" or (self.rule.replies_centre and copy.version != self.updates):
            if copy.buffer is None:
                copy.buffer = self.sets[own].copy()
            copy.buffer.fill(self.sets[own])
            copy.own, copy.version = own, self.updates
        assert copy.buffer is not None
        return how, copy.buffer

    def end_epoch(self, epoch: int) -> None:
        """Remember the centre as it is."""
        self.ends[epoch] = tuple(one.copy() for one in self.sets)

    def judge(self, epoch: int, *, is_best: bool) -> None:
        """Forget the end of an epoch, unless it is the best."""
        end = self.ends.pop(epoch)
        if is_best:
            self.best = end

    def to_arrays(self) -> dict[str, Array]:
        """Copies of all arrays by name: ``centre.0.trained.3`` is the fourth trained array of the first set."""
        groups = {"centre": self.sets, "best": self.best, **{f"end{epoch}": end for epoch, end in self.ends.items()}}
        return {
            f"{group}.{place}.{part}.{index}": np.array(array, order="C")
            for group, sets in groups.items()
            for place, weights in enumerate(sets)
            for part, arrays in zip(Weights._fields, weights, strict=True)
            for index, array in enumerate(arrays)
        }

    def to_tree(self) -> dict[str, Any]:
        """What ``to_arrays`` leaves out, as JSON values."""
        return {"updates": self.updates, "ends": sorted(self.ends)}

    @classmethod
    def from_arrays(cls, plan: TrainerPlan, arrays: Mapping[str, Array], tree: Mapping[str, Any]) -> SharedWeights:
        """The weights of ``to_arrays`` and ``to_tree``; no replica has any of them."""
        shared = cls(plan, _read_sets(arrays, "centre"))
        shared.updates, shared.best = tree["updates"], _read_sets(arrays, "best")
        shared.ends = {epoch: _read_sets(arrays, f"end{epoch}") for epoch in tree["ends"]}
        return shared


def _read_sets(arrays: Mapping[str, Array], group: str) -> tuple[Weights, ...]:
    """The sets of a group; none if there are none."""
    places = {int(name.split(".")[1]) for name in arrays if name.split(".")[0] == group}
    return tuple(
        Weights(*(_read_part(arrays, f"{group}.{place}.{part}.") for part in Weights._fields))
        for place in sorted(places)
    )


def _read_part(arrays: Mapping[str, Array], start: str) -> list[Array]:
    found = sorted(int(name.removeprefix(start)) for name in arrays if name.startswith(start))
    return [arrays[f"{start}{index}"] for index in found]
