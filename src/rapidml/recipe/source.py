"""Text that values were written in, a file or an argument, and where in it a stretch of characters stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from rapidml.errors import Place

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Source:
    """A recipe file, or one override.

    Attributes:
        name: What a person calls it: the file as named, or ``command line, argument 3``.
        text: All of it; of an override the argument.
        order: Place among the sources of a document; problems are shown in this order.
        is_argument: Whether it is an override.
    """

    name: str
    text: str
    order: int = 0
    is_argument: bool = False

    @cached_property
    def _line_starts(self) -> list[int]:
        if self.is_argument:
            return [0]
        return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]

    def find_line(self, index: int) -> int:
        """Number of the line, from 0, that holds a character."""
        return bisect_right(self._line_starts, min(index, len(self.text))) - 1

    def place(self, start: int, end: int) -> Place:
        """The characters from ``start`` up to ``end``, as far as they are in one line."""
        number = self.find_line(start)
        first = self._line_starts[number]
        last = self._line_starts[number + 1] if number + 1 < len(self._line_starts) else len(self.text)
        line = self.text[first:last]
        if not self.is_argument:
            line = line.rstrip("\r\n")
        length = max(1, min(end, first + len(line)) - start)
        shown = _NOT_SHOWN.sub(lambda match: " " if match[0] in "\t\r\n" else "�", line)
        return Place(self.name, None if self.is_argument else number + 1, start - first + 1, shown, length)

    def whole(self) -> Place:
        """The source as such, without a line."""
        return Place(self.name, None, 1, "")

    def origin(self, index: int) -> str:
        """Where a value came from, in a few words: ``higgs.yaml:14`` or ``command line``."""
        return "command line" if self.is_argument else f"{self.name}:{self.find_line(index) + 1}"
