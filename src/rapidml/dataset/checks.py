"""Checks of the dataset section beyond its form: expressions, file kinds, and names against the columns there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dataset.expression import ExpressionError, parse_expression
from rapidml.dataset.files import list_samples
from rapidml.dataset.matching import find_target, is_glob, match_names
from rapidml.dataset.problems import FieldError, FileError, TreeError
from rapidml.dataset.readers.builtin_sets import SETS, list_option_errors
from rapidml.dataset.readers.registry import READERS, find_suffix
from rapidml.dataset.readers.source import list_names
from rapidml.recipe.schema import Exclude, FoldsBy, SplitColumn
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rapidml.dataset.header import Header
    from rapidml.dataset.readers.source import Kind
    from rapidml.errors import DatasetError
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import Dataset

    Steps = tuple[str | int, ...]


def check_dataset_text(document: Document) -> None:
    """Report what is wrong with the dataset section and can be seen without the data.

    Args:
        document: The recipe; problems are added to it.
    """
    dataset = document.dataset
    if dataset is None:
        return
    for path, text in _list_expressions(document):
        _check_expression_text(document, path, text)
    _check_builtin(document, dataset)
    for sample in list_samples(dataset):
        if isinstance(sample.sample.path, str):
            _check_suffix(document, (*sample.path, "path"), sample.sample.path)
    _check_trees(document, dataset)
    _check_spectators(document, dataset)


def _check_trees(document: Document, dataset: Dataset) -> None:
    """A tree is a part of a ROOT file: with files of another kind it would have no effect."""
    kinds = [(sample, find_suffix(str(sample.sample.path))) for sample in list_samples(dataset)]
    written = [((*sample.path, "tree"), {kind}) for sample, kind in kinds if sample.sample.tree is not None]
    if dataset.tree is not None and kinds:
        written.append((("dataset", "tree"), {kind for _, kind in kinds}))
    for path, own in written:
        if own.isdisjoint({".root", None}):
            place = _as_written(document.tree, path)
            document.add(place, "no tree: only ROOT files have trees", "remove it", on_key=True)


def _check_spectators(document: Document, dataset: Dataset) -> None:
    """A full name is a feature or a spectator; only a glob gives way."""
    features = () if dataset.features is None or isinstance(dataset.features, Exclude) else dataset.features
    for index, name in enumerate(dataset.spectators):
        if name in features:
            path = ("dataset", "spectators", index)
            document.add(path, f"a column that is not a feature too; features lists {name}", "remove one of them")


def check_dataset(document: Document, header: Header) -> None:
    """Report names of the dataset and split sections that the data do not have.

    Args:
        document: The recipe, whose dataset section passed ``check_dataset_text``; problems are added to it.
        header: Columns of its data.
    """
    dataset = document.dataset
    if dataset is None:
        return
    names = _Names(document, header, dataset)
    names.check_derived()
    names.check_expressions()
    names.check_target()
    for index, name in enumerate(dataset.id or ()):
        is_list = isinstance(document.tree["dataset"]["id"], list)
        names.check_name(("dataset", "id", index) if is_list else ("dataset", "id"), name, names.known)
    if document.split is not None and isinstance(document.split.test, SplitColumn):
        names.check_name(("split", "test", "column"), document.split.test.column, names.known)
    names.check_patterns()


def add_data_error(document: Document, error: DatasetError) -> None:
    """Report data that cannot be found or read, at the field that names them.

    Args:
        document: The recipe; the problem is added to it.
        error: What finding or reading them raised.
    """
    if isinstance(error, FieldError):
        _add_once(document, _as_written(document.tree, error.path), error.expected, error.fix)
    elif isinstance(error, TreeError):
        _add_once(document, _find_tree(document, error.sample), error.expected, error.fix)
    elif isinstance(error, FileError):
        _add_once(document, _find_sample(document, error.sample), error.expected, error.fix)
    elif isinstance(error, ExpressionError):
        place = next((path for path, text in _list_expressions(document) if text == error.text), ("dataset",))
        document.add(place, error.message, error.fix, offset=error.offset, length=error.length)
    else:
        what, _, fix = str(error).rpartition("; ")
        text = f"data that can be used; {what or fix}"
        _add_once(document, _find_sample(document, None), text, fix if what else "mend the data, or name others")


def _add_once(document: Document, path: Steps, expected: str, fix: str) -> None:
    """Add a problem, unless one of its field is known: it may be the reason."""
    if ".".join(map(str, path)) not in {problem.field for problem in document.problems}:
        document.add(path, expected, fix)


def _find_sample(document: Document, position: int | None) -> Steps:
    """The field that names the files of a sample; of any, if it is unknown which."""
    samples = () if document.dataset is None else list_samples(document.dataset)
    if position is not None and position < len(samples):
        return _as_written(document.tree, (*samples[position].path, "path"))
    dataset = document.tree.get("dataset") or {}
    return "dataset", next((name for name in ("path", "classes", "builtin") if name in dataset), "path")


def _find_tree(document: Document, position: int | None) -> Steps:
    """The field that names the tree of a sample; the one that names its files if none does."""
    files = _find_sample(document, position)
    value: Any = document.tree
    for step in files[:-1]:
        value = value[step]
    if files[-1] == "path" and "tree" in value:
        return (*files[:-1], "tree")
    return ("dataset", "tree") if "tree" in document.tree["dataset"] else files


def _as_written(tree: Mapping[str, Any], path: Steps) -> Steps:
    """The path of a sample's field in the form that the recipe was written in: one sample may stand without a list."""
    value: Any = tree
    found: list[str | int] = []
    for step in path:
        if isinstance(step, int) and not isinstance(value, list):
            continue
        if isinstance(value, str):
            break
        found.append(step)
        value = value[int(step)] if isinstance(value, list) else (value or {}).get(step)
    return tuple(found)


def _list_expressions(document: Document) -> Iterator[tuple[Steps, str]]:
    """Every expression of the dataset and split sections, as written."""
    dataset = document.dataset
    assert dataset is not None
    for name, text in dataset.columns.items():
        yield ("dataset", "columns", name), text
    if dataset.select is not None:
        yield ("dataset", "select"), dataset.select
    if isinstance(dataset.weight, str):
        yield ("dataset", "weight"), dataset.weight
    for _, path, text in _sample_expressions(document, dataset):
        yield path, text
    if document.split is not None and isinstance(document.split.folds, FoldsBy):
        yield ("split", "folds", "by"), document.split.folds.by


def _sample_expressions(document: Document, dataset: Dataset) -> Iterator[tuple[int, Steps, str]]:
    for sample in list_samples(dataset):
        for field in ("select", "weight"):
            text = getattr(sample.sample, field)
            if isinstance(text, str):
                yield sample.position, _as_written(document.tree, (*sample.path, field)), text


def _check_expression_text(document: Document, path: Steps, text: str) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        document.add(path, error.message, error.fix, offset=error.offset, length=error.length)
        return
    if path[-1] == "select" and expression.kind in ("number", "text"):
        document.add(path, "a condition that is true or false", f"compare it, as in '{text.strip()} > 0'")
    if path[-1] in ("weight", "by") and expression.kind == "text":
        document.add(path, "an expression that gives numbers", "write one without text")


def _check_builtin(document: Document, dataset: Dataset) -> None:
    if dataset.builtin is None:
        return
    name, options = dataset.builtin.name, dataset.builtin.options
    if name not in SETS:
        close = suggest(name, SETS)
        fix = f"write '{close}'" if close else "choose one of these"
        document.add(("dataset", "builtin"), f"one of {', '.join(SETS)}", fix)
        return
    for error in list_option_errors(name, options):
        is_unknown = error.path[-1] not in SETS[name].options
        document.add(error.path, error.expected, error.fix, on_key=is_unknown)


def _check_suffix(document: Document, path: Steps, written: str) -> None:
    if "${" in written.rpartition("/")[2] or written.endswith(("*", "?", "]")):
        return
    if find_suffix(written) is None:
        known = ", ".join(READERS)
        fix = "name files of a known kind; pairs of array files are written {features: FILE, target: FILE}"
        document.add(_as_written(document.tree, path), f"a file that ends in {known}", fix)


class _Names:
    """Compares the names of a recipe with the columns of its data."""

    def __init__(self, document: Document, header: Header, dataset: Dataset) -> None:
        self.document = document
        self.header = header
        self.dataset = dataset
        self.known: dict[str, Kind | None] = {**header.columns, **dict.fromkeys(dataset.columns)}

    def check_derived(self) -> None:
        """Derived columns have names of their own, and see only those before them."""
        seen: dict[str, Kind | None] = dict(self.header.columns)
        for name, text in self.dataset.columns.items():
            path = ("dataset", "columns", name)
            if name in self.header.columns:
                expected = f"a new name; the files already have a column {name}"
                self.document.add(path, expected, "rename it", on_key=True)
            self.check_expression(path, text, seen)
            seen[name] = None

    def check_expressions(self) -> None:
        """Expressions that see every column; those of a sample see the columns of its own files."""
        own = {path: position for position, path, _ in _sample_expressions(self.document, self.dataset)}
        derived = dict.fromkeys(self.dataset.columns)
        for path, text in _list_expressions(self.document):
            if path[1] == "columns":
                continue
            known = {**self.header.samples[own[path]], **derived} if path in own else self.known
            self.check_expression(path, text, known)

    def check_expression(self, path: Steps, text: str, known: Mapping[str, Kind | None]) -> None:
        """Every name that an expression reads, once."""
        expression = parse_expression(text)
        for name in expression.names:
            offset, length = expression.find_name(name)
            self.check_name(path, name, known, offset=offset, length=length)

    def check_name(
        self,
        path: Steps,
        name: str,
        known: Mapping[str, Kind | None],
        *,
        offset: int = 0,
        length: int | None = None,
    ) -> None:
        """A column that must exist and hold one number or text a row."""
        if name not in known:
            expected, fix = self.describe_absent(path, name, known)
            self.document.add(path, expected, fix, offset=offset, length=length)
        elif known[name] in ("date", "array"):
            what = "dates" if known[name] == "date" else "arrays"
            expected = f"a column of numbers or text; {name} holds {what}"
            self.document.add(path, expected, "name another column", offset=offset, length=length)

    def describe_absent(self, path: Steps, name: str, known: Mapping[str, Any]) -> tuple[str, str]:
        """What to say of a name that is no column."""
        if name in self.header.left_out:
            return f"a column that can be used; {name} {self.header.left_out[name]}", "name another column"
        if name in self.dataset.columns and path[:2] == ("dataset", "columns"):
            return f"a column that is defined before; {name} comes later", f"move {name} up"
        close = suggest(name, known)
        expected = f"the name of a column; there is no {name}"
        return expected, f"write '{close}'" if close else f"choose one of {list_names(known, 20)}"

    def check_target(self) -> None:
        """The target exists and can be learned."""
        target = find_target(self.dataset)
        if target is None or self.dataset.classes is not None:
            return
        self.check_name(("dataset", "target"), target, self.known)
        if self.dataset.task == "regression" and self.known.get(target) in ("text", "boolean"):
            expected = f"classification; {target} holds {self.known[target]}"
            self.document.add(("dataset", "task"), expected, "write classification")

    def check_patterns(self) -> None:
        """Names and globs of features and spectators each match something."""
        features = self.dataset.features
        if isinstance(features, Exclude):
            self._check_list(("dataset", "features", "exclude"), features.exclude, is_used=False)
        elif features is not None:
            self._check_list(("dataset", "features"), features, is_used=True)
        self._check_list(("dataset", "spectators"), self.dataset.spectators, is_used=False)

    def _check_list(self, path: Steps, patterns: Sequence[str], *, is_used: bool) -> None:
        names = [*self.known, *self.header.left_out]
        for index, pattern in enumerate(patterns):
            where = (*path, index)
            if is_glob(pattern, names):
                if not match_names(pattern, names):
                    self._add_empty_glob(where, pattern, names)
            elif is_used and self.known.get(pattern) != "array":
                self.check_name(where, pattern, self.known)
            elif pattern not in names:
                expected, fix = self.describe_absent(where, pattern, self.known)
                self.document.add(where, expected, fix)

    def _add_empty_glob(self, where: Steps, pattern: str, names: Sequence[str]) -> None:
        other_case = [name for name in names if match_names(pattern.lower(), [name.lower()])]
        fix = f"upper and lower case differ: {other_case[0]}" if other_case else f"there are {list_names(names, 20)}"
        self.document.add(where, "a glob that matches at least one column", fix)
