"""What to say about values that the schema refuses: our own sentence for every kind of mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.recipe.fields import RECIPE_FIELD, FieldAt, Path, find_field
from rapidml.recipe.ranges import find_kind
from rapidml.recipe.scalars import resolve_plain, write_scalar
from rapidml.recipe.schema import Choice, Dataset, Evaluate, Part, Recipe
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NOT_YET: Mapping[type[Part], tuple[str, ...]] = {
    Dataset: ("foreach",),
    Evaluate: ("yields", "by"),
}
"""Fields of the design that this version does not have."""
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Complaint:
    """A mistake before it is known where it stands.

    Attributes:
        path: Path in the recipe.
        expected: What would have been right.
        fix: What to do.
        on_key: Whether the name is wrong and not its value.
    """

    path: Path
    expected: str
    fix: str
    on_key: bool = False


def describe_errors(prefix: Path, value: Any, errors: Iterable[Mapping[str, Any]]) -> Iterator[Complaint]:
    """One complaint for every mistake among the errors that pydantic found.

    Args:
        prefix: Path of the value in the recipe.
        value: What was checked, as plain tree.
        errors: ``ValidationError.errors()``.
    """
    found: dict[Path, Mapping[str, Any]] = {}
    for error in errors:
        path = _find_path(value, error)
        found.setdefault(_cut_at_range(value, path), error)
    around = {path[:length] for path in found for length in range(len(path))}
    meant = {path for path, error in found.items() if error["type"] == "extra_forbidden"}
    meant = {(*path[:-1], _find_meant(prefix + path) or "") for path in meant}
    for path, error in found.items():
        if error["type"] == "missing" and path in meant:
            continue
        if _get_list(value, path) is not None:
            yield _describe_range(prefix + path)
            continue
        is_shape = error["type"] not in ("missing", "extra_forbidden")
        if is_shape and path in around:
            continue
        yield _describe(prefix + path, _get(value, path), error["type"])


def _find_path(value: Any, error: Mapping[str, Any]) -> Path:
    """The error's path in the tree as written, without pydantic's names for members of a union."""
    path: list[str | int] = []
    steps: Sequence[str | int] = error["loc"]
    if error["type"] in ("missing", "extra_forbidden"):
        steps = steps[:-1]
    for step in steps:
        if _has_step(value, step):
            value = value[step]
        elif isinstance(value, dict) and step == "options" and len(value) == 1:
            (step, value), *_ = value.items()
        else:
            continue
        path.append(step)
    if error["type"] in ("missing", "extra_forbidden"):
        path.append(error["loc"][-1])
    return tuple(path)


def _cut_at_range(value: Any, path: Path) -> Path:
    """The part of a path that ends with a range: where the schema finds a mistake, no range may stand."""
    heads = (path[:length] for length in range(len(path) + 1))
    return next((head for head in heads if isinstance(_get_list(value, head), list)), path)


def _get_list(value: Any, path: Path) -> Any:
    """The values or bounds of the range at a path; None if there is no range."""
    found = _get(value, path)
    kind = find_kind(found)
    return None if kind is None else found[kind]


def _describe_range(path: Path) -> Complaint:
    field = find_field(path) or RECIPE_FIELD
    expected = f"{field.expects.text}; a range may stand only in params, and in options of steps, layers and trainers"
    name = path[-1]
    example = f"{name}: {field.expects.example}" if isinstance(name, str) else field.expects.example
    return Complaint(path, expected, f"write for example  {example}")


def _has_step(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return isinstance(step, str) and step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _get(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _describe(path: Path, value: Any, kind: str) -> Complaint:
    if kind == "missing":
        return _describe_missing(path)
    if kind == "extra_forbidden":
        return _describe_unknown(path, value)
    field = find_field(path) or RECIPE_FIELD
    expected = field.expects.text if path else RECIPE_FIELD.expects.text
    return Complaint(path, expected, _find_fix(path, value, field))


def _describe_missing(path: Path) -> Complaint:
    field = find_field(path) or RECIPE_FIELD
    name = path[-1]
    return Complaint(path, f"{name}: {field.expects.text}", f"add  {name}: {field.expects.example}")


def _list_fields(path: Path) -> tuple[type[Part] | None, tuple[str, ...]]:
    """The mapping that a path is in, and the fields that one would write there."""
    above = find_field(path[:-1])
    part = above.part if above else None
    fields = tuple(name for name in (part.model_fields if part else ()) if name != "arrays")
    return part, ("extends", *fields) if part is Recipe else fields


def _find_meant(path: Path) -> str | None:
    """The field that an unknown name was probably meant to be."""
    return suggest(str(path[-1]), _list_fields(path)[1])


def _describe_unknown(path: Path, value: Any) -> Complaint:
    part, fields = _list_fields(path)
    name = str(path[-1])
    if part and name in NOT_YET.get(part, ()):
        return Complaint(path, f"no {name}: it is not available in this version of rapidml", "remove it", on_key=True)
    before, colon, after = name.partition(":")
    if colon and before in fields and value is None:
        return Complaint(path, "a space after the colon", f"write  {before}: {after}", on_key=True)
    expected = join_choices(fields)
    elsewhere = _find_elsewhere(name)
    close = None if elsewhere else _find_meant(path)
    fix = f"move it to {elsewhere}" if elsewhere else f"write '{close}'" if close else f"remove {shorten(name)}"
    return Complaint(path, expected, fix, on_key=True)


def _find_elsewhere(name: str) -> str | None:
    """Path of the field that has this name in another mapping of the recipe, such as ``split.folds``."""
    if name in Recipe.model_fields:
        return "the top level of the recipe"
    parts = ("dataset", "training", "split", "evaluate")
    return next((f"{part}.{name}" for part in parts if find_field((part, name)) is not None), None)


def _find_fix(path: Path, value: Any, field: FieldAt) -> str:
    """What to do about a value of the wrong type or out of range."""
    name = path[-1] if path else ""
    example = (
        f"write for example  {name}: {field.expects.example}"
        if isinstance(name, str) and name
        else f"write for example  {field.expects.example}"
    )
    meant = field.expects.mend(value) if field.expects.mend else None
    if meant is not None:
        return f"write {meant}"
    if field.expects.mend:
        return example
    if isinstance(value, str):
        return _find_fix_of_text(value, field, str(name)) or example
    if isinstance(value, bool | int | float) and _takes_text(field) and not field.choices:
        return f"put quotes around it if it is text: '{write_scalar(value)}'"
    return example


def _find_fix_of_text(text: str, field: FieldAt, name: str) -> str | None:
    if field.choices:
        close = suggest(text, field.choices)
        return f"write '{close}'" if close else f"write {join_choices(field.choices)}"
    if field.part is not None or field.is_open:
        before, colon, after = text.partition(":")
        known = tuple(field.part.model_fields) if field.part else ()
        if colon and after and not after.startswith((" ", "//")) and (before in known or field.is_open):
            return f"write a space after the colon:  {before}: {after}"
    try:
        number = resolve_plain(text.strip())
    except ValueError:
        return None
    if isinstance(number, int | float) and any(member in (int, float) for member in field.members):
        return f"write it without quotes: {text.strip()}"
    if text and (str in field.items or Choice in field.items):
        return f"write a list:  {name}: [{shorten(write_scalar(text))}]"
    return None


def _takes_text(field: FieldAt) -> bool:
    return str in field.members or Choice in field.members


def join_choices(words: Sequence[str], last: str = "or") -> str:
    """Words as a list in a sentence: ``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "nothing"


def shorten(text: str) -> str:
    """Text that fits in a sentence."""
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
