"""Annotations of fields, and what more than one field takes: types of single values, and choices."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rapidml.recipe.scalars import write_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Number = int | float
LARGEST_SEED = 10**18 - 1


class Affects:
    """Annotation of a field: the first step whose outcome it can change.

    Args:
        step: ``rows`` (which rows the table has), ``columns`` (what is in them), ``split``, ``fit``, ``search`` (which
            candidates there are), ``evaluate``, or ``nothing`` (names, notes, labels, limits).
        ordered: Whether the order of the mapping matters; it then enters keys as a list of pairs.
    """

    def __init__(
        self,
        step: Literal["rows", "columns", "split", "fit", "search", "evaluate", "nothing"],
        *,
        ordered: bool = False,
    ) -> None:
        self.step = step
        self.ordered = ordered


class Expects:
    """Annotation of a field: what it takes, in the words of an error message.

    Args:
        text: One phrase without a full stop, such as ``a number between 0 and 1``.
        example: The value as one would write it, such as ``0.2``.
        mend: Gives what was meant by a wrong value, as one would write it; None for what it does not know.
    """

    def __init__(self, text: str, example: str, mend: Callable[[Any], str | None] | None = None) -> None:
        self.text = text
        self.example = example
        self.mend = mend


def _require_plain(value: Any) -> Any:
    """The value itself, if it could have been written in YAML."""
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("names must be text")
        return {name: _require_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_require_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("not a plain value")


def _expand_names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _expand_numbers(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Value = Annotated[Any, AfterValidator(_require_plain)]
"""A parameter value: number, text, bool, None, or lists and mappings of these."""
Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[Text, Expects("text", "met")]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
OneOrMoreNames = Annotated[
    Annotated[tuple[Name, ...], Field(strict=False, min_length=1)],
    BeforeValidator(_expand_names, json_schema_input_type=Text | Annotated[list[Text], Field(min_length=1)]),
]
OneOrMoreNumbers = Annotated[
    Annotated[tuple[Annotated[Number, Expects("a number", "-999")], ...], Field(strict=False)],
    BeforeValidator(_expand_numbers, json_schema_input_type=Number | list[Number]),
]
Labels = Annotated[tuple[str | Number | bool, ...], Field(strict=False, min_length=1)]


_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
_UNITS_OF_TIME = {"s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m", "h": "h", "hour": "h"}
_UNITS_OF_MEMORY = {"m": "MB", "mb": "MB", "g": "GB", "gb": "GB", "mib": "MiB", "gib": "GiB"}


def parse_seconds(text: str) -> float:
    """Seconds of a ``Duration``."""
    return float(text[:-1]) * _SECONDS[text[-1]]


def parse_bytes(text: str) -> int:
    """Bytes of a ``Memory``."""
    unit = text.lstrip("0123456789.")
    return int(float(text.removesuffix(unit)) * _BYTES[unit])


def _require_time(text: str) -> str:
    if not 0 < parse_seconds(text) < math.inf:
        raise ValueError("no time")
    return text


def _require_memory(text: str) -> str:
    if not 1 <= float(text.rstrip("MGiB")) * _BYTES["MB"] < math.inf:
        raise ValueError("no memory")
    return text


def mend_duration(value: Any) -> str | None:
    """A time as written elsewhere, such as ``20 min``, as a ``Duration``; None if it is not clear."""
    return _mend(value, _UNITS_OF_TIME)


def mend_memory(value: Any) -> str | None:
    """An amount of memory as written elsewhere, such as ``4 gb``, as a ``Memory``; None if it is not clear."""
    return _mend(value, _UNITS_OF_MEMORY)


def _mend(value: Any, units: Mapping[str, str]) -> str | None:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([a-z]+)", value.strip().lower()) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        return None
    unit = units.get(found[2]) or units.get(found[2].removesuffix("s"))
    return None if unit is None else f"{found[1]}{unit}"


Duration = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(s|m|h)$"), AfterValidator(_require_time)]
"""Text such as ``20m``; ``parse_seconds`` reads it."""
Memory = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(MB|GB|MiB|GiB)$"), AfterValidator(_require_memory)]
"""Text such as ``4GB``; ``parse_bytes`` reads it."""


class Part(BaseModel):
    """A mapping of the recipe: unknown fields are errors, values are not converted, nothing changes later."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _expand_choice(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict) or set(value) == {"name", "options"}:
        return value
    if len(value) != 1:
        raise ValueError("one name with its options")
    (name, options), *_ = value.items()
    if options is None:
        return {"name": name}
    return {"name": name, "options": options if isinstance(options, dict) else {"value": options}}


class Choice(Part):
    """A bare name or ``name: {options}``, as read; ``impute: median`` has ``options={"value": "median"}``."""

    name: Text
    options: dict[str, Value] = {}


_read_choice = BeforeValidator(
    _expand_choice, json_schema_input_type=Text | Annotated[dict[str, Any], Field(max_length=1, min_length=1)]
)


def mend_choice(value: Any) -> str | None:
    """A name whose options stand beside it in place of below it, as it was meant; None for anything else."""
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(name, str) for name in value):
        return None
    (name, own), *options = value.items()
    is_plain = all(isinstance(option, str | int | float | bool) for _, option in options)
    if own is not None or not is_plain:
        return None
    inner = ", ".join(f"{option}: {write_scalar(item)}" for option, item in options)
    return f"{{{name}: {{{inner}}}}}: its options stand in a mapping of their own"


def mend_trainer(value: Any) -> str | None:
    """A number of replicas as a trainer that has them; None for anything else."""
    return f"{{multiworker: {{replicas: {value}}}}}" if type(value) is int and value > 0 else None


NamedChoice = Annotated[
    Choice,
    _read_choice,
    Expects("a name, or one name with its options such as {impute: median}", "standardize"),
]
"""A choice in the forms that a recipe may write."""
NamedLayer = Annotated[
    Choice,
    _read_choice,
    Expects("the name of a layer, or one name with its options such as {Dense: {units: 64}}", "Flatten", mend_choice),
]
"""A layer of a network in the same forms."""
