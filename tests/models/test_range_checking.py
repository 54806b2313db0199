"""Ranges of models are checked value by value, and every problem stands at its value."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from rapidml.models.checking import check_model
from rapidml.recipe.document import parse_document

if TYPE_CHECKING:
    from rapidml.dataset.profile import Profile

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def list_problems(model: str, method: str = "tpe") -> list[tuple[str, str, str]]:
    """Place below the model, what was expected and the fix, of every problem."""
    search = f"search: {{method: {method}, candidates: 9}}\n"
    document = parse_document(f"dataset: {{path: x.csv, target: y}}\nmodels:\n  m: {model}\n{search}", "r.yaml")
    assert not document.problems, document.problems
    check_model(document, "m", document.models["m"], "binary")
    return [(one.field.removeprefix("models.m."), one.expected, one.fix) for one in document.problems]


@pytest.mark.parametrize(
    "model",
    [
        "{type: xgboost, params: {max_depth: {any: [3, 6]}, eta: {log: [0.01, 0.3]}, n_estimators: {any: [9, 99]}}}",
        "{type: xgboost, params: {max_depth: {between: [3, 6]}, objective: {any: ['binary:logistic']}}}",
        f"{{type: {LOGISTIC}, params: {{C: {{log: [0.01, 10]}}, class_weight: {{any: [null, balanced]}}}}}}",
        f"{{type: {LOGISTIC}, params: {{C: {{any: [1.0]}}}}, prepare: [impute: {{any: [median, mean]}}]}}",
        f"{{type: {LOGISTIC}, prepare: [impute: {{constant: {{value: {{any: [0, 1.5]}}}}}}]}}",
        "{type: xgboost, early_stopping: 30, params: {n_estimators: 500, max_depth: {any: [3, 6]}}}",
    ],
)
def test_right_ranges_have_no_problems(model: str) -> None:
    assert list_problems(model) == []


@pytest.mark.parametrize(
    ("model", "places"),
    [
        ("params: {max_depth: {any: [3, 4.5, x]}, eta: {any: [0.1]}}", ["max_depth.any.1", "max_depth.any.2"]),
        ("params: {subsample: {between: [0, 1.0]}}", ["subsample.between.0"]),
        ("params: {subsample: {between: [0.5, 2]}}", ["subsample.between.1", "subsample"]),
        ("params: {max_depth: {between: [3.0, 6.0]}}", ["max_depth.between.0", "max_depth.between.1", "max_depth"]),
        ("params: {max_depht: {any: [3, 4]}}", ["max_depht"]),
        ("params: {max_depth: -1, eta: {any: [0.1, -1]}}", ["max_depth", "eta.any.1"]),
        ("params: {eta: {any: [0.1, 0.2]}, learning_rate: {any: [0.3, 0.4]}}", ["learning_rate"]),
        ("params: {eval_metric: {any: [auc, logloss]}}", ["eval_metric"]),
        ("params: {objective: {any: ['binary:logistic', 'reg:squarederror']}}", ["objective.any.1"]),
    ],
)
def test_problems_stand_at_their_values(model: str, places: list[str]) -> None:
    found = [place for place, _, _ in list_problems(f"{{type: xgboost, {model}}}")]
    assert sorted(found) == sorted(f"params.{place}" for place in places)


@pytest.mark.parametrize(
    ("steps", "places"),
    [
        ("[impute: {any: [medain, mean]}, standardise]", ["0.impute.any.0", "1"]),
        ("[imput: {any: [median, mean]}]", ["0"]),
        ("[impute: {constant: {value: {any: [0, [1]]}}}]", ["0.impute.constant.value.any.1"]),
        ("[standardize: {any: [a]}]", ["0.standardize.any.0"]),
    ],
)  # fmt: skip
def test_problems_of_steps_stand_at_their_values(steps: str, places: list[str]) -> None:
    model = f"{{type: {LOGISTIC}, params: {{C: {{any: [1.0, 2.0]}}}}, prepare: {steps}}}"
    assert [place for place, _, _ in list_problems(model)] == [f"prepare.{place}" for place in places]


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("max_bin: [16, 32]", "write {any: [16, 32]} to search over them"),
        ("max_bin: {choice: [16, 32]}", "write {any: [16, 32]} to search over them"),
        ("max_bin: {uniform: [16, 32]}", "write {between: [16, 32]} to search over them"),
        ("gamma: {loguniform: [0.1, 1.0]}", "write {log: [0.1, 1.0]} to search over them"),
        ("max_bin: [16, -32]", "give max_bin such a value, or remove it to keep the library's default"),
        ("max_bin: {a: 1}", "give max_bin such a value, or remove it to keep the library's default"),
    ],
)
def test_ranges_in_other_words_are_understood(written: str, fix: str) -> None:
    ((_, _, mend),) = list_problems(f"{{type: xgboost, params: {{eta: {{any: [0.1, 0.2]}}, {written}}}}}")
    assert mend == fix


@pytest.mark.parametrize("name", ["n_estimators", "num_boost_round"])
def test_early_stopping_finds_the_rounds_itself(name: str) -> None:
    ((place, expected, _),) = list_problems(
        f"{{type: xgboost, early_stopping: 5, params: {{{name}: {{any: [10, 20]}}}}}}"
    )
    assert place == f"params.{name}"
    assert "early_stopping" in expected


@pytest.mark.parametrize(
    ("model", "place", "expected"),
    [
        (f"{{type: {LOGISTIC}, params: {{C: {{any: [1.0, 2.0]}}}}}}", "type", "trains in rounds"),
        ("{type: xgboost, early_stopping: 5, params: {eta: {any: [0.1]}}}", "early_stopping", "no early_stopping"),
        ("{type: xgboost, params: {num_round: {any: [10, 20]}}}", "params.num_round", "one value with hyperband"),
        ("{type: xgboost, params: {n_estimators: 7, eta: {any: [0.1]}}}", "params.n_estimators", "at least 8 rounds"),
    ],
)
def test_hyperband_stops_between_rounds(model: str, place: str, expected: str) -> None:
    assert list_problems(model, "tpe") == []
    ((found, wanted, fix),) = list_problems(model, "hyperband")
    assert found == place
    assert expected in wanted
    assert "search.method: tpe" in fix


def test_hyperband_takes_models_in_rounds() -> None:
    assert list_problems("{type: xgboost, params: {n_estimators: 8, eta: {log: [0.01, 0.3]}}}", "hyperband") == []


def test_fits_of_a_search_are_not_spread() -> None:
    ((place, _, fix),) = list_problems("{type: xgboost, shards: 2, params: {eta: {any: [0.1, 0.2]}}}")
    assert place == "shards"
    assert "remove it" in fix


FEATURES = [
    SimpleNamespace(name="x", kind="number", categories=(), nulls=0, shape=()),
    SimpleNamespace(name="image", kind="array", categories=(), nulls=3, shape=(2, 2)),
]


@pytest.mark.parametrize(
    ("steps", "places"),
    [
        ("[impute: median, pca: {n_components: {any: [2, 5]}}]", []),
        ("[impute: median, pca: {any: [2, 6, 5, 7]}]", ["1.pca.any.1", "1.pca.any.3"]),
        ("[impute: median, pca: {n_components: {between: [2, 6], points: 3}}]", ["1.pca.n_components.between.1"]),
        ("[impute: median, pca: {n_components: {any: [2, 0]}}]", ["1.pca.n_components.any.1"]),
        ("[impute: median, pca: 6]", ["1"]),
        ("[pca: {any: [2, 3]}]", ["0"]),
    ],
)
def test_problems_of_components_stand_at_their_values(steps: str, places: list[str]) -> None:
    for type_name in ("xgboost", LOGISTIC):
        text = (
            f"dataset: {{path: x.csv, target: y}}\nmodels:\n  m: {{type: {type_name}, prepare: {steps}}}\n"
            + "search: {method: grid}\n" * ("{" in steps)
        )
        document = parse_document(text, "r.yaml")
        profile = cast("Profile", SimpleNamespace(features=FEATURES))
        check_model(document, "m", document.models["m"], "binary")
        check_model(document, "m", document.models["m"], "binary", profile)
        assert [one.field for one in document.problems] == [f"models.m.prepare.{place}" for place in places]
