"""What of the recipe enters the key of a step: the fields annotated with it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.recipe.fields import find_field
from rapidml.recipe.schema import Part
from rapidml.recipe.values import Affects

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def key_fields(part: Part, *steps: str) -> dict[str, Any]:
    """The fields of a part that affect any of some steps, as plain JSON tree.

    Fields equal to their default are left out, so that a new field changes no old key. A mapping whose order matters
    is a list of pairs. Fields of a mapping within (the ``weight`` of a sample, say) follow their own annotation, and
    those without any that of the field they are in.

    Args:
        part: Part of a recipe.
        steps: Steps as in ``Affects``.
    """
    return _collect(part, frozenset(steps), is_affected=False)


def step_affected(field: str) -> str:
    """The first step whose outcome a value can change.

    Args:
        field: Dotted path of the value, as in ``list_resolved``.

    Returns:
        A step as in ``Affects``; for a whole part, which has no step of its own, ``rows`` of the dataset, else ``fit``.

    Example:
        >>> step_affected("models.bdt.params.max_depth"), step_affected("dataset.labels.m_hh"), step_affected("notes")
        ('fit', 'nothing', 'nothing')
    """
    path: tuple[str | int, ...] = ()
    step = "rows" if field.split(".", maxsplit=1)[0] == "dataset" else "fit"
    for name in field.split("."):
        found = find_field((*path, name)) or (find_field((*path, int(name))) if name.isdecimal() else None)
        if found is None:
            continue
        path = (*path, name) if find_field((*path, name)) else (*path, int(name))
        step = found.affects.step if found.affects else step
    return step


def _collect(part: Part, steps: frozenset[str], *, is_affected: bool) -> dict[str, Any]:
    found = {}
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
        if not info.is_required() and _is_same(value, info.get_default(call_default_factory=True)):
            continue
        mark = _find_mark(info)
        is_chosen = is_affected if mark is None else mark.step in steps
        tree = _make_tree(value, steps, is_chosen=is_chosen, is_ordered=mark is not None and mark.ordered)
        if tree is not _NOTHING:
            found[name] = tree
    return found


def _is_same(value: Any, default: Any) -> bool:
    """Equal, also in type: 1 is neither 1.0 nor true."""
    return type(value) is type(default) and bool(value == default)


def _find_mark(info: FieldInfo) -> Affects | None:
    return next((mark for mark in info.metadata if isinstance(mark, Affects)), None)


class _Nothing:
    """Nothing of the value affects the steps."""


_NOTHING = _Nothing()


def _make_tree(value: Any, steps: frozenset[str], *, is_chosen: bool, is_ordered: bool) -> Any:
    if isinstance(value, Part):
        return _collect(value, steps, is_affected=is_chosen) or ({} if is_chosen else _NOTHING)
    if isinstance(value, dict):
        inner = {name: _make_tree(item, steps, is_chosen=is_chosen, is_ordered=False) for name, item in value.items()}
        if all(item is _NOTHING for item in inner.values()) and not is_chosen:
            return _NOTHING
        inner = {name: None if item is _NOTHING else item for name, item in inner.items()}
        return [[name, item] for name, item in inner.items()] if is_ordered else inner
    if isinstance(value, list | tuple):
        items = [_make_tree(item, steps, is_chosen=is_chosen, is_ordered=False) for item in value]
        if all(item is _NOTHING for item in items) and not is_chosen:
            return _NOTHING
        return [None if item is _NOTHING else item for item in items]
    return value if is_chosen else _NOTHING
