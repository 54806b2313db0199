"""``forbid``: what its names mean, which candidates it leaves out, and what can be wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rapidml.planning.forbidding import list_meant, make_forbid
from rapidml.planning.leaving import list_removals
from rapidml.planning.search_checking import check_search
from rapidml.recipe.document import Document, parse_document
from rapidml.recipe.ranges import list_ranges

RECIPE = """\
dataset: {{path: x.csv, target: y}}
models:
  bdt:
    type: xgboost
    params:
      max_depth: {{any: [2, 4]}}
      eta: {{log: [0.01, 1.0], points: 3}}
      booster: {{any: [gbtree, dart]}}
      gamma: 1
    prepare: [impute: {{any: [median, mean]}}, pca: {{n: {{any: [1, 2]}}}}, impute: {{any: [median, mean]}}]
  my-log:
    type: sklearn.linear_model.LogisticRegression
    params: {{C: {{any: [0.1, 1.0]}}, dual: {{any: [true, false]}}, mixed: {{any: [1, one]}}, size: {{any: [null, 5]}}}}
  plain: xgboost
search:
  method: {method}
  candidates: 9
  forbid: {forbid}
"""


def make_document(*forbid: str, method: str = "grid") -> Document:
    document = parse_document(RECIPE.format(forbid=json.dumps(forbid), method=method), "r.yaml")
    assert document.problems == []
    return document


def list_problems(*forbid: str, method: str = "grid") -> list[tuple[str, str, str]]:
    document = make_document(*forbid, method=method)
    check_search(document)
    return [(problem.field, problem.expected, problem.fix) for problem in document.problems]


def is_forbidden(text: str, model: str, values: dict[str, Any]) -> bool | None:
    document = make_document(text)
    assert document.search is not None
    forbid = make_forbid(document.search, model, list_ranges(document.models[model]))
    return forbid[0](values) if forbid else None


@pytest.mark.parametrize(
    ("name", "model", "meant"),
    [
        ("max_depth", "bdt", ["params.max_depth"]),
        ("params.max_depth", "bdt", ["params.max_depth"]),
        ("bdt.max_depth", "bdt", ["params.max_depth"]),
        ("models.bdt.params.max_depth", "bdt", ["params.max_depth"]),
        ("pca.n", "bdt", ["prepare.1.pca.n"]),
        ("n", "bdt", ["prepare.1.pca.n"]),
        ("impute", "bdt", ["prepare.0.impute", "prepare.2.impute"]),
        ("prepare.2.impute", "bdt", ["prepare.2.impute"]),
        ("depth", "bdt", []),
        ("my-log.C", "my-log", ["params.C"]),
        ("bdt.C", "my-log", []),
        ("gamma", "bdt", []),
    ],
)
def test_names_mean_the_end_of_a_path(name: str, model: str, meant: list[str]) -> None:
    ranges = list_ranges(make_document().models[model])
    assert [one.name for one in list_meant(name, model, ranges)] == meant


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("max_depth > 3 and eta > 0.2", {"params.max_depth": 4, "params.eta": 0.3}, True),
        ("max_depth > 3 and eta > 0.2", {"params.max_depth": 2, "params.eta": 0.3}, False),
        ('booster == "dart"', {"params.booster": "dart"}, True),
        ("bdt.max_depth * eta > 1 or prepare.0.impute == 'mean'", {"params.max_depth": 4, "params.eta": 0.5}, True),
        ("eta > 0.2", {"params.eta": None}, False),
    ],
)
def test_candidates_are_left_out(text: str, values: dict[str, Any], expected: bool) -> None:
    assert is_forbidden(text, "bdt", values) is expected
    assert is_forbidden(text, "my-log", values) is None


@pytest.mark.parametrize(
    "text",
    [
        "max_depth > 3", "`my-log.C` > 0.5", "dual", "not dual and C > 0.5", "mixed == 1", "mixed == 'one'",
        "isnull(size)", "size > 3", "booster in ['dart'] and eta > 0.5",
    ],
)  # fmt: skip
def test_right_expressions_have_no_problems(text: str) -> None:
    assert list_problems(text) == []


@pytest.mark.parametrize(
    ("text", "expected", "fix"),
    [
        ("max_dept > 3", "the name of a range: max_depth, eta, booster, ", "write 'max_depth'"),
        ("gamma > 3", "the name of a range; gamma has one value", "write a range"),
        ("impute == 'mean'", "a name that only one range has; impute can be prepare.0.", "prepare.0.impute"),
        ("max_depth > 3 && eta > 0.2", "`and` between two conditions", "write 'max_depth > 3 and eta > 0.2'"),
        ("max_depth > 3 and C > 0.5", "a condition over ranges of one model", "write one expression for each model"),
        ("max_depth", "a condition that is true or false", "compare it, as in 'max_depth > 0'"),
        ("max_depth and eta > 1", "a condition; `max_depth` is a number", "compare it, as in 'max_depth != 0'"),
        ("booster == 3", "both sides of one kind; `booster` is text, the other a number", "put the other"),
        ("max_depth == 'deep'", "both sides of one kind; `max_depth` is a number, the other text", "remove the quotes"),
        ("sqrt(booster) > 1", "a number; `booster` is text", "compare the text with '=='"),
        ("1 < 2", "a condition over ranges", "compare a range with a value"),
        ("max_depth >", "a name, number or text after `>`", "complete the expression"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(text: str, expected: str, fix: str) -> None:
    ((place, wanted, mend),) = list_problems("C > 0.5", text)
    assert place == "search.forbid.1"
    assert wanted.startswith(expected)
    assert fix in mend


def test_the_wrong_word_is_marked() -> None:
    document = make_document("eta > 0.1 and max_dept > 3")
    check_search(document)
    (problem,) = document.problems
    assert problem.place is not None
    assert problem.place.text[problem.place.column - 1 :].startswith("max_dept")
    assert problem.place.length == len("max_dept")


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_something_must_be_left_of_every_model(method: str) -> None:
    assert list_problems("max_depth > 3", method=method) == []
    ((place, expected, _),) = list_problems("max_depth > 3", "max_depth < 3", method=method)
    assert place == "search.forbid"
    assert expected.endswith("every combination of bdt")


def test_models_that_are_left_keep_their_expressions() -> None:
    document = make_document("max_depth > 3", "C > 0.5")
    assert list_removals(document, ["bdt", "plain"]) == ["models.my-log=null", 'search.forbid=["max_depth > 3"]']
    assert list_removals(document, ["plain"]) == ["models.bdt=null", "models.my-log=null", "search=null"]
    assert list_removals(document, ["bdt", "my-log"]) == ["models.plain=null"]


@pytest.mark.parametrize("method", ["tpe", "hyperband"])
def test_guided_methods_need_their_extra(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list_problems(method=method) == []
    monkeypatch.setattr("rapidml.search.proposing.find_spec", lambda _: None)
    ((place, expected, fix),) = list_problems(method=method)
    assert place == "search.method"
    assert f"{method} needs Optuna" in expected
    assert fix == "run: pip install 'iml-rapidml[search]'"
    assert list_problems(method="random") == []


def test_nothing_heavy_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import rapidml.planning.forbidding, rapidml.planning.search_checking, rapidml.planning.leaving; "
    )
    subprocess.run([sys.executable, "-c", code + "assert 'numpy' not in sys.modules"], check=True)
