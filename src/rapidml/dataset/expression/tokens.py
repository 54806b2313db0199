"""Cuts an expression into tokens, and knows what other languages write and what is written here instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rapidml.dataset.expression.nodes import KEYWORDS, ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TokenKind = Literal["number", "name", "quoted_name", "text", "sign", "foreign", "end"]

_PATTERN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)
    | `(?P<quoted_name>[^`\n]+)`
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<foreign>&&|\|\||<>|=>|=<|===|!==|[&|^~]|(?<![<>=!])=(?!=)|!(?!=))
    | (?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%<>()\[\],])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}

FOREIGN: Mapping[str, tuple[str, str]] = {
    "&": ("and", "`and` between two conditions, not `&`"),
    "&&": ("and", "`and` between two conditions, not `&&`"),
    "|": ("or", "`or` between two conditions, not `|`"),
    "||": ("or", "`or` between two conditions, not `||`"),
    "!": ("not", "`not` before a condition, not `!`"),
    "~": ("not", "`not` before a condition, not `~`"),
    "^": ("**", "`**` for a power, not `^`"),
    "=": ("==", "`==` to compare, not `=`"),
    "===": ("==", "`==` to compare, not `===`"),
    "!==": ("!=", "`!=` to compare, not `!==`"),
    "<>": ("!=", "`!=` to compare, not `<>`"),
    "=>": (">=", "`>=` to compare, not `=>`"),
    "=<": ("<=", "`<=` to compare, not `=<`"),
}
"""Signs of other languages: what to write, and what was expected."""


@dataclass(frozen=True)
class Token:
    """One word, number, text or sign.

    Attributes:
        kind: What it is; ``foreign`` for what another language would write.
        text: As written; the name or text itself without its quotes for ``quoted_name`` and ``text``.
        start: First character.
        end: After the last character.
    """

    kind: TokenKind
    text: str
    start: int
    end: int


def list_tokens(text: str) -> list[Token]:
    """All tokens of an expression, the last one of kind ``end``.

    Raises:
        ExpressionError: A character or quote has no place in an expression.
    """
    tokens = list(_read_tokens(text))
    return [*tokens, Token("end", "", len(text), len(text))]


def replace_foreign(text: str) -> str:
    """The expression with everything foreign replaced, as far as one token can tell."""
    pieces, end = [], 0
    for token in list_tokens(text):
        pieces.append(text[end : token.start])
        word = right_form(token)
        pieces.append(text[token.start : token.end] if word is None else _spaced(word, text, token))
        end = token.end
    return "".join(pieces)


def right_form(token: Token) -> str | None:
    """What to write for a foreign token; None for all others."""
    if token.kind == "foreign":
        return FOREIGN[token.text][0]
    if token.kind == "name" and token.text.lower() in KEYWORDS and token.text not in KEYWORDS:
        return token.text.lower()
    return None


def _spaced(word: str, text: str, token: Token) -> str:
    before = "" if token.start == 0 or text[token.start - 1] in " (" else " "
    after = "" if text[token.end : token.end + 1] in ("", " ", ")") else " "
    return f"{before}{word}{after}"


def _read_tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise _describe_stray(text, position)
        kind, content = match.lastgroup, match[match.lastgroup or 0]
        position = match.end()
        if kind == "space":
            continue
        if kind == "number" and re.match(r"[\w.`]", text[position : position + 1]):
            raise _describe_number(text, match.start())
        if kind == "text":
            content = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), content[1:-1])
        yield Token(kind, content, match.start(), position)  # type: ignore[arg-type]


def _describe_number(text: str, start: int) -> ExpressionError:
    word = re.match(r"[\w.]+", text[start:])
    shown = word[0] if word else text[start]
    if re.fullmatch(r"[\d_]+", shown):
        return ExpressionError("a number", f"write {shown.replace('_', '')!r}", start, len(shown), text)
    fix = f"put it in backticks, `{shown}`, if it is the name of a column"
    return ExpressionError(f"a number or a name; {shown!r} is neither", fix, start, len(shown), text)


def _describe_stray(text: str, position: int) -> ExpressionError:
    stray = text[position]
    if stray in "\"'`":
        what = "name in backticks" if stray == "`" else "text"
        fix = f"close it with another {stray}"
        return ExpressionError(f"the end of the {what} that starts here", fix, position, len(text) - position, text)
    fixes = {
        "?": "write 'where(condition, a, b)' for 'condition ? a : b'",
        ";": "write one expression; join conditions by 'and'",
        "{": "write round brackets",
        "}": "write round brackets",
        "$": "remove it; names stand as they are",
        "@": "put the name in backticks if it belongs to a name",
        "#": "remove the comment, or put the name in backticks if it belongs to a name",
    }
    fix = fixes.get(stray, "remove it, or put the name in backticks if it belongs to a name")
    return ExpressionError(f"an operator, a name or a number; {stray!r} is none of these", fix, position, 1, text)
