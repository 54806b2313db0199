"""Expressions over one record of plain Python values, without numpy: for filters of listings. Null is None."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rapidml.dataset.expression.nodes import (
        Binary,
        Call,
        Constant,
        Logic,
        Member,
        Name,
        Negative,
        Plain,
    )

_LARGEST = 2**63

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": math.pow,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _clip(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, low), high)


_PICKS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "clip": _clip}


class RecordAlgebra:
    """Plain values; see ``Algebra`` for the rules.

    Args:
        record: Values by name; may hold mappings that dotted names reach into.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record

    def look_up(self, node: Name) -> Plain | None:
        """The value at a dotted name, None if there is none."""
        value = _find(self.record, node.name)
        is_plain = isinstance(value, bool | int | float | str) and value == value
        return value if is_plain else None

    def literal(self, node: Constant) -> Plain | None:
        """The value of a literal."""
        return node.value

    def negative(self, _node: Negative, operand: Plain | None) -> Plain | None:
        """Minus the operand."""
        return _compute(operator.neg, (operand,))

    def binary(self, node: Binary, left: Plain | None, right: Plain | None) -> Plain | None:
        """Both operands joined or compared."""
        if node.kind == "number":
            return _compute(_ARITHMETIC[node.operator], (left, right))
        if left is None or right is None:
            return None
        if isinstance(left, str) != isinstance(right, str) and node.operator not in ("==", "!="):
            return None
        return _COMPARISONS[node.operator](left, right)

    def logic(self, node: Logic, operands: Sequence[Plain | None]) -> Plain | None:
        """Kleene's and, or, not; what is not true or false counts as null."""
        known = [value if isinstance(value, bool) else None for value in operands]
        if node.operator == "not":
            return None if known[0] is None else not known[0]
        decisive = node.operator == "or"
        if decisive in known:
            return decisive
        return None if None in known else not decisive

    def member(self, node: Member, operand: Plain | None) -> Plain | None:
        """Whether the operand is in the list."""
        return None if operand is None else operand in node.values

    def call(self, node: Call, arguments: Sequence[Plain | None]) -> Plain | None:
        """A function applied."""
        function = FUNCTIONS[node.function]
        if function.plain is not None:
            return _compute(function.plain, arguments)
        if function.name == "isnull":
            return arguments[0] is None
        if function.name == "where":
            condition, yes, no = arguments
            return (yes if condition else no) if isinstance(condition, bool) else None
        return _compute(_PICKS[function.name], arguments)


def _compute(function: Callable[..., Any], operands: Sequence[Plain | None]) -> Plain | None:
    if any(value is None or isinstance(value, str) for value in operands):
        return None
    numbers = [int(value) if isinstance(value, bool) else value for value in operands]
    try:
        result = function(*numbers)
        is_usable = abs(result) < _LARGEST if isinstance(result, int) else math.isfinite(result)
    except (ValueError, ArithmeticError):
        return None
    return result if is_usable else None


def _find(record: Mapping[str, Any], name: str) -> Any:
    if name in record:
        return record[name]
    for position, letter in enumerate(name):
        inner = record.get(name[:position]) if letter == "." else None
        if isinstance(inner, Mapping):
            found = _find(inner, name[position + 1 :])
            if found is not None:
                return found
    return None
