"""Problems of models as recipes show them, and finding types."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from rapidml.errors import ModelError
from rapidml.models import registry
from rapidml.models.checking import check_model
from rapidml.models.registry import UnknownType, find_adapter, list_types
from rapidml.recipe.document import parse_document

if TYPE_CHECKING:
    from rapidml.dataset.profile import Profile


def problems(
    model: str,
    *,
    data: str = "path: x.csv\n  target: y",
    kind: str | None = "binary",
    more: str = "",
    profile: Any = None,
) -> list[tuple[str, str, str]]:
    """Field, expected and fix of every problem of one model, written in flow style."""
    document = parse_document(f"dataset:\n  {data}\n{more}models:\n  m: {model}\n", "r.yaml")
    assert not document.problems, document.problems
    check_model(document, "m", document.models["m"], kind, cast("Profile", profile))
    return [(problem.field, problem.expected, problem.fix) for problem in document.problems]


WEIGHTED = "path: x.csv\n  target: y\n  weight: w"
LDA = "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"


@pytest.mark.parametrize(
    "model", ["xgboost", LDA, "{type: xgboost, early_stopping: 30, device: cuda, params: {eta: 0.1}}"]
)
def test_right_models_have_no_problems(model: str) -> None:
    assert problems(model) == []


@pytest.mark.parametrize(
    ("model", "field", "expected", "fix"),
    [
        ("xgbost", "type", "xgboost", "write 'xgboost'"),
        ("LogisticRegression", "type", "xgboost", "write 'sklearn.linear_model.LogisticRegression'"),
        ("sklearn.LogisticRegresion", "type", "xgboost", "write 'sklearn.linear_model.LogisticRegression'"),
        ("sklearn.pipeline.Pipeline", "type", "reviewed scikit-learn classes", "write one of these"),
        ("os.system", "type", "xgboost", "write one of these"),
        ("{type: xgboost, params: {max_depht: 3}}", "params.max_depht", "max_depth", "write 'max_depth'"),
        ("{type: xgboost, params: {n_jobs: 3}}", "params.n_jobs", "does not set itself", "remove it"),
        (f"{{type: {LDA}, early_stopping: 3}}", "early_stopping", "does not train in rounds", "remove it"),
        (f"{{type: {LDA}, device: cuda}}", "device", "cpu: ", "write 'cpu'"),
        ("sklearn.svm.SVR", "type", "two classes", "choose another type"),
        ("sklearn.tree.ExtraTreeRegressor", "type", "two classes", "write 'sklearn.tree.ExtraTreeClassifier'"),
        ("sklearn.linear_model.Ridge", "type", "two classes", "write 'sklearn.linear_model.RidgeClassifier'"),
        ("sklearn.linear_model.Lasso", "type", "two classes", "choose another type"),
        ("{type: xgboost, prepare: [imput: median]}", "prepare.0", "impute", "write 'impute'"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(model: str, field: str, expected: str, fix: str) -> None:
    ((found, wanted, mend),) = problems(model)
    assert found == f"models.m.{field}"
    assert expected in wanted
    assert fix in mend


def test_all_mistakes_come_at_once() -> None:
    model = "{type: xgboost, params: {max_depth: a, n_jobs: 1}, prepare: [x]}"
    assert [field for field, *_ in problems(model)] == [
        "models.m.params.max_depth",
        "models.m.params.n_jobs",
        "models.m.prepare.0",
    ]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (WEIGHTED, ""),
        ("path: x.csv\n  target: y", "training: {balance: classes}\n"),
        ("classes: {a: {path: a.csv, weight: 2}, b: b.csv}", ""),
    ],
)
def test_models_without_weights_must_say_so(data: str, more: str) -> None:
    ((field, expected, fix),) = problems(LDA, data=data, more=more)
    assert (field, "weights: ignore" in fix) == ("models.m.type", True)
    assert "does not" in expected
    assert problems(f"{{type: {LDA}, weights: ignore}}", data=data, more=more) == []


def test_negative_weights_are_used_only_where_they_can_be() -> None:
    use = "training: {negative_weights: use}\n"
    ((field, expected, _),) = problems("xgboost", data=WEIGHTED, more=use)
    assert field == "training.negative_weights"
    assert "xgboost cannot train on negative weights" in expected
    assert problems("sklearn.tree.DecisionTreeClassifier", data=WEIGHTED, more=use) == []


def test_missing_values_are_found_before_the_fit() -> None:
    features = [SimpleNamespace(name="a", kind="number", nulls=0), SimpleNamespace(name="b", kind="number", nulls=1200)]
    profile = SimpleNamespace(features=(*features, SimpleNamespace(name="c", kind="categorical", nulls=3)))
    ((field, expected, fix),) = problems(LDA, profile=profile)
    assert field == "models.m.type"
    assert "'b' (1,200 rows)" in expected
    assert fix == "add 'prepare: [impute: median]' to the model"
    assert problems("xgboost", profile=profile) == []
    assert problems(f"{{type: {LDA}, prepare: [impute: median]}}", profile=profile) == []


def test_absent_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    ((field, expected, fix),) = problems("xgboost")
    assert field == "models.m.type"
    assert expected.endswith("xgboost needs xgboost")
    assert fix == "run: pip install 'iml-rapidml[cpu]'"


# Finding types


def test_types_are_listed() -> None:
    types = list_types()
    assert types[0] == "xgboost"
    assert len(types) == len(set(types)) > 30


def test_every_listed_class_is_found() -> None:
    for name in list_types():
        assert find_adapter(name).name == name


def test_unknown_types_survive_the_way_between_processes() -> None:
    with pytest.raises(UnknownType) as caught:
        find_adapter("xgbost")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.expected, again.fix, str(again)) == (caught.value.expected, caught.value.fix, str(caught.value))


@pytest.mark.parametrize(
    ("value", "message"), [("no_such_module:x", "cannot be loaded"), ("json:dumps", "does not satisfy")]
)
def test_broken_plugins_are_named(value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    point = EntryPoint("broken", value, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(ModelError, match=message):
        find_adapter("broken")
    ((field, *_),) = problems("broken")
    assert field == "models.m.type"
