"""A recipe written out reads back as the same recipe, and every value has an origin."""

from __future__ import annotations

import pytest

from rapidml.recipe.document import parse_document
from rapidml.recipe.resolved import dump_recipe, list_resolved, write_flow
from rapidml.recipe.schema import Recipe


def test_dump_is_what_a_person_would_write() -> None:
    text = """\
name: higgs
dataset:
  classes:
    signal: [{path: hh_*.parquet}]
    background: [{path: 'tt*.parquet', weight: 1.5}, {path: w.parquet}]
  weight: genWeight * xsec
  features: {exclude: ["*_date"]}
split:
  test: 0.2
  folds: 5
models:
  bdt:
    type: xgboost
    params: {max_depth: 6, learning_rate: 1e-05}
    prepare: [{impute: median}, standardize]
"""
    dumped = dump_recipe(parse_document(text, "a.yaml").finish())
    assert dumped.splitlines()[2:6] == [
        "  classes:",
        "    signal: [{path: hh_*.parquet}]",
        "    background: [{path: tt*.parquet, weight: 1.5}, {path: w.parquet}]",
        "  weight: genWeight * xsec",
    ]
    assert parse_document(dumped, "b.yaml").finish() == parse_document(text, "a.yaml").finish()


RECIPE = """\
dataset: {path: a.csv, target: y, features: {exclude: [b]}}
models:
  bdt: xgboost
  log:
    type: sklearn.X
    params: {C: 1.0, x: null}
    prepare: [impute: median, standardize]
"""


@pytest.fixture(scope="module")
def resolved() -> dict[str, tuple[object, str]]:
    document = parse_document(RECIPE, "r.yaml", ["models.log.params.C=2", "seed=3"])
    return {name: (value, origin) for name, value, origin in list_resolved(document, document.finish())}


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [
        ("seed", 3, "command line"),
        ("dataset.path", "a.csv", "r.yaml:1"),
        ("dataset.features.exclude", ["b"], "r.yaml:1"),
        ("dataset.weight", None, "default"),
        ("dataset.columns", {}, "default"),
        ("split.test", 0.2, "default"),
        ("models.bdt.type", "xgboost", "r.yaml:3"),
        ("models.bdt.device", "cpu", "default"),
        ("models.log.params.C", 2, "command line"),
        ("models.log.params.x", None, "r.yaml:6"),
        ("models.log.prepare.0", {"impute": "median"}, "r.yaml:7"),
        ("models.log.prepare.1", "standardize", "r.yaml:7"),
    ],
)
def test_every_value_has_an_origin(
    resolved: dict[str, tuple[object, str]], name: str, value: object, origin: str
) -> None:
    assert resolved[name] == (value, origin)


def test_every_field_is_listed_once() -> None:
    document = parse_document(RECIPE, "r.yaml")
    listed = [name for name, _, _ in list_resolved(document, document.finish())]
    assert len(listed) == len(set(listed))
    tops = {name.split(".")[0] for name in listed}
    assert tops == set(Recipe.model_fields)


def test_values_on_one_line_read_back_as_themselves() -> None:
    assert write_flow({"any": [4, 6.0, "a b", None, True, "no: x"]}) == '{any: [4, 6.0, a b, null, true, "no: x"]}'
