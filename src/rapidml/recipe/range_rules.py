"""Rules of ranges and of ``search``, as far as the recipe alone tells them. They read the plain tree as written."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from rapidml.recipe.messages import Complaint, join_choices, shorten
from rapidml.recipe.nodes import BROKEN
from rapidml.recipe.ranges import KINDS, LISTS, POINTS, find_kind
from rapidml.recipe.scalars import write_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rapidml.recipe.fields import Path

MOST_POINTS = 10_000
MOST_COMBINATIONS = 1_000_000
"""Combinations of one model's grid; a grid is listed whole."""
ENDLESS = ("random", "tpe", "hyperband")
"""Methods that never run out of candidates by themselves."""
_EXAMPLES = {"any": "[3, 4, 6]", "log": "[0.01, 0.3]", "between": "[0.5, 1.0]"}
_CHOICES = {
    "prepare": ("step", "impute: {any: [median, mean]}"),
    "layers": ("layer", "Dense: {units: {any: [32, 64]}}"),
    "trainer": ("trainer", "adag: {window: {any: [5, 12]}}"),
}
"""Fields whose options may be ranges: what one is called, and how a range in it is written."""
_BOUNDS_TEXT = "two numbers, the lower first"


def check_search(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    """Broken rules of all ranges, and of ``search``.

    Args:
        tree: The recipe as plain tree; values of wrong types are passed over, the schema reports them.
    """
    models = tree.get("models")
    if not isinstance(models, dict):
        return
    found = {name: list(_list_in_model(model)) for name, model in models.items() if isinstance(model, dict)}
    for name, model in models.items():
        yield from (_move(("models", name), complaint) for complaint in check_model_ranges(model))
    first = next((("models", name, *ranges[0][0]) for name, ranges in found.items() if ranges), None)
    search = tree.get("search")
    if search is None:
        if first is not None:
            values = [value for ranges in found.values() for _, value in ranges]
            yield _ask_for_search(first, needs_end=any(find_kind(value) != "any" for value in values))
    elif first is None:
        fix = "write a range such as  max_depth: {any: [3, 6]}  in a model, or remove search"
        yield Complaint(("search",), "no search; no model has a range", fix, on_key=True)
    elif isinstance(search, dict):
        yield from _check_method(search, found)
        yield from _check_race(search, tree)


def check_model_ranges(model: Any) -> Iterator[Complaint]:
    """What is wrong with the ranges of one model, each by itself; paths start at the model.

    Args:
        model: The model as plain tree.
    """
    if not isinstance(model, dict):
        return
    yield from _check_places(model)
    for path, value in _list_in_model(model):
        yield from _check_range(path, value)


def _move(prefix: Path, complaint: Complaint) -> Complaint:
    return Complaint((*prefix, *complaint.path), complaint.expected, complaint.fix, on_key=complaint.on_key)


def _is_range(value: Any) -> bool:
    """Whether a mapping is meant as a range, well formed or not."""
    if not isinstance(value, dict):
        return False
    return find_kind(value) is not None or any(isinstance(value.get(kind), list) for kind in KINDS)


def _list_in_model(model: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Every range that stands where ranges may stand, by its path within the model; not those inside others."""
    params = model.get("params")
    for name, value in params.items() if isinstance(params, dict) and not _is_range(params) else ():
        yield from _list_ranges(("params", name), value)
    for path, choice in _list_choices(model):
        if isinstance(choice, dict) and not _is_range(choice):
            for name, options in choice.items():
                yield from _list_ranges((*path, name), options)


def _list_choices(model: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Every preparation step and layer, and the trainer."""
    for field in LISTS:
        written = model.get(field)
        for index, choice in enumerate(written if isinstance(written, list) else ()):
            yield (field, index), choice
    if "trainer" in model:
        yield ("trainer",), model["trainer"]


def _list_ranges(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if _is_range(value):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _list_ranges((*path, name), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_ranges((*path, index), item)


def _check_places(model: Mapping[str, Any]) -> Iterator[Complaint]:
    """Ranges in place of all parameters, or of a whole step, layer or trainer."""
    if _is_range(model.get("params")):
        expected = "a mapping from parameter names to values; a range stands in place of one value"
        yield Complaint(("params",), expected, "write for example  params: {max_depth: {any: [3, 6]}}")
    for path, choice in _list_choices(model):
        if _is_range(choice):
            word, example = _CHOICES[str(path[0])]
            expected = f"a {word}; a range stands in place of a value in the options of a {word}"
            yield Complaint(path, expected, f"write for example  {example}")


def _check_range(path: Path, value: Mapping[str, Any]) -> Iterator[Complaint]:
    kinds = [kind for kind in KINDS if kind in value]
    kind = kinds[0]
    if len(kinds) > 1:
        yield Complaint(path, f"one range; here are {join_choices(kinds, 'and')}", f"keep one of them, such as {kind}")
        return
    known = (kind,) if kind == "any" else (kind, POINTS)
    for name in value:
        if name == POINTS and kind == "any":
            expected = "no points; any lists its values, and a grid takes all of them"
            yield Complaint((*path, POINTS), expected, "remove points", on_key=True)
        elif name not in known:
            yield Complaint((*path, name), join_choices(known), f"remove {shorten(name)}", on_key=True)
    yield from _check_any(path, value[kind]) if kind == "any" else _check_bounds(path, kind, value)


def _check_any(path: Path, values: Any) -> Iterator[Complaint]:
    path = (*path, "any")
    if not isinstance(values, list) or not values:
        yield Complaint(path, "a list of at least one value", f"write for example  any: {_EXAMPLES['any']}")
        return
    seen: set[str] = set()
    for index, item in enumerate(values):
        text = json.dumps(item, sort_keys=True, default=repr)
        if any(True for _ in _list_ranges((), item)):
            yield Complaint((*path, index), "a value; a range holds no other ranges", "write its values into this list")
        elif text in seen:
            yield Complaint((*path, index), f"each value once; {shorten(text)} is already in the list", "remove it")
        seen.add(text)


def _check_bounds(path: Path, kind: str, value: Mapping[str, Any]) -> Iterator[Complaint]:
    bounds, points = value[kind], value.get(POINTS, 2)
    if isinstance(bounds, list) and BROKEN in bounds:
        return
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_is_number, bounds)):
        is_values = isinstance(bounds, list) and len(bounds) > 2 and all(map(_is_number, bounds))
        fix = f"write {{any: {_write(bounds)}}}, if these are the values" if is_values else None
        yield Complaint((*path, kind), _BOUNDS_TEXT, fix or f"write for example  {kind}: {_EXAMPLES[kind]}")
    elif bounds[0] >= bounds[1]:
        is_one = bounds[0] == bounds[1]
        fix = "write the value itself, without a range" if is_one else f"write  {kind}: {_write(bounds[::-1])}"
        yield Complaint((*path, kind), _BOUNDS_TEXT, fix)
    elif kind == "log" and bounds[0] <= 0:
        expected = f"{_BOUNDS_TEXT}, both above 0: nothing else has a logarithm"
        yield Complaint((*path, kind), expected, f"write for example  log: {_EXAMPLES['log']}, or use between")
    if type(points) is not int or not 2 <= points <= MOST_POINTS:
        expected = f"a whole number from 2 to {MOST_POINTS}"
        yield Complaint((*path, POINTS), expected, "write for example  points: 5")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _write(values: list[Any]) -> str:
    return f"[{', '.join(map(write_scalar, values))}]"


def _ask_for_search(path: Path, *, needs_end: bool) -> Complaint:
    search = "{method: random, candidates: 20}" if needs_end else "{method: grid}"
    return Complaint(path, "one value, or a part 'search' that says how ranges are searched", f"add  search: {search}")


def _check_method(search: Mapping[str, Any], found: Mapping[str, list[tuple[Path, Any]]]) -> Iterator[Complaint]:
    method = search.get("method")
    if method in ENDLESS and "candidates" not in search and "time" not in search:
        expected = f"candidates or time; {method} always finds another candidate"
        yield Complaint(("search", "candidates"), expected, "add  candidates: 40")
    if method != "grid":
        return
    for name, ranges in found.items():
        for path, value in ranges:
            if POINTS not in value and find_kind(value) in ("log", "between"):
                yield _ask_for_points(("models", name, *path), value)
        n_combinations = math.prod(map(_count_values, (value for _, value in ranges)))
        if n_combinations > MOST_COMBINATIONS:
            expected = f"a grid of at most {MOST_COMBINATIONS:,} combinations; that of {name} has {n_combinations:,}"
            yield Complaint(("search", "method"), expected, "write fewer values, or method: random with candidates")


def _ask_for_points(path: Path, value: Mapping[str, Any]) -> Complaint:
    kind = "log" if "log" in value else "between"
    bounds = value[kind]
    expected = "points: how many values a grid takes of the range"
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_is_number, bounds)):
        return Complaint(path, expected, "add  points: 5")
    most = bounds[1] - bounds[0] + 1 if all(isinstance(bound, int) for bound in bounds) else 5
    return Complaint(path, expected, f"write {{{kind}: {_write(bounds)}, points: {max(2, min(5, most))}}}")


def _count_values(value: Mapping[str, Any]) -> int:
    """Values that a grid takes of a range; 1 if the range is wrong."""
    if find_kind(value) == "any":
        return len(value["any"]) if isinstance(value["any"], list) else 1
    points = value.get(POINTS, 1)
    return points if type(points) is int and points > 0 else 1


def _check_race(search: Mapping[str, Any], tree: Mapping[str, Any]) -> Iterator[Complaint]:
    split = tree.get("split")
    if search.get("race") is not True or not isinstance(split, dict):
        return
    if "valid" in split:
        expected = "false; with split.valid there are no folds of which a race could leave some out"
        yield Complaint(("search", "race"), expected, "remove race, or write split.folds in place of valid")
    elif split.get("folds") == 2:
        expected = "false, or at least 3 folds; a race compares candidates on two, and leaves out the others"
        yield Complaint(("search", "race"), expected, "remove race, or write  folds: 5")
