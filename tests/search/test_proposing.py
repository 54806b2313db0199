"""Proposals: never one twice, better than chance, the same again from what is known; and who is stopped at a rung."""

from __future__ import annotations

import math
import random
import sys
import time
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from rapidml.errors import ExtraNotInstalled
from rapidml.search.proposing import N_RANDOM, REDUCTION, Known, Proposer, Rung, list_rungs, require_optuna
from rapidml.search.space import Space, identify
from tests.search.written import make_space, name_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAN = float("nan")


RUNGS = list_rungs(90, 3)


def make_mixed() -> Space:
    return make_space(
        lambda v: v["depth"] > 3 and v["rate"] > 0.1,
        depth="{any: [4, 2, 3, 1]}",
        rate="{log: [0.001, 1.0]}",
        impute="{any: [mean, null, [1, 2], {constant: 0}]}",
        leaves="{between: [1, 10]}",
    )


def score_mixed(values: Mapping[str, Any]) -> float:
    """Greater is better; 0 at depth 3, rate 0.05, no imputation, 4 leaves."""
    depth, rate, impute, leaves = (values[f"params.{name}"] for name in ("depth", "rate", "impute", "leaves"))
    missed: float = (depth - 3) ** 2 + math.log10(rate / 0.05) ** 2 + (impute is not None) + (leaves - 4) ** 2 / 10
    return -missed


def search(
    space: Space, score: Callable[[Mapping[str, Any]], float], count: int, **options: Any
) -> list[tuple[dict[str, Any], float]]:
    """Candidates with scores, one after another."""
    proposer = Proposer(space, **{"seed": 0, "greater_is_better": True, **options})
    found = []
    for _ in range(count):
        asked = proposer.ask()
        if asked is None:
            break
        number, values = asked
        found.append((values, score(values)))
        proposer.tell(number, found[-1][1])
    return found


def test_no_candidate_comes_twice_or_is_forbidden() -> None:
    space = make_mixed()
    found = search(space, score_mixed, 60)
    assert len({identify(values) for values, _ in found}) == 60
    assert all(space.contains(values) for values, _ in found)


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_proposals_are_better_than_draws(greater_is_better: bool) -> None:
    space, sign = make_mixed(), 1 if greater_is_better else -1
    proposed, drawn = [], []
    for seed in range(5):
        found = search(space, lambda v: sign * score_mixed(v), 40, seed=seed, greater_is_better=greater_is_better)
        proposed.append(max(sign * score for _, score in found))
        drawn.append(max(map(score_mixed, space.list_draws(seed, 40))))
    assert sum(proposed) > 0.5 * sum(drawn)
    assert sum(one > other for one, other in zip(proposed, drawn, strict=True)) >= 4


def test_the_same_seed_proposes_the_same_and_begins_with_the_draws_of_random() -> None:
    space = make_mixed()
    found = search(space, score_mixed, 25, seed=3)
    assert search(space, score_mixed, 25, seed=3) == found
    assert [values for values, _ in found[:N_RANDOM]] == space.list_draws(3, N_RANDOM)
    assert search(space, score_mixed, 25, seed=4) != found


def test_a_finite_space_is_used_up() -> None:
    space = make_space(lambda v: v["a"] == 4, a="{any: [0, 1, 2, 3, 4]}", b="{any: [u, v, w, [1]]}")
    found = search(space, lambda v: v["params.a"], 100)
    assert sorted(identify(values) for values, _ in found) == sorted(map(identify, space.list_grid()))
    known = [Known(values, score) for values, score in found]
    assert Proposer(space, seed=9, greater_is_better=True, known=known).ask() is None
    proposer = Proposer(space, seed=9, greater_is_better=True, known=known[:3] + known[4:])
    assert proposer.ask() == (15, found[3][0])


def test_candidates_may_run_at_once() -> None:
    space = make_mixed()
    proposer = Proposer(space, seed=1, greater_is_better=True)
    asked = [proposer.ask() for _ in range(12)]
    for number, values in filter(None, asked):
        proposer.tell(number, score_mixed(values))
    more = [proposer.ask() for _ in range(8)]
    numbers, values = zip(*filter(None, [*asked, *more]), strict=True)
    assert numbers == tuple(range(20))
    assert len({identify(one) for one in values}) == 20


def test_what_is_known_informs_and_is_not_proposed_again() -> None:
    space = make_mixed()
    known = [Known(values, score_mixed(values)) for values in space.list_draws(5, 100)]
    found = search(space, score_mixed, 10, known=known)
    assert not {identify(values) for values, _ in found} & {identify(one.values) for one in known}
    mean_drawn = sum(map(score_mixed, space.list_draws(6, 100))) / 100
    assert sum(score for _, score in found) / 10 > mean_drawn / 2


def test_known_candidates_outside_the_space_inform_nothing() -> None:
    space = make_space(a="{between: [0.0, 1.0]}", b="{any: [x, y]}")
    outside = [
        name_values(a=2.0, b="x"),
        name_values(a=0.5, b="z"),
        name_values(a=0.5),
        name_values(a=0.5, b="x", c=1) | {"params.a": None},
    ]
    known = [Known(values, 1.0) for values in outside * 10]
    found = search(space, lambda v: v["params.a"], N_RANDOM, seed=2, known=known)
    assert [values for values, _ in found] == space.list_draws(2, N_RANDOM)
    proposer = Proposer(space, seed=2, greater_is_better=True, rungs=RUNGS, known=[Known(outside[0], None)])
    assert not proposer.report(0, RUNGS[0], NAN)
    proposer.tell(0, 1.0)
    with pytest.raises(KeyError):
        proposer.tell(0, 1.0)


def test_later_proposals_keep_away_from_failures() -> None:
    space = make_space(a="{between: [0.0, 1.0]}", b="{between: [0.0, 1.0]}")

    def fail_below(values: Mapping[str, Any]) -> float:
        return NAN if values["params.a"] < 0.5 else 1.0 + values["params.b"] / 100

    failed_late = failed_again = 0
    for seed in range(3):
        found = search(space, fail_below, 60, seed=seed)
        failed_late += sum(math.isnan(score) for _, score in found[30:])
        known = [Known(values, None if math.isnan(score) else score) for values, score in found]
        failed_again += sum(math.isnan(score) for _, score in search(space, fail_below, 30, seed=seed, known=known))
    # By chance 45 of 90.
    assert failed_late < 32
    assert failed_again < 20


def test_a_known_candidate_without_score_may_be_told_of_later() -> None:
    space = make_mixed()
    values = space.list_draws(0, 2)
    proposer = Proposer(
        space, seed=0, greater_is_better=True, rungs=RUNGS, known=[Known(values[0], 0.5), Known(values[1], None)]
    )
    assert proposer.report(1, RUNGS[0], 0.4) in {True, False}
    proposer.tell(1, 0.6)
    with pytest.raises(KeyError):
        proposer.tell(1, 0.6)
    with pytest.raises(KeyError):
        proposer.tell(0, 0.6)
    asked = proposer.ask()
    assert asked is not None
    assert asked[0] == 2


@pytest.mark.parametrize(
    ("rounds", "folds", "rungs"),
    [
        (90, 3, ((30, 1), (90, 1), (90, 3))),
        (100, 5, ((34, 1), (100, 1), (100, 5))),
        (8, 1, ((3, 1), (8, 1))),
        (1, 1, ((1, 1),)),
    ],
)
def test_rungs(rounds: int, folds: int, rungs: tuple[tuple[int, int], ...]) -> None:
    assert list_rungs(rounds, folds) == rungs


def is_stopped(score: float, before: list[float], *, greater_is_better: bool) -> bool:
    """The rule of asynchronous successive halving: who is not among the best third at its rung so far stops."""
    ranked = sorted([*before, score], reverse=greater_is_better)
    last_to_go_on = ranked[max(1, len(ranked) // REDUCTION) - 1]
    return score < last_to_go_on if greater_is_better else score > last_to_go_on


def climb(
    proposer: Proposer, number: int, scores: list[float], levels: dict[Rung, list[float]], *, greater_is_better: bool
) -> Known:
    """Let one candidate climb until it is stopped, by the proposer and by the rule at once."""
    reached: dict[Rung, float] = {}
    for rung, score in zip(RUNGS, scores, strict=True):
        reached[rung] = score
        expected = rung != RUNGS[-1] and is_stopped(score, levels[rung], greater_is_better=greater_is_better)
        levels[rung].append(score)
        assert proposer.report(number, rung, score) == expected
        if expected:
            proposer.tell(number, score, pruned=True)
            return Known({}, score, reached, pruned=True)
    proposer.tell(number, scores[-1])
    return Known({}, scores[-1], reached)


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_who_is_behind_at_a_rung_is_stopped_also_after_a_new_start(greater_is_better: bool) -> None:
    rolls = random.Random(4)
    space = make_space(a="{between: [0.0, 1.0]}")
    options: dict[str, Any] = {"seed": 1, "greater_is_better": greater_is_better, "rungs": RUNGS}
    proposer = Proposer(space, **options)
    levels: dict[Rung, list[float]] = {rung: [] for rung in RUNGS}
    known: list[Known] = []
    for count in range(60):
        if count == 30:
            proposer = Proposer(space, **options, known=known)
        asked = proposer.ask()
        assert asked is not None
        number, values = asked
        assert number == count
        scores = [rolls.random() for _ in RUNGS]
        end = climb(proposer, number, scores, levels, greater_is_better=greater_is_better)
        known.append(Known(values, end.score, end.rungs, end.pruned))
    assert {one.pruned for one in known} == {True, False}


def test_whole_fits_are_no_rivals_at_the_first_rung() -> None:
    space = make_space(a="{between: [0.0, 1.0]}")
    rolls = random.Random(7)
    known = [
        Known(values, score, {RUNGS[1]: score})
        for values, score in ((values, 0.8 + 0.02 * rolls.random()) for values in space.list_draws(0, 20))
    ]
    proposer = Proposer(space, seed=0, greater_is_better=True, rungs=RUNGS, known=known)
    asked = [proposer.ask() for _ in range(6)]
    assert not all(one is None or proposer.report(one[0], RUNGS[0], 0.73 + 0.001 * i) for i, one in enumerate(asked))


def test_a_score_that_is_no_number_stops() -> None:
    proposer = Proposer(make_mixed(), seed=0, greater_is_better=True, rungs=RUNGS)
    asked = proposer.ask()
    assert asked is not None
    assert proposer.report(asked[0], RUNGS[0], NAN)
    proposer.tell(asked[0], None, pruned=True)


def test_reports_are_due_at_rungs_only() -> None:
    proposer = Proposer(make_mixed(), seed=0, greater_is_better=True, rungs=RUNGS)
    asked = proposer.ask()
    assert asked is not None
    with pytest.raises(ValueError, match=r"Rung\(rounds=31, folds=1\) is no rung; the rungs are "):
        proposer.report(asked[0], Rung(31, 1), 0.5)
    with pytest.raises(KeyError):
        proposer.report(7, RUNGS[0], 0.5)


def test_candidates_that_are_stopped_by_a_race_inform_the_rest() -> None:
    space = make_mixed()
    proposer = Proposer(space, seed=0, greater_is_better=True)
    scores = []
    for _ in range(50):
        asked = proposer.ask()
        assert asked is not None
        number, values = asked
        scores.append(score_mixed(values))
        proposer.tell(number, scores[-1], pruned=scores[-1] < -2)
    assert sum(scores[25:]) > sum(scores[:25])


def test_optuna_says_nothing_and_keeps_its_level(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    search(make_mixed(), score_mixed, 15, rungs=RUNGS)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_a_thousand_known_candidates_are_taken_in_at_once() -> None:
    space = make_mixed()
    rolls = random.Random(1)
    known = []
    for values in space.list_draws(1, 1000):
        rungs = {RUNGS[0]: rolls.random()}
        known.append(Known(values, rungs[RUNGS[0]], rungs, pruned=True))
    start = time.perf_counter()
    proposer = Proposer(space, seed=0, greater_is_better=True, rungs=RUNGS, known=known)
    assert time.perf_counter() - start < 2
    asked = proposer.ask()
    assert asked is not None
    assert asked[0] == 1000


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_optuna("tpe")
    monkeypatch.setitem(sys.modules, "optuna", None)
    expected = r"search\.method: tpe needs a library that is not installed: pip install 'iml-rapidml\[search\]'"
    with pytest.raises(ExtraNotInstalled, match=expected):
        require_optuna("tpe")
    with pytest.raises(ExtraNotInstalled, match=r"search\.method: hyperband needs"):
        Proposer(make_mixed(), seed=0, greater_is_better=True, rungs=RUNGS)
