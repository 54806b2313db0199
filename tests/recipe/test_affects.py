"""What of the recipe enters keys."""

from __future__ import annotations

from typing import Any

import pytest

from rapidml.keys import canonical_json
from rapidml.recipe.affects import key_fields, step_affected
from rapidml.recipe.document import parse_document
from rapidml.recipe.schema import Dataset, Evaluate, ModelEntry, Part, Recipe, Search, Split, Total, Training
from rapidml.recipe.values import Affects

DATASET = {
    "classes": {"s": {"path": "a", "weight": 2}, "b": ["b", {"path": "c", "select": "x > 1"}]},
    "weight": "w",
    "columns": {"m": "a / b", "c": "m + 1"},
    "labels": {"m": "mass"},
    "spectators": ["met"],
    "features": {"exclude": ["x"]},
}


def test_fields_of_samples_follow_their_own_annotation() -> None:
    dataset = Dataset.model_validate(DATASET)
    assert key_fields(dataset, "rows") == {
        "classes": [["s", [{"path": "a"}]], ["b", [{"path": "b"}, {"path": "c", "select": "x > 1"}]]]
    }
    assert key_fields(dataset, "columns") == {
        "classes": [["s", [{"weight": 2}]], ["b", None]],
        "weight": "w",
        "columns": [["m", "a / b"], ["c", "m + 1"]],
        "spectators": ["met"],
    }
    assert key_fields(dataset, "fit") == {"features": {"exclude": ["x"]}}
    assert key_fields(dataset, "nothing") == {"labels": {"m": "mass"}}


def test_fields_equal_to_their_default_are_left_out() -> None:
    assert key_fields(ModelEntry(type="xgboost", params={}, device="cpu"), "fit") == {"type": "xgboost"}
    assert key_fields(Training(balance="none", negative_weights="error"), "fit") == {"balance": "none"}
    assert key_fields(Evaluate(), "evaluate") == {}


def test_several_steps_at_once() -> None:
    dataset = Dataset.model_validate({"path": "a", "target": "y", "labels": {"a": "b"}})
    assert key_fields(dataset, "rows", "columns") == {"path": "a", "target": "y"}
    assert key_fields(Split.model_validate({"folds": {"by": "a % 2"}}), "split") == {"folds": {"by": "a % 2"}}


def test_the_tree_can_be_part_of_a_key() -> None:
    dataset = Dataset.model_validate(DATASET)
    assert canonical_json(key_fields(dataset, "rows", "columns", "fit"))


EDITS: list[tuple[str, Any]] = [
    ("name=other", "nothing"), ("notes=other", "nothing"), ("dataset.labels={a: b}", "nothing"),
    ("dataset.path=b", "rows"), ("dataset.select=a > 1", "rows"), ("dataset.id=k", "rows"), ("dataset.tree=t", "rows"),
    ("dataset.target=z", "columns"), ("dataset.weight=w", "columns"), ("dataset.missing=-1", "columns"),
    ("split.folds=3", "split"), ("split.seed=3", "split"), ("seed=1", "fit"), ("dataset.features=[a]", "fit"),
    ("training.balance=none", "fit"), ("models.m.params.x=1", "fit"), ("models.m.device=cuda", "fit"),
    ("models.m.layers=[Flatten]", "fit"), ("models.m.trainer=adag", "fit"),
    ("evaluate.rank_by=log_loss", "evaluate"), ("evaluate.also=[accuracy]", "evaluate"),
]  # fmt: skip


def list_parts(recipe: Recipe) -> list[Part]:
    return [recipe, recipe.dataset, recipe.training, recipe.split, recipe.evaluate]


@pytest.mark.parametrize(("edit", "step"), EDITS)
def test_an_edit_changes_the_step_it_affects_and_no_other(edit: str, step: str) -> None:
    text = "dataset: {path: a, target: y}\nmodels: {m: {type: xgboost}}\nsplit: {test: 0.2, folds: 5}\n"
    before, after = (parse_document(text, "r", overrides).finish() for overrides in ([], [edit]))
    assert before != after
    changed = {
        name
        for name in ("rows", "columns", "split", "fit", "evaluate", "nothing")
        for one, other in zip(list_parts(before), list_parts(after), strict=True)
        if canonical_json(key_fields(one, name)) != canonical_json(key_fields(other, name))
    }
    fits = [canonical_json(key_fields(recipe.models["m"], "fit")) for recipe in (before, after)]
    assert changed | ({"fit"} if fits[0] != fits[1] else set()) == {step}
    assert step_affected(edit.partition("=")[0]) == step


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("dataset.classes.s.0.weight", "columns"),
        ("dataset.classes.s.0.path", "rows"),
        ("dataset.classes.0.0.path.features", "rows"),
        ("dataset.test.select", "rows"),
        ("dataset", "rows"),
        ("models.bdt.prepare.0", "fit"),
        ("models.net.layers.0.Dense.units", "fit"),
        ("models.net.trainer.adag.window", "fit"),
        ("models.my.bdt.type", "fit"),
        ("split.test.column", "split"),
        ("evaluate.also.1", "evaluate"),
        ("search.candidates", "search"),
        ("search.candidates.total", "search"),
        ("search.forbid.0", "search"),
        ("search.time", "nothing"),
        ("models.bdt.params.max_depth.any", "fit"),
    ],
)
def test_step_of_deeper_fields(field: str, step: str) -> None:
    assert step_affected(field) == step


def test_every_field_says_what_it_affects() -> None:
    parts = (Dataset, Training, Split, ModelEntry, Search, Total, Evaluate)
    unsaid = [
        f"{part.__name__}.{name}"
        for part in parts
        for name, info in part.model_fields.items()
        if not any(isinstance(mark, Affects) for mark in info.metadata)
    ]
    assert unsaid == []
    whole = {"dataset", "training", "split", "models", "search", "evaluate"}
    said = {name for name, info in Recipe.model_fields.items() if any(isinstance(m, Affects) for m in info.metadata)}
    assert set(Recipe.model_fields) - said == whole
