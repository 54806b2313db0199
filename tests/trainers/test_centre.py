"""The centre: exact counts, exact staleness, and nothing lost or done twice whatever happens to replicas or itself."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.models.trainer_plan import TRAINERS
from rapidml.trainers.centre import Centre
from rapidml.trainers.replies import Rejoin, Reply, describe_item, parse_item
from rapidml.trainers.shard_work import Evaluate, Stop, Wait, Window
from rapidml.trainers.weights import Weights
from tests.trainers.players import BATCH, Players, add, make_centre, make_plan, weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rapidml.trainers.shard_work import Item

WITH_CENTRE = sorted(TRAINERS.keys() - {"single", "multiworker"})
ASYNCHRONOUS = ["adag", "adag_staleness", "aeasgd", "downpour", "dynsgd", "eamsgd"]


def options(name: str, **given: Any) -> dict[str, Any]:
    """Options of a trainer, without a window for those that have none."""
    return {key: value for key, value in given.items() if key != "window" or name not in ("averaging", "ensemble")}


def least_squares(rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(rows, 3))
    return features, features @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=rows)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_downpour_alone_with_window_1_is_the_plain_optimiser(momentum: float) -> None:
    features, target = least_squares(23)

    def step(now: NDArray[Any], speed: NDArray[Any], rows: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        X, y = features[rows], target[rows]
        speed = momentum * speed - 0.05 * 2 * X.T @ (X @ now - y) / len(y)
        return now + speed, speed

    plain, speed = np.zeros(3), np.zeros(3)
    course = []
    for _ in range(4):
        for first in range(0, 23, BATCH):
            plain, speed = step(plain, speed, slice(first, first + BATCH))
            course.append(plain)

    own_speed = np.zeros(3)
    seen = []

    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        nonlocal own_speed
        new, own_speed = step(now.trained[0].astype(np.float64), own_speed, slice(window.first, window.last))
        return Weights([new.astype(np.float32)], now.statistics), [1.0]

    plan = make_plan("downpour", 1, window=1)
    players = Players(make_centre(plan, [23], begin=weights(0, 0, 0), epochs=4), train)
    players.join(0)
    while not players.is_done(0):
        players.do(0)
        seen.append(players.centre.weights[0].trained[0].copy())
    np.testing.assert_allclose(seen, course, atol=2e-6)
    assert players.centre.tally.staleness == {0: 48}
    assert players.centre.samples == 4 * 23


class Ledger:
    """Downpour on a network with one weight for each row of each epoch, to which training on the row adds 1."""

    def __init__(self, rows: Sequence[int], epochs: int) -> None:
        self.starts = np.cumsum([0, *rows])
        self.size, self.epochs = sum(rows), epochs

    def train(self, now: Weights, window: Window) -> tuple[Weights, list[float]]:
        first = (window.epoch - 1) * self.size + int(self.starts[window.shard])
        array = now.trained[0].copy()
        array[first + window.first : first + window.last] += 1
        return Weights([array], now.statistics), [float(window.epoch)] * window.count_batches(BATCH)


def come_back(players: Players, replica: int) -> None:
    """Lost, and back with its last request as if nothing had happened."""
    players.lose(replica)
    if replica in players.resend:
        players.again(replica)


def stir(players: Players, choice: random.Random, steps: int, *, restarts: bool) -> None:
    """Anything that can happen, in any order."""
    events: list[Callable[[int], object]] = [
        players.do,
        players.lose,
        players.again,
        players.join,
        lambda replica: come_back(players, replica),
    ]
    events.append(lambda _: players.restart_centre(players.centre.plan) if restarts else None)
    coming: list[Callable[[int], object]] = [players.join, players.join, players.lose]
    for _ in range(steps):
        replica = choice.randrange(players.centre.plan.replicas)
        if replica not in players.items or (players.items[replica] is None and choice.random() < 0.5):
            choice.choice(coming)(replica)
        else:
            choice.choices(events, [75, 7, 5, 4, 5, 4])[0](replica)


@pytest.mark.parametrize("seed", range(40))
def test_every_row_reaches_the_centre_once_whatever_happens(seed: int) -> None:
    choice = random.Random(seed)
    rows = [choice.randrange(18) for _ in range(choice.randint(1, 5))]
    rows[0] += 1
    epochs, window = choice.randint(1, 3), choice.randint(1, 4)
    ledger = Ledger(rows, epochs)
    plan = make_plan("downpour", len(rows), window=window)
    begin = weights(*[0.0] * (ledger.size * epochs))
    centre = make_centre(plan, rows, begin=begin, epochs=epochs, is_evaluated=bool(seed % 2))
    players = Players(centre, ledger.train)
    stir(players, choice, 150, restarts=True)
    players.finish()
    assert players.centre.weights[0].trained[0].tolist() == [1.0] * (ledger.size * epochs)
    assert players.centre.samples == ledger.size * epochs
    assert players.centre.work.samples == [ledger.size] * epochs
    assert players.centre.history["round"] == list(range(1, epochs + 1))
    assert players.centre.history["train"] == pytest.approx(range(1, epochs + 1))
    assert sum(players.centre.tally.staleness.values()) == players.centre.tally.exchanges


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", WITH_CENTRE)
def test_samples_committed_are_samples_seen_for_every_trainer(name: str, seed: int) -> None:
    choice = random.Random(seed)
    rows = [choice.randint(1, 17) for _ in range(choice.randint(1, 5))]
    plan = make_plan(name, len(rows), **options(name, window=choice.randint(1, 4)))
    centre = make_centre(plan, rows, begin=weights(1, 2, 3, statistics=[0.5]), epochs=3, is_evaluated=bool(seed % 2))
    players = Players(centre, add(0.01))
    stir(players, choice, 100, restarts=False)
    players.finish()
    expected = {
        (epoch, shard, row): 1 for epoch in (1, 2, 3) for shard, count in enumerate(rows) for row in range(count)
    }
    assert dict(players.rows) == expected
    assert players.centre.samples == len(expected)
    assert players.centre.failure is None
    steps = players.centre.report()
    assert steps["samples"] == len(expected)
    json.dumps(steps, allow_nan=False)


def push(players: Players, *order: int) -> None:
    for replica in order:
        players.do(replica)


def test_staleness_is_what_the_schedule_dictates() -> None:
    plan = make_plan("dynsgd", 3, window=1)
    players = Players(make_centre(plan, [20] * 3), add(1.0))
    players.join(0, 1, 2)
    push(players, 0)  # nobody before: 0
    push(players, 1)  # 0 since: 1
    push(players, 2, 2)  # 0, 1 since: 2; nobody since: 0
    push(players, 0)  # 1, 2, 2 since: 3
    push(players, 1)  # 2, 2, 0 since: 3
    assert players.centre.tally.staleness == {0: 2, 1: 1, 2: 1, 3: 2}
    expected = 1 + 1 / 2 + 1 / 3 + 1 + 1 / 4 + 1 / 4
    assert players.centre.weights[0].trained[0][0] == pytest.approx(expected)
    assert players.centre.report()["staleness"] == {"0": 2, "1": 1, "2": 1, "3": 2}


@pytest.mark.parametrize("name", [*ASYNCHRONOUS, "ensemble"])
def test_staleness_counts_from_the_last_exchange_whatever_is_exchanged(name: str) -> None:
    plan = make_plan(name, 2, **options(name, window=1))
    players = Players(make_centre(plan, [8, 8], epochs=4), add(0.1))
    players.join(0, 1)
    push(players, 0, 0, 0, 1, 1, 0)
    assert players.centre.tally.staleness == ({} if name == "ensemble" else {0: 4, 3: 1, 2: 1})


def test_who_waits_for_work_gets_the_centre_as_it_is_then() -> None:
    plan = make_plan("downpour", 2, window=4)
    players = Players(make_centre(plan, [8, 16], epochs=3), add(1.0))
    players.join(0, 1)
    push(players, 0, 0)  # two epochs ahead of nobody, and now as far ahead as may be
    assert players.waits(0)
    push(players, 1)
    assert players.waits(0)
    push(players, 1)  # ends epoch 1
    assert players.items[0] == Window(3, 0, 0, 8)
    assert players.now[0].trained[0][0] == players.centre.weights[0].trained[0][0] == 16.0
    push(players, 0)
    assert players.centre.tally.staleness == {0: 4, 2: 1}


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_a_push_that_is_sent_again_counts_once_and_gets_the_same_answer(name: str) -> None:
    players = Players(make_centre(make_plan(name, 2, window=1), [6, 6]), add(0.5))
    players.join(0, 1)
    push(players, 0)
    first, before = players.answers[0], players.centre.snapshot()
    copy = [one.copy() for one in first.sets]
    push(players, 1)
    before = players.centre.snapshot()
    assert players.resend[0]() is first
    assert players.resend[0]() is first
    after = players.centre.snapshot()
    before[1]["tally"]["seconds"] = after[1]["tally"]["seconds"]
    assert after[1] == before[1]
    assert all(np.array_equal(after[0][key], before[0][key]) for key in before[0])
    assert all(np.array_equal(one.trained[0], two.trained[0]) for one, two in zip(copy, first.sets, strict=True))


def test_who_comes_back_before_its_window_is_taken_goes_on() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=1), [4, 4]), add(1.0))
    players.join(0, 1)
    push(players, 0)
    before = players.answers[0]
    players.lose(0)
    players.items[0] = None
    players.again(0)
    assert players.answers[0] is before
    push(players, 0)
    assert players.centre.tally.exchanges == 2
    assert players.centre.tally.lost == 1


def test_a_push_of_a_window_that_was_dealt_to_another_is_refused() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=2), [4, 4]), add(1.0))
    players.join(0, 1)
    players.lose(1)
    late = players.answers[1]
    push(players, 0)
    assert players.items[0] == late.item == Window(1, 1, 0, 4)
    assert isinstance(late.item, Window)
    answer = players.centre.push(1, late.seq, weights(99.0), late.item, [1.0], 9.0)
    assert answer == Reply(late.seq, Rejoin())
    assert players.centre.weights[0].trained[0][0] == 2.0
    players.join(1)
    assert players.items[1] is None  # nothing is left but what replica 0 has
    push(players, 0)
    assert players.is_done(0)
    assert players.is_done(1)
    assert players.centre.samples == 8


def test_requests_out_of_order_are_refused() -> None:
    centre = make_centre(make_plan("downpour", 2, window=1))
    first = Window(1, 0, 0, 2)
    assert isinstance(centre.push(0, 1, weights(1.0), first, [1.0], 0.0), Reply)
    assert centre.tally.exchanges == 0
    joined = centre.join(0, 0.0)
    assert joined is not None
    for seq, window in ((joined.seq + 1, first), (joined.seq, Window(1, 0, 2, 4)), (joined.seq, Window(1, 1, 0, 2))):
        answer = centre.push(0, seq, weights(1.0), window, [1.0], 0.0)
        assert answer is not None
        assert isinstance(answer.item, Rejoin)
    assert centre.tally.exchanges == 0
    with pytest.raises(ValueError, match="no replica 2 among 2"):
        centre.join(2, 0.0)


def test_who_left_before_it_joined_is_refused_until_it_joins() -> None:
    centre = make_centre(make_plan("downpour", 2, window=1))
    centre.leave(0, 0.0)
    for seq in (0, 1):
        answer = centre.push(0, seq, weights(1.0), Window(1, 0, 0, 2), [1.0], 0.0)
        assert answer is not None
        assert isinstance(answer.item, Rejoin)
    assert centre.tally.exchanges == 0


def test_another_process_in_the_place_of_a_replica_is_a_loss() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=1)), add(1.0))
    players.join(0, 1)
    push(players, 0)
    old = players.answers[0]
    players.join(0)
    assert players.centre.tally.lost == 1
    assert players.items[0] == old.item == Window(1, 0, 2, 4)
    assert isinstance(old.item, Window)
    push(players, 0)
    answer = players.centre.push(0, old.seq, weights(9.0), old.item, [1.0], 9.0)  # of the process before
    assert answer is not None
    assert isinstance(answer.item, Rejoin)
    assert players.centre.weights[0].trained[0][0] == 2.0


def test_numbers_of_before_a_restart_are_not_those_of_after_it() -> None:
    plan = make_plan("downpour", 1, window=1)
    players = Players(make_centre(plan), add(1.0))
    players.join(0)
    players.restart_centre(plan)
    earlier = players.answers[0]
    assert isinstance(earlier.item, Window)
    players.join(0)
    assert players.items[0] == earlier.item
    for seq in range(earlier.seq, earlier.seq + 5):
        answer = players.centre.push(0, seq, weights(9.0), earlier.item, [1.0], 9.0)
        assert answer is not None
        assert isinstance(answer.item, Rejoin)
    push(players, 0)
    assert players.centre.weights[0].trained[0][0] == 1.0


def test_joining_twice_gets_the_same_answer() -> None:
    centre = make_centre(make_plan("downpour", 2, window=1))
    assert centre.join(0, 0.0) is centre.join(0, 1.0)
    assert centre.tally.lost == 0


def test_a_snapshot_goes_on_with_nothing_lost_or_done_twice(tmp_path: Path) -> None:
    rows, epochs = [9, 7, 4], 2
    ledger = Ledger(rows, epochs)
    plan = make_plan("downpour", 3, window=1)
    begin = weights(*[0.0] * (ledger.size * epochs))
    players = Players(make_centre(plan, rows, begin=begin, epochs=epochs, is_evaluated=True, patience=3), ledger.train)
    players.join(0, 1, 2)
    push(players, 0, 0, 1, 2, 0, 2, 1, 1, 0, 1, 0, 2)
    assert players.centre.work.epochs_done == 1
    arrays, tree = players.centre.snapshot()
    np.savez(tmp_path / "centre.npz", **arrays)  # type: ignore[arg-type]
    text = json.dumps(tree, allow_nan=False)
    committed, in_flight = dict(players.rows), [item for item in players.items.values() if isinstance(item, Window)]
    push(players, 0, 1, 2)  # lost with the centre

    with np.load(tmp_path / "centre.npz", allow_pickle=False) as stored:
        centre = Centre.from_snapshot(plan, dict(stored), json.loads(text))
    assert centre.report() == json.loads(json.dumps({**centre.report()}))
    old, players.centre, players.rows = players.centre, centre, players.rows.__class__(committed)
    for replica in (0, 1, 2):  # they do not know, and are told
        players.do(replica) if players.items[replica] else players.again(replica)
        assert players.refused(replica)
    players.finish()
    assert centre.weights[0].trained[0].tolist() == [1.0] * (ledger.size * epochs)
    assert all(players.rows[window.epoch, window.shard, window.first] == 1 for window in in_flight)
    assert set(players.rows.values()) == {1}
    assert centre.tally.exchanges >= old.tally.exchanges
    assert centre.history["round"] == [1, 2]


def test_snapshots_of_others_are_refused() -> None:
    arrays, tree = make_centre(make_plan("downpour", 2, window=1)).snapshot()
    with pytest.raises(ValueError, match="not a snapshot of version 1"):
        Centre.from_snapshot(make_plan("downpour", 2, window=2), arrays, tree)


@pytest.mark.parametrize("name", ["downpour", "aeasgd", "easgd"])
def test_early_stopping_keeps_the_best_epoch(name: str) -> None:
    watched = {1: 0.9, 2: 0.5, 3: 0.7, 4: 0.5, 5: 0.1}
    shown: dict[int, float] = {}

    def score(epoch: int, sets: Sequence[Weights]) -> dict[str, float]:
        shown[epoch] = float(sets[0].trained[0][0])
        return {"watch": watched[epoch], "auc": math.nan if epoch == 1 else 0.5}

    plan = make_plan(name, 2, window=2)
    players = Players(make_centre(plan, [8, 8], epochs=5, patience=2, begin=weights(7.0)), add(0.01))
    players.score = score
    players.finish()
    centre = players.centre
    assert sorted(shown) == [1, 2, 3, 4]
    assert centre.stopping.best_epoch == 2
    assert centre.weights[0].trained[0][0] == np.float32(shown[2])
    assert centre.is_finished
    assert centre.history["round"] == [1, 2, 3, 4]
    assert centre.history["watch"] == [0.9, 0.5, 0.7, 0.5]
    assert centre.history["auc"][1:] == [0.5] * 3
    assert math.isnan(centre.history["auc"][0])
    players.join(0)
    assert players.is_done(0)


def test_what_is_pushed_after_the_stop_is_not_taken() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=4), epochs=5, patience=1), add(1.0))
    players.score = lambda epoch, sets: {"watch": float(epoch)}
    players.join(0, 1)
    while not players.centre.is_finished:
        players.do(1) if isinstance(players.items[1], Evaluate) or players.waits(0) else players.do(0)
    before = players.centre.updates, players.centre.samples
    busy = [replica for replica in (0, 1) if isinstance(players.items[replica], Window)]
    assert busy
    push(players, *busy)
    assert (players.centre.updates, players.centre.samples) == before
    assert players.is_done(0)
    assert players.is_done(1)


def test_a_patience_that_is_not_used_up_still_gives_the_best_epoch() -> None:
    players = Players(make_centre(make_plan("adag", 2), epochs=3, patience=5), add(1.0))
    shown: dict[int, float] = {}

    def score(epoch: int, sets: Sequence[Weights]) -> dict[str, float]:
        shown[epoch] = float(sets[0].trained[0][0])
        return {"watch": abs(epoch - 2.0)}

    players.score = score
    players.finish()
    assert players.centre.weights[0].trained[0][0] == shown[2] != shown[3]


def test_early_stopping_needs_the_watched_score() -> None:
    players = Players(make_centre(make_plan("adag", 1), patience=5))
    players.score = lambda epoch, sets: {"auc": 1.0}
    with pytest.raises(ValueError, match=r"needs the score watch; there are only \['auc'\]"):
        players.finish()


def test_a_lost_evaluation_is_done_by_another_with_the_same_weights() -> None:
    players = Players(make_centre(make_plan("downpour", 2, window=4), epochs=2, patience=9), add(1.0))
    players.join(0, 1)
    push(players, 0, 1)
    assert players.items[1] == Evaluate(1)
    end = players.answers[1].sets[0].trained[0][0]
    push(players, 0)
    players.lose(1)
    assert players.items[0] == Evaluate(1)
    assert players.answers[0].how == "show"
    assert players.answers[0].sets[0].trained[0][0] == end == 8.0
    push(players, 0)
    assert players.now[0].trained[0][0] == players.centre.shared.sets[0].trained[0][0] == 12.0
    players.finish()
    assert players.centre.history["round"] == [1, 2]


CAUSES = [
    ("downpour", 3, True, r"epoch 1 \(replica 0, trainer downpour\): no window had one, so most often features"),
    ("downpour", 3, False, r"downpour adds up the whole changes of 3 replicas, 0\.7 updates late in the mean"),
    ("eamsgd", 2, False, r"steps of 0\.1 with momentum 0\.9 are too long"),
    ("adag", 2, False, r"most often params\.learning_rate is too high; lower it"),
]


@pytest.mark.parametrize("bad", ["loss", "commit"])
@pytest.mark.parametrize(("name", "replicas", "is_first", "cause"), CAUSES)
def test_a_loss_that_is_no_number_stops_with_the_epoch_and_the_likely_cause(
    name: str, replicas: int, is_first: bool, cause: str, bad: str
) -> None:
    def diverge(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        if not is_first and players.centre.tally.exchanges < 3:
            return add(1.0)(now, window)
        if bad == "loss":
            return now, [1.0] * (window.count_batches(BATCH) - 1) + [math.nan]
        return Weights([now.trained[0] * np.float32(math.inf) + 1], now.statistics), [1.0] * window.count_batches(BATCH)

    plan = make_plan(name, replicas, window=1)
    players = Players(make_centre(plan, [8] * replicas, epochs=2, begin=weights(1.0)), diverge)
    players.join(*range(replicas))
    order = [0] if is_first else [0, 1, 0, 1]
    push(players, *order)
    kept = players.centre.weights[0].trained[0][0]
    assert players.centre.is_finished
    with pytest.raises(AssertionError, match=cause):
        raise AssertionError(players.centre.failure)
    assert np.isfinite(kept)
    players.join(0)
    push(players, *range(1, replicas))
    assert all(players.is_done(replica) for replica in range(replicas))
    assert players.centre.weights[0].trained[0][0] == kept
    assert players.centre.samples == (0 if is_first else 6)


def test_a_watched_loss_that_is_no_number_stops_too() -> None:
    players = Players(make_centre(make_plan("adag", 2), epochs=2, is_evaluated=True))
    players.score = lambda epoch, sets: {"watch": math.nan}
    players.finish()
    assert players.centre.failure is not None
    assert players.centre.failure.startswith("the loss is not a number in epoch 1 (the centre, trainer adag): ")
    json.dumps(players.centre.report(), allow_nan=False)


@pytest.mark.parametrize("name", ["easgd", "averaging"])
def test_a_round_waits_for_all_and_does_not_depend_on_who_is_first(name: str) -> None:
    ends = []
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):

        def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
            step = np.float32(0.1 * (window.shard + 1) * (window.first + 1))
            return Weights([now.trained[0] + step], now.statistics), [1.0] * window.count_batches(BATCH)

        players = Players(make_centre(make_plan(name, 3), [6, 5, 3], epochs=2, is_evaluated=True), train)
        for replica in order:
            assert not any(isinstance(item, Window) for item in players.items.values())
            players.join(replica)
        for _ in range(40):
            for replica in order:
                players.do(replica)
        assert players.centre.is_finished
        ends.append((players.centre.weights[0].trained[0].tolist(), players.centre.tally.exchanges))
    assert ends[0] == ends[1] == ends[2]


def test_in_rounds_nobody_begins_an_epoch_before_all_have_ended_the_last() -> None:
    players = Players(make_centre(make_plan("easgd", 2), [2, 6], epochs=2), add(1.0))
    players.join(0, 1)
    push(players, 0, 1)
    for _ in range(2):
        assert players.waits(0)
        push(players, 1)
    assert players.items == {0: Window(2, 0, 0, 2), 1: Window(2, 1, 0, 2)}


def test_who_computes_scores_takes_part_in_the_round_that_began_meanwhile() -> None:
    players = Players(make_centre(make_plan("easgd", 2), [2, 4], epochs=2, is_evaluated=True), add(1.0))
    players.join(0, 1)
    push(players, 0, 1, 1)
    assert players.items == {0: Evaluate(1), 1: Window(2, 1, 0, 2)}
    push(players, 1)
    assert players.waits(1)
    push(players, 0)
    assert players.items[0] == Window(2, 0, 0, 2)
    assert players.waits(1)
    push(players, 0)
    assert players.centre.updates == 3


def test_a_push_of_a_round_is_answered_when_all_have_pushed() -> None:
    plan = make_plan("easgd", 3, rho=5.0, learning_rate=0.02)
    players = Players(make_centre(plan, [8, 8, 8], begin=weights(1.0)), add(0.0))
    players.join(0, 1, 2)
    players.now = {0: weights(0.4), 1: weights(2.0), 2: weights(1.6)}
    push(players, 0, 1)
    assert players.waits(0)
    assert players.waits(1)
    assert players.centre.weights[0].trained[0][0] == 1.0
    push(players, 2)
    assert all(isinstance(item, Window) for item in players.items.values())
    assert players.centre.weights[0].trained[0][0] == pytest.approx(1 + 0.1 * (-0.6 + 1.0 + 0.6) / 3)
    assert [players.now[k].trained[0][0] for k in range(3)] == pytest.approx([0.46, 1.9, 1.54])
    assert players.centre.tally.staleness == {0: 3}


def test_a_replica_that_is_lost_in_the_middle_of_a_round_does_not_hold_it_up() -> None:
    plan = make_plan("easgd", 3, rho=5.0, learning_rate=0.02)
    players = Players(make_centre(plan, [4, 4, 4], begin=weights(1.0)), add(0.0))
    players.join(0, 1, 2)
    players.now = {0: weights(0.4), 1: weights(2.0), 2: weights(1.6)}
    push(players, 0, 1)
    players.lose(2)
    assert players.centre.weights[0].trained[0][0] == pytest.approx(1 + 0.1 * (-0.6 + 1.0) / 2)
    assert players.items == {0: Window(1, 0, 2, 4), 1: Window(1, 1, 2, 4)}
    push(players, 0)
    players.join(2)  # back in the middle of the next round: it takes part in the one after that
    assert players.waits(2)
    push(players, 1)
    assert players.items[2] == Window(1, 2, 0, 2)
    players.finish()
    assert set(players.rows.values()) == {1}
    assert players.centre.samples == 12


def test_a_push_counts_in_its_round_though_its_replica_is_lost_before_the_round_ends() -> None:
    plan = make_plan("averaging", 2)
    players = Players(make_centre(plan, [6, 2], begin=weights(0.0)), add(1.0))
    players.join(0, 1)
    push(players, 1)
    players.lose(1)
    assert players.centre.samples == 0
    arrays, tree = players.centre.snapshot()
    push(players, 0)
    assert players.centre.is_finished
    assert players.centre.weights[0].trained[0][0] == pytest.approx((3 * 6 + 1 * 2) / 8)
    assert set(players.rows.values()) == {1}
    again = Centre.from_snapshot(plan, arrays, tree)  # what waited for its round is to do again
    assert again.work.next(1) == Window(1, 1, 0, 2)


def test_averaging_in_an_epoch_of_two_rounds_is_the_mean_of_all_of_it() -> None:
    players = Players(make_centre(make_plan("averaging", 2), [6, 4], begin=weights(0.0)), add(1.0))
    players.join(0, 1)
    players.lose(1)
    push(players, 0)
    assert players.centre.weights[0].trained[0][0] == 3.0
    assert players.items[0] == Window(1, 1, 0, 4)
    push(players, 0)
    assert players.centre.weights[0].trained[0][0] == pytest.approx((6 * 3 + 4 * (3 + 2)) / 10)


def test_ensemble_keeps_its_networks_apart_and_another_takes_over_with_the_weights_of_the_lost_one() -> None:
    plan = make_plan("ensemble", 2)
    sets = [weights(10.0, statistics=[1.0]), weights(20.0, statistics=[2.0])]
    centre = Centre(plan, sets, rows=[4, 6], epochs=2, batch_size=BATCH, is_evaluated=True)
    players = Players(centre, add(1.0))
    players.join(0, 1)
    push(players, 0, 1)
    assert [one.trained[0][0] for one in centre.weights] == [12.0, 23.0]
    players.lose(1)
    while not centre.is_finished:
        players.do(0)
    assert [one.trained[0][0] for one in centre.weights] == [14.0, 26.0]
    assert [one.statistics[0][0] for one in centre.weights] == [1.0, 2.0]
    assert centre.tally.staleness == {}
    assert centre.history["round"] == [1, 2]
    with pytest.raises(ValueError, match="1 sets of weights for 2 replicas of ensemble"):
        Centre(plan, sets[:1], rows=[4, 6], epochs=2, batch_size=BATCH)


def test_elastic_replicas_keep_their_weights_while_they_compute_scores() -> None:
    players = Players(make_centre(make_plan("aeasgd", 1, window=2), [4], epochs=2, is_evaluated=True), add(1.0))
    players.join(0)
    push(players, 0)
    answers = [players.answers[0].how]
    assert players.now[0].trained[0][0] == 2.0  # what its commit is answered with comes with the next window
    push(players, 0)
    answers.append(players.answers[0].how)
    assert answers == ["show", "merge"]
    assert players.now[0].trained[0][0] == players.centre.weights[0].trained[0][0] == 1.0


def test_statistics_follow_their_own_rule() -> None:
    def train(now: Weights, window: Window) -> tuple[Weights, list[float]]:
        return Weights(now.trained, [np.array([5.0], np.float32)]), [1.0]

    players = Players(make_centre(make_plan("aeasgd", 4, window=1), begin=weights(1.0, statistics=[1.0])), train)
    players.join(0, 1, 2, 3)
    push(players, 0)
    assert players.centre.weights[0].statistics[0][0] == 2.0
    assert players.now[0].statistics[0][0] == 2.0


def test_the_report() -> None:
    plan = make_plan("adag", 2, window=2)
    players = Players(make_centre(plan, [8, 8], begin=weights(1, 2), is_evaluated=True), add(1.0))
    players.join(0, 1)
    push(players, 0, 1, 0, 1)
    players.lose(1)
    players.finish()
    report = players.centre.report()
    assert {name: report[name] for name in ("trainer", "replicas", "exchanges", "samples", "lost", "epochs")} == {
        "trainer": "adag",
        "replicas": 2,
        "exchanges": 4,
        "samples": 16,
        "lost": 1,
        "epochs": 1,
    }
    assert report["staleness"] == {"0": 1, "1": 3}
    assert report["exchanges_per_second"] == pytest.approx(4 / report["seconds"])
    pulled, shown = 2 + 2, 1  # at the joins, after the first window of each, and to compute scores
    assert report["bytes"] == (pulled + 4 + shown) * 8
    curves = report["curves"]
    assert curves["replicas"]["0"]["samples"] == [4, 12]
    assert curves["replicas"]["1"]["loss"] == [1.0, 1.0]
    assert curves["centre"]["watch"]["loss"] == [1.0]
    assert curves["centre"]["watch"]["samples"] == [16]


def test_losses_are_means_over_rows() -> None:
    centre = make_centre(make_plan("adag", 1, window=3), [5])
    joined, window = centre.join(0, 0.0), Window(1, 0, 0, 5)
    assert joined is not None
    assert joined.item == window
    with pytest.raises(ValueError, match="2 losses of 3 mini-batches"):
        centre.push(0, joined.seq, weights(0.0), window, [1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match="other shapes"):
        centre.push(0, joined.seq, weights(0.0, 1.0), window, [1.0], 0.0)
    centre.push(0, joined.seq, weights(0.0), window, [1.0, 2.0, 6.0], 0.0)
    assert centre.history == {"round": [1], "train": [pytest.approx((2 * 1 + 2 * 2 + 1 * 6) / 5)]}


def test_who_never_joined_this_centre_has_nothing_to_push() -> None:
    plan = make_plan("downpour", 2, window=1)
    players = Players(make_centre(plan), add(1.0))
    players.join(0, 1)
    push(players, 0)
    players.restart_centre(plan)
    players.lose(0)  # nobody saw it after the restart
    players.items[0] = Window(1, 0, 2, 4)
    push(players, 0)
    assert players.refused(0)
    players.finish()
    assert set(players.rows.values()) == {1}
    assert players.centre.weights[0].trained[0][0] == 8.0


def test_the_shards_must_be_those_of_the_replicas() -> None:
    with pytest.raises(ValueError, match="1 shards for 2 replicas"):
        make_centre(make_plan("adag", 2), [5])


@pytest.mark.parametrize("item", [Window(3, 1, 40, 55), Evaluate(7), Wait(), Stop(), Rejoin()])
def test_items_travel_as_plain_values(item: Item | Rejoin) -> None:
    assert parse_item(json.loads(json.dumps(describe_item(item)))) == item


@pytest.mark.parametrize("bad", [[], ["window", 1], ["run"], ["evaluate", "1"], "stop"])
def test_other_values_are_no_items(bad: Any) -> None:
    with pytest.raises(ValueError, match="not an item of work"):
        parse_item(bad)
