"""YAML text to nodes: YAML 1.2 core schema only, every key and value with its place, nothing interpreted beyond it.

Tags, anchors, aliases, several documents, repeated keys, NaN and too deep nesting are problems here. Texts that are
not YAML at all end in ``NotYaml``, whose words are in ``syntax.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import Problem
from rapidml.recipe.nodes import BROKEN, Entry, MappingNode, Node, ScalarNode, SequenceNode
from rapidml.recipe.scalars import resolve_plain
from rapidml.recipe.syntax import NotYaml, make_syntax_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rapidml.recipe.source import Source

DEEPEST = 30
MOST_CHARACTERS = 256 * 1024
TOO_LONG = f"a recipe of at most {MOST_CHARACTERS // 1024} kB; this is longer"
SHORTER = "check that it is a recipe and not data; many files of one class are written as a glob"


def read_nodes(source: Source, start: int = 0, field: Sequence[str | int] = ()) -> tuple[Node | None, list[Problem]]:
    """Read YAML.

    Args:
        source: What to read.
        start: First character to read; what is before it is no YAML.
        field: Path of the value in the recipe, for the problems.

    Returns:
        The root, None if nothing is written, and every problem found.

    Raises:
        NotYaml: The text is not YAML; its problems are all that can be said.
    """
    if len(source.text) > MOST_CHARACTERS:
        raise NotYaml([Problem("", TOO_LONG, SHORTER, source.whole())])
    reader = _Reader(source, start)
    try:
        root = reader.read(tuple(field))
    except _StopReading:
        raise NotYaml(reader.problems) from None
    return root, reader.problems


class _StopReading(Exception):
    """Nothing after this place can be understood."""


class _Reader:
    """One pass over the events of ruamel.yaml, which resolve nothing."""

    def __init__(self, source: Source, start: int) -> None:
        self.source = source
        self.start = start
        self.problems: list[Problem] = []
        self._depth = 0
        self._refused: set[tuple[str, str]] = set()
        self._events = self._list_events()
        self._event: Any = None

    def read(self, field: tuple[str | int, ...]) -> Node | None:
        self._advance("DocumentStart", "StreamEnd")
        if type(self._event).__name__ == "StreamEndEvent":
            return None
        if self._event.version or self._event.tags:
            self._stop("a recipe without YAML directives", "remove the line that starts with %")
        self._advance()
        root = self._read_node(field, is_flow=False)
        self._advance("DocumentEnd")
        self._advance()
        if type(self._event).__name__ != "StreamEndEvent":
            self._stop("one recipe in a file", "remove the line --- and what follows, or put it in a file of its own")
        return root

    def _list_events(self) -> Iterator[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError, YAMLStreamError

        try:
            yield from YAML(typ="safe", pure=True).parse(self.source.text[self.start :])
        except (YAMLError, YAMLStreamError, ValueError, IndexError, AttributeError, AssertionError) as error:
            self.problems.append(make_syntax_problem(self.source, error, self.start))
            raise _StopReading from None

    def _advance(self, *names: str) -> None:
        self._event = next(self._events)
        while names and type(self._event).__name__.removesuffix("Event") not in names:
            self._event = next(self._events)

    def _stop(self, expected: str, fix: str) -> None:
        first = self._event.start_mark.index + self.start
        self.problems.append(
            Problem("", expected, fix, self.source.place(first, self._event.end_mark.index + self.start))
        )
        raise _StopReading

    def _read_node(self, field: tuple[str | int, ...], *, is_flow: bool) -> Node:
        if self._depth > DEEPEST:
            self._stop(f"at most {DEEPEST} levels of nesting", "write it flatter")
        self._depth += 1
        try:
            return self._read_any(field, is_flow=is_flow)
        finally:
            self._depth -= 1

    def _read_any(self, field: tuple[str | int, ...], *, is_flow: bool) -> Node:
        kind = type(self._event).__name__
        start, end = self._event.start_mark.index + self.start, self._event.end_mark.index + self.start
        is_refused = self._refuse_extras(field, kind, start, end)
        if kind == "MappingStartEvent":
            node: Node = self._read_mapping(field, start)
        elif kind == "SequenceStartEvent":
            node = self._read_sequence(field, start)
        elif kind == "ScalarEvent":
            node = self._read_scalar(field, start, end, is_flow=is_flow and not is_refused)
        else:
            return ScalarNode(self.source, start, end, BROKEN)
        return ScalarNode(self.source, start, end, BROKEN) if is_refused else node

    def _refuse_extras(self, field: tuple[str | int, ...], kind: str, start: int, end: int) -> bool:
        """Report an alias, an anchor or a tag; the text shown is what would have to be quoted."""
        event = self._event
        written = self.source.place(start, end)
        line = written.text[written.column - 1 :].split(" #")[0].rstrip()
        name = (kind, str(event.anchor or ""))
        if event.anchor and name in self._refused:
            return True
        self._refused.add(name)
        if kind == "AliasEvent":
            text = line[: end - start]
            self._add(
                field,
                "a value; unquoted text that starts with * is a YAML alias, which recipes do not have",
                f"put quotes around it: '{text}'",
                start,
                end,
            )
        elif event.anchor:
            self._add(
                field,
                "a value; unquoted text that starts with & is a YAML anchor, which recipes do not have",
                f"remove &{event.anchor}, or put quotes around the text",
                start,
                start + 1 + len(event.anchor),
            )
        elif getattr(event, "tag", None):
            tag = line.split()[0] if line.split() else "!"
            fix = f"remove {tag}; as text put quotes around it; the opposite of an expression is written not ..."
            self._add(
                field,
                "a value; unquoted text that starts with ! is a YAML tag, which recipes do not have",
                fix,
                start,
                start + len(tag),
            )
        else:
            return False
        return True

    def _add(self, field: Sequence[str | int], expected: str, fix: str, start: int, end: int) -> None:
        self.problems.append(Problem(".".join(map(str, field)), expected, fix, self.source.place(start, end)))

    def _read_mapping(self, field: tuple[str | int, ...], start: int) -> MappingNode:
        node = MappingNode(self.source, start, start, is_flow=bool(self._event.flow_style))
        self._advance()
        while type(self._event).__name__ != "MappingEndEvent":
            key = self._read_key(field, is_flow=node.is_flow)
            self._advance()
            name = str(key.value) if key is not None else ""
            value = self._read_node((*field, name), is_flow=node.is_flow)
            if key is not None and name in node.entries:
                line = node.entries[name].key
                first = line.source.find_line(line.start) + 1
                where = "" if self.source.is_argument else f" in line {first}"
                self._add(
                    (*field, name),
                    f"each key once; {name} is already written{where}",
                    "remove one of the two, or rename it",
                    key.start,
                    key.end,
                )
            elif key is not None:
                node.entries[name] = Entry(key, value)
            self._advance()
        node.end = self._event.end_mark.index + self.start
        return node

    def _read_key(self, field: tuple[str | int, ...], *, is_flow: bool) -> ScalarNode | None:
        """The key, as written; None if it is none, which is a problem."""
        event = self._event
        start, end = event.start_mark.index + self.start, event.end_mark.index + self.start
        if type(event).__name__ != "ScalarEvent" or event.anchor or event.tag:
            before = len(self.problems)
            self._read_node(field, is_flow=is_flow)
            if len(self.problems) == before:
                self._add(
                    field,
                    "a plain name before the colon",
                    "write the name as text, without brackets",
                    start,
                    max(end, start + 1),
                )
            return None
        if event.style is None and event.value == "":
            self._add(field, "a name before the colon", "write the name of the field", start, start + 1)
            return None
        if is_flow and event.style is None and _is_cut(event.value):
            self._add_cut(field, start, end)
            return None
        return ScalarNode(self.source, start, end, event.value, event.style or "")

    def _read_sequence(self, field: tuple[str | int, ...], start: int) -> SequenceNode:
        node = SequenceNode(self.source, start, start, is_flow=bool(self._event.flow_style))
        self._advance()
        while type(self._event).__name__ != "SequenceEndEvent":
            node.items.append(self._read_node((*field, len(node.items)), is_flow=node.is_flow))
            self._advance()
        node.end = self._event.end_mark.index + self.start
        return node

    def _read_scalar(self, field: tuple[str | int, ...], start: int, end: int, *, is_flow: bool) -> ScalarNode:
        event = self._event
        value: Any = event.value
        if event.style in ("|", ">"):
            value = value.rstrip("\n")
        elif event.style is None:
            value = self._resolve(field, value, start, end)
            if is_flow and isinstance(value, str) and _is_cut(value):
                self._add_cut(field, start, end)
                value = BROKEN
        return ScalarNode(self.source, start, end, value, event.style or "")

    def _resolve(self, field: tuple[str | int, ...], text: str, start: int, end: int) -> Any:
        try:
            return resolve_plain(text)
        except ValueError as error:
            is_large = "large" in str(error)
            fix = "write a smaller number" if is_large else f"write a number, or '{text}' in quotes if it is text"
            self._add(field, "a finite number", fix, start, end)
            return BROKEN

    def _add_cut(self, field: tuple[str | int, ...], start: int, end: int) -> None:
        """A comma within parentheses ends a value between braces or brackets; said once for both halves."""
        text = self.source.text[start:end]
        if text.count("(") < text.count(")") and self.problems and "comma" in self.problems[-1].expected:
            return
        self._add(
            field,
            "a whole value; between { } and [ ] a comma ends it, also within parentheses",
            "put quotes around the whole value, or write it on a line of its own without braces",
            start,
            end,
        )


def _is_cut(text: str) -> bool:
    return text.count("(") != text.count(")")
