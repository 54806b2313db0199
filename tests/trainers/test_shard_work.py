"""Work of replicas: every row once an epoch, for any schedule, losses and returns."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rapidml.trainers.shard_work import Evaluate, Item, ShardWork, Stop, Wait, Window

MOST_STEPS = 100_000


def take(work: ShardWork, replica: int) -> Window:
    found = work.next(replica)
    assert isinstance(found, Window)
    return found


def do(work: ShardWork, replica: int) -> Item:
    """Let a replica do what it is told."""
    item = work.next(replica)
    if isinstance(item, Window):
        work.commit(replica, item)
    elif isinstance(item, Evaluate):
        work.finish_evaluation(replica, item.epoch)
    return item


def test_windows_cover_the_shard_with_the_last_partial_batch_and_window() -> None:
    work = ShardWork([23], 1, 4, 2, is_evaluated=False)
    found = [do(work, 0) for _ in range(3)]
    assert found == [Window(1, 0, 0, 8), Window(1, 0, 8, 16), Window(1, 0, 16, 23)]
    assert [window.count_batches(4) for window in found if isinstance(window, Window)] == [2, 2, 2]
    assert work.next(0) == Stop()
    assert work.samples == [23]


def test_without_a_window_a_shard_is_one() -> None:
    work = ShardWork([23, 9], 2, 4, None, is_evaluated=False)
    assert work.next(1) == Window(1, 1, 0, 9)
    assert do(work, 0) == Window(1, 0, 0, 23)


def test_the_same_is_told_until_it_is_done() -> None:
    work = ShardWork([10, 10], 1, 2, 1)
    assert work.next(0) == work.next(0) == Window(1, 0, 0, 2)
    assert work.holds(0, Window(1, 0, 0, 2))
    with pytest.raises(ValueError, match="does not have"):
        work.commit(1, Window(1, 0, 0, 2))


def test_a_shard_is_at_most_one_epoch_ahead() -> None:
    work = ShardWork([4, 4], 3, 2, 1)
    for _ in range(4):
        assert isinstance(do(work, 0), Window)
    assert work.next(0) == Wait()
    do(work, 1)
    assert work.next(0) == Wait()
    do(work, 1)  # ends epoch 1
    assert work.next(0) == Evaluate(1)
    together = ShardWork([4, 4], 3, 2, 1, ahead=0)
    do(together, 0)
    do(together, 0)
    assert together.next(0) == Wait()


def test_the_rest_of_a_lost_shard_is_dealt_when_the_own_one_is_done() -> None:
    work = ShardWork([4, 6], 2, 2, 1, is_evaluated=False)
    do(work, 1)
    lost = work.next(1)
    work.leave(1)
    assert [do(work, 0) for _ in range(4)] == [Window(1, 0, 0, 2), Window(1, 0, 2, 4), lost, Window(1, 1, 4, 6)]
    assert work.epochs_done == 1
    assert {item.epoch for item in (do(work, 0) for _ in range(5)) if isinstance(item, Window)} == {2}
    assert work.is_over
    assert work.samples == [10, 10]
    with pytest.raises(ValueError, match="replica 1 has left"):
        work.next(1)


def test_the_own_shard_comes_first_in_each_epoch() -> None:
    work = ShardWork([4, 4], 2, 2, 1, is_evaluated=False)
    work.leave(0)
    found = [do(work, 1) for _ in range(8)]
    assert [(item.epoch, item.shard) for item in found if isinstance(item, Window)] == [
        (1, 1), (1, 1), (1, 0), (1, 0), (2, 1), (2, 1), (2, 0), (2, 0),
    ]  # fmt: skip


def test_who_comes_back_takes_its_shard_again() -> None:
    work = ShardWork([4, 8], 1, 2, 1, is_evaluated=False)
    work.leave(1)
    do(work, 0)
    do(work, 0)
    taken = work.next(0)
    assert taken == Window(1, 1, 0, 2)
    work.join(1)
    assert work.next(1) == Window(1, 1, 2, 4)
    work.commit(0, taken)  # what was dealt stays dealt
    assert work.next(0) == Wait()


def test_who_is_only_late_is_not_taken_for_lost() -> None:
    work = ShardWork([2, 2], 1, 2, 1)
    do(work, 0)
    assert work.next(0) == Wait()
    work.leave(1)
    assert work.next(0) == Window(1, 1, 0, 2)


def test_an_evaluation_is_dealt_once_and_again_if_its_replica_is_lost() -> None:
    work = ShardWork([2, 2], 1, 2, 1)
    do(work, 0)
    do(work, 1)
    assert work.next(0) == Evaluate(1)
    assert work.next(1) == Wait()
    work.leave(0)
    assert work.next(1) == Evaluate(1)
    assert not work.is_over
    work.finish_evaluation(1, 1)
    assert work.next(1) == Stop()
    assert work.is_over


def test_who_was_lost_may_claim_what_nobody_has_taken() -> None:
    work = ShardWork([4, 4], 1, 2, 1)
    mine = work.next(1)
    work.leave(1)
    assert work.claim(1, mine)
    assert work.next(1) == mine
    work.leave(1)
    do(work, 0)
    do(work, 0)
    assert work.next(0) == mine
    assert not work.claim(1, mine)
    assert not work.claim(1, Window(2, 1, 0, 2))
    later = ShardWork([2], 2, 2, 1, is_evaluated=False)
    old = do(later, 0)
    later.next(0)
    later.leave(0)
    assert not later.claim(0, old)  # the same rows, an epoch ago
    assert later.claim(0, Window(2, 0, 0, 2))
    assert not work.claim(1, Evaluate(1))
    assert work.claim(1, Stop())


def test_what_is_kept_is_not_to_do_again() -> None:
    work = ShardWork([2, 2], 1, 2, 1, is_evaluated=False)
    mine = take(work, 1)
    work.leave(1, keeps=True)
    do(work, 0)
    assert work.next(0) == Wait()
    assert work.commit(1, mine) == 1
    assert work.is_over


def test_stopping_ends_it_for_who_is_busy_too() -> None:
    work = ShardWork([4, 4], 1, 2, 1)
    work.next(0)
    work.stop()
    assert work.next(0) == work.next(1) == Stop()
    assert work.is_over


def test_shards_without_rows_do_no_harm() -> None:
    work = ShardWork([0, 3], 2, 2, 1, is_evaluated=False)
    assert work.next(0) == Wait()
    work.leave(1)
    while not work.is_over:
        do(work, 0)
    assert work.samples == [3, 3]


@pytest.mark.parametrize(
    ("rows", "epochs", "batch_size", "window"),
    [([0, 0], 1, 1, 1), ([3, -1], 1, 1, 1), ([3], 0, 1, 1), ([3], 1, 0, 1), ([3], 1, 1, 0)],
)
def test_no_work_is_a_mistake(rows: list[int], epochs: int, batch_size: int, window: int) -> None:
    with pytest.raises(ValueError, match="no work"):
        ShardWork(rows, epochs, batch_size, window)


class AnySchedule(RuleBasedStateMachine):
    """Replicas that ask, finish, vanish, come back and claim in any order, and work that is written down and read."""

    replica = st.integers(0, 5)

    @initialize(
        rows=st.lists(st.integers(0, 17), min_size=1, max_size=6).filter(any),
        epochs=st.integers(1, 3),
        batch_size=st.integers(1, 5),
        window=st.one_of(st.none(), st.integers(1, 4)),
        ahead=st.integers(0, 1),
    )
    def begin(self, rows: list[int], epochs: int, batch_size: int, window: int | None, ahead: int) -> None:
        self.work = ShardWork(rows, epochs, batch_size, window, ahead=ahead)
        self.here = dict.fromkeys(range(len(rows)), True)
        self.done: Counter[tuple[int, int, int]] = Counter()
        self.evaluated: list[int] = []
        self.had: dict[int, Item] = {}

    def finish(self, replica: int) -> Item:
        item = self.work.next(replica)
        if isinstance(item, Window):
            assert 0 < item.rows <= self.work.rows[item.shard]
            self.work.commit(replica, item)
            self.done.update((item.epoch, item.shard, row) for row in range(item.first, item.last))
        elif isinstance(item, Evaluate):
            self.work.finish_evaluation(replica, item.epoch)
            self.evaluated.append(item.epoch)
        return item

    @rule(replica=replica)
    def someone_finishes(self, replica: int) -> None:
        if self.here.get(replica):
            self.finish(replica)

    @rule(replica=replica)
    def someone_begins(self, replica: int) -> None:
        if self.here.get(replica):
            self.had[replica] = self.work.next(replica)

    @rule(replica=replica)
    def someone_is_lost(self, replica: int) -> None:
        if self.here.get(replica):
            self.work.leave(replica)
            self.here[replica] = False

    @rule(replica=replica)
    def someone_comes_back(self, replica: int) -> None:
        if self.here.get(replica) is False:
            self.work.join(replica)
            self.here[replica] = True

    @rule(replica=replica)
    def someone_claims(self, replica: int) -> None:
        if self.here.get(replica) is False and self.work.claim(replica, self.had.get(replica, Wait())):
            self.here[replica] = True

    @rule()
    def the_centre_is_lost(self) -> None:
        self.work = ShardWork.from_tree(json.loads(json.dumps(self.work.to_tree())))
        self.here = dict.fromkeys(self.here, True)

    @invariant()
    def no_row_counts_twice(self) -> None:
        assert max(self.done.values(), default=1) == 1
        assert sum(self.work.samples) == sum(self.done.values())

    @invariant()
    def nobody_is_too_far_ahead(self) -> None:
        newest = max((epoch for epoch, *_ in self.done), default=1)
        assert newest <= self.work.epochs_done + 1 + self.work.ahead

    def teardown(self) -> None:
        if not hasattr(self, "work"):
            return
        for replica, is_here in self.here.items():
            if not is_here and replica:
                self.work.join(replica)
        self.work.leave(0)
        self.work.join(0)
        for step in range(MOST_STEPS):
            if isinstance(self.finish(step % len(self.here)), Stop) and self.work.is_over:
                break
        rows, epochs = self.work.rows, range(1, self.work.epochs + 1)
        expected = {(epoch, shard, row) for epoch in epochs for shard, count in enumerate(rows) for row in range(count)}
        assert self.done == Counter(expected)
        assert self.work.samples == [sum(rows)] * self.work.epochs
        assert self.evaluated == list(epochs)


TestAnySchedule = AnySchedule.TestCase
TestAnySchedule.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
