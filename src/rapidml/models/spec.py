"""What of a model's entry decides its fits, with every default decided. Light: plans are made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.models.network_params import merge_layers
from rapidml.models.registry import find_adapter
from rapidml.models.trainer_plan import read_trainer, resolve_trainer
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.frame import Task
    from rapidml.recipe.schema import ModelEntry


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What of a model's entry decides its fits.

    Attributes:
        type: Name of its adapter.
        params: Parameters as they enter keys: aliases and dependent defaults resolved; layers among them.
        prepare: Preparation steps as written; what is implied (one_hot) is added by the fit.
        early_stopping: Rounds without a better loss after which a fit ends; None without early stopping.
        rounds: Number of rounds to train, with nothing held out; it wins over ``early_stopping``. None for models
            without rounds, and with early stopping until folds have told the number.
        weights_ignored: Whether the fit takes all rows alike.
        device: ``cpu`` or ``cuda``.
        iterations: Name of the parameter that counts rounds; None for models without rounds.
        shards: Parts that the rows of a fit are dealt into, each trained on by a rank of its own.
        trainer: How several replicas train a network, without what is default; None for one process.
    """

    type: str
    params: Mapping[str, Any]
    prepare: tuple[Choice, ...] = ()
    early_stopping: int | None = None
    rounds: int | None = None
    weights_ignored: bool = False
    device: str = "cpu"
    iterations: str | None = None
    shards: int = 1
    trainer: Choice | None = None

    @property
    def ranks(self) -> int:
        """Processes that train one model together, each on its own part of the rows: shards, or replicas."""
        plan = read_trainer(self.trainer)
        return self.shards if plan is None else plan.replicas

    @property
    def unit(self) -> str:
        """What a round is called: ``epoch`` of networks, else ``round``."""
        return "epoch" if self.iterations == "epochs" else "round"

    @property
    def is_spread(self) -> bool:
        """Whether a fit takes processes of its own on all workers together."""
        return self.shards > 1 or self.trainer is not None

    def with_rounds(self, rounds: int) -> ModelSpec:
        """The same model trained for a fixed number of rounds, with nothing held out.

        Raises:
            ValueError: The model has no rounds.
        """
        if self.iterations is None:
            raise ValueError(f"{self.type} has no rounds")
        return replace(self, rounds=rounds)

    def to_json(self) -> dict[str, Any]:
        """The specification as a plain tree."""
        prepare = [[step.name, dict(step.options)] for step in self.prepare]
        return {
            "type": self.type,
            "params": dict(self.params),
            "prepare": prepare,
            "early_stopping": self.early_stopping,
            "rounds": self.rounds,
            "weights_ignored": self.weights_ignored,
            "device": self.device,
            "iterations": self.iterations,
            **({} if self.shards == 1 else {"shards": self.shards}),
            **({} if self.trainer is None else {"trainer": [self.trainer.name, dict(self.trainer.options)]}),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ModelSpec:
        """The specification that ``to_json`` gave."""
        prepare = tuple(Choice(name=name, options=options) for name, options in tree["prepare"])
        trainer = tree.get("trainer")
        chosen = None if trainer is None else Choice(name=trainer[0], options=trainer[1])
        return cls(**{**tree, "prepare": prepare, "trainer": chosen})


def resolve_model(entry: ModelEntry, task: Task) -> ModelSpec:
    """A checked entry with every default decided.

    Args:
        entry: The model as written; ``checking.check_model`` found nothing wrong with it.
        task: What is learned.
    """
    adapter = find_adapter(entry.type)
    params = adapter.resolve(merge_layers(entry), task, entry.early_stopping)
    counted = None if adapter.iterations is None else params.get(adapter.iterations)
    return ModelSpec(
        type=entry.type,
        params=params,
        prepare=entry.prepare,
        early_stopping=entry.early_stopping,
        rounds=counted if entry.early_stopping is None else None,
        weights_ignored=entry.weights == "ignore",
        device=entry.device,
        iterations=adapter.iterations,
        shards=entry.shards,
        trainer=resolve_trainer(entry.trainer),
    )


def middle_rounds(best_rounds: list[int]) -> int:
    """Lower median of the folds' best rounds: how long the final fit trains.

    Raises:
        ValueError: There are none.
    """
    if not best_rounds:
        raise ValueError("no fold has a best round")
    return sorted(best_rounds)[(len(best_rounds) - 1) // 2]
