"""``extends``: a recipe that starts from another one. Mappings merge, lists and values replace, null removes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rapidml.errors import Problem, RunNotFound
from rapidml.recipe.files import RecipeUnreadable, read_recipe_text
from rapidml.recipe.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode
from rapidml.recipe.ranges import KINDS
from rapidml.recipe.reading import read_nodes
from rapidml.recipe.source import Source
from rapidml.recipe.syntax import NotYaml

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_FILES = 20


class Extender:
    """Follows ``extends`` from one recipe to the next.

    Args:
        base: Folder of the recipe that extends; relative paths of other files are rewritten to it.
        stored_run: Gives the recipe text of a stored run; raises RunNotFound or LookupError if there is none.
    """

    def __init__(self, base: Path, stored_run: Callable[[str], str] | None) -> None:
        self.base = base
        self.stored_run = stored_run
        self.problems: list[Problem] = []
        self._seen: list[str] = []

    def extend(self, root: MappingNode, folder: Path, identity: str) -> MappingNode:
        """The recipe with what it extends.

        Args:
            root: What was written.
            folder: Folder of its file.
            identity: What tells its file from others.
        """
        entry = root.entries.pop("extends", None)
        self._seen.append(identity)
        if entry is None or (isinstance(entry.value, ScalarNode) and entry.value.value is None):
            return root
        found = self._open(entry.value, folder)
        if found is None:
            return root
        source, below, identity = found
        parent = self._read(source)
        if parent is None:
            return root
        rebase_paths(parent, below, self.base)
        parent = self.extend(parent, below, identity)
        return merge(parent, root)

    def _add(self, node: Node, expected: str, fix: str) -> None:
        self.problems.append(Problem("extends", expected, fix, node.find_place()))

    def _open(self, node: Node, folder: Path) -> tuple[Source, Path, str] | None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.value:
            self._add(node, "the path of another recipe, or run:ID", "write for example  extends: base.yaml")
            return None
        if node.value.startswith("run:"):
            return self._open_run(node, node.value.removeprefix("run:"), folder)
        path = Path(os.path.normpath(folder / Path(node.value).expanduser()))
        identity = str(path.absolute())
        if not self._check_chain(node, identity):
            return None
        name = os.path.normpath(Path(node.source.name).parent / node.value)
        try:
            text = read_recipe_text(path, name)
        except RecipeUnreadable as error:
            self._add(node, f"a recipe that can be read: {error.expected}", error.fix)
            return None
        return Source(name, text, len(self._seen)), path.parent, identity

    def _open_run(self, node: ScalarNode, name: str, folder: Path) -> tuple[Source, Path, str] | None:
        if self.stored_run is None:
            self._add(node, "the path of another recipe; runs cannot be looked up here", "write the path of a recipe")
            return None
        if not self._check_chain(node, f"run:{name}"):
            return None
        try:
            text = self.stored_run(name)
        except (LookupError, RunNotFound) as error:
            self._add(
                node,
                "the id of a stored run",
                str(error.args[0]) if error.args else "write an id that rapidml ls shows",
            )
            return None
        return Source(f"run:{name}", text, len(self._seen)), folder, f"run:{name}"

    def _check_chain(self, node: Node, identity: str) -> bool:
        if identity in self._seen:
            self._add(node, "a recipe that does not lead back to this one", "remove one extends of the circle")
            return False
        if len(self._seen) >= MOST_FILES:
            self._add(node, f"at most {MOST_FILES} recipes that extend each other", "put some of them together")
            return False
        return True

    def _read(self, source: Source) -> MappingNode | None:
        try:
            node, problems = read_nodes(source)
        except NotYaml as error:
            node, problems = None, list(error.problems)
        self.problems += problems
        if isinstance(node, MappingNode):
            return node
        if not problems:
            self.problems.append(
                Problem(
                    "",
                    "a recipe; there is no mapping of fields in this file",
                    "write dataset and models, or extend another file",
                    source.whole(),
                )
            )
        return None


def merge(
    parent: MappingNode, child: MappingNode, *, in_params: bool = False, path: tuple[str, ...] = ()
) -> MappingNode:
    """Both mappings; where both have a name, mappings merge, and anything else of the child replaces.

    Args:
        parent: What is extended.
        child: What extends it.
        in_params: Whether null is a value here, as it is for parameters, and does not remove.
        path: Where both stand in the recipe.
    """
    merged = MappingNode(child.source, child.start, child.end, dict(parent.entries), child.is_flow)
    for name, entry in child.entries.items():
        old = merged.entries.get(name)
        value = entry.value
        if isinstance(value, ScalarNode) and value.value is None and not in_params and old is not None:
            del merged.entries[name]
        elif in_params and isinstance(value, MappingNode) and not value.entries.keys().isdisjoint(KINDS):
            merged.entries[name] = entry  # a range is one value
        elif old is not None and isinstance(old.value, MappingNode) and isinstance(value, MappingNode):
            if _is_choice((*path, name)) and old.value.entries.keys().isdisjoint(value.entries):
                merged.entries[name] = entry  # another name, whose options are others
                continue
            is_value = in_params or name == "params" or _is_choice((*path, name))
            inner = merge(old.value, value, in_params=is_value, path=(*path, name))
            merged.entries[name] = Entry(entry.key, inner)
        else:
            merged.entries[name] = entry
    return merged


def _is_choice(path: tuple[str, ...]) -> bool:
    """Whether a mapping at a path is one name with its options."""
    if path == ("dataset", "builtin") or (len(path) == 3 and path[0] == "models" and path[2] == "trainer"):
        return True
    return len(path) == 4 and path[0] == "models" and path[2:] in (("params", "optimizer"), ("params", "schedule"))


def rebase_paths(root: MappingNode, folder: Path, base: Path) -> None:
    """Rewrite relative dataset paths of a file in ``folder`` so that they hold from ``base``; changed in place."""
    if os.path.abspath(folder) == os.path.abspath(base):  # noqa: PTH100
        return
    dataset = root.entries.get("dataset")
    if dataset is None or not isinstance(dataset.value, MappingNode):
        return
    for sample in _list_samples(dataset.value):
        for node in _list_path_nodes(sample):
            if _is_relative(node.value):
                node.value = os.path.relpath(folder / node.value, base)


def _list_samples(dataset: MappingNode) -> list[Node]:
    """Everything in a dataset that may have a path."""
    found: list[Node] = [dataset]
    test = dataset.entries.get("test")
    classes = dataset.entries.get("classes")
    found += [test.value] if test else []
    if classes and isinstance(classes.value, MappingNode):
        for entry in classes.value.entries.values():
            found += entry.value.items if isinstance(entry.value, SequenceNode) else [entry.value]
    return found


def _list_path_nodes(sample: Node) -> list[ScalarNode]:
    path = sample
    if isinstance(sample, MappingNode):
        if "path" not in sample.entries:
            return []
        path = sample.entries["path"].value
    nodes = [entry.value for entry in path.entries.values()] if isinstance(path, MappingNode) else [path]
    return [node for node in nodes if isinstance(node, ScalarNode) and isinstance(node.value, str)]


def _is_relative(path: str) -> bool:
    return not (path.startswith(("/", "~", "${")) or "://" in path)
