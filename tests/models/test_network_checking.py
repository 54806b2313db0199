"""Problems of networks as ``rapidml check`` shows them: layers and trainer, and what goes with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rapidml.dataset.frame import Task
from rapidml.models.checking import check_model
from rapidml.models.spec import ModelSpec, resolve_model
from rapidml.planning.step_keys import model_content
from rapidml.recipe.document import parse_document
from rapidml.recipe.schema import Choice, ModelEntry

RANDOM = "search: {method: random, candidates: 3}\n"


def list_problems(model: str, more: str = "", overrides: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Place below the model, what was expected and the fix, of every problem but that of an absent library."""
    text = f"dataset: {{path: x.csv, target: y}}\nmodels:\n  m: {model}\n{more}"
    document = parse_document(text, "r.yaml", overrides)
    assert not document.problems, document.problems
    check_model(document, "m", document.models["m"], "binary")
    found = [(one.field.removeprefix("models.m."), one.expected, one.fix) for one in document.problems]
    return [one for one in found if "library is installed" not in one[1]]


@pytest.mark.parametrize(
    "model",
    [
        "mlp",
        "{type: mlp, trainer: single}",
        "{type: mlp, trainer: agn, early_stopping: 3, params: {schedule: {exponential: 0.9}}}",
        "{type: keras, layers: [Flatten, Dense: {units: 64, activation: relu}, Dropout: 0.2], trainer: {adag: 4}}",
        "{type: mlp, trainer: {eamsgd: {momentum: 0.6}}, params: {epochs: 3}}",
        "{type: mlp, params: {schedule: cosine}}",
    ],
)
def test_right_networks_have_no_problems(model: str) -> None:
    assert list_problems(model) == []


@pytest.mark.parametrize(
    ("model", "field", "expected", "fix"),
    [
        ("keras", "layers", "type keras needs them", "add  layers: [Dense: {units: 64, activation: relu}]"),
        ("{type: keras, layers: []}", "layers", "type keras needs them", "or write type: mlp"),
        ("{type: keras, params: {layers: [Dense: 3]}}", "params.layers", "a field of the model", "out of params"),
        ("{type: mlp, layers: [Dense: 3]}", "layers", "no layers; mlp is not", "write params: {hidden: [128, 128]}"),
        ("{type: xgboost, layers: [Dense: 3]}", "layers", "no layers; xgboost is not", "remove it"),
        ("{type: keras, layers: [Flatten, Dens: 3]}", "layers.1.Dens", "a layer: Dense", "write 'Dense'"),
        ("{type: keras, layers: [Flaten]}", "layers.0", "a layer: Dense", "write 'Flatten'"),
        ("{type: keras, layers: [Dense: {unit: 3}]}", "layers.0.Dense.unit", "an argument of Dense", "write 'units'"),
        ("{type: keras, layers: [Dense: {units: a}]}", "layers.0.Dense.units", "an integer", "units: 64"),
        ("{type: xgboost, trainer: adag}", "trainer", "no trainer; xgboost is no network", "shards: 2 spreads"),
        ("{type: sklearn.svm.SVC, trainer: single}", "trainer", "is no network, as mlp and keras are", "remove it"),
        ("{type: mlp, trainer: adga}", "trainer", "a trainer: single", "write 'adag'"),
        ("{type: mlp, trainer: {adag: {replicas: 0}}}", "trainer.adag.replicas", "an integer in", "replicas: 3"),
        ("{type: mlp, trainer: {multiworker: {window: 2}}}", "trainer.multiworker.window", "recipes can", "every step"),
        ("{type: mlp, trainer: eamsgd, params: {optimizer: sgd}}", "params.optimizer", "with eamsgd", "remove optim"),
        ("{type: mlp, trainer: eamsgd, params: {schedule: cosine}}", "params.schedule", "with eamsgd", "remove sched"),
        ("{type: mlp, shards: 3}", "shards", "spread by a trainer", "trainer: {multiworker: {replicas: 3}}"),
        (
            "{type: mlp, params: {schedule: cosine}, early_stopping: 3}",
            "early_stopping", "no early_stopping with schedule: cosine", "schedule: {exponential: {rate: 0.95}}",
        ),
        ("{type: mlp, params: {activation: rleu}}", "params.activation", "one of relu", "write 'relu'"),
        ("{type: mlp, params: {epochs: 1.5}}", "params.epochs", "an integer of at least 1", "without it, it is 20"),
        ("{type: mlp, params: {batch_size: 0}}", "params.batch_size", "an integer of at least 1", "it is 128"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(model: str, field: str, expected: str, fix: str) -> None:
    ((found, wanted, mend),) = list_problems(model)
    assert found == field
    assert expected in wanted
    assert fix in mend


@pytest.mark.parametrize(
    ("model", "places"),
    [
        (
            "layers: [Dense: {units: {any: [32, 64.5]}}, Dropout: {any: [0.1, 2]}]",
            "layers.0.Dense.units.any.1 layers.1.Dropout.any.1",
        ),
        ("layers: [Dense: {units: {between: [0, 8]}}]", "layers.0.Dense.units.between.0"),
        ("layers: [Dens: {units: {any: [1, 2]}}]", "layers.0.Dens"),
        ("layers: [Dense: {unit: {any: [1, 2]}, units: 3}]", "layers.0.Dense.unit"),
        ("layers: [Dense: 3], params: {epochs: {any: [1, 0]}}", "params.epochs.any.1"),
        (
            "layers: [Dense: 3], params: {optimizer: {sgd: {momentum: {any: [0.5, 2]}}}}",
            "params.optimizer.sgd.momentum.any.1",
        ),
        ("layers: [Dense: 3], trainer: {adag: {window: {any: [0, 3]}}}", "trainer.adag.window.any.0"),
        ("layers: [Dense: 3], trainer: {adag: {window: {any: [2, 3]}}}", "trainer"),
        ("layers: [Dense: 3], trainer: adag, params: {epochs: {any: [1, 2]}}", "trainer"),
        ("layers: [Dense: 3], trainer: single, params: {epochs: {any: [1, 2]}}", ""),
        ("layers: [Dense: 3], early_stopping: 3, params: {schedule: {any: [constant, cosine]}}", "early_stopping"),
    ],
)  # fmt: skip
def test_problems_of_ranges_stand_at_their_values(model: str, places: str) -> None:
    assert [place for place, *_ in list_problems(f"{{type: keras, {model}}}", RANDOM)] == places.split()


@pytest.mark.parametrize(
    ("layer", "place"), [("Dense: {units: [32, 64]}", "layers.0.Dense.units"), ("Dense: [32, 64]", "layers.0.Dense")]
)
def test_a_list_where_a_range_was_meant(layer: str, place: str) -> None:
    model = f"{{type: keras, layers: [{layer}], params: {{epochs: {{any: [1, 2]}}}}}}"
    ((found, _, fix),) = list_problems(model, RANDOM)
    assert (found, fix) == (place, "write {any: [32, 64]} to search over them")


@pytest.mark.parametrize(
    "override",
    ["models.m.layers.1.Dense.units=64", "models.m.layers.2.Dropout=0.5", "models.m.trainer=adag",
     "models.m.trainer.adag.window=3", "models.m.trainer.multiworker.replicas=2", "models.m.params.optimizer=sgd",
     "models.m.params.optimizer.sgd.momentum=0.5", "models.m.layers=[Flatten]"],
)  # fmt: skip
def test_overrides_of_networks(override: str) -> None:
    model = "{type: keras, layers: [Flatten, Dense: {units: 32}, Dropout: 0.2]}"
    assert list_problems(model, overrides=(override,)) == []


# What is made of it


def make_spec(**fields: Any) -> ModelSpec:
    return resolve_model(ModelEntry.model_validate(fields), Task("regression"))


def test_a_specification_of_a_network_survives_json() -> None:
    spec = make_spec(type="keras", layers=["Flatten", {"Dense": 3}], trainer={"agn": {"replicas": 4, "window": 12}})
    assert spec.trainer == Choice(name="adag", options={"replicas": 4})
    assert spec.params["layers"] == [["Flatten", {}], ["Dense", {"units": 3}]]
    assert (spec.ranks, spec.rounds) == (4, 20)
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_specifications_of_other_models_are_written_as_ever() -> None:
    spec = make_spec(type="xgboost", shards=3)
    assert spec.ranks == 3
    assert list(spec.to_json()) == [
        "type", "params", "prepare", "early_stopping", "rounds", "weights_ignored", "device", "iterations", "shards",
    ]  # fmt: skip
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert "trainer" not in model_content(spec)


def test_the_trainer_is_in_the_key_without_its_defaults() -> None:
    plain = model_content(make_spec(type="mlp"))
    assert plain == {"type": "mlp", "params": {"epochs": 20}} == model_content(make_spec(type="mlp", trainer="single"))
    assert model_content(make_spec(type="mlp", trainer="agn")) == {**plain, "trainer": ["adag", {}]}
    windows = [model_content(make_spec(type="mlp", trainer={"adag": {"window": window}})) for window in (12, 13)]
    assert windows == [{**plain, "trainer": ["adag", {}]}, {**plain, "trainer": ["adag", {"window": 13}]}]
