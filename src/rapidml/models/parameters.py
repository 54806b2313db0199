"""Checking parameters against the bundled lists that were made from the libraries. Imports no library."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rapidml.models.adapter import Complaint
from rapidml.recipe.scalars import resolve_plain, write_scalar
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LISTS = {"integers": ("integer", None), "numbers": ("number", None), "pairs": ("integers", 2)}
"""Forms that are lists, and the form and length of their items."""
INTERVAL_SIGNS = {"both": ("[", "]"), "left": ("[", ")"), "right": ("(", "]"), "neither": ("(", ")")}


@dataclass(frozen=True)
class Kind:
    """One form that a value may have.

    Attributes:
        form: ``integer``, ``number`` (any), ``float`` (an integer is something else), ``boolean``, ``choice``,
            ``null``, ``integers`` (a list of them), ``numbers`` (likewise), ``pairs`` (of integers), ``list`` (of
            numbers or text, possibly nested), or ``mapping`` (of text to numbers).
        low: Least number, also of those in a list; None without bound.
        high: Greatest number, also of those in a list; None without bound.
        closed: Which bounds belong to the interval: ``both``, ``left``, ``right``, ``neither``.
        choices: Allowed values of a choice.
        length: How many integers, numbers or pairs a list has; None for at least one.
    """

    form: str
    low: float | None = None
    high: float | None = None
    closed: str = "both"
    choices: tuple[Any, ...] = ()
    length: int | None = None

    def accepts(self, value: Any) -> bool:
        """Whether a value has this form."""
        if self.form == "choice":
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        if self.form == "list":
            return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_list_item, value))
        if self.form == "mapping":
            return isinstance(value, dict) and all(type(item) is int and abs(item) <= 1 for item in value.values())
        if self.form in ("null", "boolean"):
            return value is None if self.form == "null" else isinstance(value, bool)
        if self.form in LISTS:
            return self._is_list(value)
        return self._is_number(value) and self._is_within(value)

    def _is_list(self, value: Any) -> bool:
        form, length = LISTS[self.form]
        item = replace(self, form=form, length=length)
        is_list = isinstance(value, list | tuple) and len(value) > 0 and all(map(item.accepts, value))
        return is_list and self.length in (None, len(value))

    def _is_number(self, value: Any) -> bool:
        types: tuple[type, ...] = {"integer": (int,), "float": (float,), "number": (int, float)}[self.form]
        return type(value) in types

    def _is_within(self, value: float) -> bool:
        above = self.low is None or value > self.low or (value == self.low and self.closed in ("both", "left"))
        below = self.high is None or value < self.high or (value == self.high and self.closed in ("both", "right"))
        return above and below

    def describe(self) -> str:
        """What it accepts, in words."""
        if self.form == "choice":
            return _join([json.dumps(choice) if not isinstance(choice, str) else choice for choice in self.choices])
        names = {
            "null": "null",
            "boolean": "true or false",
            "list": "a list",
            "mapping": "a mapping of names to -1, 0 or 1",
        }
        if self.form in names:
            return names[self.form]
        if self.form in LISTS:
            count = "" if self.length is None else f"{self.length} "
            return f"a list of {count}{self.form}{self._bounds()}"
        return {"integer": "an integer", "float": "a fraction", "number": "a number"}[self.form] + self._bounds()

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            left, right = INTERVAL_SIGNS[self.closed]
            return f" in {left}{self.low:g}, {self.high:g}{right}"
        if self.low is not None:
            return f" of at least {self.low:g}" if self.closed in ("both", "left") else f" above {self.low:g}"
        if self.high is not None:
            return f" of at most {self.high:g}" if self.closed in ("both", "right") else f" below {self.high:g}"
        return ""


@dataclass(frozen=True)
class Parameter:
    """One parameter that recipes may set.

    Attributes:
        name: Canonical name; the only one that enters keys.
        kinds: Forms that its value may have.
        aliases: Other names that the library knows it by.
    """

    name: str
    kinds: tuple[Kind, ...]
    aliases: tuple[str, ...] = ()

    def describe(self) -> str:
        """What it accepts, in words."""
        return _join([kind.describe() for kind in self.kinds])

    def accepts(self, value: Any) -> bool:
        """Whether a value fits one of the forms."""
        return any(kind.accepts(value) for kind in self.kinds)

    def convert(self, value: Any) -> Any:
        """An integer as float where the parameter is any number, so that ``1`` and ``1.0`` are one thing in keys."""
        if type(value) is int and any(kind.form == "number" for kind in self.kinds):
            integers = any(kind.form in ("integer", "choice") and kind.accepts(value) for kind in self.kinds)
            return value if integers else float(value)
        if isinstance(value, list | tuple) and any(kind.form == "numbers" for kind in self.kinds):
            return [float(item) if type(item) is int else item for item in value]
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class ParameterList:
    """What recipes may write under ``params`` of one model type.

    Attributes:
        parameters: Parameters by canonical name.
        refused: Parameters of the library that rapidml sets itself, with what to do instead.
    """

    parameters: Mapping[str, Parameter]
    refused: Mapping[str, str]

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], refused: Mapping[str, str]) -> ParameterList:
        """The list from one entry of a bundled file: ``{name: {"kinds": [...], "aliases": [...]}}``."""
        parameters = {}
        for name, entry in tree.items():
            kinds = tuple(Kind(**{**kind, "choices": tuple(kind.get("choices", ()))}) for kind in entry["kinds"])
            parameters[name] = Parameter(name, kinds, tuple(entry.get("aliases", ())))
        return cls(parameters, refused)

    def find(self, name: str) -> Parameter | None:
        """The parameter of a name or alias."""
        found = self.parameters.get(name)
        return found or next((p for p in self.parameters.values() if name in p.aliases), None)

    def check(self, params: Mapping[str, Any]) -> Iterator[Complaint]:
        """Unknown and refused names, names given twice, and values of the wrong form."""
        seen: dict[str, str] = {}
        for name, value in params.items():
            parameter = self.find(name)
            if parameter is None:
                yield self._unknown(name)
                continue
            if parameter.name in seen:
                other = seen[parameter.name]
                yield Complaint(
                    (name,), f"one of '{other}' and '{name}', which are the same parameter", f"remove '{name}'", True
                )
            seen[parameter.name] = name
            if not parameter.accepts(value):
                keep = f"give {parameter.name} such a value, or remove it to keep the library's default"
                yield Complaint((name,), parameter.describe(), find_value(parameter, value) or keep)

    def resolve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Checked parameters under their canonical names.

        Raises:
            ValueError: A name is not in the list: the parameters were not checked.
        """
        resolved = {}
        for name, value in params.items():
            parameter = self.find(name)
            if parameter is None:
                raise ValueError(f"parameter '{name}' was not checked")
            resolved[parameter.name] = parameter.convert(value)
        return resolved

    def _unknown(self, name: str) -> Complaint:
        if name in self.refused:
            return Complaint((name,), "a parameter that rapidml does not set itself", self.refused[name], on_key=True)
        names = [*self.parameters, *(alias for p in self.parameters.values() for alias in p.aliases), *self.refused]
        close = suggest(name, names)
        if close in self.refused:
            close = None
        known = ", ".join(sorted(self.parameters)) or "no parameters"
        fix = f"write '{close}'" if close else "remove it, or write one of these names"
        return Complaint((name,), f"one of {known}" if self.parameters else known, fix, on_key=True)


@cache
def read_list(name: str) -> dict[str, Any]:
    """A bundled list, such as ``xgboost``."""
    text = files("rapidml.models").joinpath("lists", f"{name}.json").read_text(encoding="utf-8")
    tree: dict[str, Any] = json.loads(text)
    return tree


def _is_list_item(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return all(map(_is_list_item, item))
    return type(item) in (int, float, str)


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def find_value(parameter: Parameter, value: Any) -> str | None:
    """The value that was probably meant by a wrong one, as ``write ...``; None if it is not clear."""
    if isinstance(value, float) and value.is_integer() and parameter.accepts(int(value)):
        return f"write {int(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and parameter.accepts(float(value)):
        return f"write {float(value)}"
    if type(value) in (int, float) and parameter.accepts([value]):
        return f"write [{write_scalar(value)}]"
    if isinstance(value, str):
        if _is_quoted(parameter, value):
            return f"write it without quotes: {value.strip()}"
        choices = [str(choice) for kind in parameter.kinds for choice in kind.choices]
        close = suggest(value, choices)
        if close is not None:
            return f"write '{close}'"
    return None


def _is_quoted(parameter: Parameter, text: str) -> bool:
    """Whether a text is a number or another plain value that the parameter takes."""
    try:
        value = resolve_plain(text.strip())
    except ValueError:
        return False
    return not isinstance(value, str) and value is not None and parameter.accepts(value)
