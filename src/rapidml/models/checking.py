"""Everything that can be wrong with one model of a recipe, reported to the document before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.errors import ModelError
from rapidml.models.network_checking import check_network
from rapidml.models.network_params import NETWORKS
from rapidml.models.range_checking import check_params, check_prepare, check_rounds
from rapidml.models.registry import UnknownType, find_adapter
from rapidml.recipe.ranges import list_ranges

if TYPE_CHECKING:
    from rapidml.dataset.profile import Profile
    from rapidml.models.adapter import Adapter
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import Dataset, ModelEntry

TASK_WORDS = {"binary": "two classes", "multiclass": "several classes", "regression": "regression"}
IGNORE = "add 'weights: ignore' to the model; it is then shown beside its scores"


def check_model(
    document: Document, name: str, entry: ModelEntry, task_kind: str | None, profile: Profile | None = None
) -> None:
    """Add every problem of one model.

    Args:
        document: The recipe, which collects problems.
        name: The model's name in the recipe.
        entry: The model as written.
        task_kind: ``binary``, ``multiclass`` or ``regression``; None while unknown.
        profile: What the training rows look like; None while unknown.
    """
    place = ["models", name]
    adapter = _find_adapter(document, place, entry)
    if adapter is None:
        return
    _check_library(document, place, adapter)
    check_params(document, place, entry, adapter, task_kind)
    check_prepare(document, place, entry, profile)
    check_rounds(document, place, entry, adapter)
    _check_task(document, place, adapter, task_kind)
    _check_early_stopping(document, place, entry, adapter)
    _check_weights(document, place, entry, adapter)
    if entry.device not in adapter.devices:
        document.add([*place, "device"], f"cpu: {adapter.name} trains only there", "write 'cpu', or remove it")
    _check_shards(document, place, entry, adapter)
    check_network(document, place, entry)
    if profile is not None:
        _check_features(document, place, entry, adapter, profile)


def _check_shards(document: Document, place: list[str], entry: ModelEntry, adapter: Adapter) -> None:
    if entry.shards == 1:
        return
    if list_ranges(entry):
        expected = "1 with ranges: the fits of a search are not spread"
        document.add([*place, "shards"], expected, "remove it, or write one value in place of each range")
    if entry.type in NETWORKS:
        fix = f"remove it, and write  trainer: {{multiworker: {{replicas: {entry.shards}}}}}"
        document.add([*place, "shards"], f"1: a fit of {adapter.name} is spread by a trainer", fix)
    elif not adapter.takes_shards:
        document.add([*place, "shards"], f"1: a fit of {adapter.name} cannot be spread", "write 1, or remove it")
    elif entry.device != "cpu":
        document.add(
            [*place, "shards"], "1 with device: cuda: only fits on the CPU are spread", "write 1, or remove it"
        )


def uses_weights(document: Document) -> bool:
    """Whether fits of the recipe have training weights."""
    dataset, training = document.dataset, document.training
    return (dataset is not None and has_weight(dataset)) or (training is not None and training.balance == "classes")


def has_weight(dataset: Dataset) -> bool:
    """Whether the dataset, or one of its samples, has a weight."""
    samples = [sample for group in (dataset.classes or {}).values() for sample in group]
    return dataset.weight is not None or any(sample.weight is not None for sample in samples)


def _find_adapter(document: Document, place: list[str], entry: ModelEntry) -> Adapter | None:
    try:
        return find_adapter(entry.type)
    except UnknownType as error:
        document.add([*place, "type"], error.expected, error.fix)
    except ModelError as error:
        document.add([*place, "type"], f"a model type that can be loaded: {error}", "repair or remove that package")
    return None


def _check_library(document: Document, place: list[str], adapter: Adapter) -> None:
    from importlib.util import find_spec

    from rapidml.errors import DISTRIBUTION

    if find_spec(adapter.library) is None:
        wanted = adapter.library if adapter.extra is None else f"{DISTRIBUTION}[{adapter.extra}]"
        expected = f"a type whose library is installed; {adapter.name} needs {adapter.library}"
        document.add([*place, "type"], expected, f"run: pip install '{wanted}'")


def _check_task(document: Document, place: list[str], adapter: Adapter, task_kind: str | None) -> None:
    if task_kind is None or task_kind in adapter.tasks:
        return
    able = " or ".join(TASK_WORDS[kind] for kind in TASK_WORDS if kind in adapter.tasks)
    expected = f"a model for {TASK_WORDS[task_kind]}; {adapter.name} is for {able}"
    document.add([*place, "type"], expected, _fix_task(adapter, task_kind))


def _fix_task(adapter: Adapter, task_kind: str) -> str:
    """Name the sibling for the other task where there is one."""
    ends = ("Classifier", "Regressor") if task_kind == "regression" else ("Regressor", "Classifier")
    sibling = adapter.name.removesuffix(ends[0]) + ends[1]
    try:
        return f"write '{find_adapter(sibling).name}'"
    except ModelError:
        return "choose another type, or say what is learned with dataset.task"


def _check_early_stopping(document: Document, place: list[str], entry: ModelEntry, adapter: Adapter) -> None:
    if entry.early_stopping is None:
        return
    field = [*place, "early_stopping"]
    if adapter.iterations is None:
        document.add(field, f"no early_stopping: {adapter.name} does not train in rounds", "remove it", on_key=True)
    elif entry.early_stopping < 1:
        document.add(field, "rounds without a better loss, at least 1", "write early_stopping: 30, or remove it")


def _check_weights(document: Document, place: list[str], entry: ModelEntry, adapter: Adapter) -> None:
    if entry.weights == "ignore":
        return
    if not adapter.takes_weights and uses_weights(document):
        document.add(
            [*place, "type"], f"a model that takes weights, as the rows have them; {adapter.name} does not", IGNORE
        )
    training = document.training
    if training is not None and training.negative_weights == "use" and not adapter.takes_negative_weights:
        expected = f"drop, absolute or error: {adapter.name} cannot train on negative weights"
        document.add(["training", "negative_weights"], expected, "write negative_weights: drop")


def _check_features(
    document: Document, place: list[str], entry: ModelEntry, adapter: Adapter, profile: Profile
) -> None:
    if adapter.takes_missing or any(step.name in ("impute", "pca") for step in entry.prepare):
        return
    missing = [feature for feature in profile.features if feature.nulls and feature.kind != "categorical"]
    if missing:
        more = f" and {len(missing) - 1} more features" if len(missing) > 1 else ""
        expected = (
            f"features without missing values; {adapter.name} cannot take those of "
            f"'{missing[0].name}' ({missing[0].nulls:,} rows){more}"
        )
        document.add([*place, "type"], expected, "add 'prepare: [impute: median]' to the model")
