"""The centre of a training with replicas: the weights that they share, and who does what.

A pure state machine: no threads, no files, no sockets, and no clock but the ``now`` of each call (seconds of any clock
that never goes back). Whoever serves it calls it under one lock.

The protocol. A replica *joins* and gets weights and a first item: a window, scores to compute, or the end. After a
window it *pushes*, after scores it says that it has *evaluated*; every answer brings the next item. Where the answer
must wait (no item until another replica has done something, or a round of a synchronous trainer is not complete), the
call returns None, and the answer is among those of ``ready`` after a later call, whoever made it.

Requests of a replica are numbered, joins too; every answer tells the next number. The same number again changes nothing
and gets the same answer. A replica that was taken for lost and comes back goes on where it was, unless its window has
been dealt to another; then it is told to join again. So every window counts once.

All replicas are taken to be on their way until they join: ``leave`` must be called for one that will not come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.trainers.replies import Rejoin, Reply
from rapidml.trainers.seats import Place, Seat
from rapidml.trainers.shard_work import Evaluate, ShardWork, Stop, Wait, Window
from rapidml.trainers.shared_weights import SharedWeights
from rapidml.trainers.stopping import WATCHED, EarlyStopping, explain_divergence
from rapidml.trainers.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.trainers.replies import How
    from rapidml.trainers.weights import Array, Weights

FORMAT = 1
"""Version of snapshots."""
LIFE = 1 << 32
"""Numbers of requests that a centre from a snapshot leaves out: those after the snapshot are not its own."""


class Centre:
    """The weights that replicas share, and who does what; see the module.

    Args:
        plan: The trainer.
        sets: The weights to begin with: one set, or one a replica for a trainer that keeps them apart.
        rows: Rows of each replica's shard.
        epochs: Number of epochs.
        batch_size: Rows of a mini-batch of a replica.
        is_evaluated: Whether a replica computes scores with the centre at the end of every epoch.
        patience: Epochs without a lower score ``watch`` after which training ends; the result is then the centre of
            the best epoch.

    Raises:
        ValueError: The arguments do not fit together.
    """

    def __init__(
        self,
        plan: TrainerPlan,
        sets: Sequence[Weights],
        *,
        rows: Sequence[int],
        epochs: int,
        batch_size: int,
        is_evaluated: bool = True,
        patience: int | None = None,
    ) -> None:
        if len(rows) != plan.replicas:
            raise ValueError(f"{len(rows)} shards for {plan.replicas} replicas")
        self.plan = plan
        self.shared = SharedWeights(plan, sets)
        ahead = 0 if self.shared.rule.is_synchronous else 1
        is_evaluated = is_evaluated or patience is not None
        self.work = ShardWork(rows, epochs, batch_size, plan.window, ahead=ahead, is_evaluated=is_evaluated)
        self.tally = Tally()
        self.stopping = EarlyStopping(patience)
        self.failure: str | None = None
        self._seats = [Seat(replica) for replica in range(plan.replicas)]
        self._outbox: dict[int, Reply] = {}
        self._began: float | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is to do any more: all epochs done, stopped early, or failed."""
        return self.work.is_over

    @property
    def here(self) -> list[int]:
        """Replicas that have joined and are neither lost nor done."""
        return [seat.replica for seat in self._seats if seat.is_here]

    @property
    def expected(self) -> list[int]:
        """Replicas that have not come yet."""
        return [seat.replica for seat in self._seats if seat.place is Place.EXPECTED]

    @property
    def updates(self) -> int:
        """How often the weights were changed."""
        return self.shared.updates

    @property
    def samples(self) -> int:
        """Rows that were trained on and committed, over all epochs."""
        return sum(self.work.samples)

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The result: the centre, or that of the best epoch if there is a patience; its own memory."""
        return self.shared.best or self.shared.sets

    @property
    def history(self) -> dict[str, list[Any]]:
        """Losses of the finished epochs by name (``train``, and the scores), each as long as ``round``."""
        done = self.work.epochs_done
        rounds = [epoch for epoch in range(1, done + 1) if not self.work.is_evaluated or epoch in self.tally.scores]
        total = sum(self.work.rows)
        table: dict[str, list[Any]] = {"round": rounds, "train": [self.tally.losses[epoch] / total for epoch in rounds]}
        for name in self.tally.centre:
            table[name] = [self.tally.scores[epoch].get(name, math.nan) for epoch in rounds]
        return table

    def join(self, replica: int, now: float) -> Reply | None:
        """A replica is there, for the first time or again, with nothing of its own."""
        seat = self._begin(replica, now)
        if seat.has_joined and seat.is_here:
            return self._answer(seat)  # the answer went astray
        if seat.is_here:
            self._lose(seat)
        self.work.join(replica)
        seat.ask(seat.seq + 1, "replace", has_joined=True)
        return self._answer(seat)

    def push(
        self, replica: int, seq: int, commit: Weights, window: Window, losses: Sequence[float], now: float
    ) -> Reply | None:
        """A replica has trained on a window.

        Args:
            replica: Its number.
            seq: Number of the request.
            commit: What the rule commits, and the replica's statistics as they are; not kept, not changed.
            window: The window.
            losses: Mean loss of each mini-batch in order, or the mean loss of all rows alone.
            now: Seconds.

        Raises:
            ValueError: The commit or the losses are not of this network and window.
        """
        seat = self._begin(replica, now)
        loss = _mean(losses, window, self.work.batch_size)
        if not self.shared.sets[0].is_like(commit):
            raise ValueError("a commit has other shapes than the weights")
        known = self._look_up(seat, seq, window)
        if known is not None:
            return known.reply
        self.tally.n_bytes += commit.n_bytes
        seat.ask(seq, "merge")
        if not (math.isfinite(loss) and commit.is_finite()):
            self._fail(window.epoch, f"replica {replica}", is_first=not self.tally.losses)
        elif not self.work.is_over:
            self._take(seat, commit, window, loss)
        return self._answer(seat)

    def evaluated(self, replica: int, seq: int, epoch: int, scores: Mapping[str, float], now: float) -> Reply | None:
        """A replica has computed scores with the centre as it was at the end of an epoch.

        Args:
            replica: Its number.
            seq: Number of the request.
            epoch: The epoch.
            scores: Scores by name; ``watch`` is what early stopping looks at.
            now: Seconds.

        Raises:
            ValueError: There is a patience and no score ``watch``.
        """
        seat = self._begin(replica, now)
        if self.stopping.patience is not None and WATCHED not in scores:
            raise ValueError(f"early stopping needs the score {WATCHED}; there are only {sorted(scores)}")
        known = self._look_up(seat, seq, Evaluate(epoch))
        if known is not None:
            return known.reply
        seat.ask(seq, seat.how)
        if not self.work.is_over:
            self.work.finish_evaluation(replica, epoch)
            self._judge(epoch, scores)
        self._deal(seat)  # at once, also in the middle of a round: it has not been in it yet
        return self._answer(seat)

    def leave(self, replica: int, now: float) -> None:
        """A replica is lost, or will not come."""
        seat = self._begin(replica, now)
        if seat.place not in (Place.GONE, Place.STOPPED):
            self._lose(seat)
            self._settle()

    def ready(self) -> list[tuple[int, Reply]]:
        """Answers to earlier calls that returned None, by replica; each is given once."""
        found = sorted(self._outbox.items())
        self._outbox.clear()
        return found

    def report(self) -> dict[str, Any]:
        """What happened so far, as JSON values."""
        return {
            "trainer": self.plan.name,
            "replicas": self.plan.replicas,
            **self.tally.make_report(self.samples),
            "epochs": self.work.epochs_done,
        }

    def _begin(self, replica: int, now: float) -> Seat:
        if not 0 <= replica < len(self._seats):
            raise ValueError(f"there is no replica {replica} among {len(self._seats)}")
        if self._began is None:
            self._began = now - self.tally.seconds
        self.tally.seconds = max(self.tally.seconds, now - self._began)
        return self._seats[replica]

    def _look_up(self, seat: Seat, seq: int, item: Window | Evaluate) -> _Known | None:
        """The answer to a request that is not new or cannot be taken; None for one that is to be taken."""
        refusal = _Known(Reply(seat.seq + 1, Rejoin()))
        if not seat.is_known or seq not in (seat.seq, seat.seq + 1):
            return refusal
        if seq == seat.seq:
            return _Known(self._answer(seat)) if self._bring_back(seat) else refusal
        is_fine = self.work.claim(seat.replica, item) if seat.place is Place.GONE else self._has(seat, item)
        return None if is_fine else refusal

    def _has(self, seat: Seat, item: Window | Evaluate) -> bool:
        return seat.place is Place.WORKING and self.work.holds(seat.replica, item)

    def _bring_back(self, seat: Seat) -> bool:
        """Let a replica that repeats its last request go on, if it was lost and can."""
        if seat.place is not Place.GONE:
            return True
        if seat.reply is None:
            self.work.join(seat.replica)
            seat.place = Place.WAITING
        elif not isinstance(seat.reply.item, Rejoin) and self.work.claim(seat.replica, seat.reply.item):
            seat.place = Place.STOPPED if isinstance(seat.reply.item, Stop) else Place.WORKING
        return seat.place is not Place.GONE

    def _lose(self, seat: Seat) -> None:
        if not self.work.is_over:
            self.tally.lost += 1
        seat.place = Place.GONE
        self._outbox.pop(seat.replica, None)
        self.work.leave(seat.replica, keeps=seat.pushed is not None)

    def _take(self, seat: Seat, commit: Weights, window: Window, loss: float) -> None:
        """Let the centre learn from a commit; one of a synchronous trainer waits for its round."""
        if self.shared.rule.is_synchronous:
            self.shared.hold(seat.replica, commit)
            seat.pushed = window, loss
            return
        late = self.shared.take(seat.replica, commit, window.shard)
        self._count(seat, window, loss, None if self.shared.rule.keeps_apart else late)

    def _finish_round(self) -> None:
        """Let the centre learn from all commits that wait."""
        pushed = {seat: seat.pushed for seat in self._seats if seat.pushed is not None}
        if not pushed:
            return
        rows = {seat.replica: window.rows for seat, (window, _) in pushed.items()}
        epoch = min(window.epoch for window, _ in pushed.values())
        self.shared.finish_round(rows, self.work.samples[epoch - 1])
        for seat, (window, loss) in pushed.items():
            seat.pushed = None
            self._count(seat, window, loss, 0)

    def _count(self, seat: Seat, window: Window, loss: float, late: int | None) -> None:
        """Count a window that the centre has learned from."""
        epoch = self.work.commit(seat.replica, window)
        if epoch is not None and self.work.is_evaluated:
            self.shared.end_epoch(epoch)
        self.tally.exchanges += 1
        self.tally.add_loss(seat.replica, window.epoch, window.rows, loss, self.samples)
        if late is not None:
            self.tally.staleness[late] += 1

    def _judge(self, epoch: int, scores: Mapping[str, float]) -> None:
        """See whether an epoch is the best one, or the last one."""
        finite = {name: value for name, value in scores.items() if math.isfinite(value)}
        self.tally.add_scores(epoch, finite, epoch * sum(self.work.rows))
        loss = scores.get(WATCHED, 0.0)
        has_failed = WATCHED in scores.keys() - finite
        if has_failed:
            self._fail(epoch, "the centre", is_first=False)
        is_best = self.stopping.patience is not None and not has_failed and self.stopping.look(epoch, loss)
        self.shared.judge(epoch, is_best=is_best)
        if self.stopping.is_over:
            self.work.stop()

    def _fail(self, epoch: int, who: str, *, is_first: bool) -> None:
        if self.failure is None:
            late = self.tally.staleness
            staleness = sum(one * count for one, count in late.items()) / max(1, late.total())
            self.failure = explain_divergence(self.plan, epoch, who, is_first=is_first, staleness=staleness)
        self.work.stop()

    def _answer(self, seat: Seat) -> Reply | None:
        self._settle()
        self._outbox.pop(seat.replica, None)
        return seat.reply

    def _settle(self) -> None:
        """Answer whoever can be answered by now."""
        if self.shared.rule.is_synchronous and not self.work.is_over:
            if any(seat.place in (Place.EXPECTED, Place.WORKING) for seat in self._seats):
                return
            self._finish_round()
        for seat in self._seats:
            self._deal(seat)

    def _deal(self, seat: Seat) -> None:
        """Answer one that waits, if there is something to do for it."""
        if seat.place is not Place.WAITING:
            return
        item = self.work.next(seat.replica)
        if isinstance(item, Wait):
            return
        how, sets = self._choose_weights(seat, item)
        seat.reply = self._outbox[seat.replica] = Reply(seat.seq + 1, item, how, sets)
        seat.place = Place.STOPPED if isinstance(item, Stop) else Place.WORKING
        self.tally.n_bytes += sum(one.n_bytes for one in sets)

    def _choose_weights(self, seat: Seat, item: Window | Evaluate | Stop) -> tuple[How, tuple[Weights, ...]]:
        """What goes with an answer."""
        if isinstance(item, Stop):
            return "keep", ()
        if isinstance(item, Evaluate):  # what its last commit is to be answered with goes with the next window
            return "show", self.shared.ends[item.epoch]
        how, weights = self.shared.hand_out(seat.replica, item.shard, seat.how)
        return how, (weights,)

    def snapshot(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The state, to go on from it in another process; what replicas are doing at the moment is to do in it.

        Returns:
            Arrays by name, copies; and everything else as JSON values.
        """
        tree = {
            "format": FORMAT,
            "trainer": _describe(self.plan),
            "work": self.work.to_tree(),
            "shared": self.shared.to_tree(),
            "tally": self.tally.to_tree(),
            "stopping": vars(self.stopping).copy(),
            "failure": self.failure,
            "seqs": [seat.seq for seat in self._seats],
        }
        return self.shared.to_arrays(), tree

    @classmethod
    def from_snapshot(cls, plan: TrainerPlan, arrays: Mapping[str, Array], tree: Mapping[str, Any]) -> Centre:
        """The centre that ``snapshot`` saw; all replicas are to join again.

        Raises:
            ValueError: It is a snapshot of another version or trainer.
        """
        if tree["format"] != FORMAT or tree["trainer"] != _describe(plan):
            raise ValueError(f"not a snapshot of version {FORMAT} of {_describe(plan)}")
        work, shared = ShardWork.from_tree(tree["work"]), SharedWeights.from_arrays(plan, arrays, tree["shared"])
        centre = cls(plan, shared.sets, rows=work.rows, epochs=work.epochs, batch_size=work.batch_size)
        centre.work, centre.shared = work, shared
        centre.tally, centre.failure = Tally.from_tree(tree["tally"]), tree["failure"]
        centre.stopping = EarlyStopping(**tree["stopping"])
        for seat, seq in zip(centre._seats, tree["seqs"], strict=True):
            seat.seq = seq + LIFE
        return centre


@dataclass(frozen=True)
class _Known:
    """An answer, or that it is still held."""

    reply: Reply | None


def _describe(plan: TrainerPlan) -> list[Any]:
    return [plan.name, plan.replicas, plan.window, dict(plan.options)]


def _mean(losses: Sequence[float], window: Window, batch_size: int) -> float:
    """Mean loss of the rows of a window.

    Raises:
        ValueError: There is neither one loss nor one a mini-batch.
    """
    batches = window.count_batches(batch_size)
    if len(losses) not in (1, batches):
        raise ValueError(f"{len(losses)} losses of {batches} mini-batches")
    total = sum(losses[:-1]) * batch_size + losses[-1] * (window.rows - batch_size * (len(losses) - 1))
    return total / window.rows
