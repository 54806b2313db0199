"""Stored networks are recognised as candidates, although what is default is in no key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from rapidml.dataset.frame import Task
from rapidml.models.spec import resolve_model
from rapidml.planning.observing import observe
from rapidml.planning.step_keys import model_content
from rapidml.recipe.document import parse_document
from rapidml.recipe.ranges import list_ranges, put_values
from rapidml.search.space import Space

if TYPE_CHECKING:
    from rapidml.planning.searching import ModelSearch

TASK = Task("regression")
MODEL = """
  type: keras
  layers: [MaxPool2D, Dense: {units: {between: [8, 64]}}, Dropout: {any: [0, 0.5]}]
  params:
    epochs: {any: [10, 20]}
    batch_size: {any: [64, 128]}
    optimizer: {sgd: {momentum: {any: [0.5, 0.9]}}}
    schedule: {any: [constant, cosine]}
"""


def open_search(model: str) -> ModelSearch:
    """A search over the ranges of a model, as far as observing looks at it."""
    text = f"dataset: {{path: a, target: y}}\nmodels:\n net:{model}search: {{method: random, candidates: 9}}\n"
    entry = parse_document(text, "r.yaml").finish().models["net"]
    ranges = list_ranges(entry)
    search = SimpleNamespace(
        entry=entry,
        ranges=ranges,
        space=Space(ranges),
        resolved=SimpleNamespace(task=TASK),
        make_spec=lambda values: resolve_model(put_values(entry, values), TASK),
    )
    return cast("ModelSearch", search)


def test_every_candidate_is_recognised() -> None:
    search = open_search(MODEL)
    drawn = search.space.list_draws(1, 40)
    assert len(drawn) == 40
    for values in drawn:
        assert observe(search, model_content(search.make_spec(values))) == values


def test_the_network_may_have_been_written_without_ranges() -> None:
    search = open_search(MODEL)
    plain = """
  type: keras
  layers: [MaxPooling2D, Dense: 30, Dropout: {rate: 0.5}]
  params: {optimizer: {SGD: {momentum: 0.9}}}
"""
    text = f"dataset: {{path: a, target: y}}\nmodels:\n net:{plain}"
    stored = model_content(resolve_model(parse_document(text, "r.yaml").finish().models["net"], TASK))
    assert observe(search, stored) == {
        "params.epochs": 20,
        "params.batch_size": 128,
        "params.optimizer.sgd.momentum": 0.9,
        "params.schedule": "constant",
        "layers.1.Dense.units": 30,
        "layers.2.Dropout": 0.5,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 30},
        {"learning_rate": 0.1},
        {"optimizer": ["sgd", {"momentum": 0.9, "nesterov": True}]},
        {"layers": [["MaxPooling2D", {}], ["Dense", {"units": 100}], ["Dropout", {"rate": 0.5}]]},
        {"layers": [["Dense", {"units": 30}], ["Dropout", {"rate": 0.5}]]},
    ],
)
def test_other_networks_are_not(change: dict[str, Any]) -> None:
    search = open_search(MODEL)
    first = {one.name: one.values[0] for one in search.ranges}
    content = model_content(search.make_spec(first))
    assert observe(search, content) == first
    assert observe(search, {**content, "params": {**content["params"], **change}}) is None
    assert observe(search, {**content, "trainer": ["adag", {}]}) is None
