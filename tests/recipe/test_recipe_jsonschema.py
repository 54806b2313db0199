"""The JSON Schema takes what the loader takes, and refuses what it can know to be wrong."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from rapidml.recipe.document import parse_document
from rapidml.recipe.jsonschema import make_json_schema

SCHEMA = make_json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SHORT_FORMS = [
    "dataset: {path: a.csv, target: y}\nmodels: {bdt: xgboost}",
    "dataset: {builtin: iris, id: k, missing: -999}\nmodels: {bdt: {type: xgboost, prepare: [a, {b: 1}, {c: {d: 2}}]}}",
    "dataset: {classes: {s: a, b: [c, {path: d}], c: {path: e}}}\nmodels: {bdt: xgboost}",
    "dataset: {builtin: {iris: {scaled: true}}}\nsplit: {folds: {by: a % 2}}\nmodels: {bdt: xgboost}",
    "dataset: {path: {features: a, target: b}, test: c}\nseed: null\nsplit: null\nmodels: {bdt: xgboost}",
    """
dataset: {builtin: iris}
models: {m: {type: x, params: {a: {any: [1, b]}}, prepare: [impute: {any: [a, b]}]}}
search: {method: tpe, candidates: {total: 9}, time: 1.5h, memory_limit: 4GiB, forbid: [a == 1], race: true}""",
    "dataset: {builtin: iris}\nmodels: {m: {type: x, params: {a: {log: [1, 2], points: 2}}}}\nsearch: {method: grid}",
    "dataset: {builtin: iris}\nmodels: {m: {type: keras, layers: [a, {b: 1}, {c: {d: 2}}], trainer: adag}}",
    "dataset: {builtin: iris}\nmodels: {m: {type: mlp, layers: [], trainer: {adag: {replicas: 4}}}, n: mlp}",
]


def test_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", SHORT_FORMS)
def test_takes_short_forms(text: str) -> None:
    document = parse_document(text, "r.yaml")
    document.finish()
    VALIDATOR.validate(document.tree)


@pytest.mark.parametrize(
    "change",
    [{"dataste": {}}, {"seed": -1}, {"split": {"folds": 1}}, {"split": {"fold": 5}}, {"models": {}}, {"seed": "1"}]
    + [{"search": change} for change in ({}, {"method": "bayes"}, {"method": "tpe", "candidates": 0})]
    + [{"search": {"method": "tpe", "time": "20 min"}}, {"search": {"method": "tpe", "memory_limit": "4"}}],
    ids=str,
)
def test_refuses_mistakes(change: dict[str, Any]) -> None:
    tree = {"dataset": {"path": "a", "target": "y"}, "models": {"bdt": "xgboost"}}
    assert VALIDATOR.is_valid(tree)
    assert not VALIDATOR.is_valid({**tree, **change})


def test_a_recipe_that_extends_needs_nothing_else() -> None:
    assert VALIDATOR.is_valid({"extends": "base.yaml"})
    assert VALIDATOR.is_valid({"extends": "base.yaml", "models": {"bdt": None}})
    assert not VALIDATOR.is_valid({"name": "x"})


def test_every_field_is_described() -> None:
    parts = {"Recipe": SCHEMA, **SCHEMA["$defs"]}
    described = {
        f"{part}.{name}": field.get("description")
        for part, content in parts.items()
        for name, field in content.get("properties", {}).items()
    }
    assert [name for name, text in described.items() if not text] == []
