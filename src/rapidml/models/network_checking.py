"""What the fields of networks ask of a model of a recipe: ``layers`` and ``trainer``, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.models.network_params import LAYERS, NETWORKS
from rapidml.models.range_checking import check_trainer, list_variations
from rapidml.models.trainer_plan import OWN_OPTIMISER, read_trainer
from rapidml.recipe.ranges import list_ranges

if TYPE_CHECKING:
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import ModelEntry

OF_THE_OPTIMISER = ("optimizer", "schedule", "learning_rate")
"""Parameters that nothing reads with a trainer that brings its own optimiser."""


def check_network(document: Document, place: list[str], entry: ModelEntry) -> None:
    """Add every problem of layers, trainer and schedule of a model, be it a network or not.

    Args:
        document: The recipe, which collects problems.
        place: Path of the model.
        entry: The model as written.
    """
    _check_layers(document, place, entry)
    if entry.trainer is not None:
        _check_trainer(document, place, entry)
    if entry.type in NETWORKS:
        _check_schedule(document, place, entry)


def _check_layers(document: Document, place: list[str], entry: ModelEntry) -> None:
    if entry.type == "keras":
        if LAYERS in entry.params:
            expected = "no layers among the parameters; they are a field of the model"
            document.add([*place, "params", LAYERS], expected, "move layers out of params, into the model", on_key=True)
        elif not entry.layers:
            expected = "layers: a list of Keras' layers, each a name or one {NAME: {options}}; type keras needs them"
            fix = "add  layers: [Dense: {units: 64, activation: relu}], or write type: mlp"
            document.add([*place, LAYERS], expected, fix)
    elif entry.layers:
        fix = "write params: {hidden: [128, 128]}, or type: keras" if entry.type == "mlp" else "remove it"
        expected = f"no layers; {entry.type} is not described layer by layer, as type: keras is"
        document.add([*place, LAYERS], expected, fix, on_key=True)


def _check_trainer(document: Document, place: list[str], entry: ModelEntry) -> None:
    field = [*place, "trainer"]
    if entry.type not in NETWORKS:
        fix = "remove it; shards: 2 spreads a fit of xgboost" if entry.type == "xgboost" else "remove it"
        expected = f"no trainer; {entry.type} is no network, as {' and '.join(NETWORKS)} are"
        document.add(field, expected, fix, on_key=True)
        return
    if not check_trainer(document, place, entry):
        return
    plan = read_trainer(next(list_variations(entry)).entry.trainer)
    if plan is None:
        return
    if list_ranges(entry):
        expected = "no trainer with ranges: the fits of a search are not spread"
        document.add(field, expected, "remove it, or write one value in place of each range", on_key=True)
    for name in OF_THE_OPTIMISER if plan.name in OWN_OPTIMISER else ():
        if name in entry.params:
            expected = f"no {name} with {plan.name}, which takes steps of its own options learning_rate and momentum"
            document.add([*place, "params", name], expected, f"remove {name}", on_key=True)


def _check_schedule(document: Document, place: list[str], entry: ModelEntry) -> None:
    """A learning rate that falls towards the last epoch asks for the last epoch."""
    if entry.early_stopping is None:
        return
    for variation in list_variations(entry):
        schedule = variation.entry.params.get("schedule")
        name = next(iter(schedule), None) if isinstance(schedule, dict) else schedule
        if name == "cosine":
            expected = "no early_stopping with schedule: cosine, whose learning rate falls until the last of all epochs"
            fix = "remove it, or write  schedule: {exponential: {rate: 0.95}}"
            document.add([*place, "early_stopping"], expected, fix, on_key=True)
            return
