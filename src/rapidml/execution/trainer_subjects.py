"""Which fits of a recipe show how its trainers scale, and the same network without a trainer to hold them against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.execution.scaling_subject import respecify
from rapidml.keys import canonical_json
from rapidml.models.network_params import NETWORKS
from rapidml.models.registry import find_adapter
from rapidml.models.trainer_plan import OWN_OPTIMISER, SINGLE, resolve_trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.scaling_subject import Subject
    from rapidml.models.network_adapter import NetworkAdapter
    from rapidml.models.spec import ModelSpec
    from rapidml.planning.steps import FitStep
    from rapidml.recipe.document import Document


@dataclass(frozen=True)
class Network:
    """What trainers must have in common for their times and scores to be compared; how it learns is not among it.

    Attributes:
        content: Layers, epochs, batch size, preparation and what else decides what is trained on what, as JSON.
    """

    content: str

    @classmethod
    def of(cls, spec: ModelSpec) -> Network:
        """That of a model."""
        from rapidml.models.fitting import fit_params

        adapter: Any = find_adapter(spec.type)
        known: NetworkAdapter = adapter
        plan = known.plan(fit_params(spec))
        prepare = [[step.name, dict(step.options)] for step in spec.prepare]
        layers = [[name, dict(options)] for name, options in plan.layers]
        rest = [plan.epochs, plan.batch_size, spec.early_stopping, spec.weights_ignored, spec.device]
        return cls(canonical_json([layers, prepare, *rest]))


def list_trained(document: Document) -> list[str]:
    """The models of a recipe that have a trainer."""
    return [name for name, entry in document.models.items() if resolve_trainer(entry.trainer) is not None]


def with_singles(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """The trainers to time, and after them, for each network among them, the same network without a trainer.

    That one is a model of the recipe, if there is one; else it learns as the first trainer's replicas do.
    """
    found: dict[Network, FitStep] = {}
    for step in _list_singles(subjects):
        found.setdefault(Network.of(step.spec), step)
    wanted = dict.fromkeys(Network.of(subject.step.spec) for subject in subjects)
    labels = {network: SINGLE if len(wanted) == 1 else f"{SINGLE}, as {found[network].model}" for network in wanted}
    singles = [replace(subjects[0], step=found[network], label=labels[network]) for network in wanted]
    return (*subjects, *singles)


def _list_singles(subjects: Sequence[Subject]) -> list[FitStep]:
    """Fits without a trainer, the best choice first."""
    first = subjects[0]
    steps = [step for fits in first.plan.fits_by_model.values() for step in fits if step.part == first.step.part]
    own = [step for step in steps if step.spec.type in NETWORKS and step.spec.trainer is None]
    plain = [respecify(first.plan, one.step, replace(one.step.spec, trainer=None)) for one in subjects]
    others = [one.trainer is not None and one.trainer.name in OWN_OPTIMISER for one in subjects]
    best = [step for step, is_other in zip(plain, others, strict=True) if not is_other]
    return [*own, *best, *plain]
