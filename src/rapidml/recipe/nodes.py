"""What was written, as a tree that knows the place of every key and value. It knows nothing of recipes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rapidml.errors import Place
    from rapidml.recipe.source import Source


class Broken:
    """Value of something that was written but could not be understood; a problem about it exists already."""


BROKEN = Broken()
SHORT_FORMS = ("type", "path", "name", "value")
"""Fields that a text in place of a mapping may stand for."""


@dataclass(eq=False)
class Node:
    """Anything written.

    Attributes:
        source: Text it stands in.
        start: First character in that text.
        end: Character after the last one.
    """

    source: Source
    start: int
    end: int

    def find_place(self, offset: int = 0, length: int | None = None) -> Place:  # noqa: ARG002
        """Where it stands."""
        return self.source.place(self.start, self.end)

    @property
    def origin(self) -> str:
        """Where it came from, in a few words."""
        return self.source.origin(self.start)


@dataclass(eq=False)
class ScalarNode(Node):
    """Text, a number, a bool or null.

    Attributes:
        value: What it means.
        style: ``""`` plain, ``'`` or ``"`` quoted, ``|`` or ``>`` block.
    """

    value: Any = None
    style: str = ""

    def find_place(self, offset: int = 0, length: int | None = None) -> Place:
        """Where it stands, or where some characters of its value stand."""
        if (offset == 0 and length is None) or not isinstance(self.value, str):
            return self.source.place(self.start, self.end)
        indices = self._find_characters()
        if not indices:
            return self.source.place(self.start, self.end)
        first = min(max(0, offset), len(indices) - 1)
        last = len(indices) - 1 if length is None else min(first + max(1, length), len(indices)) - 1
        past_end = offset >= len(indices)
        return self.source.place(indices[first] + past_end, indices[last] + 1 + past_end)

    def _find_characters(self) -> list[int]:
        """Index in the text of every character of the value; folded spaces stand after the word before them."""
        position = self.start
        if self.style in ("'", '"'):
            position += 1
        elif self.style in ("|", ">"):
            position = self.source.text.find("\n", self.start, self.end) + 1
        indices: list[int] = []
        for character in str(self.value):
            found = self.source.text.find(character, position, self.end)
            if character.isspace() and (found < 0 or self.source.text[position:found].strip()):
                found = position
            position = max(found, position)
            indices.append(position)
            position = min(position + (found >= 0), max(self.start, self.end - 1))
        return indices


@dataclass(eq=False)
class Entry:
    """One key with its value; the key may stand in another source than the value."""

    key: ScalarNode
    value: Node


@dataclass(eq=False)
class MappingNode(Node):
    """Keys with values, in order."""

    entries: dict[str, Entry] = field(default_factory=dict)
    is_flow: bool = False


@dataclass(eq=False)
class SequenceNode(Node):
    """Items in order."""

    items: list[Node] = field(default_factory=list)
    is_flow: bool = False


def to_plain(node: Node) -> Any:
    """The tree as mappings, lists and scalars; what could not be understood is ``BROKEN``."""
    if isinstance(node, MappingNode):
        return {name: to_plain(entry.value) for name, entry in node.entries.items()}
    if isinstance(node, SequenceNode):
        return [to_plain(item) for item in node.items]
    return node.value if isinstance(node, ScalarNode) else BROKEN


@dataclass(frozen=True)
class Found:
    """What was found at a path.

    Attributes:
        node: The node, or the nearest one around the path.
        key: The key it stands under; None for items of lists and the whole.
        is_exact: Whether it is the path's own value and not one around it.
    """

    node: Node
    key: ScalarNode | None
    is_exact: bool


def find_node(root: Node, path: tuple[str | int, ...]) -> Found:
    """The node at a path of the recipe, which may have been written in a short form.

    Short forms are a value in place of a list of one (``signal: {path: x}``), in place of a mapping
    (``bdt: xgboost`` is ``bdt.type``), and ``name: options`` in place of ``{name: .., options: ..}``. Steps may come
    from a path split at its dots: numbers may be text, and a name with dots several steps.
    """
    node, key = root, None
    rest = path
    while rest:
        taken = _take_steps(node, rest)
        if taken is None:
            is_short = isinstance(node, ScalarNode) and len(rest) == 1 and rest[0] in SHORT_FORMS
            return Found(node, key, is_short)
        if taken.node is not node:
            node, key = taken.node, taken.key
        rest = rest[taken.n_steps :]
    return Found(node, key, is_exact=True)


@dataclass(frozen=True)
class _Taken:
    """Where some steps lead."""

    node: Node
    key: ScalarNode | None
    n_steps: int = 1


def _take_steps(node: Node, rest: tuple[str | int, ...]) -> _Taken | None:
    step = rest[0]
    if isinstance(node, SequenceNode):
        is_number = isinstance(step, int) or (step.isascii() and step.isdigit() and len(step) < 7)
        index = int(step) if is_number else -1
        return _Taken(node.items[index], None) if 0 <= index < len(node.items) else None
    if isinstance(node, MappingNode):
        for n_steps in range(1, len(rest) + 1):
            name = ".".join(map(str, rest[:n_steps]))
            if name in node.entries:
                return _Taken(node.entries[name].value, node.entries[name].key, n_steps)
        if len(node.entries) == 1 and step in ("options", "name"):
            entry = next(iter(node.entries.values()))
            return _Taken(entry.key if step == "name" else entry.value, entry.key)
    return _Taken(node, None) if str(step) == "0" else None
