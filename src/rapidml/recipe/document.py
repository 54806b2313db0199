"""A recipe as read: the merged tree, every problem found so far, the parts that are valid, and where it all stands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rapidml.errors import Place, Problem, RecipeError
from rapidml.recipe.extends import Extender
from rapidml.recipe.fields import RECIPE_FIELD, drop_nulls
from rapidml.recipe.files import RecipeUnreadable, read_recipe_text
from rapidml.recipe.messages import Complaint, describe_errors
from rapidml.recipe.nodes import BROKEN, MappingNode, Node, ScalarNode, SequenceNode, find_node, to_plain
from rapidml.recipe.overrides import FIRST_ARGUMENT, apply_overrides
from rapidml.recipe.range_rules import check_model_ranges
from rapidml.recipe.reading import read_nodes
from rapidml.recipe.rules import check_rules
from rapidml.recipe.schema import Dataset, Evaluate, ModelEntry, ModelInput, Part, Recipe, Search, Split, Training
from rapidml.recipe.source import Source
from rapidml.recipe.syntax import NotYaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rapidml.recipe.fields import Path as FieldPath

AnyPart = TypeVar("AnyPart", bound=Part)
_MODEL: TypeAdapter[ModelEntry] = TypeAdapter(ModelInput)


def load_document(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    base: Path | None = None,
    stored_run: Callable[[str], str] | None = None,
    first_argument: int = FIRST_ARGUMENT,
) -> Document:
    """Read a recipe file.

    Args:
        path: The file.
        overrides: Changes such as ``split.folds=10``.
        base: Folder that paths are relative to; the file's own if None.
        stored_run: Gives the recipe text of a stored run for ``extends: run:ID``; raises LookupError for none.
        first_argument: Number of the first override on the command line, for messages.

    Raises:
        RecipeError: The file cannot be read, or is not YAML. Wrong content is collected in ``problems`` instead.
    """
    name = str(path)
    try:
        text = read_recipe_text(Path(path), name)
    except RecipeUnreadable as error:
        raise RecipeError(name, [Problem("", error.expected, error.fix, Place(name, error.line, 1, ""))]) from None
    return parse_document(
        text,
        name,
        overrides,
        base=Path(path).parent if base is None else base,
        stored_run=stored_run,
        first_argument=first_argument,
        environment=os.environ,
    )


def parse_document(
    text: str,
    file: str,
    overrides: Sequence[str] = (),
    base: Path | None = None,
    *,
    stored_run: Callable[[str], str] | None = None,
    first_argument: int = FIRST_ARGUMENT,
    environment: Mapping[str, str] | None = None,
) -> Document:
    """Read the text of a recipe.

    Args:
        text: YAML.
        file: What a person calls it.
        overrides: Changes such as ``split.folds=10``.
        base: Folder that paths are relative to; the current one if None.
        stored_run: Gives the recipe text of a stored run.
        first_argument: Number of the first override on the command line, for messages.
        environment: Variables that dataset paths may name; None leaves out whether they are set.

    Raises:
        RecipeError: The text is not YAML.
    """
    folder = Path() if base is None else base
    source = Source(file, text.removeprefix("\ufeff"))
    try:
        root, problems = read_nodes(source)
    except NotYaml as error:
        raise RecipeError(file, error.problems) from None
    if not isinstance(root, MappingNode):
        if not problems:
            problems = [_describe_root(source, root)]
        root = MappingNode(source, 0, 0)
        return Document(file, folder, text, root, problems, environment)
    extender = Extender(folder, stored_run)
    root = extender.extend(root, folder, str(Path(file).absolute()))
    problems += extender.problems
    problems += apply_overrides(root, overrides, first_argument)
    return Document(file, folder, text, root, problems, environment)


def _describe_root(source: Source, root: Node | None) -> Problem:
    expected, example = RECIPE_FIELD.expects.text, RECIPE_FIELD.expects.example
    if root is None or (isinstance(root, ScalarNode) and root.value is None):
        return Problem(
            "", f"{expected}; the file is empty", "write a recipe, such as  " + example[1:-1], source.whole()
        )
    return Problem("", expected, "write a recipe, such as  " + example[1:-1], root.find_place())


class Document:
    """A recipe as read.

    Attributes:
        file: What a person calls the file.
        base: Folder that paths are relative to.
        text: The recipe as written.
        tree: Plain tree after ``extends`` and overrides, in the short forms that were written.
        recipe: The whole recipe; None while it has problems of its own.
        dataset: This part, if it is valid by itself.
        split: This part, if it is valid by itself; the default if it was not written.
        training: This part, if it is valid by itself; the default if it was not written.
        evaluate: This part, if it is valid by itself; the default if it was not written.
        search: This part, if it was written and is valid by itself.
        models: The models that are valid by themselves.
    """

    def __init__(
        self,
        file: str,
        base: Path,
        text: str,
        root: MappingNode,
        problems: Sequence[Problem] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.file = file
        self.base = base
        self.text = text
        self._root = root
        self._problems = dict.fromkeys(problems)
        self._broken = frozenset(_list_broken((), root))
        self._around_broken = {path[:length] for path in self._broken for length in range(len(path))}
        self.tree: dict[str, Any] = drop_nulls(to_plain(root))
        self.dataset: Dataset | None = None
        self.split: Split | None = None
        self.training: Training | None = None
        self.evaluate: Evaluate | None = None
        self.search: Search | None = None
        self.models: dict[str, ModelEntry] = {}
        self.recipe: Recipe | None = None
        if self.tree or not self._problems:
            self._check(environment)

    @property
    def problems(self) -> list[Problem]:
        """Every problem found so far, in file order, those of the command line last."""
        return sorted(self._problems, key=self._sort_key)

    def place(
        self, path: Sequence[str | int], *, on_key: bool = False, offset: int = 0, length: int | None = None
    ) -> Place | None:
        """Where a value was written, or the nearest mapping around it.

        Args:
            path: Steps from the recipe: names, and numbers for items of lists.
            on_key: Whether the name is meant and not the value.
            offset: First character of a text value that is meant.
            length: Number of characters that are meant; to the end if None.
        """
        found = find_node(self._root, tuple(path))
        if on_key and found.is_exact and found.key is not None:
            return found.key.find_place()
        node = found.node
        if isinstance(node, ScalarNode) and found.is_exact:
            return self._place_scalar(node, found.key, offset, length)
        if isinstance(node, MappingNode | SequenceNode) and node.is_flow and node is not self._root:
            return node.find_place()
        if found.key is not None:
            return found.key.find_place()
        return node.find_place() if node is not self._root else Source(self.file, self.text).whole()

    def _place_scalar(self, node: ScalarNode, key: ScalarNode | None, offset: int, length: int | None) -> Place:
        if node.start == node.end and key is not None:
            return key.find_place()
        return node.find_place(offset, length)

    def origin(self, path: Sequence[str | int]) -> str:
        """Where a value came from: ``higgs.yaml:14``, ``command line`` or ``default``."""
        found = find_node(self._root, tuple(path))
        if not found.is_exact or not path:
            return "default"
        return found.node.origin if found.key is None or isinstance(found.node, ScalarNode) else found.key.origin

    def add(
        self,
        path: Sequence[str | int],
        expected: str,
        fix: str,
        *,
        on_key: bool = False,
        offset: int = 0,
        length: int | None = None,
    ) -> None:
        """Report a problem that a deeper check has found.

        Args:
            path: Path of the value in the recipe.
            expected: What would have been right; one sentence without a full stop.
            fix: What to do; one sentence without a full stop.
            on_key: Whether the name is wrong and not the value.
            offset: First wrong character of a text value.
            length: Number of wrong characters; to the end if None.
        """
        place = self.place(path, on_key=on_key, offset=offset, length=length)
        self._problems[Problem(".".join(map(str, path)), expected, fix, place)] = None

    def finish(self) -> Recipe:
        """The recipe.

        Raises:
            RecipeError: There are problems; it carries all of them.
        """
        if self._problems or self.recipe is None:
            raise RecipeError(self.file, self.problems)
        return self.recipe

    def _check(self, environment: Mapping[str, str] | None) -> None:
        before = len(self._problems)
        parts = self._check_parts()
        for complaint in check_rules(self.tree, environment):
            self._complain(complaint)
        if len(self._problems) == before == 0:
            self.recipe = Recipe.model_validate(parts)

    def _check_parts(self) -> dict[str, Any]:
        """Check the parts one by one, and keep those that are valid."""
        self.dataset = self._validate("dataset", Dataset)
        self.training = self._validate("training", Training, Training())
        self.evaluate = self._validate("evaluate", Evaluate, Evaluate())
        self.search = self._validate("search", Search)
        default = (
            Split(folds=5) if isinstance(self.tree.get("dataset"), dict) and "test" in self.tree["dataset"] else None
        )
        self.split = self._validate("split", Split, default or Recipe.model_fields["split"].default)
        models = self.tree.get("models")
        for name, value in models.items() if isinstance(models, dict) else ():
            self._validate_model(name, value)
        checked = ("dataset", "training", "evaluate", "split", "search")
        rest = {name: value for name, value in self.tree.items() if name not in checked}
        if isinstance(models, dict):
            rest["models"] = {"x": ModelEntry(type="x")}
        parts = {name: getattr(self, name) for name in checked}
        stand_in = Dataset(path="x") if "dataset" in self.tree else None
        self._validate_whole({**rest, **({"dataset": stand_in} if stand_in else {})})
        return {**rest, **parts, "models": self.models}

    def _validate(self, name: str, part: type[AnyPart], default: AnyPart | None = None) -> AnyPart | None:
        if name not in self.tree:
            return default
        try:
            return part.model_validate(self.tree[name])
        except ValidationError as error:
            self._complain_all((name,), self.tree[name], error)
            return None

    def _validate_model(self, name: str, value: Any) -> None:
        try:
            entry = _MODEL.validate_python(value)
        except ValidationError as error:
            self._complain_all(("models", name), value, error)
            return
        if not any(True for _ in check_model_ranges(value)):
            self.models[name] = entry

    def _validate_whole(self, rest: dict[str, Any]) -> None:
        """Check what is no part: name, notes, seed, unknown names, missing parts."""
        try:
            Recipe.model_validate(rest)
        except ValidationError as error:
            self._complain_all((), rest, error)

    def _complain_all(self, path: FieldPath, value: Any, error: ValidationError) -> None:
        for complaint in describe_errors(path, value, error.errors(include_url=False, include_context=False)):
            if complaint.path not in self._around_broken:
                self._complain(complaint)

    def _complain(self, complaint: Complaint) -> None:
        path = complaint.path
        if not any(path[: length + 1] in self._broken for length in range(len(path))):
            self.add(complaint.path, complaint.expected, complaint.fix, on_key=complaint.on_key)

    def _sort_key(self, problem: Problem) -> tuple[int, int, int]:
        place = problem.place
        if place is None:
            return (0, 0, 0)
        return (self._find_order(place), place.line or 0, place.column)

    def _find_order(self, place: Place) -> int:
        """Order of the source: the file itself, those it extends, the command line."""
        if place.file == self.file:
            return 0
        prefix, comma, number = place.file.partition("command line, argument ")
        return 2_000_000 + int(number) if comma and not prefix and number.isdigit() else 1


def _list_broken(path: FieldPath, node: Node) -> list[FieldPath]:
    """Paths of everything that could not be understood."""
    if isinstance(node, MappingNode):
        return [found for name, entry in node.entries.items() for found in _list_broken((*path, name), entry.value)]
    if isinstance(node, SequenceNode):
        return [found for index, item in enumerate(node.items) for found in _list_broken((*path, index), item)]
    return [path] if isinstance(node, ScalarNode) and node.value is BROKEN else []
