"""Trainers as recipes write them: what is wrong with one, its one form in keys, and its plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.models.trainer_plan import (
    ALIASES,
    MOST_REPLICAS,
    SINGLE,
    TRAINERS,
    TrainerPlan,
    check_trainer,
    read_trainer,
    resolve_trainer,
)
from rapidml.recipe.schema import Choice

DEFAULTS = {
    "multiworker": (None, {}),
    "downpour": (5, {}),
    "adag": (12, {}),
    "adag_staleness": (5, {"gamma": 1.0}),
    "dynsgd": (5, {}),
    "aeasgd": (32, {"rho": 5.0, "learning_rate": 0.1}),
    "eamsgd": (32, {"rho": 5.0, "learning_rate": 0.1, "momentum": 0.9}),
    "easgd": (1, {"rho": 5.0, "learning_rate": 0.01}),
    "averaging": (None, {}),
    "ensemble": (None, {}),
}
"""Window and other options of every trainer: dist-keras' defaults, but for the window of easgd, which had none."""
ASYNCHRONOUS = {"downpour", "adag", "adag_staleness", "dynsgd", "aeasgd", "eamsgd"}
NAMES = [name for name in TRAINERS if name != SINGLE]


def choose(name: str, **options: Any) -> Choice:
    return Choice(name=name, options=options)


def list_problems(choice: Choice) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, one.path)), one.expected, one.fix) for one in check_trainer(choice)]


def test_every_trainer_has_its_defaults() -> None:
    assert set(DEFAULTS) == set(NAMES)
    for name, (window, options) in DEFAULTS.items():
        assert list_problems(choose(name)) == []
        assert read_trainer(choose(name)) == TrainerPlan(name, 2, window, options)


def test_which_are_asynchronous() -> None:
    plans = [read_trainer(choose(name)) for name in NAMES]
    assert {plan.name for plan in plans if plan is not None and plan.is_asynchronous} == ASYNCHRONOUS


@pytest.mark.parametrize("choice", [None, choose(SINGLE)])
def test_one_process_is_no_trainer(choice: Choice | None) -> None:
    assert read_trainer(choice) is None
    assert resolve_trainer(choice) is None


@pytest.mark.parametrize(
    ("choice", "resolved"),
    [
        (choose("agn"), choose("adag")),
        (choose("agn", window=12, replicas=2), choose("adag")),
        (choose("adag", replicas=4), choose("adag", replicas=4)),
        (choose("adag", value=4), choose("adag", replicas=4)),
        (choose("aeasgd", rho=5, learning_rate=0.1), choose("aeasgd")),
        (choose("aeasgd", rho=4), choose("aeasgd", rho=4.0)),
        (choose("eamsgd", momentum=0), choose("eamsgd", momentum=0.0)),
        (choose("easgd", window=1), choose("easgd")),
    ],
)
def test_two_ways_to_write_a_trainer_are_one_in_keys(choice: Choice, resolved: Choice) -> None:
    found = resolve_trainer(choice)
    assert found == resolved
    assert found is not None
    assert {name: type(value) for name, value in found.options.items()} == {
        name: type(value) for name, value in resolved.options.items()
    }


@pytest.mark.parametrize(
    ("choice", "path", "expected", "fix"),
    [
        (choose("adga"), "", "a trainer: single, multiworker, downpour", "write 'adag'"),
        (choose("adga", replicas=2), "adga", "a trainer: single, multiworker, downpour", "write 'adag'"),
        (choose("horovod"), "", "ensemble", "write one of these"),
        (choose("adag", replicas=0), "adag.replicas", "an integer in [1, 256]", "write for example  replicas: 3"),
        (choose("adag", replicas=257), "adag.replicas", "an integer in [1, 256]", "write for example  replicas: 3"),
        (choose("adag", replicas=2.0), "adag.replicas", "an integer in [1, 256]", "write 2"),
        (choose("adag", replicas="2"), "adag.replicas", "an integer in [1, 256]", "write it without quotes: 2"),
        (choose("adag", value="two"), "adag", "an integer in [1, 256]", "write for example  replicas: 3"),
        (choose("adag", window=0), "adag.window", "an integer in [1, 100000]", "write for example  window: 3"),
        (choose("adag", windw=3), "adag.windw", "an option of adag: replicas, window", "write 'window'"),
        (choose("adag", num_workers=3), "adag.num_workers", "an option of adag", "write 'replicas'"),
        (choose("adag", communication_window=3), "adag.communication_window", "an option of adag", "write 'window'"),
        (choose("adag", rho=3), "adag.rho", "an option of adag", "remove it, or write one of these names"),
        (choose("adag", learning_rate=1), "adag.learning_rate", "that recipes can set", "move it to params"),
        (choose("downpour", epochs=3), "downpour.epochs", "that recipes can set", "move it to params of the model"),
        (choose("multiworker", window=3), "multiworker.window", "that recipes can set", "exchange at every step"),
        (choose("averaging", window=3), "averaging.window", "that recipes can set", "exchange after every epoch"),
        (choose("ensemble", window=3), "ensemble.window", "that recipes can set", "never exchange"),
        (choose("single", replicas=2), "single.replicas", "no options; single has none", "remove it"),
        (choose("single", value=2), "single", "no value; single has no options", "write  single"),
        (choose("eamsgd", momentum=1), "eamsgd.momentum", "a number in [0, 1)", "write for example  momentum: 0.5"),
        (choose("adag_staleness", gamma=0), "adag_staleness.gamma", "a number above 0", "write for example  gamma: 3"),
        (choose("aeasgd", rho=20), "aeasgd.rho", "of at most 1, the part", "write for example  learning_rate: 0.025"),
        (choose("easgd", learning_rate=0.5), "easgd.learning_rate", "it is 2.5", "learning_rate: 0.1"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(choice: Choice, path: str, expected: str, fix: str) -> None:
    ((found, wanted, mend),) = list_problems(choice)
    assert found == path
    assert expected in wanted
    assert fix in mend


@given(st.sampled_from(NAMES), st.integers(1, MOST_REPLICAS), st.data())
def test_the_resolved_form_has_the_same_plan(name: str, replicas: int, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, 99)) if "window" in TRAINERS[name].options else None
    written = {"replicas": replicas, **({} if window is None else {"window": window})}
    others = [other for other, meant in ALIASES.items() if meant == name]
    choice = Choice(name=data.draw(st.sampled_from([name, *others])), options=written)
    assert list_problems(choice) == []
    plan = read_trainer(choice)
    assert read_trainer(resolve_trainer(choice)) == plan
    assert resolve_trainer(resolve_trainer(choice)) == resolve_trainer(choice)
    assert plan is not None
    assert (plan.replicas, plan.window) == (replicas, window)


def test_every_option_says_what_it_is_and_takes_its_default() -> None:
    for trainer in TRAINERS.values():
        assert trainer.text.endswith(".")
        for option in trainer.options.values():
            assert option.text.endswith(".")
            assert option.kind.accepts(option.default)
