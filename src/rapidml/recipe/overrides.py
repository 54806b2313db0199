"""Overrides: ``path.to.field=value`` from the command line, applied to what was written in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.errors import Problem
from rapidml.recipe.fields import FieldAt, find_field
from rapidml.recipe.messages import join_choices, shorten
from rapidml.recipe.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode
from rapidml.recipe.reading import read_nodes
from rapidml.recipe.scalars import resolve_plain
from rapidml.recipe.schema import ModelEntry, Sample
from rapidml.recipe.source import Source
from rapidml.recipe.suggest import suggest
from rapidml.recipe.syntax import NotYaml

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FIRST_ARGUMENT = 2
"""Number of the first override on a command line: the recipe is argument 1."""
ORDER = 1_000_000
"""Order of the first override among the sources of a document: after all files."""


def apply_overrides(root: MappingNode, arguments: Sequence[str], first_argument: int = FIRST_ARGUMENT) -> list[Problem]:
    """Change the tree as the arguments say, one after the other.

    Args:
        root: Tree of the recipe; changed in place.
        arguments: Overrides such as ``models.bdt.params.max_depth=8``. The value is one plain YAML value as far as
            the end of the argument, or starts with ``[``, ``{`` or a quote; ``null`` removes.
        first_argument: What number the first one has in messages.

    Returns:
        Every problem found; an argument with a problem changes nothing.
    """
    problems: list[Problem] = []
    added = {argument.partition("=")[0].strip().removesuffix(".type") for argument in arguments}
    for number, argument in enumerate(arguments):
        source = Source(f"command line, argument {number + first_argument}", argument, ORDER + number, is_argument=True)
        override = _Override(source, added)
        override.apply(root)
        problems += override.problems
    return problems


class _Override:
    """One argument.

    Args:
        source: The argument.
        added: Models (``models.NAME``) that some argument brings, and other fields that are set.
    """

    def __init__(self, source: Source, added: Collection[str] = ()) -> None:
        self.source = source
        self.added = added
        self.problems: list[Problem] = []
        self.written, self.equals, self.value_text = source.text.partition("=")
        self.path: tuple[str | int, ...] = ()

    def apply(self, root: MappingNode) -> None:
        if not self.equals or not all(self.written.strip().split(".")):
            self._add("path.to.field=value", "write for example  split.folds=10", 0, len(self.source.text))
            return
        if not self.value_text.strip():
            self._add(
                "a value after =",
                f"write a value, or  {self.written}=null  to remove the field",
                len(self.source.text) - 1,
                len(self.source.text),
            )
            return
        found = self._find_parent(root)
        value = self._read_value() if found else None
        if found and value is not None:
            parent, step = found
            self._set(parent, step, value)

    def _add(self, expected: str, fix: str, start: int, end: int) -> None:
        self.problems.append(Problem(".".join(map(str, self.path)), expected, fix, self.source.place(start, end)))

    def _add_step(self, expected: str, fix: str, rest: Sequence[str]) -> None:
        """Report the first of the steps that are left."""
        start = len(self.written) - len(".".join(rest))
        self._add(expected, fix, start, start + len(rest[0]))

    def _read_value(self) -> Node | None:
        start = len(self.written) + 1 + len(self.value_text) - len(self.value_text.lstrip())
        text = self.value_text.strip()
        if text[0] in "[{":
            return self._read_yaml(start)
        if text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1:
            return self._read_yaml(start)
        try:
            return ScalarNode(self.source, start, start + len(text), resolve_plain(text))
        except ValueError:
            self._add(
                "a finite number", f"write a number, or \"'{shorten(text)}'\" if it is text", start, start + len(text)
            )
            return None

    def _read_yaml(self, start: int) -> Node | None:
        try:
            node, problems = read_nodes(self.source, start, self.path)
        except NotYaml as error:
            node, problems = None, list(error.problems)
        self.problems += problems
        return None if problems else node

    def _find_parent(self, root: MappingNode) -> tuple[MappingNode | SequenceNode, str | int] | None:
        """The mapping or list that holds the value, made on the way where it was not written."""
        node: Node = root
        rest = self.written.strip().split(".")
        while True:
            if isinstance(node, SequenceNode):
                index = self._find_item(node, rest)
                if index is None:
                    return None
                step: str | int = index
                following: Node | None = node.items[index]
                rest = rest[1:]
            elif isinstance(node, MappingNode):
                step, rest_after = _split_name(node, rest)
                following = node.entries[step].value if step in node.entries else None
                if following is None and rest_after and self._refuse_model(node, step, rest):
                    return None
                rest = rest_after
            else:
                self._add_step(
                    "a field with fields or items of its own before the dot",
                    f"write  {'.'.join(map(str, self.path))}=value",
                    rest,
                )
                return None
            self.path = (*self.path, step)
            if not rest:
                return node, step
            node = self._enter(node, step, following, rest[0])

    def _refuse_model(self, models: MappingNode, name: str, rest: Sequence[str]) -> bool:
        """Whether the field belongs to a model that is not there, and that no argument brings."""
        if self.path != ("models",) or not models.entries or f"models.{name}" in self.added:
            return False
        close = suggest(name, models.entries)
        self.path = ("models", name)
        expected = f"a model of the recipe: {join_choices(list(models.entries))}; there is no {shorten(name)}"
        self._add_step(expected, f"write '{close}'" if close else f"add  models.{name}.type=TYPE  for a new one", rest)
        return True

    def _find_item(self, node: SequenceNode, rest: Sequence[str]) -> int | None:
        if rest[0].isascii() and rest[0].isdigit() and len(rest[0]) <= 6 and int(rest[0]) < len(node.items):
            return int(rest[0])
        last = len(node.items) - 1
        self._add_step(
            f"an item of the list by its number, from 0 to {last}" if last >= 0 else "a list with items",
            "write the number of an item, or the whole list",
            rest,
        )
        return None

    def _enter(self, parent: MappingNode | SequenceNode, step: str | int, node: Node | None, after: str) -> Node:
        """What stands at the last step; a short form is written out, what is absent is made.

        Args:
            parent: The mapping or list that holds it.
            step: The last step.
            node: What stands there; None if nothing does.
            after: The step after it.
        """
        is_null = isinstance(node, ScalarNode) and node.value is None
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            name = _long_form(find_field(self.path))
            value: Node = node
            if name is None and node.value == after:  # a choice without options, such as  trainer: adag
                name, value = after, MappingNode(node.source, node.start, node.end, {}, is_flow=True)
            if name:
                key = ScalarNode(node.source, node.start, node.end, name)
                node = MappingNode(node.source, node.start, node.end, {name: Entry(key, value)})
                self._put(parent, step, node)
        elif node is None or is_null:
            node = MappingNode(self.source, 0, len(self.written), {}, is_flow=True)
            self._put(parent, step, node)
        return node

    def _put(self, parent: MappingNode | SequenceNode, step: str | int, node: Node) -> None:
        if isinstance(parent, SequenceNode):
            parent.items[int(step)] = node
            return
        old = parent.entries.get(str(step))
        parent.entries[str(step)] = Entry(old.key if old else self._make_key(str(step)), node)

    def _make_key(self, name: str) -> ScalarNode:
        end = len(".".join(map(str, self.path)))
        return ScalarNode(self.source, max(0, end - len(name)), end, name)

    def _set(self, parent: MappingNode | SequenceNode, step: str | int, node: Node) -> None:
        if not (isinstance(node, ScalarNode) and node.value is None):
            if isinstance(parent, MappingNode):
                parent.entries[str(step)] = Entry(self._make_key(str(step)), node)
            else:
                parent.items[int(step)] = node
        elif isinstance(parent, SequenceNode):
            del parent.items[int(step)]
        elif step in parent.entries:
            del parent.entries[str(step)]
        else:
            self._refuse_removal(parent, str(step), node)

    def _refuse_removal(self, parent: MappingNode, name: str, node: Node) -> None:
        """Removing what is not there: fine for a field of the schema, a mistake for names of the user's own."""
        above = find_field(self.path[:-1])
        if above is not None and above.part is not None:
            parent.entries[name] = Entry(self._make_key(name), node)
            return
        close = suggest(name, parent.entries)
        fix = f"write '{close}'" if close else "remove the argument"
        self._add_step(f"a name to remove; {shorten(name)} is not there", fix, [name])


def _split_name(node: MappingNode, rest: list[str]) -> tuple[str, list[str]]:
    """The longest run of steps that is a name in the mapping, for names with dots; else the first step."""
    for length in range(len(rest), 1, -1):
        name = ".".join(rest[:length])
        if name in node.entries:
            return name, rest[length:]
    return rest[0], rest[1:]


def _long_form(field: FieldAt | None) -> str | None:
    """The field that a bare text stands for."""
    part = field.part if field else None
    return "type" if part is ModelEntry else "path" if part is Sample else None
