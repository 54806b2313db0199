"""Which candidate of a search a stored fit is: the values that its parameters have at the place of the ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.keys import canonical_json
from rapidml.models.network_params import NETWORKS
from rapidml.models.registry import find_adapter
from rapidml.planning import step_keys
from rapidml.recipe.ranges import VALUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rapidml.planning.searching import ModelSearch
    from rapidml.recipe.ranges import Range

    Path = tuple[str | int, ...]

_ABSENT = object()


def observe(search: ModelSearch, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The candidate that a stored fit of a search's type is.

    Args:
        search: The search.
        content: Model of the fit, as it enters its key.

    Returns:
        A value for the name of every range; None if the fit is no point of the search's space, or differs in what is
        no range.
    """
    values = {}
    is_network = search.entry.type in NETWORKS
    stored = dict(_flatten(content)) if is_network else {}
    for one in search.ranges:
        if is_network:
            found = _look_up_in_network(search, one, stored)
        else:
            found = _look_up(_find_canonical_path(search, one), content)
        if found is _ABSENT:
            return None
        values[one.name] = found
    if not search.space.contains(values):
        return None
    own = step_keys.model_content(search.make_spec(values))
    return values if canonical_json(own) == canonical_json(content) else None


def _look_up_in_network(search: ModelSearch, one: Range, stored: Mapping[Path, Any]) -> Any:
    """A value of the layers or parameters of a stored network, whose resolved form leaves out what is default.

    Args:
        search: The search.
        one: The range.
        stored: Model of the fit as it enters its key, flat.
    """
    first = {other.name: other.values[0] for other in search.ranges}
    specs = [search.make_spec({**first, one.name: value}) for value in one.values]
    trees = [dict(_flatten(step_keys.model_content(spec))) for spec in specs]
    places = {place for tree in trees for place in tree if any(other.get(place) != tree[place] for other in trees)}
    if one.kind != "any":
        return stored.get(next(iter(places)), _ABSENT) if len(places) == 1 else _ABSENT
    for value, tree in zip(one.values, trees, strict=True):
        if all(tree.get(place) == stored.get(place) for place in places):
            return value
    return _ABSENT


def _flatten(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a tree with its path; what is empty is a value."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    if not isinstance(tree, dict | list) or not tree:
        yield path, tree
    for step, item in items:
        yield from _flatten(item, (*path, step))


def _find_canonical_path(search: ModelSearch, one: Range) -> tuple[str | int, ...]:
    """Where a parameter stands once aliases are resolved."""
    if one.path[0] != "params" or len(one.path) != 2:
        return one.path
    adapter, task, stopping = find_adapter(search.entry.type), search.resolved.task, search.entry.early_stopping
    name = str(one.path[1])
    plain = adapter.resolve({}, task, stopping)
    resolved = adapter.resolve({name: one.values[0]}, task, stopping)
    changed = [key for key, value in resolved.items() if key not in plain or plain[key] != value]
    return ("params", changed[0] if changed else name)


def _look_up(path: Sequence[str | int], content: Mapping[str, Any]) -> Any:
    """A value of the parameters or preparation steps of a stored fit."""
    rest: Sequence[str | int]
    if path[0] == "prepare":
        _, index, name, *rest = path
        steps = content.get("prepare", [])
        if not isinstance(index, int) or index >= len(steps) or steps[index][0] != name:
            return _ABSENT
        tree: Any = steps[index][1]
        rest = rest or [VALUE]
    else:
        tree, rest = content["params"], path[1:]
    for step in rest:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return tree
