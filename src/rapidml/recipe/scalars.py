"""Scalars of the YAML 1.2 core schema: what plain text means, and how a value is written so that it is read back."""

from __future__ import annotations

import json
import math
import re

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_SAFE_PLAIN = re.compile(r"[A-Za-z_/$][A-Za-z0-9_./*?+%()<>=$^ -]*")
_ESCAPED = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
MOST_DIGITS = 300

Scalar = str | int | float | bool | None


def resolve_plain(text: str) -> Scalar:
    """The value of unquoted text.

    Raises:
        ValueError: It is a number that cannot be kept: NaN, infinite, or with too many digits. The text says which.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError("too large")
        return int(text, {"o": 8, "x": 16}.get(text[1:2], 10))
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("not finite")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("too large")
        return number
    return text


def write_scalar(value: Scalar) -> str:
    """The YAML text of a scalar; reading it gives the same value of the same type."""
    if isinstance(value, str):
        return value if _reads_as_itself(value) else _quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def write_key(name: str) -> str:
    """The YAML text of a name. A name is always text, so only its characters decide whether it needs quotes."""
    return name if _PLAIN_KEY.fullmatch(name) else _quote(name)


def _reads_as_itself(text: str) -> bool:
    is_safe = _SAFE_PLAIN.fullmatch(text) is not None and text.count("(") == text.count(")")
    if not is_safe or text != text.strip() or len(text) > MOST_DIGITS:
        return False
    try:
        return resolve_plain(text) == text
    except ValueError:
        return False


def _quote(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f")
    return _ESCAPED.sub(lambda match: f"\\U{ord(match[0]):08x}", quoted)
