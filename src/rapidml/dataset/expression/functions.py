"""The functions of the expression language, one table: the parser checks calls by it, the docs are made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: Name as written.
        arguments: Names of its arguments, for messages and docs.
        meaning: What it gives, for docs.
        n_min: Least number of arguments.
        n_max: Greatest number of arguments; None without limit.
        plain: The function of plain numbers; it may raise ValueError or OverflowError, which mean null. None for
            functions that are more than arithmetic; both evaluators know these by name.
        array: Name of the numpy function.
        keeps_integers: Whether integers give integers.
    """

    name: str
    arguments: str
    meaning: str
    n_min: int
    n_max: int | None
    plain: Callable[..., float] | None
    array: str = ""
    keeps_integers: bool = False

    @property
    def signature(self) -> str:
        """How it is called, such as ``hypot(x, y)``."""
        return f"{self.name}({self.arguments})"


def _keep_type(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: x if isinstance(x, int) else float(function(x))


def _sign(x: float) -> float:
    return type(x)((x > 0) - (x < 0))


def _arctan2(y: float, x: float) -> float:
    return math.atan2(y + 0.0, x + 0.0)  # the sign of a zero, which only floats have, does not count


def _simple(
    name: str, meaning: str, plain: Callable[[Any], Any], array: str = "", *, integers: bool = False
) -> Function:
    return Function(name, "x", meaning, 1, 1, plain, array or name, integers)


_TABLE = (
    _simple("abs", "distance from zero", abs, integers=True),
    _simple("sign", "-1, 0 or 1", _sign, integers=True),
    _simple("sqrt", "square root; null below 0", math.sqrt),
    _simple("exp", "e to the power of x", math.exp),
    _simple("expm1", "exp(x) - 1, exact near 0", math.expm1),
    _simple("log", "natural logarithm; null at and below 0", math.log),
    _simple("log2", "logarithm to the base 2; null at and below 0", math.log2),
    _simple("log10", "logarithm to the base 10; null at and below 0", math.log10),
    _simple("log1p", "log(1 + x), exact near 0; null at and below -1", math.log1p),
    _simple("sin", "sine, x in radians", math.sin),
    _simple("cos", "cosine, x in radians", math.cos),
    _simple("tan", "tangent, x in radians", math.tan),
    _simple("arcsin", "angle whose sine is x, in radians; null outside [-1, 1]", math.asin),
    _simple("arccos", "angle whose cosine is x, in radians; null outside [-1, 1]", math.acos),
    _simple("arctan", "angle whose tangent is x, in radians", math.atan),
    Function("arctan2", "y, x", "angle of the point (x, y), within [-pi, pi]", 2, 2, _arctan2, "arctan2"),
    _simple("sinh", "hyperbolic sine", math.sinh),
    _simple("cosh", "hyperbolic cosine", math.cosh),
    _simple("tanh", "hyperbolic tangent", math.tanh),
    _simple("arcsinh", "inverse hyperbolic sine", math.asinh),
    Function("hypot", "x, y", "length of the vector (x, y): sqrt(x ** 2 + y ** 2)", 2, 2, math.hypot, "hypot"),
    _simple("floor", "greatest whole number not above x", _keep_type(math.floor), integers=True),
    _simple("ceil", "least whole number not below x", _keep_type(math.ceil), integers=True),
    _simple("round", "nearest whole number; halves go to the even one", _keep_type(round), integers=True),
    _simple("int", "x without its fraction, as an integer; null beyond 64 bits", int, array="trunc"),
    Function("min", "x, y, ...", "least of two or more values; null if any is null", 2, None, None),
    Function("max", "x, y, ...", "greatest of two or more values; null if any is null", 2, None, None),
    Function("clip", "x, low, high", "x, but not below low and not above high", 3, 3, None),
    Function("where", "condition, a, b", "a where the condition is true, b where it is false, else null", 3, 3, None),
    Function("isnull", "x", "true where x is null (missing, NaN or not computable); never null itself", 1, 1, None),
)

FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _TABLE}
"""Every function by its name, in the order of the docs."""

OTHER_NAMES: Mapping[str, str] = {
    "fabs": "abs",
    "pow": "**",
    "power": "**",
    "ln": "log",
    "lg": "log10",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "asinh": "arcsinh",
    "isnan": "isnull",
    "isna": "isnull",
    "is_null": "isnull",
    "notnull": "not isnull",
    "if": "where",
    "iif": "where",
    "minimum": "min",
    "maximum": "max",
    "trunc": "int",
}
"""What functions are called elsewhere, and what to write here."""


def describe_functions() -> str:
    """The table of functions as Markdown, for the docs."""
    rows = [f"| `{function.signature}` | {function.meaning} |" for function in FUNCTIONS.values()]
    return "\n".join(["| function | gives |", "|---|---|", *rows])
