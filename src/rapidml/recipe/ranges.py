"""Ranges in place of values: which there are in a model, and the model with one value of each. Light: no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rapidml.recipe.schema import ModelEntry

Kind = Literal["any", "log", "between"]
KINDS: tuple[Kind, ...] = ("any", "log", "between")
POINTS = "points"
VALUE = "value"
"""Option of a preparation step that is written without a name, as in ``impute: median``."""


@dataclass(frozen=True)
class Range:
    """A range in place of a value.

    Attributes:
        path: Where the value stands, within the model: ``("params", "max_depth")``, ``("prepare", 0, "pca",
            "n_components")``, ``("prepare", 0, "impute")``.
        kind: ``any`` of some values; ``between`` two bounds; ``log``: between them, evenly in the logarithm.
        values: The values of ``any``, as written; the bounds of the others, the lower first.
        points: Values that a grid takes of a continuous range; None if not written.
    """

    path: tuple[str | int, ...]
    kind: Kind
    values: tuple[Any, ...]
    points: int | None = None

    @property
    def name(self) -> str:
        """Its path, dotted: ``params.max_depth``."""
        return ".".join(map(str, self.path))

    @property
    def is_integer(self) -> bool:
        """Whether a continuous range takes whole numbers only: both bounds are written without a point."""
        return self.kind != "any" and all(isinstance(bound, int) for bound in self.values)


def find_kind(value: Any) -> Kind | None:
    """Kind of the range that a value is; None if it is a plain value."""
    if not isinstance(value, dict):
        return None
    names = set(value) - {POINTS}
    return next((kind for kind in KINDS if names == {kind}), None)


def list_ranges(entry: ModelEntry) -> tuple[Range, ...]:
    """The ranges of a model, in the order in which they are written."""
    found = list(_walk(("params",), entry.params))
    for index, step in enumerate(entry.prepare):
        if find_kind(step.options) is not None:
            found.append(_make_range(("prepare", index, step.name), step.options))
        else:
            found += _walk(("prepare", index, step.name), step.options)
    return tuple(found)


def _walk(path: tuple[str | int, ...], value: Any) -> Iterator[Range]:
    if find_kind(value) is not None:
        yield _make_range(path, value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _walk((*path, name), item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk((*path, index), item)


def _make_range(path: tuple[str | int, ...], value: Mapping[str, Any]) -> Range:
    kind = find_kind(value)
    assert kind is not None
    return Range(path, kind, tuple(value[kind]), value.get(POINTS))


def put_values(entry: ModelEntry, values: Mapping[str, Any]) -> ModelEntry:
    """The model with a value in place of each range.

    Args:
        entry: A model with ranges.
        values: A value for the name of every range; others are passed over.
    """
    params = _put(("params",), entry.params, values)
    prepare = tuple(_put_step(index, step, values) for index, step in enumerate(entry.prepare))
    return entry.model_copy(update={"params": params, "prepare": prepare})


def _put(path: tuple[str | int, ...], value: Any, values: Mapping[str, Any]) -> Any:
    name = ".".join(map(str, path))
    if find_kind(value) is not None and name in values:
        return values[name]
    if isinstance(value, dict):
        return {inner: _put((*path, inner), item, values) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put((*path, index), item, values) for index, item in enumerate(value)]
    return value


def _put_step(index: int, step: Choice, values: Mapping[str, Any]) -> Choice:
    put = _put(("prepare", index, step.name), step.options, values)
    if isinstance(put, dict) and find_kind(put) is None:
        return Choice(name=step.name, options=put)
    return Choice(name=step.name, options={VALUE: put})
