"""What to say about text that is not YAML: one sentence of our own for everything that ruamel.yaml reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rapidml.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.recipe.source import Source

_QUOTE = "put quotes around the text"


class _Says(NamedTuple):
    """Words for the reports whose text matches; ``at_start`` shows where the construct began."""

    pattern: str
    expected: str
    fix: str
    at_start: bool = False


_SAYINGS = (
    _Says(r"character '\\t'", "spaces; YAML does not take tabs for indentation", "replace the tab by spaces"),
    _Says(r"character '([@`%|>])' that cannot", "a value; unquoted text cannot start with {0}", _QUOTE),
    _Says(r"character '(.*)' that cannot", "a value; {0} cannot stand here", _QUOTE),
    _Says(
        r"could not find expected ':'",
        "name: value",
        "write a colon and a space after the name, or indent the line so that it belongs to the value above",
        True,
    ),
    _Says(
        r"sequence entries are not allowed",
        "a value; a list item cannot start here",
        "put '- ' at the start of a new line below the key, with equal indentation for all items",
    ),
    _Says(
        r"mapping keys are not allowed", "a value; unquoted text cannot start with a question mark and a space", _QUOTE
    ),
    _Says(
        r"mapping values are not allowed",
        "one 'name: value' in a line, all names of a mapping equally indented",
        "indent the line as the one above, or put quotes around a text that has a colon and a space in it",
    ),
    _Says(
        r"scanning a quoted scalar.*(end of stream|document separator)",
        "a closing quote",
        "close the text that is opened here with the same quote",
        True,
    ),
    _Says(
        r"unknown escape character",
        "text; after a backslash within double quotes only few letters have a meaning",
        "use single quotes, which take a backslash as it is",
    ),
    _Says(
        r"expected escape sequence|scanning a double-quoted",
        "text with complete escapes such as \\u00e9 within double quotes",
        "use single quotes, which take a backslash as it is",
    ),
    _Says(
        r"scanning an alias",
        "a value; unquoted text that starts with * is a YAML alias, which recipes do not have",
        "put quotes around it",
        True,
    ),
    _Says(
        r"scanning an anchor",
        "a value; unquoted text that starts with & is a YAML anchor, which recipes do not have",
        "put quotes around it; 'and' joins two conditions",
        True,
    ),
    _Says(
        r"(scanning|parsing) an? tag|tag handle|expected URI|expected '!'",
        "a value; unquoted text that starts with ! is a YAML tag, which recipes do not have",
        "put quotes around it; the opposite of an expression is written not ...",
        True,
    ),
    _Says(r"directive|incompatible YAML", "a recipe without YAML directives", "remove the line that starts with %"),
    _Says(
        r"scanning a block scalar|block scalar",
        "indented text on the lines below | or >",
        "start the text on the next line, all lines equally indented; text that starts with | or > needs quotes",
    ),
    _Says(
        r"found unexpected ':'",
        "a value; within braces a colon needs a space after it",
        "write a space after the colon, or put quotes around the text",
    ),
    _Says(r"node content, but found '([-?:])'", "a value; {0} cannot stand here", _QUOTE),
    _Says(r"flow node.*stream end", "a value, and the bracket that closes", "write the rest"),
    _Says(r"flow sequence.*stream end", "a closing ]", "close the list that is opened here with ]", True),
    _Says(r"flow mapping.*stream end", "a closing }", "close the mapping that is opened here with }", True),
    _Says(
        r"flow sequence",
        "a comma or ] after each item of the list",
        "close the list with ]; text with : or brackets in it needs quotes",
    ),
    _Says(
        r"flow mapping",
        "a comma or } after each value of the mapping",
        "close the mapping with }; text with : or brackets in it needs quotes",
    ),
    _Says(
        r"but found '(\]|\}|,)'",
        "a value; {0} closes or separates nothing here",
        "remove it, or put quotes around a text that starts with it",
    ),
    _Says(
        r"but found '<scalar>'",
        "the end of the line, or one value",
        "put quotes around the whole value, not a part of it",
    ),
    _Says(
        r"block collection",
        "list items that all start with '- ' and are equally indented",
        "indent this line to belong to the item above, or move it out of the list",
    ),
    _Says(
        r"block mapping",
        "lines of equal indentation for the names of one mapping",
        "indent this line as its neighbours",
    ),
    _Says(
        r"document start|document end",
        "one mapping of fields",
        "remove what stands here, or put quotes around the text before it",
    ),
)
_OTHERWISE = _Says(
    "",
    "YAML",
    "put quotes around texts that have : # , [ ] { } & * ! | > % @ or quotes in them, and check the indentation",
)


class NotYaml(Exception):
    """The text cannot be read as YAML.

    Args:
        problems: All that can be said; the last one is where reading ended.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("not YAML")


def make_syntax_problem(source: Source, error: Exception, start: int = 0) -> Problem:
    """Our words for what ruamel.yaml reports.

    Args:
        source: What was read.
        error: What was raised.
        start: Character of the source at which reading began.
    """
    report = " ".join(str(getattr(error, name, None) or "") for name in ("context", "problem"))
    if not report.strip():
        return _make_character_problem(source, error, start)
    says, word = _find_words(report)
    index = _find_index(source, error, at_start=says.at_start) + start
    index = min(index, len(source.text))
    return Problem(
        "", says.expected.replace("{0}", word), says.fix.replace("{0}", word), source.place(index, index + 1)
    )


def _find_words(report: str) -> tuple[_Says, str]:
    for says in _SAYINGS:
        match = re.search(says.pattern, report, re.DOTALL)
        if match:
            return says, match[match.lastindex] if match.lastindex and "{0}" in says.expected else ""
    return _OTHERWISE, ""


def _find_index(source: Source, error: Exception, *, at_start: bool) -> int:
    names = ("context_mark", "problem_mark") if at_start else ("problem_mark", "context_mark")
    for name in names:
        mark = getattr(error, name, None)
        if mark is not None:
            return int(mark.index)
    return len(source.text)


def _make_character_problem(source: Source, error: Exception, start: int) -> Problem:
    position = getattr(error, "position", None)
    if position is None:
        return Problem("", _OTHERWISE.expected, _OTHERWISE.fix, source.whole())
    index = int(position) + start
    code = f"U+{ord(source.text[index]):04X}" if index < len(source.text) else "a control character"
    return Problem(
        "", f"text without control characters; this is {code}", "remove the character", source.place(index, index + 1)
    )
