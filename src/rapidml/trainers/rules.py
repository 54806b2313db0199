"""What replicas and their centre do with each other's weights: one rule a trainer, as functions of arrays.

Words: a *window* is some mini-batches of a replica; after it the replica pushes a *commit* to the *centre*, which
answers with a *reply*. Weights are lists of float32 arrays; all lists of one network have the same shapes. ``now`` are
a replica's weights at the end of a window, ``pulled`` those at its beginning. The centre is W, its replicas are w:

    downpour        commit w - pulled               W += commit                     w = W
    adag            commit (w - pulled) / batches   W += commit                     w = W
    adag_staleness  commit (w - pulled) / batches   W += commit * d                 w = W
                                                    d = 1 / ((W - pulled)^2 / gamma + 1), of each number
    dynsgd          commit w - pulled               W += commit / (staleness + 1)   w = W
    aeasgd, eamsgd  commit w                        E = alpha (w - W), W += E       w -= E
    easgd           commit pulled, all at once      E = alpha (pulled - W), W += mean of E      w -= E
    averaging       commit w, all at once           W = mean of w by rows           w = W
    ensemble        commit w                        one W a replica                 w = W

with alpha = rho * learning_rate. Every rule has pure functions (``apply``, ``apply_round``) and functions that change
arrays in place (``update``, ``update_round``), which run while the centre is locked: they go through the arrays in
blocks and make no temporary of the size of a network. Who holds weights, and how they travel, is not decided here.

References:
    Dean et al. (2012), "Large scale distributed deep networks", NIPS 25: downpour.
    Zhang, Choromanska, LeCun (2015), "Deep learning with elastic averaging SGD", NIPS 28: easgd, aeasgd, eamsgd.
    Jiang et al. (2017), "Heterogeneity-aware distributed parameter servers", SIGMOD: dynsgd.
    Hermans (2017), "On scalable deep learning and parallelizing gradient descent": adag (there AGN), adag_staleness.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rapidml.trainers.weights import cut_blocks, give, make_scratch, subtract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.weights import Array, Arrays


class Rule:
    """What a replica does in an exchange.

    Attributes:
        name: Name of the trainer.
        is_synchronous: Whether all replicas exchange at once.
        replies_centre: Whether a reply is the centre itself, which the replica takes over.
        needs_pulled: Whether the centre must remember what a replica pulled.
        keeps_apart: Whether every replica has a centre of its own.
    """

    is_synchronous = False
    replies_centre = True
    needs_pulled = False
    keeps_apart = False

    def __init__(self, name: str) -> None:
        self.name = name

    def commit(self, now: Arrays, pulled: Arrays, batches: int, out: Arrays | None = None) -> list[Array]:  # noqa: ARG002
        """What a replica pushes after a window.

        Args:
            now: Its weights at the end of the window.
            pulled: Its weights at the beginning of the window.
            batches: Mini-batches of the window, at least 1.
            out: Where to write it; may be ``pulled`` itself.

        Returns:
            The commit; where it is nothing but weights and no ``out`` is given, the very arrays of the argument.
        """
        return give(now, out)

    def merge(self, now: Arrays, reply: Arrays, out: Arrays | None = None) -> list[Array]:  # noqa: ARG002
        """The replica's weights after the exchange.

        Args:
            now: Its weights at the end of the window.
            reply: What the centre answered.
            out: Where to write them; may be ``now`` itself.

        Returns:
            The weights; where they are the reply and no ``out`` is given, its very arrays.
        """
        return give(reply, out)


class AsynchronousRule(Rule, ABC):
    """A rule by which replicas exchange one at a time."""

    @abstractmethod
    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:
        """Take a part of a commit, in place; ``reply`` may be ``extra.pulled``. Shapes ``(n,)``."""

    def update(
        self, centre: Arrays, commit: Arrays, reply: Arrays, *, staleness: int = 0, pulled: Arrays | None = None
    ) -> None:
        """Take one commit, in place.

        Args:
            centre: Changed; arrays contiguous in memory.
            commit: What the replica pushed; not changed.
            reply: Overwritten with the answer; contiguous, may be ``pulled`` itself.
            staleness: Updates of the centre by others since the replica pulled it.
            pulled: The centre as the replica pulled it; needed by rules with ``needs_pulled`` alone.

        Raises:
            ValueError: An array that would be written is not contiguous, or ``pulled`` is missing.
        """
        if self.needs_pulled and pulled is None:
            raise ValueError(f"{self.name} needs the centre as the replica pulled it")
        before = centre if pulled is None else pulled
        scratch = make_scratch(centre)
        with np.errstate(over="ignore"):  # whoever takes a commit looks whether it is finite
            for mine, answer, pushed, old in cut_blocks(2, centre, reply, commit, before):
                self._update_block(mine, pushed, answer, _Extra(scratch[: mine.size], staleness, old))

    def apply(
        self, centre: Arrays, commit: Arrays, *, staleness: int = 0, pulled: Arrays | None = None
    ) -> tuple[list[Array], list[Array]]:
        """The centre after one commit, and the reply; see ``update``. No argument is changed."""
        new = [np.array(array, order="C") for array in centre]
        reply = [np.empty_like(array) for array in new]
        self.update(new, commit, reply, staleness=staleness, pulled=pulled)
        return new, reply


class SynchronousRule(Rule, ABC):
    """A rule by which all replicas exchange at once, in rounds."""

    is_synchronous = True

    @abstractmethod
    def update_round(self, centre: Arrays, commits: Sequence[Arrays], *, rows: Sequence[int], seen: int = 0) -> None:
        """Take the commits of a round, in place; its outcome does not depend on their order but for rounding.

        Args:
            centre: Changed; arrays contiguous in memory.
            commits: What each replica pushed, at least one; overwritten with the replies.
            rows: Rows that each replica has trained on in the round.
            seen: Rows that the centre has learned from in this epoch before the round.

        Raises:
            ValueError: An array is not contiguous.
        """

    def apply_round(
        self, centre: Arrays, commits: Sequence[Arrays], *, rows: Sequence[int], seen: int = 0
    ) -> tuple[list[Array], list[list[Array]]]:
        """The centre after a round, and the reply to each; see ``update_round``. No argument is changed."""
        new = [np.array(array, order="C") for array in centre]
        replies = [[np.array(array, order="C") for array in commit] for commit in commits]
        self.update_round(new, replies, rows=rows, seen=seen)
        return new, replies


class Downpour(AsynchronousRule):
    """Changes are added to the centre, which the replica takes over."""

    def commit(self, now: Arrays, pulled: Arrays, batches: int, out: Arrays | None = None) -> list[Array]:  # noqa: ARG002
        """See ``Rule``."""
        return subtract(now, pulled, out)

    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:  # noqa: ARG002
        centre += commit
        reply[:] = centre


class Adag(Downpour):
    """As downpour, with the mean change of the window's mini-batches."""

    def commit(self, now: Arrays, pulled: Arrays, batches: int, out: Arrays | None = None) -> list[Array]:
        """See ``Rule``."""
        target = subtract(now, pulled, out)
        for difference in target:
            difference /= batches
        return target


class AdagStaleness(Adag):
    """As adag; where the centre has moved since it was pulled, each number changes less.

    Args:
        name: Name of the trainer.
        gamma: Square of the move at which a number changes half as much.
    """

    needs_pulled = True

    def __init__(self, name: str, gamma: float) -> None:
        super().__init__(name)
        self.gamma = gamma

    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:
        part = extra.scratch
        np.subtract(centre, extra.pulled, out=part)
        np.square(part, out=part)
        part *= 1 / self.gamma
        part += 1
        np.divide(commit, part, out=part)
        centre += part
        reply[:] = centre


class Dynsgd(Downpour):
    """As downpour; the later a change comes, the less it counts."""

    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:
        np.divide(commit, extra.staleness + 1, out=extra.scratch)
        centre += extra.scratch
        reply[:] = centre


class Elastic(AsynchronousRule):
    """Replica and centre pull each other: what one moves, the other moves the opposite way.

    With momentum (eamsgd) what a replica commits is the point without the look-ahead: see ``leave_look_ahead``.

    Args:
        name: Name of the trainer.
        alpha: Part of the distance that each moves.
    """

    replies_centre = False

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name)
        self.alpha = alpha

    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:  # noqa: ARG002
        np.subtract(commit, centre, out=reply)
        reply *= self.alpha
        centre += reply

    def merge(self, now: Arrays, reply: Arrays, out: Arrays | None = None) -> list[Array]:
        """See ``Rule``."""
        return subtract(now, reply, out)


class Easgd(SynchronousRule):
    """All replicas and the centre pull each other at once, from where they were at the beginning of the window.

    Args:
        name: Name of the trainer.
        alpha: Part of the distance that a replica moves; the centre moves by their mean.
    """

    replies_centre = False

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name)
        self.alpha = alpha

    def commit(self, now: Arrays, pulled: Arrays, batches: int, out: Arrays | None = None) -> list[Array]:  # noqa: ARG002
        """See ``Rule``."""
        return give(pulled, out)

    def update_round(self, centre: Arrays, commits: Sequence[Arrays], *, rows: Sequence[int], seen: int = 0) -> None:  # noqa: ARG002
        """See ``SynchronousRule``."""
        scratch = make_scratch(centre)
        for mine, *pushed in cut_blocks(1 + len(commits), centre, *commits):
            total = scratch[: mine.size]
            total[:] = 0
            for theirs in pushed:
                theirs -= mine
                theirs *= self.alpha
                total += theirs
            total /= len(pushed)
            mine += total

    def merge(self, now: Arrays, reply: Arrays, out: Arrays | None = None) -> list[Array]:
        """See ``Rule``."""
        return subtract(now, reply, out)


class Averaging(SynchronousRule):
    """The centre becomes the mean of all replicas, each by its rows; in an epoch of several rounds, of all of it."""

    def update_round(self, centre: Arrays, commits: Sequence[Arrays], *, rows: Sequence[int], seen: int = 0) -> None:
        """See ``SynchronousRule``."""
        whole = seen + sum(rows)
        for mine, *pushed in cut_blocks(1 + len(commits), centre, *commits):
            mine *= seen / whole
            for theirs, count in zip(pushed, rows, strict=True):
                theirs *= count / whole
                mine += theirs
            for theirs in pushed:
                theirs[:] = mine


class Ensemble(AsynchronousRule):
    """Every replica has a centre of its own, which holds its newest weights."""

    keeps_apart = True

    def _update_block(self, centre: Array, commit: Array, reply: Array, extra: _Extra) -> None:  # noqa: ARG002
        centre[:] = commit
        reply[:] = commit


def make_rule(plan: TrainerPlan) -> Rule:
    """The rule of a trainer with a centre.

    Raises:
        ValueError: The trainer has none.
    """
    if plan.name not in _MAKERS:
        raise ValueError(f"{plan.name} is no trainer with a centre")
    return _MAKERS[plan.name](plan.name, plan.options)


def update_statistics(centre: Arrays, pushed: Sequence[Arrays], replicas: int) -> None:
    """The rule of all trainers for statistics, in place: W += sum of (w - W) / replicas, w = W.

    Args:
        centre: Changed; arrays contiguous in memory.
        pushed: What each replica pushed, one or a whole round; overwritten with the replies.
        replicas: Number of replicas of the trainer.
    """
    scratch = make_scratch(centre)
    for mine, *others in cut_blocks(1 + len(pushed), centre, *pushed):
        total = scratch[: mine.size]
        np.multiply(mine, 1 - len(others) / replicas, out=total)
        for theirs in others:
            theirs /= replicas
            total += theirs
        mine[:] = total
        for theirs in others:
            theirs[:] = mine


def leave_look_ahead(now: Arrays, velocity: Arrays, momentum: float, out: Arrays | None = None) -> list[Array]:
    """The point of a replica of eamsgd without the look-ahead: w - momentum * v.

    Nesterov's method steps from a point x by the gradient at x + momentum * v, the look-ahead. Keras' SGD holds the
    look-ahead as its weights, v as its momentum.

    Args:
        now: Weights as Keras' SGD with ``nesterov`` holds them.
        velocity: Its momentum, of the same shapes.
        momentum: Part of the velocity that a step keeps.
        out: Where to write the point.
    """
    target = [np.empty_like(array) for array in now] if out is None else list(out)
    for mine, speed, point in zip(now, velocity, target, strict=True):
        np.multiply(speed, -momentum, out=point)
        point += mine
    return target


class _Extra(NamedTuple):
    """What some rules need of a block besides the weights."""

    scratch: Array
    staleness: int
    pulled: Array


_MAKERS: Mapping[str, Callable[[str, Mapping[str, float]], Rule]] = {
    "downpour": lambda name, _: Downpour(name),
    "adag": lambda name, _: Adag(name),
    "adag_staleness": lambda name, options: AdagStaleness(name, options["gamma"]),
    "dynsgd": lambda name, _: Dynsgd(name),
    "aeasgd": lambda name, options: Elastic(name, options["rho"] * options["learning_rate"]),
    "eamsgd": lambda name, options: Elastic(name, options["rho"] * options["learning_rate"]),
    "easgd": lambda name, options: Easgd(name, options["rho"] * options["learning_rate"]),
    "averaging": lambda name, _: Averaging(name),
    "ensemble": lambda name, _: Ensemble(name),
}
