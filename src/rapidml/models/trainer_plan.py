"""Trainers of networks: what recipes may write, the same in one form, and the plan of a training made of it.

Imports no library and no numpy. The rules themselves are ``trainers.rules``; formulas and sources stand there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from rapidml.models.adapter import Complaint
from rapidml.models.layer_checking import Argument, Group, Item
from rapidml.models.parameters import Kind, Parameter
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SINGLE = "single"
"""The trainer without replicas, as if none were written."""
REPLICAS, WINDOW = "replicas", "window"
MOST_REPLICAS = 256
MOST_WINDOW = 100_000


@dataclass(frozen=True)
class Option:
    """One option of a trainer.

    Attributes:
        default: Its value where it is not written; part of the format of keys.
        kind: Values that it takes.
        text: What it is.
    """

    default: float
    kind: Kind
    text: str


@dataclass(frozen=True)
class Trainer:
    """One way to train a network with several replicas.

    Attributes:
        text: What it does.
        options: Its options by name.
        is_asynchronous: Whether replicas exchange each in its own time.
    """

    text: str
    options: Mapping[str, Option] = field(default_factory=dict)
    is_asynchronous: bool = False


def _replicas() -> dict[str, Option]:
    kind = Kind("integer", 1, MOST_REPLICAS)
    return {REPLICAS: Option(2, kind, "Copies of the network, each with its own part of the rows.")}


def _window(default: int) -> dict[str, Option]:
    kind = Kind("integer", 1, MOST_WINDOW)
    return {**_replicas(), WINDOW: Option(default, kind, "Mini-batches between two exchanges.")}


def _elastic(window: int, learning_rate: float) -> dict[str, Option]:
    above = Kind("number", 0, None, "neither")
    return {
        **_window(window),
        "rho": Option(5.0, above, "Strength of the pull between replicas and centre."),
        "learning_rate": Option(learning_rate, above, "Times rho: the part of the distance that an exchange closes."),
    }


_MOMENTUM = Option(0.9, Kind("number", 0, 1, "left"), "Of the replicas' own steps, with look-ahead.")
_GAMMA = Option(1.0, Kind("number", 0, None, "neither"), "The smaller, the more what comes late is damped.")

TRAINERS: Mapping[str, Trainer] = {
    SINGLE: Trainer("One process, as without a trainer."),
    "multiworker": Trainer("Every step is of all replicas together: their gradients are added up.", _replicas()),
    "downpour": Trainer("Replicas add their changes to the centre and take it over.", _window(5), True),
    "adag": Trainer("As downpour, each change divided by its number of mini-batches.", _window(12), True),
    "adag_staleness": Trainer(
        "As adag, each weight damped where the centre has moved on.", {**_window(5), "gamma": _GAMMA}, True
    ),
    "dynsgd": Trainer("As downpour, each change divided by how late it comes.", _window(5), True),
    "aeasgd": Trainer("Replicas and centre pull each other, each in its own time.", _elastic(32, 0.1), True),
    "eamsgd": Trainer(
        "As aeasgd, with momentum; replicas train by plain steps of learning_rate.",
        {**_elastic(32, 0.1), "momentum": _MOMENTUM},
        True,
    ),
    "easgd": Trainer("Replicas and centre pull each other, all at once.", _elastic(1, 0.01)),
    "averaging": Trainer("After every epoch all replicas go on from their mean.", _replicas()),
    "ensemble": Trainer("Networks that never exchange; their mean predicts.", _replicas()),
}
"""Every trainer by its name in recipes."""
ALIASES: Mapping[str, str] = {"agn": "adag"}
"""Other names of trainers."""
OWN_OPTIMISER = ("eamsgd",)
"""Trainers that bring the optimiser of their replicas."""

_MEANT = {
    "communication_window": WINDOW,
    "eta": "learning_rate",
    "n_replicas": REPLICAS,
    "num_replicas": REPLICAS,
    "num_workers": REPLICAS,
    "shards": REPLICAS,
    "tau": WINDOW,
    "workers": REPLICAS,
}
"""Names elsewhere, and ours."""
_NOT_HERE = {
    "batch_size": "move it to params of the model",
    "epochs": "move it to params of the model",
    "learning_rate": "move it to params of the model",
    "momentum": "write it in params, as in  optimizer: {sgd: {momentum: 0.9}}",
    "optimizer": "move it to params of the model",
    "schedule": "move it to params of the model",
}
"""Parameters of the model that are no options of trainers."""
_NO_WINDOW = {
    "multiworker": "remove it; the replicas of multiworker exchange at every step",
    "averaging": "remove it; the replicas of averaging exchange after every epoch",
    "ensemble": "remove it; the replicas of ensemble never exchange",
}


@dataclass(frozen=True)
class TrainerPlan:
    """A trainer with everything decided.

    Attributes:
        name: One of ``TRAINERS``, never ``single``.
        replicas: Number of copies of the network.
        window: Mini-batches between two exchanges; None for those without.
        options: The others by name.
    """

    name: str
    replicas: int
    window: int | None = None
    options: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_asynchronous(self) -> bool:
        """Whether replicas exchange each in its own time."""
        return TRAINERS[self.name].is_asynchronous


def check_trainer(choice: Choice) -> Iterator[Complaint]:
    """Everything that is wrong with a trainer by itself; paths start below ``trainer``.

    Args:
        choice: The trainer as written, without ranges.
    """
    found = list(_find_group().check_arguments((), choice.name, choice.options))
    yield from found
    if found:
        return
    plan = read_trainer(choice)
    if plan is None or "rho" not in plan.options:
        return
    part = plan.options["rho"] * plan.options["learning_rate"]
    if part > 1:
        expected = f"rho x learning_rate of at most 1, the part of the distance that an exchange closes; it is {part:g}"
        path = (choice.name, next((name for name in ("learning_rate", "rho") if name in choice.options), ""))
        yield Complaint(path, expected, f"write for example  learning_rate: {0.5 / plan.options['rho']:.2g}")


def resolve_trainer(choice: Choice | None) -> Choice | None:
    """A checked trainer in one form: no alias, and options that equal their default left out.

    Returns:
        None for no trainer, and for ``single``.
    """
    if choice is None:
        return None
    name, options = _find_group().resolve_arguments(choice.name, choice.options)
    if name == SINGLE:
        return None
    known = TRAINERS[name].options
    return Choice(name=name, options={key: value for key, value in options.items() if value != known[key].default})


def read_trainer(choice: Choice | None) -> TrainerPlan | None:
    """The plan of a checked trainer.

    Returns:
        None for no trainer, and for ``single``.
    """
    resolved = resolve_trainer(choice)
    if resolved is None:
        return None
    options: dict[str, Any] = {name: option.default for name, option in TRAINERS[resolved.name].options.items()}
    options |= resolved.options
    replicas, window = options.pop(REPLICAS), options.pop(WINDOW, None)
    return TrainerPlan(resolved.name, replicas, window, options)


@cache
def _find_group() -> Group:
    items = {name: _make_item(name, trainer) for name, trainer in TRAINERS.items()}
    return Group("trainer", items, "option", _MEANT)


def _make_item(name: str, trainer: Trainer) -> Item:
    arguments = {key: Argument(Parameter(key, (option.kind,))) for key, option in trainer.options.items()}
    refused = {**_NOT_HERE, **({WINDOW: _NO_WINDOW[name]} if name in _NO_WINDOW else {})}
    refused = {key: fix for key, fix in refused.items() if key not in arguments}
    aliases = tuple(alias for alias, meant in ALIASES.items() if meant == name)
    return Item(name, arguments, REPLICAS if arguments else None, (), aliases, refused)
