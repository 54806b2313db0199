"""Ranges of a model checked value by value, as if each were written in place; and what a search asks of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.models import trainer_plan
from rapidml.models.network_params import LAYERS, merge_layers
from rapidml.recipe.ranges import KINDS, VALUE, find_kind, list_ranges, put_values
from rapidml.recipe.scalars import write_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rapidml.dataset.profile import Profile
    from rapidml.models.adapter import Adapter, Complaint
    from rapidml.recipe.document import Document
    from rapidml.recipe.ranges import Range
    from rapidml.recipe.schema import ModelEntry

    Steps = tuple[str | int, ...]

LEAST_ROUNDS = 8
"""Rounds below which there is nothing to stop early."""
_TRIED = 7919
"""A number of rounds that no default is."""
_MEANT = {
    **dict.fromkeys(("choice", "choices", "values", "value", "one_of", "in", "list", "grid", "categorical"), "any"),
    **dict.fromkeys(("loguniform", "log_uniform", "log_range", "logspace", "geom"), "log"),
    **dict.fromkeys(("uniform", "range", "int", "integer", "float", "randint", "linear", "linspace"), "between"),
}
"""Names of ranges elsewhere, and ours."""


@dataclass(frozen=True)
class Variation:
    """A model with one value of each range.

    Attributes:
        entry: The model without ranges.
        varied: The range of which this is another value; None for the first values of all.
        place: Where that value was written, within the range: ``("any", 2)``, ``("log", 0)``; empty between bounds.
    """

    entry: ModelEntry
    varied: Range | None = None
    place: Steps = ()


def list_variations(entry: ModelEntry) -> Iterator[Variation]:
    """The model with the first value of every range; then, one range at a time, with each value worth a check.

    Args:
        entry: A model, with or without ranges.
    """
    ranges = list_ranges(entry)
    samples = {one.name: list(_list_samples(one)) for one in ranges}
    first = {name: values[0][1] for name, values in samples.items()}
    yield Variation(put_values(entry, first) if ranges else entry)
    for one in ranges:
        for place, value in samples[one.name]:
            yield Variation(put_values(entry, {**first, one.name: value}), one, place)


def _list_samples(one: Range) -> Iterator[tuple[Steps, Any]]:
    """Every value of ``any``; the bounds of the others as candidates have them, and a value in between."""
    if one.kind == "any" or one.is_integer:
        yield from (((one.kind, index), value) for index, value in enumerate(one.values))
        return
    low, high = map(float, one.values)
    yield (one.kind, 0), low
    yield (one.kind, 1), high
    yield (), math.sqrt(low) * math.sqrt(high) if one.kind == "log" else low / 2 + high / 2


def check_params(
    document: Document, place: Sequence[str], entry: ModelEntry, adapter: Adapter, task_kind: str | None
) -> None:
    """Add every problem of the parameters and layers, each at the value that has it.

    Args:
        document: The recipe, which collects problems.
        place: Path of the model.
        entry: The model as written.
        adapter: Adapter of its type.
        task_kind: ``binary``, ``multiclass`` or ``regression``; None while unknown.
    """
    ranges = list_ranges(entry)
    for variation in list_variations(entry):
        params = merge_layers(variation.entry)
        for complaint in adapter.check(params, task_kind):
            is_layer = complaint.path[0] == LAYERS and LAYERS in params
            whole = complaint.path if is_layer else ("params", *complaint.path)
            path = _find_place(whole, variation, ranges, on_key=complaint.on_key)
            if path is not None:
                fix = _find_fix(complaint, params, adapter, task_kind) or complaint.fix
                document.add([*place, *path], complaint.expected, fix, on_key=complaint.on_key)


def _find_place(path: Steps, variation: Variation, ranges: Sequence[Range], *, on_key: bool) -> Steps | None:
    """Where to report a problem at a path of the model; None if another variation reports it."""
    around = next((one for one in ranges if path[: len(one.path)] == one.path), None)
    if around is None or on_key:
        return path
    if around != variation.varied:
        return None
    return (*path[: len(around.path)], *variation.place, *path[len(around.path) :])


def _find_fix(complaint: Complaint, params: Mapping[str, Any], adapter: Adapter, task_kind: str | None) -> str | None:
    """The range that was meant by a list, or by a range as others write it; None if none was."""
    path = _locate(complaint.path)
    written = None if complaint.on_key else _get(params, path)
    kind: str = "any"
    values: Any = written
    if isinstance(written, dict) and len(written) == 1:
        ((word, values),) = written.items()
        kind = _MEANT.get(str(word).lower(), "")
    is_list = isinstance(values, list) and len(values) > 1 and not any(isinstance(item, list | dict) for item in values)
    if kind not in KINDS or not is_list:
        return None
    for item in values:
        checked = adapter.check(_replace(params, path, item), task_kind)
        if any(found.path[: len(complaint.path)] == complaint.path for found in checked):
            return None
    return f"write {{{kind}: [{', '.join(map(write_scalar, values))}]}} to search over them"


def _locate(path: Steps) -> Steps:
    """Where among the parameters of an adapter something stands that a recipe writes in a layer."""
    if path[0] != LAYERS or len(path) < 3:
        return path
    return (*path[:2], 1, *(path[3:] or (VALUE,)))


def _get(tree: Any, path: Steps) -> Any:
    for step in path:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _replace(tree: Any, path: Steps, value: Any) -> Any:
    """The tree with another value at a path that it has."""
    if not path:
        return value
    step, *rest = path
    if isinstance(tree, dict):
        return {name: _replace(item, tuple(rest), value) if name == step else item for name, item in tree.items()}
    return [_replace(item, tuple(rest), value) if index == step else item for index, item in enumerate(tree)]


def check_trainer(document: Document, place: Sequence[str], entry: ModelEntry) -> bool:
    """Add every problem of the trainer by itself, each at the value that has it.

    Args:
        document: The recipe, which collects problems.
        place: Path of the model.
        entry: The model as written; it has a trainer.

    Returns:
        Whether there was none.
    """
    ranges = list_ranges(entry)
    is_right = True
    for variation in list_variations(entry):
        assert variation.entry.trainer is not None
        for complaint in trainer_plan.check_trainer(variation.entry.trainer):
            is_right = False
            path = _find_place(("trainer", *complaint.path), variation, ranges, on_key=complaint.on_key)
            if path is not None:
                document.add([*place, *path], complaint.expected, complaint.fix, on_key=complaint.on_key)
    return is_right


def check_prepare(document: Document, place: Sequence[str], entry: ModelEntry, profile: Profile | None = None) -> None:
    """Add every problem of the preparation steps, each at the value that has it.

    Args:
        document: The recipe, which collects problems.
        place: Path of the model.
        entry: The model as written.
        profile: What the training rows look like; None while unknown.
    """
    if not entry.prepare:
        return
    from rapidml.dataset.preparation import STEPS, check_counts, check_missing, check_steps

    ranged = {one.path[1] for one in list_ranges(entry) if one.path[0] == "prepare"}
    for variation in list_variations(entry):
        steps = variation.entry.prepare
        problems = list(check_steps(steps))
        if not problems and profile is not None:
            problems = list(check_counts(steps, profile.features))
        for index, expected, fix in problems:
            step: Steps = ("prepare", index)
            if index in ranged and entry.prepare[index].name in STEPS:
                if variation.varied is None or variation.varied.path[:2] != step:
                    continue
                step = (*variation.varied.path, *variation.place)
            document.add([*place, *step], expected, fix)
    for index, expected, fix in () if profile is None else check_missing(entry.prepare, profile.features):
        document.add([*place, "prepare", index], expected, fix)


def check_rounds(document: Document, place: Sequence[str], entry: ModelEntry, adapter: Adapter) -> None:
    """Add what is wrong between the ranges, early stopping, the method of the search, and rounds.

    Args:
        document: The recipe, which collects problems.
        place: Path of the model.
        entry: The model as written.
        adapter: Adapter of its type.
    """
    ranges = list_ranges(entry)
    if not ranges:
        return
    name = _find_rounds(entry, adapter)
    is_range = name is not None and find_kind(entry.params[name]) is not None
    if is_range and entry.early_stopping is not None:
        expected = f"one value; with early_stopping every fit finds its own number of rounds, up to {name}"
        document.add([*place, "params", str(name)], expected, "write one value, or remove early_stopping")
    if document.search is not None and document.search.method == "hyperband":
        _check_hyperband(document, place, entry, adapter, name)


def _find_rounds(entry: ModelEntry, adapter: Adapter) -> str | None:
    """The parameter as written that counts rounds, by its name or an alias; None if it is not written."""
    from rapidml.dataset.frame import Task

    if adapter.iterations is None:
        return None
    for name in entry.params:
        if any(adapter.check({name: _TRIED}, None)):
            continue
        if adapter.resolve({name: _TRIED}, Task("regression"), entry.early_stopping).get(adapter.iterations) == _TRIED:
            return name
    return None


def _check_hyperband(
    document: Document, place: Sequence[str], entry: ModelEntry, adapter: Adapter, name: str | None
) -> None:
    """Hyperband stops candidates between their rounds: there must be rounds, as many for all, and nothing else."""
    other = "or write search.method: tpe"
    if adapter.iterations is None:
        expected = f"a model that trains in rounds, as hyperband stops candidates between them; {adapter.name} does not"
        document.add([*place, "type"], expected, "write search.method: tpe, or leave out the ranges of this model")
        return
    if entry.early_stopping is not None:
        expected = "no early_stopping with hyperband, which stops fits that are behind itself"
        document.add([*place, "early_stopping"], expected, f"remove it, {other}", on_key=True)
    if name is None:
        return
    rounds = entry.params[name]
    if find_kind(rounds) is not None:
        expected = "one value with hyperband: the rounds of candidates that are never stopped"
        document.add([*place, "params", name], expected, f"write for example  {name}: 200, {other}")
    elif isinstance(rounds, int) and rounds < LEAST_ROUNDS:
        expected = f"at least {LEAST_ROUNDS} rounds with hyperband, which looks at candidates in between"
        document.add([*place, "params", name], expected, f"write for example  {name}: 200, {other}")
