"""Expressions over whole columns with numpy. A value is an array, a mask of its nulls, and its kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.dataset.expression.functions import FUNCTIONS
from rapidml.dataset.expression.nodes import KIND_WORDS, ExpressionError, Name, Node, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.dataset.expression.nodes import (
        Binary,
        Call,
        Constant,
        Kind,
        Logic,
        Member,
        Negative,
    )

_LARGEST = 2.0**63
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.remainder,
    "**": np.power,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class Vector:
    """A column, or one value for all rows.

    Attributes:
        values: float64, int64, bool or text. Shape ``(n_rows,)`` or ``()``.
        null: Where the value is null. Shape ``(n_rows,)`` or ``()``.
        kind: What it holds.
    """

    values: NDArray[Any]
    null: NDArray[np.bool_]
    kind: Kind


def evaluate_columns(
    root: Node, text: str, columns: Mapping[str, NDArray[Any]], n_rows: int
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and nulls of an expression, both of shape ``(n_rows,)``.

    Raises:
        ExpressionError: A column is absent or of the wrong kind.
    """
    with np.errstate(all="ignore"):
        result = walk(root, ArrayAlgebra(text, columns, n_rows))
    values = np.broadcast_to(result.values, n_rows)
    if result.values.ndim == 0 or isinstance(root, Name):
        values = values.copy()
    return values, np.broadcast_to(result.null, n_rows).copy()


def fill_nulls(values: NDArray[Any], null: NDArray[np.bool_]) -> NDArray[Any]:
    """The values with NaN (in text None) where they are null; integers and booleans become float64 for it."""
    if not null.any():
        return values
    filled = values.astype(np.float64 if values.dtype.kind in "bif" else object)
    filled[null] = np.nan if filled.dtype.kind == "f" else None
    return filled


class ArrayAlgebra:
    """Columns; see ``Algebra`` for the rules.

    Args:
        text: The expression, for messages.
        columns: Columns by name. Each of shape ``(n_rows,)``.
        n_rows: Number of rows.
    """

    def __init__(self, text: str, columns: Mapping[str, NDArray[Any]], n_rows: int) -> None:
        self.text = text
        self.columns = columns
        self.n_rows = n_rows
        self.known: dict[str, Vector] = {}

    def error(self, node: Node, message: str, fix: str) -> ExpressionError:
        """An error at a node."""
        return ExpressionError(message, fix, node.start, node.end - node.start, self.text)

    def look_up(self, node: Name) -> Vector:
        """A column as 64-bit numbers, booleans or text."""
        if node.name not in self.columns:
            raise self.error(node, f"the name of a column; there is no {node.name!r}", "correct the name")
        if node.name not in self.known:
            self.known[node.name] = self.convert(node, self.columns[node.name])
        return self.known[node.name]

    def convert(self, node: Name, column: NDArray[Any]) -> Vector:
        """A column of any type as a vector."""
        values, mask = np.ma.getdata(column), np.ma.getmaskarray(column)
        if values.shape != (self.n_rows,):
            message = f"one value per row; `{node.name}` has the shape {values.shape} for {self.n_rows:,} rows"
            raise self.error(node, message, "use another column")
        kind = values.dtype.kind
        if kind == "b":
            return Vector(values, mask, "boolean")
        if kind in "iu":
            is_large = kind == "u" and values.size > 0 and bool(values.max() >= _LARGEST)
            return Vector(values.astype(np.float64 if is_large else np.int64, copy=False), mask, "number")
        if kind == "f":
            return Vector(values.astype(np.float64, copy=False), mask | np.isnan(values), "number")
        if kind == "U":
            return Vector(values, mask, "text")
        if kind in "OT":
            return self.convert_objects(node, values.astype(object), mask)
        message = f"numbers, booleans or text; `{node.name}` is of type {values.dtype}"
        raise self.error(node, message, "use another column")

    def convert_objects(self, node: Name, values: NDArray[Any], mask: NDArray[np.bool_]) -> Vector:
        """Python text, with None or NaN for null."""
        other = np.fromiter((not isinstance(value, str) for value in values), np.bool_, len(values))
        stray = next((value for value in values[other] if value is not None and value == value), None)
        if stray is not None:
            message = f"numbers, booleans or text; `{node.name}` holds {stray!r}"
            raise self.error(node, message, "use another column")
        return Vector(np.where(other, "", values), mask | other, "text")

    def literal(self, node: Constant) -> Vector:
        """The value for all rows."""
        value = np.array(node.value, object) if node.kind == "text" else np.array(node.value)
        return Vector(value, np.zeros((), np.bool_), node.kind)

    def number(self, node: Node, vector: Vector) -> Vector:
        """The vector as numbers: true is 1."""
        if vector.kind == "text":
            message = f"a number; `{self.text[node.start : node.end]}` is text"
            raise self.error(node, message, "compare text with '==' and quoted text")
        return Vector(vector.values.astype(np.int64), vector.null, "number") if vector.kind == "boolean" else vector

    def negative(self, node: Negative, operand: Vector) -> Vector:
        """Minus the operand."""
        operand = self.number(node.operand, operand)
        return Vector(np.negative(operand.values), operand.null, "number")

    def binary(self, node: Binary, left: Vector, right: Vector) -> Vector:
        """Both operands joined or compared."""
        return self.arithmetic(node, left, right) if node.kind == "number" else self.compare(node, left, right)

    def arithmetic(self, node: Binary, left: Vector, right: Vector) -> Vector:
        """Both operands joined, in integers if both are and the operator keeps them."""
        left, right = self.number(node.left, left), self.number(node.right, right)
        null = left.null | right.null
        a, b, function = left.values, right.values, _OPERATORS[node.operator]
        if a.dtype.kind == b.dtype.kind == "i" and node.operator not in ("/", "**"):
            if node.operator in ("//", "%"):
                return Vector(function(a, np.where(b == 0, 1, b)), null | (b == 0), "number")
            is_large = np.abs(function(a.astype(np.float64), b.astype(np.float64))) >= _LARGEST
            return Vector(function(a, b), null | is_large, "number")
        return _finite(function(a.astype(np.float64), b.astype(np.float64)), null)

    def compare(self, node: Binary, left: Vector, right: Vector) -> Vector:
        """Both operands compared."""
        if (left.kind == "text") != (right.kind == "text"):
            is_left = left.kind == "text"
            text, other, written = (left, right, node.left) if is_left else (right, left, node.right)
            shown = self.text[written.start : written.end]
            message = f"both sides of one kind; `{shown}` is text, the other {KIND_WORDS[other.kind]}"
            fix = "put the other side in quotes" if other.values.ndim == 0 else "compare it with another column"
            fix = "remove the quotes" if text.values.ndim == 0 else fix
            raise self.error(node, message, fix)
        values = np.asarray(_OPERATORS[node.operator](left.values, right.values), np.bool_)
        return Vector(values, left.null | right.null, "boolean")

    def logic(self, node: Logic, operands: Sequence[Vector]) -> Vector:
        """Kleene's and, or, not."""
        conditions = [self.condition(*pair) for pair in zip(node.operands, operands, strict=True)]
        if node.operator == "not":
            return Vector(~conditions[0].values, conditions[0].null, "boolean")
        is_or = node.operator == "or"
        decided = reduce(np.logical_or, [~one.null & (one.values == is_or) for one in conditions])
        null = reduce(np.logical_or, [one.null for one in conditions]) & ~decided
        return Vector(np.asarray(decided == is_or), null, "boolean")

    def condition(self, node: Node, vector: Vector) -> Vector:
        """The vector, which must be true or false."""
        if vector.kind == "boolean":
            return vector
        written = self.text[node.start : node.end]
        fix = f"compare it, as in '{written} != 0'" if vector.kind == "number" else "compare it with '=='"
        raise self.error(node, f"a condition; `{written}` is {KIND_WORDS[vector.kind]}", fix)

    def member(self, node: Member, operand: Vector) -> Vector:
        """Whether the operand is in the list."""
        if (operand.kind == "text") != isinstance(node.values[0], str):
            written = self.text[node.operand.start : node.operand.end]
            message = f"values of the kind of `{written}`, which is {KIND_WORDS[operand.kind]}"
            raise self.error(node, message, "put all values in quotes, or none")
        found = reduce(np.logical_or, [operand.values == value for value in node.values])
        return Vector(np.asarray(found, np.bool_), operand.null, "boolean")

    def call(self, node: Call, arguments: Sequence[Vector]) -> Vector:
        """A function applied."""
        if node.function == "isnull":
            return Vector(arguments[0].null, np.zeros((), np.bool_), "boolean")
        if node.function == "where":
            return self.where(node, *arguments)
        function = FUNCTIONS[node.function]
        numbers = [self.number(*pair) for pair in zip(node.arguments, arguments, strict=True)]
        null = reduce(np.logical_or, [one.null for one in numbers])
        if function.plain is None:
            pick = {"min": np.minimum, "max": np.maximum}
            values = [one.values for one in numbers]
            if node.function in pick:
                return Vector(reduce(pick[node.function], values), null, "number")
            return Vector(np.minimum(np.maximum(values[0], values[1]), values[2]), null, "number")
        if function.keeps_integers and numbers[0].values.dtype.kind == "i":
            return Vector(getattr(np, function.array)(numbers[0].values), null, "number")
        values = [one.values.astype(np.float64) + 0.0 for one in numbers]  # -0.0 becomes 0.0: whole numbers have none
        result = _finite(getattr(np, function.array)(*values), null)
        return self.integer(numbers[0], result) if node.function == "int" else result

    def integer(self, source: Vector, truncated: Vector) -> Vector:
        """Whole floats as integers; integers stay exact."""
        if source.values.dtype.kind == "i":
            return source
        null = truncated.null | (np.abs(truncated.values) >= _LARGEST)
        return Vector(np.where(null, 0.0, truncated.values).astype(np.int64), null, "number")

    def where(self, node: Call, condition: Vector, yes: Vector, no: Vector) -> Vector:
        """One of two values, row by row."""
        chosen = self.condition(node.arguments[0], condition)
        if (yes.kind == "text") != (no.kind == "text"):
            raise self.error(
                node, "both results of where to be text, or both numbers", "put both in quotes, or neither"
            )
        if yes.kind != no.kind:
            yes, no = self.number(node.arguments[1], yes), self.number(node.arguments[2], no)
        values = np.where(chosen.values, yes.values, no.values)
        return Vector(values, chosen.null | np.where(chosen.values, yes.null, no.null), yes.kind)


def _finite(values: Any, null: NDArray[np.bool_]) -> Vector:
    return Vector(np.asarray(values), np.asarray(null | ~np.isfinite(values)), "number")
