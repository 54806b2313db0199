"""Rules over several fields of the recipe that need nothing but the recipe. They read the plain tree as written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rapidml.recipe.messages import Complaint, join_choices, shorten
from rapidml.recipe.range_rules import check_search
from rapidml.recipe.samples import SOURCES, list_path_texts
from rapidml.recipe.schema import SplitColumn
from rapidml.recipe.variables import check_path_text, has_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rapidml.recipe.fields import Path

    Rule = Callable[[Mapping[str, Any]], Iterator[Complaint]]

BASELINE = "dummy"
"""Name of the baseline row in every table."""
_MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", re.ASCII)
_FREE_TEXT = ("labels", "notes", "name")


def check_rules(tree: Mapping[str, Any], environment: Mapping[str, str] | None) -> Iterator[Complaint]:
    """Every broken rule.

    Args:
        tree: The recipe as plain tree; values of wrong types are passed over, the schema reports them.
        environment: Variables that paths may name; None leaves out whether they are set.
    """
    dataset = _mapping(tree, "dataset")
    if dataset or isinstance(tree.get("dataset"), dict):
        for rule in DATASET_RULES:
            yield from rule(dataset)
        yield from _check_paths(dataset, environment)
    for rule in RECIPE_RULES:
        yield from rule(tree)
    yield from _check_variables_elsewhere(tree)


def _mapping(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _at(*steps: str | int) -> Path:
    return ("dataset", *steps)


def _check_source(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    written = [name for name in dataset if name in SOURCES]
    if not written:
        yield Complaint(_at(), "one of path, classes or builtin", "add for example  path: events.parquet", on_key=True)
    for name in written[1:]:
        fix = f"remove {name} or {written[0]}"
        yield Complaint(
            _at(name), f"one of path, classes or builtin; {written[0]} is already written", fix, on_key=True
        )


def _check_target(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    written = [name for name in dataset if name in SOURCES]
    if len(written) != 1:
        return
    source, has_target = written[0], "target" in dataset
    names_target = isinstance(dataset[source], dict) and source == "path"
    if source == "path" and not has_target and not names_target:
        yield Complaint(_at("target"), "target: the name of the column to learn", "add  target: NAME")
    if source == "classes" and has_target:
        yield Complaint(
            _at("target"), "no target; with classes the class of a file is the target", "remove target", on_key=True
        )
    if source == "builtin" and has_target:
        yield Complaint(_at("target"), "no target; a builtin data set brings its own", "remove target", on_key=True)
    if names_target and has_target:
        yield Complaint(
            _at("target"), "no target; path already names the file of the targets", "remove target", on_key=True
        )


def _check_classes(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    classes = dataset.get("classes")
    if not isinstance(classes, dict):
        return
    if len(classes) < 2:
        yield Complaint(_at("classes"), "at least two classes", "add another class with its files", on_key=True)
    if dataset.get("task") == "regression":
        yield Complaint(_at("task"), "classification; classes have no order to regress on", "remove task")
    positive = dataset.get("positive")
    if positive is None:
        return
    if len(classes) > 2:
        yield Complaint(
            _at("positive"), "no positive; it is for two classes and here are more", "remove positive", on_key=True
        )
    elif positive not in classes:
        yield Complaint(
            _at("positive"), f"one of the classes: {join_choices(list(classes))}", f"write {next(iter(classes), '')}"
        )


def _check_task(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    if dataset.get("task") == "regression" and "positive" in dataset and "classes" not in dataset:
        yield Complaint(
            _at("positive"), "no positive; regression has no classes", "remove positive or task", on_key=True
        )


def _check_test_sample(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    others = [name for name in dataset if name in SOURCES and name != "path"]
    if "test" in dataset and others and "path" not in dataset:
        fix = "remove it, and write split.test"
        yield Complaint(_at("test"), f"no test sample; it goes with path and not with {others[0]}", fix, on_key=True)


def _check_features(dataset: Mapping[str, Any]) -> Iterator[Complaint]:
    features = dataset.get("features")
    target = dataset.get("target")
    if isinstance(features, list) and isinstance(target, str) and target in features:
        fix = "remove it from the features"
        yield Complaint(_at("features", features.index(target)), "features without the target", fix)
    yield from _check_repeated(dataset, "features", _at())
    yield from _check_repeated(dataset, "spectators", _at())
    yield from _check_repeated(dataset, "id", _at())


def _check_repeated(part: Mapping[str, Any], name: str, path: Path, what: str = "name") -> Iterator[Complaint]:
    values = part.get(name)
    if not isinstance(values, list):
        return
    for index, value in enumerate(values):
        if isinstance(value, str) and value in values[:index]:
            yield Complaint(
                (*path, name, index), f"each {what} once; {shorten(value)} is already in the list", "remove it"
            )


def _check_paths(dataset: Mapping[str, Any], environment: Mapping[str, str] | None) -> Iterator[Complaint]:
    for path, text in list_path_texts(dataset):
        for expected, fix in check_path_text(text, environment):
            yield Complaint(path, expected, fix)


def _check_split(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    split = _mapping(tree, "split")
    if "folds" in split and "valid" in split:
        yield Complaint(("split", "valid"), "either folds or valid", "remove one of the two", on_key=True)
    if "test" in split and "test" in _mapping(tree, "dataset"):
        fix = "remove split.test or dataset.test"
        yield Complaint(
            ("split", "test"), "no share of test rows; dataset.test already is the test part", fix, on_key=True
        )
    yield from _check_split_column(split.get("test"))


def _check_split_column(test: Any) -> Iterator[Complaint]:
    if not isinstance(test, dict) or not set(test) <= set(SplitColumn.model_fields):
        return
    train, values = test.get("train"), test.get("test")
    if isinstance(train, list) and isinstance(values, list):
        for index, value in enumerate(values):
            if value in train:
                path = ("split", "test", "test", index)
                yield Complaint(path, "values that are not among those of train", "remove it from train or from test")


def _check_models(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    models = tree.get("models")
    if not isinstance(models, dict):
        return
    if not models:
        yield Complaint(("models",), "at least one model", "write for example  models: {bdt: xgboost}")
    for name in models:
        if name == BASELINE:
            yield Complaint(
                ("models", name), f"another name; {BASELINE} is the baseline in every table", "rename it", on_key=True
            )
        elif not _MODEL_NAME.fullmatch(name):
            plain = re.sub(r"[^A-Za-z0-9_.+-]+", "_", name).lstrip(".+-")
            expected = "a name of letters, digits and _ . + - without spaces, starting with a letter, a digit or _"
            fix = f"write  {shorten(plain)}" if _MODEL_NAME.fullmatch(plain) else "rename it"
            yield Complaint(("models", name), expected, fix, on_key=True)


def _check_training(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    balance = _mapping(tree, "training").get("balance")
    if balance == "classes" and _mapping(tree, "dataset").get("task") == "regression":
        yield Complaint(("training", "balance"), "none; regression has no classes to balance", "remove balance or task")


def _check_lists(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    yield from _check_repeated(_mapping(tree, "evaluate"), "also", ("evaluate",))
    yield from _check_repeated(_mapping(tree, "search"), "forbid", ("search",), "expression")


def _check_variables_elsewhere(tree: Mapping[str, Any]) -> Iterator[Complaint]:
    """``${NAME}`` anywhere but in paths and free text."""
    paths = {path for path, _ in list_path_texts(_mapping(tree, "dataset"))}
    for path, text in _list_all_texts((), tree):
        if path not in paths and has_variable(text):
            yield Complaint(
                path, "a value without ${NAME}; variables are for dataset paths only", "write the value itself"
            )


def _list_all_texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _FREE_TEXT or len(path) > 1:
                yield from _list_all_texts((*path, name), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_all_texts((*path, index), item)


DATASET_RULES: tuple[Rule, ...] = (
    _check_source,
    _check_target,
    _check_classes,
    _check_task,
    _check_test_sample,
    _check_features,
)
RECIPE_RULES: tuple[Rule, ...] = (_check_split, _check_models, _check_training, _check_lists, check_search)
