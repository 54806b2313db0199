"""The parsed form of an expression, its canonical text, and the walk that both evaluators share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from rapidml.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["number", "boolean", "text"]
Plain = bool | int | float | str
V = TypeVar("V")

KIND_WORDS: dict[Kind | None, str] = {"number": "a number", "boolean": "true or false", "text": "text"}
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})
NULL_WORDS = frozenset({"null", "none", "nan", "na", "nil"})
"""What other languages call null; columns of these names need backticks."""
RESERVED = KEYWORDS | NULL_WORDS
PLAIN_NAME = re.compile(r"[^\W\d]\w*(\.\w+)*")


class ExpressionError(DatasetError):
    """An expression that cannot be read or applied.

    Args:
        message: What was expected; one clause without a full stop.
        fix: What to do; one clause without a full stop.
        offset: Where it is wrong, in characters from the start of the expression.
        length: Number of characters that are wrong, at least 1.
        text: The expression.
    """

    def __init__(self, message: str, fix: str, offset: int = 0, length: int = 1, text: str = "") -> None:
        self.message = message
        self.fix = fix
        self.offset = offset
        self.length = max(1, length)
        self.text = text
        head = f"in the expression {text!r}, character {offset + 1}: " if text else ""
        super().__init__(f"{head}expected {message}; to fix: {fix}")

    def __reduce__(self) -> tuple[type[ExpressionError], tuple[str, str, int, int, str]]:
        return type(self), (self.message, self.fix, self.offset, self.length, self.text)


@dataclass(frozen=True)
class Name:
    """A column, or a dotted path into a record."""

    start: int
    end: int
    name: str
    kind: Kind | None = None
    depth: int = 1


@dataclass(frozen=True)
class Constant:
    """A number, text, true or false as written."""

    start: int
    end: int
    value: Plain
    kind: Kind
    depth: int = 1


@dataclass(frozen=True)
class Negative:
    """Unary minus."""

    start: int
    end: int
    operand: Node
    depth: int
    kind: Kind = "number"


@dataclass(frozen=True)
class Binary:
    """Arithmetic, ``+ - * / // % **`` (a number), or a comparison, ``== != < <= > >=`` (a boolean)."""

    start: int
    end: int
    operator: str
    left: Node
    right: Node
    kind: Kind
    depth: int


@dataclass(frozen=True)
class Logic:
    """``and``, ``or`` over two or more conditions, ``not`` over one."""

    start: int
    end: int
    operator: str
    operands: tuple[Node, ...]
    depth: int
    kind: Kind = "boolean"


@dataclass(frozen=True)
class Member:
    """``x in [1, 2]``."""

    start: int
    end: int
    operand: Node
    values: tuple[Plain, ...]
    depth: int
    kind: Kind = "boolean"


@dataclass(frozen=True)
class Call:
    """A function and its arguments."""

    start: int
    end: int
    function: str
    arguments: tuple[Node, ...]
    depth: int
    kind: Kind | None


Node = Name | Constant | Negative | Binary | Logic | Member | Call


class Algebra(Protocol[V]):
    """What an evaluator does with values of its own type: plain values, or whole columns.

    Null goes through arithmetic, comparisons, ``in`` and functions. ``and``, ``or`` and ``not`` follow Kleene's logic:
    false and null is false, true or null is true, all else with a null is null.
    """

    def look_up(self, node: Name, /) -> V:
        """The value of a name."""

    def literal(self, node: Constant, /) -> V:
        """The value of a literal."""

    def negative(self, node: Negative, operand: V, /) -> V:
        """Minus the operand."""

    def binary(self, node: Binary, left: V, right: V, /) -> V:
        """Both operands joined or compared; a result of arithmetic that is not finite is null."""

    def logic(self, node: Logic, operands: Sequence[V], /) -> V:
        """Conditions joined."""

    def member(self, node: Member, operand: V, /) -> V:
        """Whether the operand is one of the node's values."""

    def call(self, node: Call, arguments: Sequence[V], /) -> V:
        """A function applied; a result that is not finite is null."""


def walk(node: Node, algebra: Algebra[V]) -> V:
    """Evaluate a node and everything below it."""
    match node:
        case Name():
            return algebra.look_up(node)
        case Constant():
            return algebra.literal(node)
        case Negative():
            return algebra.negative(node, walk(node.operand, algebra))
        case Binary():
            return algebra.binary(node, walk(node.left, algebra), walk(node.right, algebra))
        case Logic():
            return algebra.logic(node, [walk(operand, algebra) for operand in node.operands])
        case Member():
            return algebra.member(node, walk(node.operand, algebra))
        case Call():
            return algebra.call(node, [walk(argument, algebra) for argument in node.arguments])


def make_canonical(node: Node) -> str:
    """The one text of all expressions that differ only in spaces, quotes and parentheses that change nothing.

    It has no spaces outside of text and names, and parses to an expression with the same canonical text.
    """
    match node:
        case Name() | Constant():
            return _canonical_leaf(node)
        case Negative():
            return f"-{_enclose(node.operand)}"
        case Binary():
            return f"{_enclose(node.left)}{node.operator}{_enclose(node.right)}"
        case Logic(operator="not"):
            return f"not({make_canonical(node.operands[0])})"
        case Logic():
            return node.operator.join(f"({make_canonical(operand)})" for operand in node.operands)
        case Member():
            return f"({make_canonical(node.operand)})in[{','.join(map(json.dumps, node.values))}]"
        case Call():
            return f"{node.function}({','.join(map(make_canonical, node.arguments))})"


def _canonical_leaf(node: Name | Constant) -> str:
    if isinstance(node, Constant):
        return json.dumps(node.value)
    is_plain = PLAIN_NAME.fullmatch(node.name) and node.name.lower() not in RESERVED
    return node.name if is_plain else f"`{node.name}`"


def _enclose(node: Node) -> str:
    text = make_canonical(node)
    return text if isinstance(node, Name | Constant | Call) else f"({text})"
