"""Overrides from the command line."""

from __future__ import annotations

from typing import Any

import pytest

from rapidml.recipe.document import Document, parse_document

TEXT = """\
dataset:
  path: a.csv
  target: y
  weight: w
  missing: [-1, -2]
  columns: {m.a: x}
models:
  bdt: xgboost
  log: {type: sklearn.X, params: {C: 1, penalty: l2}, prepare: [impute: median, standardize]}
"""


FIELDS = (
    "path, classes, builtin, target, positive, task, tree, id, weight, select, columns, missing, features, "
    "spectators, labels or test"
)


def load(*overrides: str) -> Document:
    return parse_document(TEXT, "r.yaml", overrides)


def get(document: Document, path: str) -> Any:
    document.finish()
    tree: Any = document.tree
    for step in path.split("."):
        tree = tree[int(step)] if isinstance(tree, list) else tree[step]
    return tree


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=3", "seed", 3),
        ("split.folds=10", "split.folds", 10),
        ("split={test: 0.5, folds: 3}", "split", {"test": 0.5, "folds": 3}),
        ("dataset.select=a > 1", "dataset.select", "a > 1"),
        ("dataset.select=max(a, b) > 1 and c == 'x: y' # 1", "dataset.select", "max(a, b) > 1 and c == 'x: y' # 1"),
        ("dataset.select='a' == name", "dataset.select", "'a' == name"),
        ("dataset.select= a > 1 ", "dataset.select", "a > 1"),
        ("dataset.path=*.root", "dataset.path", "*.root"),
        ("dataset.path='1'", "dataset.path", "1"),
        ("dataset.features=[m_*, '*_date']", "dataset.features", ["m_*", "*_date"]),
        ("dataset.missing.1=-99", "dataset.missing", [-1, -99]),
        ("models.bdt.params.max_depth=8", "models.bdt", {"type": "xgboost", "params": {"max_depth": 8}}),
        ("models.bdt.params.eta=1e-3", "models.bdt.params.eta", 0.001),
        ("models.log.prepare.0.impute=mean", "models.log.prepare.0", {"impute": "mean"}),
        ("models.log.prepare.1={pca: {n: 2}}", "models.log.prepare.1", {"pca": {"n": 2}}),
        ("models.log.prepare.1.standardize.n=2", "models.log.prepare.1", {"standardize": {"n": 2}}),
        ("models.log.trainer=adag", "models.log.trainer", "adag"),
        ("models.log.trainer.adag.window=5", "models.log.trainer", {"adag": {"window": 5}}),
        ("models.new=sklearn.Y", "models.new", "sklearn.Y"),
        ("models.new.type=sklearn.Y", "models.new", {"type": "sklearn.Y"}),
        ("dataset.test=b.csv", "dataset.test", "b.csv"),
        ("notes=no", "notes", "no"),
        ("notes=a=b", "notes", "a=b"),
    ],
)  # fmt: skip
def test_sets(override: str, path: str, value: Any) -> None:
    found = get(load(override), path)
    assert repr(found) == repr(value)


def test_names_with_dots_are_found() -> None:
    assert get(load("dataset.columns.m.a=y + 1"), "dataset.columns") == {"m.a": "y + 1"}


def test_null_removes() -> None:
    document = load(
        "dataset.weight=null", "models.log.params.penalty=null", "models.bdt=null", "dataset.missing.0=null"
    )
    document.finish()
    assert "weight" not in document.tree["dataset"]
    assert document.tree["dataset"]["missing"] == [-2]
    assert document.tree["models"] == {
        "log": {"type": "sklearn.X", "params": {"C": 1}, "prepare": [{"impute": "median"}, "standardize"]}
    }


def test_removing_a_field_that_is_not_written_changes_nothing() -> None:
    assert load("split=null", "dataset.select=null", "seed=null").finish() == load().finish()


def test_later_overrides_win_and_samples_are_written_out() -> None:
    text = "dataset: {classes: {s: a.csv, b: [b.csv]}}\nmodels: {bdt: xgboost}"
    document = parse_document(text, "r.yaml", ["seed=1", "seed=2", "dataset.classes.b.0.weight=2"])
    assert document.finish().seed == 2
    assert document.tree["dataset"]["classes"]["b"] == [{"path": "b.csv", "weight": 2}]


def message(override: str) -> str:
    (problem,) = parse_document(TEXT, "r.yaml", ["seed=1", override]).problems
    return str(problem)


@pytest.mark.parametrize(
    ("override", "lines"),
    [
        (
            "split.folds=1",
            [
                "  command line, argument 3  split.folds",
                "     | split.folds=1",
                "     |             ^",
                "    expected: a whole number from 2 to 100, or {by: EXPRESSION}",
                "    to fix:   write for example  folds: 5",
            ],
        ),
        (
            "dataset.weigth=2",
            [
                "  command line, argument 3  dataset.weigth",
                "     | dataset.weigth=2",
                "     |         ^^^^^^",
                f"    expected: {FIELDS}",
                "    to fix:   write 'weight'",
            ],
        ),
        (
            "split",
            [
                "  command line, argument 3",
                "     | split",
                "     | ^^^^^",
                "    expected: path.to.field=value",
                "    to fix:   write for example  split.folds=10",
            ],
        ),
        (
            "split.test=",
            [
                "  command line, argument 3",
                "     | split.test=",
                "     |           ^",
                "    expected: a value after =",
                "    to fix:   write a value, or  split.test=null  to remove the field",
            ],
        ),
        (
            "dataset.missing.5=1",
            [
                "  command line, argument 3  dataset.missing",
                "     | dataset.missing.5=1",
                "     |                 ^",
                "    expected: an item of the list by its number, from 0 to 1",
                "    to fix:   write the number of an item, or the whole list",
            ],
        ),
        (
            "dataset.target.x=1",
            [
                "  command line, argument 3  dataset.target",
                "     | dataset.target.x=1",
                "     |                ^",
                "    expected: a field with fields or items of its own before the dot",
                "    to fix:   write  dataset.target=value",
            ],
        ),
        (
            "models.log.params.penalti=null",
            [
                "  command line, argument 3  models.log.params.penalti",
                "     | models.log.params.penalti=null",
                "     |                   ^^^^^^^",
                "    expected: a name to remove; penalti is not there",
                "    to fix:   write 'penalty'",
            ],
        ),
        (
            "dataset.features=[m_*, *_date]",
            [
                "  command line, argument 3  dataset.features.1",
                "     | dataset.features=[m_*, *_date]",
                "     |                        ^^^^^^",
                "    expected: a value; unquoted text that starts with * is a YAML alias, which recipes do not have",
                "    to fix:   put quotes around it: '*_date'",
            ],
        ),
        (
            "dataset.features=[a, b",
            [
                "  command line, argument 3",
                "     | dataset.features=[a, b",
                "     |                  ^",
                "    expected: a closing ]",
                "    to fix:   close the list that is opened here with ]",
            ],
        ),
        (
            "split.test=.nan",
            [
                "  command line, argument 3  split.test",
                "     | split.test=.nan",
                "     |            ^^^^",
                "    expected: a finite number",
                "    to fix:   write a number, or \"'.nan'\" if it is text",
            ],
        ),
    ],
)
def test_messages(override: str, lines: list[str]) -> None:
    assert message(override) == "\n".join(lines)


def test_a_field_of_an_unknown_model_lists_the_models() -> None:
    (problem,) = load("models.xxx.params.a=1").problems
    assert (problem.field, problem.expected) == ("models.xxx", "a model of the recipe: bdt or log; there is no xxx")
    assert problem.fix == "add  models.xxx.type=TYPE  for a new one"
    assert problem.place is not None
    assert (problem.place.column, problem.place.length) == (8, 3)
    (problem,) = load("models.bdtt.params.a=1").problems
    assert problem.fix == "write 'bdt'"


def test_a_new_model_may_come_in_several_arguments() -> None:
    new = {"type": "xgboost", "params": {"max_depth": 3}}
    for overrides in (
        ("models.new.params.max_depth=3", "models.new.type=xgboost"),
        ("models.new=xgboost", "models.new.params.max_depth=3"),
    ):
        assert load(*overrides).tree["models"]["new"] == new


def test_first_argument_may_have_another_number() -> None:
    document = parse_document(TEXT, "r.yaml", ["x"], first_argument=7)
    assert str(document.problems[0].place) == "command line, argument 7"


def test_arguments_over_several_lines_are_shown_in_one() -> None:
    document = parse_document(TEXT, "r.yaml", ["split.folds=[1,\n2]"])
    assert "\n     | split.folds=[1, 2]\n     |             ^^^^^^\n" in str(document.problems[0])


def test_origin() -> None:
    document = load("models.bdt.params.max_depth=8")
    assert document.origin(["models", "bdt", "params", "max_depth"]) == "command line"
    assert document.origin(["models", "bdt", "type"]) == "r.yaml:8"
