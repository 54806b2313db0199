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
"""Option of a choice that is written without a name, as in ``impute: median``."""
LISTS = ("prepare", "layers")
"""Fields of a model that are lists of choices, in whose options ranges may stand; those of ``trainer`` may too."""


@dataclass(frozen=True)
class Range:
    """A range in place of a value.

    Attributes:
        path: Where the value stands, within the model: ``("params", "max_depth")``, ``("prepare", 0, "pca",
            "n_components")``, ``("prepare", 0, "impute")``, ``("layers", 0, "Dense", "units")``, ``("trainer", "adag",
            "window")``.
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
    for path, choice in list_choices(entry):
        found += _walk((*path, choice.name), choice.options)
    return tuple(found)


def list_choices(entry: ModelEntry) -> Iterator[tuple[tuple[str | int, ...], Choice]]:
    """Every choice of a model in whose options ranges may stand, with its path within the model."""
    for field in LISTS:
        for index, choice in enumerate(getattr(entry, field)):
            yield (field, index), choice
    if entry.trainer is not None:
        yield ("trainer",), entry.trainer


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
    lists = {
        field: tuple(_put_choice((field, i), choice, values) for i, choice in enumerate(getattr(entry, field)))
        for field in LISTS
    }
    trainer = None if entry.trainer is None else _put_choice(("trainer",), entry.trainer, values)
    return entry.model_copy(update={"params": params, **lists, "trainer": trainer})


def _put(path: tuple[str | int, ...], value: Any, values: Mapping[str, Any]) -> Any:
    name = ".".join(map(str, path))
    if find_kind(value) is not None and name in values:
        return values[name]
    if isinstance(value, dict):
        return {inner: _put((*path, inner), item, values) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put((*path, index), item, values) for index, item in enumerate(value)]
    return value


def _put_choice(path: tuple[str | int, ...], choice: Choice, values: Mapping[str, Any]) -> Choice:
    put = _put((*path, choice.name), choice.options, values)
    if isinstance(put, dict) and find_kind(put) is None:
        return Choice(name=choice.name, options=put)
    return Choice(name=choice.name, options={VALUE: put})
