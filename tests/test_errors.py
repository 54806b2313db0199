"""How problems are shown, and what every error carries."""

from __future__ import annotations

import copy
import pickle

import pytest

from rapidml.errors import (
    DISTRIBUTION,
    ClusterError,
    DatasetError,
    ExtraNotInstalled,
    ModelError,
    Place,
    Problem,
    RapidmlError,
    RecipeError,
    RunNotFound,
    StoreError,
)

PLACE = Place("recipes/higgs.yaml", 10, 11, "    type: xgbost", 6)
PROBLEM = Problem(
    "models.bdt.type",
    "xgboost, mlp, keras, or a scikit-learn class such as sklearn.linear_model.LogisticRegression",
    "write 'xgboost'",
    PLACE,
)


def test_the_form_of_the_design() -> None:
    assert str(RecipeError("recipes/higgs.yaml", [PROBLEM])) == (
        "recipes/higgs.yaml has 1 problem; nothing was started.\n"
        "\n"
        "  recipes/higgs.yaml:10:11  models.bdt.type\n"
        "    10 |     type: xgbost\n"
        "       |           ^^^^^^\n"
        "    expected: xgboost, mlp, keras, or a scikit-learn class such as sklearn.linear_model.LogisticRegression\n"
        "    to fix:   write 'xgboost'"
    )


def test_several_problems() -> None:
    text = str(RecipeError("r.yaml", [Problem("a", "x", "y"), Problem("", "x", "y", Place("r.yaml", None, 1, ""))]))
    assert text == (
        "r.yaml has 2 problems; nothing was started.\n\n"
        "  a\n    expected: x\n    to fix:   y\n\n"
        "  r.yaml\n    expected: x\n    to fix:   y"
    )


def test_problems_of_the_command_line() -> None:
    place = Place("command line, argument 3", None, 13, "split.folds=1", 1)
    assert str(Problem("split.folds", "more", "write 5", place)).splitlines() == [
        "  command line, argument 3  split.folds",
        "     | split.folds=1",
        "     |             ^",
        "    expected: more",
        "    to fix:   write 5",
    ]


@pytest.mark.parametrize("column", [1, 50, 500, 999])
def test_long_lines_are_shown_in_part(column: int) -> None:
    line = "".join(chr(97 + i % 26) for i in range(1000))
    shown, marks = str(Problem("", "x", "y", Place("r", 1, column, line, 5))).splitlines()[1:3]
    assert len(shown) < 180
    start = marks.index("^")
    assert shown[start] == line[column - 1]
    assert marks.count("^") == min(5, 1000 - column + 1)


def test_json_of_a_problem() -> None:
    assert PROBLEM.to_json() == {
        "file": "recipes/higgs.yaml",
        "line": 10,
        "column": 11,
        "field": "models.bdt.type",
        "message": f"expected: {PROBLEM.expected}",
        "fix": "write 'xgboost'",
    }
    assert Problem("a", "x", "y").to_json()["file"] is None


@pytest.mark.parametrize(
    "error",
    [
        RecipeError("r.yaml", [PROBLEM]),
        ExtraNotInstalled("models.net.type: mlp", "tensorflow"),
        RunNotFound("no run"),
        DatasetError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: RapidmlError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_what_is_not_installed_says_how() -> None:
    text = str(ExtraNotInstalled("models.net.type: mlp", "tensorflow"))
    assert text.endswith(f"pip install '{DISTRIBUTION}[tensorflow]'")
    assert text.startswith("models.net.type: mlp needs a library")


def test_the_tree_of_errors() -> None:
    below = {
        RecipeError: RapidmlError,
        DatasetError: RapidmlError,
        ModelError: RapidmlError,
        ClusterError: RapidmlError,
        StoreError: RapidmlError,
        ExtraNotInstalled: ModelError,
        RunNotFound: StoreError,
    }
    assert {child: child.__mro__[1] for child in below} == below
