"""A recipe written out: as YAML that reads back as the same recipe, and as a list of all values with their origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.recipe.ranges import find_kind
from rapidml.recipe.scalars import write_key, write_scalar
from rapidml.recipe.schema import Choice, Part, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rapidml.recipe.document import Document
    from rapidml.recipe.fields import Path

WIDEST = 100
"""Lists and small mappings stay on one line up to this many characters."""


def dump_recipe(recipe: Recipe) -> str:
    """YAML of a recipe; parsing it gives an equal recipe. Fields that are None or their default are left out."""
    tree = _shorten_part(recipe)
    tree.setdefault("split", _shorten_part(recipe.split, keep_defaults=True))
    order = [name for name in Recipe.model_fields if name in tree]
    return "".join(line + "\n" for name in order for line in _write_entry(name, tree[name], ""))


def list_resolved(document: Document, recipe: Recipe) -> list[tuple[str, Any, str]]:
    """Every value of a recipe, with where it came from.

    Args:
        document: What was read; knows the places.
        recipe: The values; may have more filled in than was written.

    Returns:
        Dotted path, value as plain tree in its short form, and origin such as ``higgs.yaml:14``, ``command line`` or
        ``default``.
    """
    return [(".".join(map(str, path)), value, document.origin(path)) for path, value in _list_values((), recipe)]


def _list_values(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Part) and not isinstance(value, Choice):
        for name in type(value).model_fields:
            yield from _list_values((*path, name), getattr(value, name))
    elif isinstance(value, dict) and value and not (path[0] == "models" and find_kind(value)):
        for name, item in value.items():
            yield from _list_values((*path, name), item)
    elif isinstance(value, tuple) and any(isinstance(item, Part) for item in value):
        for index, item in enumerate(value):
            yield from _list_values((*path, index), item)
    else:
        yield path, _shorten(value)


def _shorten(value: Any) -> Any:
    """A value in the form in which a person would write it."""
    if isinstance(value, Choice):
        return _shorten_choice(value)
    if isinstance(value, Part):
        return _shorten_part(value)
    if isinstance(value, dict):
        return {name: _shorten(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shorten(item) for item in value]
    return value


def _shorten_part(part: Part, *, keep_defaults: bool = False) -> dict[str, Any]:
    tree = {}
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
        default = info.get_default(call_default_factory=True)
        is_default = not info.is_required() and value == default and type(value) is type(default)
        if value is not None and (keep_defaults or not is_default):
            tree[name] = _shorten(value)
    return tree


def _shorten_choice(choice: Choice) -> Any:
    if not choice.options:
        return choice.name
    if set(choice.options) == {"value"} and not isinstance(choice.options["value"], dict | None):
        return {choice.name: choice.options["value"]}
    return {choice.name: choice.options}


def _write_entry(name: str, value: Any, indent: str) -> Iterator[str]:
    """Lines of one name with its value, in block style where it is long."""
    head = f"{indent}{write_key(name)}:"
    flow = write_flow(value)
    is_short = len(head) + len(flow) < WIDEST and (not isinstance(value, dict) or bool(indent))
    if not isinstance(value, dict | list) or not value or is_short:
        yield f"{head} {flow}"
        return
    yield head
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _write_entry(inner, item, indent + "  ")
    else:
        yield from _write_items(value, indent + "  ")


def _write_items(values: Sequence[Any], indent: str) -> Iterator[str]:
    for item in values:
        yield f"{indent}- {write_flow(item)}"


def write_flow(value: Any) -> str:
    """YAML of a value on one line, which reads back as the same value."""
    if isinstance(value, dict):
        inner = ", ".join(f"{write_key(name)}: {write_flow(item)}" for name, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(write_flow(item) for item in value)}]"
    return write_scalar(value)
