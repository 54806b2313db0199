"""Parser of the expression language: precedence climbing over our own tokens, so that every error has its place.

From weak to strong: ``or``; ``and``; ``not``; comparisons and ``in``; ``+ -``; ``* / // %``; unary minus; ``**``.
As in Python, except that there are no bit operators. Nothing is ever handed to Python's own compiler.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rapidml.dataset.expression.functions import FUNCTIONS, OTHER_NAMES
from rapidml.dataset.expression.nodes import (
    KIND_WORDS,
    NULL_WORDS,
    Binary,
    Call,
    Constant,
    ExpressionError,
    Logic,
    Member,
    Name,
    Negative,
    Node,
)
from rapidml.dataset.expression.tokens import FOREIGN, Token, list_tokens, replace_foreign, right_form
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.expression.nodes import Kind, Plain

MAX_LENGTH = 10_000
"""Longest expression, in characters."""
MAX_DEPTH = 100
"""Deepest nesting: of parentheses and calls, and of operators of one level in a row."""

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_LEVELS = {"or": 1, "and": 2, "in": 4, "not": 4, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
_LEVELS |= dict.fromkeys(_COMPARISONS, 4)
_NOT_LEVEL, _SUM_LEVEL, _MINUS_LEVEL = 3, 5, 7


def parse_nodes(text: str, kinds: Mapping[str, Kind] | None = None) -> tuple[Node, tuple[Name, ...]]:
    """The tree of an expression and the names in it, in order of appearance.

    Args:
        text: The expression.
        kinds: What names stand for, where it is known.

    Raises:
        ExpressionError: It is not an expression, or not one of names of these kinds.
    """
    if len(text) > MAX_LENGTH:
        message = f"at most {MAX_LENGTH:,} characters, not {len(text):,}"
        raise ExpressionError(message, "split it into several entries of dataset.columns", MAX_LENGTH, 1)
    if not text.strip():
        raise ExpressionError("an expression, not nothing", "write one such as 'met > 150', or remove the field")
    parser = _Parser(text, kinds or {})
    node = parser.parse(0, 0)
    parser.expect_end()
    return node, tuple(parser.names)


class _Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, text: str, kinds: Mapping[str, Kind]) -> None:
        self.text = text
        self.kinds = kinds
        self.tokens = list_tokens(text)
        self.position = 0
        self.names: list[Name] = []

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.next
        self.position += 1
        return token

    def error(self, message: str, fix: str, start: int, end: int) -> ExpressionError:
        return ExpressionError(message, fix, start, end - start, self.text)

    def parse(self, weakest: int, depth: int) -> Node:
        """An operand and everything that is joined to it by operators of at least this level."""
        if depth > MAX_DEPTH:
            raise self.too_deep(self.next.start)
        node = self.prefix(weakest, depth)
        while (level := self.operator_level()) is not None and level >= weakest:
            node = self.infix(node, level, depth)
            if node.depth > MAX_DEPTH:
                raise self.too_deep(node.start)
        return node

    def too_deep(self, start: int) -> ExpressionError:
        message = f"at most {MAX_DEPTH} levels of nesting"
        return self.error(message, "split it into several entries of dataset.columns", start, start + 1)

    def operator_level(self) -> int | None:
        token = self.next
        self.refuse_foreign(token)
        return _LEVELS.get(token.text) if token.kind in ("sign", "name") else None

    def refuse_foreign(self, token: Token) -> None:
        word = right_form(token)
        if word is None:
            return
        message = FOREIGN[token.text][1] if token.kind == "foreign" else f"`{word}` in lower case"
        raise self.error(message, _right_fix(self.text, word), token.start, token.end)

    def prefix(self, weakest: int, depth: int) -> Node:
        token = self.take()
        self.refuse_foreign(token)
        if token.kind == "number":
            return self.number(token)
        if token.kind == "text":
            return Constant(token.start, token.end, token.text, "text")
        if token.kind == "quoted_name" or (token.kind == "name" and token.text not in _LEVELS):
            return self.name(token, depth)
        if token.kind == "name" and token.text == "not":
            return self.negation(token, weakest, depth)
        if token.kind == "sign" and token.text in "+-(":
            return self.signed(token, depth)
        raise self.missing_operand(token)

    def missing_operand(self, token: Token) -> ExpressionError:
        before = self.tokens[self.position - 2].text if self.position > 1 else ""
        after = f" after `{before}`" if before else ""
        what = f"a name, number or text{after}"
        if token.kind == "end":
            return self.error(what, "complete the expression", token.start, token.end)
        if token.text == "[":
            return self.error(what, "write lists only after 'in', as in 'channel in [1, 2]'", token.start, token.end)
        return self.error(f"{what}, not `{token.text}`", f"remove {token.text!r}", token.start, token.end)

    def number(self, token: Token) -> Node:
        value = int(token.text) if token.text.isdecimal() and len(token.text) < 20 else float(token.text)
        if not math.isfinite(value):
            raise self.error("a number below 1.8e308", "write a smaller number", token.start, token.end)
        if isinstance(value, int) and value >= 2**63:
            value = float(value)
        return Constant(token.start, token.end, value, "number")

    def name(self, token: Token, depth: int) -> Node:
        if token.kind == "name":
            if token.text in ("true", "false"):
                return Constant(token.start, token.end, token.text == "true", "boolean")
            if self.next.text == "(" and self.next.kind == "sign":
                return self.call(token, depth)
            if token.text.lower() in NULL_WORDS:
                fix = "write 'isnull(x)' to ask for missing values"
                raise self.error(f"a value; nothing equals {token.text!r}", fix, token.start, token.end)
        node = Name(token.start, token.end, token.text, self.kinds.get(token.text))
        self.names.append(node)
        return node

    def negation(self, token: Token, weakest: int, depth: int) -> Node:
        if weakest > _NOT_LEVEL:
            message = "parentheses around `not` here"
            raise self.error(message, "write '(not ...)'", token.start, token.end)
        operand = self.condition(self.parse(_NOT_LEVEL, depth + 1))
        return Logic(token.start, operand.end, "not", (operand,), operand.depth + 1)

    def signed(self, token: Token, depth: int) -> Node:
        if token.text == "(":
            node = self.parse(0, depth + 1)
            return replace(node, start=token.start, end=self.close(token, ")").end)
        operand = self.number_like(self.parse(_MINUS_LEVEL, depth + 1))
        if token.text == "+":
            return operand
        return Negative(token.start, operand.end, operand, operand.depth + 1)

    def close(self, opened: Token, sign: str) -> Token:
        self.refuse_foreign(self.next)
        if self.next.kind == "sign" and self.next.text == sign:
            return self.take()
        if self.next.kind == "end":
            message = f"`{sign}` for the `{opened.text}` at character {opened.start + 1}"
            raise self.error(message, f"close it with '{sign}'", opened.start, opened.end)
        raise self.unexpected(f"`{sign}` or an operator")

    def unexpected(self, wanted: str) -> ExpressionError:
        token = self.next
        written = self.text[token.start : token.end]
        before = self.tokens[self.position - 1] if self.position else token
        fix = f"remove {written!r}, or put an operator before it"
        if token.text == "is" and token.kind == "name":
            fix = "write 'isnull(x)' or 'not isnull(x)'"
        elif token.text in (")", "]") and token.kind == "sign":
            fix = f"remove {written!r}, or open it before"
        elif token.text == "(" and before.kind == "quoted_name":
            fix = "write the function without backticks"
        elif token.text == "[":
            fix = "use a column with one value per row; lists stand only after 'in'"
        elif token.kind in ("name", "quoted_name") and before.kind == "name":
            fix = "put an operator between the names, or one name with a space in backticks"
        return self.error(f"{wanted} before `{written}`", fix, token.start, token.end)

    def expect_end(self) -> None:
        if self.next.kind != "end":
            raise self.unexpected("the end or an operator")

    def infix(self, left: Node, level: int, depth: int) -> Node:
        token = self.take()
        operator = token.text
        if operator in ("and", "or"):
            return self.logic(operator, left, self.parse(level + 1, depth + 1))
        if operator in ("in", "not"):
            return self.member(left, token)
        if operator in _COMPARISONS:
            return self.comparisons(left, token, depth)
        right = self.parse(_MINUS_LEVEL if operator == "**" else level + 1, depth + 1)
        self.number_like(left)
        self.number_like(right)
        return Binary(left.start, right.end, operator, left, right, "number", 1 + max(left.depth, right.depth))

    def logic(self, operator: str, left: Node, right: Node) -> Node:
        operands: tuple[Node, ...] = ()
        for node in (self.condition(left), self.condition(right)):
            is_same = isinstance(node, Logic) and node.operator == operator
            operands += node.operands if is_same and isinstance(node, Logic) else (node,)
        return Logic(left.start, right.end, operator, operands, 1 + max(node.depth for node in operands))

    def comparisons(self, left: Node, token: Token, depth: int) -> Node:
        """``a < b``, or a chain in one direction: ``a < b <= c``."""
        nodes, signs = [left], [token.text]
        nodes.append(self.parse(_SUM_LEVEL, depth + 1))
        while self.operator_level() == _LEVELS["=="] and self.next.text in _COMPARISONS:
            signs.append(self.take().text)
            nodes.append(self.parse(_SUM_LEVEL, depth + 1))
        pairs = [self.compare(sign, nodes[index], nodes[index + 1]) for index, sign in enumerate(signs)]
        if len(pairs) == 1:
            return pairs[0]
        if any(sign[0] not in "<>" or sign[0] != signs[0][0] for sign in signs):
            written = " and ".join(self.text[pair.start : pair.end] for pair in pairs)
            message = "a chain of comparisons in one direction, as in 'a < b <= c'"
            raise self.error(message, f"write {written!r}", left.start, nodes[-1].end)
        return Logic(left.start, nodes[-1].end, "and", tuple(pairs), 1 + max(pair.depth for pair in pairs))

    def compare(self, sign: str, left: Node, right: Node) -> Node:
        kinds = {left.kind, right.kind} - {None}
        if "text" in kinds and len(kinds) > 1:
            raise self.different_kinds(left, right)
        return Binary(left.start, right.end, sign, left, right, "boolean", 1 + max(left.depth, right.depth))

    def different_kinds(self, left: Node, right: Node) -> ExpressionError:
        name, other = (left, right) if isinstance(left, Name) else (right, left)
        if not isinstance(name, Name):
            message = "both sides of a comparison to be text, or both numbers"
            return self.error(message, "put both in quotes, or neither", left.start, right.end)
        message = (
            f"both sides of one kind; `{name.name}` is {KIND_WORDS[name.kind]}, the other {KIND_WORDS[other.kind]}"
        )
        fix = "put the other side in quotes" if name.kind == "text" else "remove the quotes, or write a number"
        return self.error(message, fix, left.start, right.end)

    def member(self, operand: Node, token: Token) -> Node:
        is_negated = token.text == "not"
        if is_negated and self.take().text != "in":
            raise self.error("`in` after `not`", "write 'x not in [1, 2]'", token.start, token.end)
        opened = self.take()
        if opened.kind != "sign" or opened.text not in ("[", "("):
            message = "a list after `in`, as in 'channel in [1, 2]'"
            raise self.error(message, "put the values in square brackets", opened.start, opened.end)
        if self.next.text in ("]", ")") and self.next.kind == "sign":
            message = "at least one value in the list"
            raise self.error(message, "write one such as 'channel in [1, 2]'", opened.start, self.next.end)
        items = [self.item()]
        while self.next.kind == "sign" and self.next.text == ",":
            self.take()
            items.append(self.item())
        end = self.close(opened, "]" if opened.text == "[" else ")").end
        kinds = {item.kind for item in items} | ({operand.kind} - {None})
        if "text" in kinds and len(kinds) > 1:
            message = "values of one kind: all text, or all numbers"
            raise self.error(message, "put all values in quotes, or none", opened.start, end)
        values = tuple(item.value for item in items)
        node = Member(operand.start, end, operand, values, operand.depth + 1)
        return Logic(operand.start, end, "not", (node,), node.depth + 1) if is_negated else node

    def item(self) -> Constant:
        node = self.parse(_MINUS_LEVEL, MAX_DEPTH - 1)
        if isinstance(node, Negative) and isinstance(node.operand, Constant):
            value: Plain = -node.operand.value  # type: ignore[operator]
            return Constant(node.start, node.end, value, "number")
        if not isinstance(node, Constant):
            raise self.error("numbers or quoted text in a list", "compare names with '=='", node.start, node.end)
        return node

    def call(self, token: Token, depth: int) -> Node:
        opened = self.take()
        function = FUNCTIONS.get(token.text)
        if function is None:
            raise self.error("a function of the list in the docs", _function_fix(token.text), token.start, token.end)
        arguments: list[Node] = []
        if self.next.text != ")" or self.next.kind != "sign":
            arguments.append(self.parse(0, depth + 1))
            while self.next.kind == "sign" and self.next.text == ",":
                self.take()
                arguments.append(self.parse(0, depth + 1))
        end = self.close(opened, ")").end
        n_max = math.inf if function.n_max is None else function.n_max
        if not function.n_min <= len(arguments) <= n_max:
            count = f"{function.n_min} or more" if function.n_max is None else str(function.n_min)
            message = f"{count} argument{'' if count == '1' else 's'} of {token.text}, not {len(arguments)}"
            raise self.error(message, f"write {function.signature!r}", token.start, end)
        kind = self.check_arguments(token.text, arguments)
        return Call(token.start, end, token.text, tuple(arguments), 1 + max(node.depth for node in arguments), kind)

    def check_arguments(self, function: str, arguments: list[Node]) -> Kind | None:
        """Refuse arguments of the wrong kind; the kind of the result, if it is known."""
        if function == "isnull":
            return "boolean"
        if function != "where":
            for argument in arguments:
                self.number_like(argument)
            return "number"
        self.condition(arguments[0])
        kinds = {node.kind for node in arguments[1:]}
        if "text" in kinds and len(kinds - {None}) > 1:
            message = "both results of where to be text, or both numbers"
            raise self.error(message, "put both in quotes, or neither", arguments[1].start, arguments[2].end)
        if None in kinds:
            return "text" if "text" in kinds else None
        return kinds.pop() if len(kinds) == 1 else "number"

    def condition(self, node: Node) -> Node:
        if node.kind in (None, "boolean"):
            return node
        written = self.text[node.start : node.end]
        fix = f"compare it, as in '{written} != 0'" if node.kind == "number" else "compare it with '=='"
        raise self.error(f"a condition; `{written}` is {KIND_WORDS[node.kind]}", fix, node.start, node.end)

    def number_like(self, node: Node) -> Node:
        if node.kind != "text":
            return node
        written = self.text[node.start : node.end]
        fix = "remove the quotes, or compare the text with '=='"
        raise self.error(f"a number; `{written}` is text", fix, node.start, node.end)


def _right_fix(text: str, word: str) -> str:
    """The whole expression in its right form if that makes it right, else the one word."""
    try:
        replaced = replace_foreign(text)
        parse_nodes(replaced)
    except ExpressionError:
        return f"write {word!r}, with parentheses around what it joins" if word in ("and", "or") else f"write {word!r}"
    return f"write {replaced!r}"


def _function_fix(name: str) -> str:
    short = name.rpartition(".")[2].lower()
    if OTHER_NAMES.get(short) == "**":
        return "write 'x ** y' for a power"
    known = short if short in FUNCTIONS else OTHER_NAMES.get(short) or suggest(short, list(FUNCTIONS))
    return f"write {known!r}" if known else f"use one of {', '.join(FUNCTIONS)}"
