"""The expression language of weight, columns, select, by, forbid and the filter of `ls`: parsed, never run by Python.

Values are numbers, booleans or text, any of them may be null. NaN is null, and so is every result of arithmetic or a
function that is not a finite number: ``1 / 0``, ``log(0)``, integers beyond 64 bits. Null goes through arithmetic,
comparisons, ``in`` and functions; ``and``, ``or`` and ``not`` decide where the rest is enough (``false and null`` is
false). Only ``isnull`` asks for it. ``select`` drops a row whose condition is null.

Numbers are computed as 64-bit floats, integers as 64-bit integers as long as only ``+ - * // %`` join them; true counts
as 1. ``/`` and ``**`` always give floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression.functions import FUNCTIONS, describe_functions
from rapidml.dataset.expression.grammar import MAX_DEPTH, MAX_LENGTH, parse_nodes
from rapidml.dataset.expression.nodes import ExpressionError, Kind, Name, Node, make_canonical, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "Expression",
    "ExpressionError",
    "describe_functions",
    "parse_expression",
]


def parse_expression(text: str, kinds: Mapping[str, Kind] | None = None) -> Expression:
    """Read an expression.

    Args:
        text: Such as ``n_jets >= 4 and abs(eta) < 2.5``.
        kinds: Whether names stand for a number, a boolean or text, where it is known without the columns.

    Returns:
        The expression, ready for columns and records.

    Raises:
        ExpressionError: It is not one, or not of names of these kinds; says where, what was expected and what to
            write.

    Example:
        >>> parse_expression("a + b*2 > 1").names
        ('a', 'b')
    """
    root, places = parse_nodes(text, kinds)
    return Expression(text, root, places)


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: As written.
        root: Its tree.
        places: Every use of a name, in order.
    """

    text: str
    root: Node
    places: tuple[Name, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> tuple[str, ...]:
        """Names that it reads, in order of first use."""
        return tuple(dict.fromkeys(node.name for node in self.places))

    @property
    def kind(self) -> Kind | None:
        """``number``, ``boolean`` or ``text`` where the form alone tells; None where it depends on the columns."""
        return self.root.kind

    @cached_property
    def canonical(self) -> str:
        """The same for all expressions that differ only in spaces, quotes and redundant parentheses; for keys."""
        return make_canonical(self.root)

    def find_name(self, name: str) -> tuple[int, int]:
        """Offset and length of the first use of a name, in characters."""
        node = next(node for node in self.places if node.name == name)
        return node.start, node.end - node.start

    def evaluate(self, columns: Mapping[str, NDArray[Any]], n_rows: int) -> NDArray[Any]:
        """Values of all rows, with null as NaN (None in text).

        Integers and booleans become float64 only if a row is null.

        Args:
            columns: Every column of ``names``, of numbers, booleans or text, masked or not. Each ``(n_rows,)``.
            n_rows: Number of rows.

        Returns:
            float64, int64, bool or text. Shape ``(n_rows,)``.

        Raises:
            ExpressionError: A column is absent or of the wrong kind.
        """
        from rapidml.dataset.expression.arrays import fill_nulls

        return fill_nulls(*self.evaluate_with_nulls(columns, n_rows))

    def evaluate_with_nulls(
        self, columns: Mapping[str, NDArray[Any]], n_rows: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values of all rows, and which of them are null (their values mean nothing); else as ``evaluate``."""
        from rapidml.dataset.expression.arrays import evaluate_columns

        return evaluate_columns(self.root, self.text, columns, n_rows)

    def test_rows(
        self, columns: Mapping[str, NDArray[Any]], n_rows: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows fulfil the condition, and in which it is null (these do not fulfil it); for ``select``.

        Raises:
            ExpressionError: It is no condition, or a column is absent or of the wrong kind.
        """
        values, null = self.evaluate_with_nulls(columns, n_rows)
        if values.dtype.kind != "b":
            raise self._no_condition()
        return values & ~null, null

    def test(self, record: Mapping[str, Any]) -> bool:
        """Whether one record of plain values fulfils the condition; null counts as no.

        Args:
            record: Values by name; dotted names also reach into mappings. Absent names, None, NaN, lists and
                mappings are null; text compared with a number is unequal, and neither less nor greater.

        Raises:
            ExpressionError: It is no condition.
        """
        from rapidml.dataset.expression.records import RecordAlgebra

        value = walk(self.root, RecordAlgebra(record))
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._no_condition()
        return value

    def _no_condition(self) -> ExpressionError:
        fix = f"compare it, as in '{self.text.strip()} > 0'"
        return ExpressionError("a condition that is true or false", fix, 0, len(self.text), self.text)
