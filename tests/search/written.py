"""Ranges and spaces as short text, for the tests of the search."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from rapidml.recipe.ranges import Range, find_kind
from rapidml.search.space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def parse_range(name: str, text: str) -> Range:
    """A range of the parameter ``name`` from what a recipe says, such as ``{any: [1, 2]}``."""
    value = YAML(typ="safe", pure=True).load(io.StringIO(text))
    kind = find_kind(value)
    assert kind is not None
    return Range(("params", name), kind, tuple(value[kind]), value.get("points"))


def make_space(*forbid: Callable[[Mapping[str, Any]], bool], **ranges: str) -> Space:
    """The space of some ranges by name; ``forbid`` sees the values under these names."""

    def with_short_names(forbids: Callable[[Mapping[str, Any]], bool]) -> Callable[[Mapping[str, Any]], bool]:
        return lambda values: forbids({name.removeprefix("params."): value for name, value in values.items()})

    return Space(tuple(parse_range(*item) for item in ranges.items()), tuple(map(with_short_names, forbid)))


def name_values(**values: Any) -> dict[str, Any]:
    """Values by the full names of their ranges."""
    return {f"params.{name}": value for name, value in values.items()}
