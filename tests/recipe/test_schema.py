"""The fields of the recipe are those of the design that this version has, and each says what it takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rapidml.recipe.document import parse_document
from rapidml.recipe.fields import find_field, get_expects
from rapidml.recipe.messages import NOT_YET
from rapidml.recipe.schema import (
    ArrayFiles,
    Choice,
    Dataset,
    Evaluate,
    Exclude,
    FoldsBy,
    ModelEntry,
    Part,
    Recipe,
    Sample,
    Search,
    Split,
    SplitColumn,
    Total,
    Training,
)

DESIGN: dict[type[Part], str] = {
    Recipe: "name notes seed dataset training split models search evaluate",
    Dataset: "path classes builtin arrays target positive task tree id weight select columns missing features "
    "spectators labels test foreach",
    Sample: "path tree weight select",
    ArrayFiles: "features target",
    Exclude: "exclude",
    Training: "balance negative_weights",
    Split: "test folds valid seed",
    SplitColumn: "column train test",
    FoldsBy: "by",
    ModelEntry: "type params prepare early_stopping weights device shards layers trainer",
    Search: "method candidates time race time_limit memory_limit reuse forbid",
    Total: "total",
    Evaluate: "rank_by also yields by",
}
"""Every field of version 1 of the recipe; ``extends`` is read before the schema."""


@pytest.mark.parametrize("part", DESIGN, ids=lambda part: part.__name__)
def test_fields_are_those_of_the_design(part: type[Part]) -> None:
    not_yet = set(NOT_YET.get(part, ()))
    assert not_yet <= set(DESIGN[part].split())
    assert set(part.model_fields) == set(DESIGN[part].split()) - not_yet


FIELDS = [(part, name) for part in DESIGN for name in part.model_fields]


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_says_what_it_takes(part: type[Part], name: str) -> None:
    expects = get_expects(part, name)
    assert expects.text
    assert not expects.text.endswith(".")
    assert expects.example


@pytest.mark.parametrize("name", Dataset.model_fields)
def test_examples_of_the_dataset_are_valid(name: str) -> None:
    example = get_expects(Dataset, name).example
    base = {"path": "path: a.csv", "target": "target: y", name: f"{name}: {example}"}
    if name in ("classes", "builtin", "arrays"):
        del base["path"], base["target"]
    lines = "\n  ".join(base.values())
    document = parse_document(f"dataset:\n  {lines}\nmodels: {{bdt: xgboost}}\n", "r.yaml")
    assert [str(problem) for problem in document.problems] == []


@pytest.mark.parametrize("name", ["folds", "test", "valid", "seed"])
def test_examples_of_the_split_are_valid(name: str) -> None:
    split = f"{{{name}: {get_expects(Split, name).example}}}"
    text = f"dataset: {{path: a, target: y}}\nmodels: {{b: xgboost}}\nsplit: {split}"
    assert parse_document(text, "r.yaml").problems == []


@pytest.mark.parametrize("name", ModelEntry.model_fields)
def test_examples_of_models_are_valid(name: str) -> None:
    written = {"type": "xgboost", name: get_expects(ModelEntry, name).example}
    lines = "\n    ".join(f"{key}: {value}" for key, value in written.items())
    text = f"dataset: {{path: a, target: y}}\nmodels:\n  b:\n    {lines}\n"
    assert parse_document(text, "r.yaml").problems == []


@pytest.mark.parametrize("name", Search.model_fields)
def test_examples_of_the_search_are_valid(name: str) -> None:
    written = {"method": "grid", name: get_expects(Search, name).example}
    lines = "\n  ".join(f"{key}: {value}" for key, value in written.items())
    model = "{type: xgboost, params: {max_depth: {any: [3, 6]}, learning_rate: {any: [0.1, 0.3]}}}"
    text = f"dataset: {{path: a, target: y}}\nmodels: {{b: {model}}}\nsearch:\n  {lines}\n"
    assert parse_document(text, "r.yaml").problems == []


def test_choices_are_read_in_all_their_forms() -> None:
    text = "dataset: {builtin: iris}\nmodels: {b: {type: t, prepare: [a, {b: 1}, {c: {d: 2}}, {e: }, {f: [1]}]}}"
    assert parse_document(text, "r.yaml").finish().models["b"].prepare == (
        Choice(name="a"),
        Choice(name="b", options={"value": 1}),
        Choice(name="c", options={"d": 2}),
        Choice(name="e"),
        Choice(name="f", options={"value": [1]}),
    )


def test_values_must_be_what_yaml_can_say() -> None:
    for value in (object(), float("nan"), float("inf"), {1: 2}, b"x", {"a": [object()]}):
        with pytest.raises(ValidationError):
            ModelEntry(type="x", params={"a": value})


def test_a_recipe_survives_json() -> None:
    text = "dataset: {builtin: {iris: {a: 1}}}\nmodels: {b: {type: t, prepare: [a, {b: 1}], params: {x: 1.0}}}"
    recipe = parse_document(text, "r.yaml").finish()
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_fields_are_found_by_path() -> None:
    def expects(*path: str | int) -> str | None:
        field = find_field(path)
        return field.expects.text if field else None

    assert expects("split", "folds") == get_expects(Split, "folds").text
    assert expects("dataset", "classes", "s", 1, "weight") == get_expects(Sample, "weight").text
    assert expects("dataset", "classes", "s", "weight") == get_expects(Sample, "weight").text
    assert expects("models", "b", "params", "x", "y") == get_expects(ModelEntry, "params").text
    assert expects("dataset", "nothing") is None
