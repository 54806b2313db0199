"""Which field of the schema a path of the recipe means, and what that field takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from rapidml.recipe.schema import Choice, Part, Recipe
from rapidml.recipe.values import Affects, Expects

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class FieldAt:
    """The field nearest above a path.

    Attributes:
        expects: What the field takes.
        members: Types that the value at the path may have.
        affects: What the field affects; None if its own fields say it.
    """

    expects: Expects
    members: tuple[Any, ...]
    affects: Affects | None = None

    @property
    def part(self) -> type[Part] | None:
        """The mapping of named fields that may stand at the path."""
        return next((member for member in self.members if _is_part(member)), None)

    @property
    def is_open(self) -> bool:
        """Whether a mapping with names of the user's own may stand at the path."""
        return any(get_origin(member) is dict for member in self.members)

    @property
    def items(self) -> tuple[Any, ...]:
        """Types of the items of a list that may stand at the path."""
        return _list_items(self.members)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that the value is one of, if it is."""
        return tuple(word for member in self.members if get_origin(member) is Literal for word in get_args(member))


RECIPE_FIELD = FieldAt(
    Expects("a mapping with dataset and models", "{dataset: {path: x.parquet, target: y}, models: {bdt: xgboost}}"),
    (Recipe,),
)


def find_field(path: Sequence[str | int]) -> FieldAt | None:
    """The field at a path, or the nearest one above it.

    Args:
        path: Steps from the recipe: names, and numbers for items of lists (from 0). A list of one may be left out.

    Returns:
        None if a name on the way is no field.
    """
    field = RECIPE_FIELD
    for step in path:
        following = _take_step(field, step)
        if following is None:
            return None
        field = following
    return field


def _take_step(field: FieldAt, step: str | int) -> FieldAt | None:
    members = field.members
    if isinstance(step, str) and not any(_is_part(member) or get_origin(member) is dict for member in members):
        members = _list_items(members) or members
    for member in members:
        if isinstance(step, str) and _is_part(member) and step in member.model_fields:
            info = member.model_fields[step]
            marks = (mark for mark in info.metadata if isinstance(mark, Affects))
            affects = next(marks, None) or field.affects
            return FieldAt(get_expects(member, step), _list_members(info.annotation), affects)
        if isinstance(step, str) and get_origin(member) is dict:
            inner = get_args(member)[1]
            return replace(field, expects=_find_expects(inner, field.expects), members=_list_members(inner))
    if isinstance(step, int):
        items = [get_args(member)[0] for member in members if get_origin(member) is tuple]
        expects = _find_expects(items[0], field.expects) if items else field.expects
        return replace(field, expects=expects, members=_list_items(members) or members)
    return None if any(_is_part(member) for member in members) else replace(field, members=())


def _find_expects(annotation: Any, default: Expects) -> Expects:
    """What the values of a mapping take, if they say it themselves."""
    return next((mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Expects)), default)


@cache
def get_expects(part: type[Part], name: str) -> Expects:
    """What a field takes.

    Raises:
        LookupError: The field has no annotation that says it.
    """
    for mark in part.model_fields[name].metadata:
        if isinstance(mark, Expects):
            return mark
    raise LookupError(f"{part.__name__}.{name} does not say what it expects")


def drop_nulls(value: Any, members: tuple[Any, ...] = (Recipe,)) -> Any:
    """The tree without the fields that are null: null means as if not written. Null parameters are kept."""
    part = next((member for member in members if _is_part(member)), None)
    mapping = next((member for member in members if get_origin(member) is dict), None)
    items = _list_items(members)
    if isinstance(value, list) and items:
        return [drop_nulls(item, items) for item in value]
    if not isinstance(value, dict):
        return value
    if part is None and mapping is None and items:
        return drop_nulls(value, items)
    if part is not None:
        fields = part.model_fields
        return {
            name: drop_nulls(item, _list_members(fields[name].annotation)) if name in fields else item
            for name, item in value.items()
            if item is not None or name not in fields
        }
    if mapping is not None:
        return {name: drop_nulls(item, _list_members(get_args(mapping)[1])) for name, item in value.items()}
    return value


def _is_part(member: Any) -> bool:
    """Whether it is a mapping of named fields; a choice is written as a name with options instead."""
    return isinstance(member, type) and issubclass(member, Part) and member is not Choice


def _list_items(members: tuple[Any, ...]) -> tuple[Any, ...]:
    """Types of the items, if a list is among the types."""
    for member in members:
        if get_origin(member) is tuple:
            return _list_members(get_args(member)[0])
    return ()


def _list_members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, each without its annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _list_members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(inner for member in get_args(annotation) for inner in _list_members(member))
    return (annotation,)
