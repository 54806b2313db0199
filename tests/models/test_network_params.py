"""Parameters of networks: mistakes with their fixes, the one form in keys, and the plan of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.keys import canonical_json
from rapidml.models.network_params import (
    DEFAULTS,
    NETWORKS,
    OF_MLP,
    NetworkPlan,
    check_params,
    merge_layers,
    read_plan,
    resolve_params,
)
from rapidml.recipe.document import parse_document

if TYPE_CHECKING:
    from rapidml.models.network_params import NetworkKind

LAYERS: list[Any] = [["Conv2D", {"filters": 8, "kernel_size": 3}], ["Flatten", {}], ["Dense", {"units": 32}]]


def list_problems(params: dict[str, Any], kind: NetworkKind = "mlp") -> list[tuple[str, str, str]]:
    return [(".".join(map(str, one.path)), one.expected, one.fix) for one in check_params(kind, params, None)]


def test_a_network_without_parameters_has_every_default() -> None:
    assert list_problems({}) == []
    assert resolve_params("mlp", {}) == {"epochs": 20}
    dense = ("Dense", {"units": 128, "activation": "relu"})
    assert read_plan("mlp", {}) == NetworkPlan((dense, dense)) == read_plan("mlp", resolve_params("mlp", {}))
    assert read_plan("keras", {"layers": LAYERS}) == NetworkPlan(tuple((name, options) for name, options in LAYERS))


def test_a_plan_has_what_is_written() -> None:
    params = {
        "hidden": [64, 32],
        "activation": "tanh",
        "dropout": 0.25,
        "batch_norm": True,
        "epochs": 7,
        "batch_size": 10,
        "learning_rate": 1,
        "optimizer": {"SGD": {"momentum": 0.9, "nesterov": True}},
        "schedule": {"exponential": 0.9},
    }
    assert list_problems(params) == []
    assert read_plan("mlp", resolve_params("mlp", params)) == NetworkPlan(
        layers=(
            ("Dense", {"units": 64}),
            ("BatchNormalization", {}),
            ("Activation", {"activation": "tanh"}),
            ("Dropout", {"rate": 0.25}),
            ("Dense", {"units": 32}),
            ("BatchNormalization", {}),
            ("Activation", {"activation": "tanh"}),
            ("Dropout", {"rate": 0.25}),
        ),
        epochs=7,
        batch_size=10,
        learning_rate=1.0,
        optimizer=("sgd", {"momentum": 0.9, "nesterov": True}),
        schedule=("exponential", {"rate": 0.9}),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {**{name: DEFAULTS[name] for name in DEFAULTS if name not in ("optimizer", "schedule")}}),
        ({}, {"optimizer": "adam", "schedule": "constant"}),
        ({}, {"optimizer": "Adam", "schedule": {"constant": None}}),
        ({}, {"dropout": 0, "epochs": 20}),
        ({"learning_rate": 1}, {"learning_rate": 1.0}),
        ({"optimizer": "AdamW"}, {"optimizer": {"adamw": {}}}),
        ({"schedule": {"exponential": 1}}, {"schedule": {"exponential": {"rate": 1.0}}}),
    ],
)
def test_two_ways_to_write_the_same_are_one_in_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert list_problems(one) == list_problems(other) == []
    assert canonical_json(resolve_params("mlp", one)) == canonical_json(resolve_params("mlp", other))


@pytest.mark.parametrize(
    ("params", "path", "expected", "fix"),
    [
        ({"hiden": [3]}, "hiden", "one of activation, batch_norm", "write 'hidden'"),
        ({"hidden": 64}, "hidden", "a list of integers in [1, 65536]", "write [64]"),
        ({"hidden": []}, "hidden", "a list of integers in [1, 65536]", "without it, it is [128, 128]"),
        ({"hidden": [64, 0]}, "hidden", "a list of integers in [1, 65536]", "without it, it is [128, 128]"),
        ({"activation": "rleu"}, "activation", "one of relu, tanh, sigmoid", "write 'relu'"),
        ({"activation": "zzz"}, "activation", "or 21 others", "without it, it is relu"),
        ({"dropout": 1}, "dropout", "a number in [0, 1)", "without it, it is 0.0"),
        ({"batch_norm": 1}, "batch_norm", "true or false", "without it, it is false"),
        ({"epochs": 1.5}, "epochs", "an integer of at least 1", "without it, it is 20"),
        ({"epochs": 2.0}, "epochs", "an integer of at least 1", "write 2"),
        ({"epochs": "2"}, "epochs", "an integer of at least 1", "write it without quotes: 2"),
        ({"batch_size": 0}, "batch_size", "an integer of at least 1", "without it, it is 128"),
        ({"learning_rate": 0}, "learning_rate", "a number above 0", "without it, it is 0.001"),
        ({"lr": 0.1}, "lr", "learning_rate", "write 'learning_rate'"),
        ({"hidden_layer_sizes": [3]}, "hidden_layer_sizes", "hidden", "write 'hidden'"),
        ({"loss": "mse"}, "loss", "does not set itself", "the loss follows from the task"),
        ({"patience": 3}, "patience", "does not set itself", "write early_stopping in the model"),
        ({"layers": []}, "layers", "no layers among the parameters of mlp", "type: keras with layers"),
        ({"optimizer": "admw"}, "optimizer", "an optimizer: adadelta", "write 'adamw'"),
        ({"optimizer": ["adam"]}, "optimizer", "the name of an optimizer, or", "write for example  optimizer: adam"),
        ({"optimizer": {"adam": 0.1}}, "optimizer.adam", "its arguments by name: amsgrad", "write  adam"),
        ({"optimizer": {"adam": {"lr": 3}}}, "optimizer.adam.lr", "an argument of adam", "one of these names"),
        (
            {"optimizer": {"sgd": {"learning_rate": 3}}},
            "optimizer.sgd.learning_rate", "that recipes can set", "write params.learning_rate",
        ),
        (
            {"optimizer": {"sgd": {"nestrov": True}}},
            "optimizer.sgd.nestrov", "clipnorm, clipvalue, global_clipnorm, momentum, nesterov", "write 'nesterov'",
        ),
        (
            {"optimizer": {"adam": {"clipnorm": 1.0, "clipvalue": 2.0}}},
            "optimizer.adam.clipvalue", "one of clipnorm, clipvalue, global_clipnorm", "remove clipvalue",
        ),
        ({"schedule": "cosin"}, "schedule", "a schedule: constant, cosine, exponential", "write 'cosine'"),
        ({"schedule": "exponential"}, "schedule", "rate, which exponential has no default for", "{rate: 0.5}"),
        ({"schedule": {"exponential": 2}}, "schedule.exponential", "a number in (0, 1]", "rate: 0.5"),
        ({"schedule": {"cosine": 3}}, "schedule.cosine", "no value; cosine has no arguments", "write  cosine"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(params: dict[str, Any], path: str, expected: str, fix: str) -> None:
    ((found, wanted, mend),) = list_problems(params)
    assert found == path
    assert expected in wanted
    assert fix in mend


def test_what_describes_the_layers_of_mlp_is_no_parameter_of_keras() -> None:
    for name in (*OF_MLP, "hidden_layer_sizes"):
        ((found, expected, fix),) = list_problems({"layers": LAYERS, name: DEFAULTS.get(name)}, "keras")
        assert (found, expected.partition(";")[0]) == (name, f"no {name}")
        assert "describe the network with layers" in fix


def test_mistakes_in_layers_stand_in_layers() -> None:
    layers = [["Dens", {}], ["Dense", {"units": 0}], ["Dropout", {"value": 0.1}]]
    assert [path for path, *_ in list_problems({"layers": layers, "epochs": 0}, "keras")] == [
        "layers.0",
        "layers.1.Dense.units",
        "epochs",
    ]


def test_layers_of_a_recipe_are_among_the_parameters() -> None:
    text = "dataset: {path: a, target: y}\nmodels: {net: {type: %s, layers: [Flatten, Dense: 3], params: {epochs: 2}}}"
    params = {kind: merge_layers(parse_document(text % kind, "r").finish().models["net"]) for kind in NETWORKS}
    assert params["keras"] == {"epochs": 2, "layers": [["Flatten", {}], ["Dense", {"value": 3}]]}
    assert params["mlp"] == {"epochs": 2}
    assert resolve_params("keras", params["keras"])["layers"] == [["Flatten", {}], ["Dense", {"units": 3}]]


def test_only_cosine_depends_on_the_number_of_epochs() -> None:
    for schedule, depends in (("constant", False), ("cosine", True), ({"exponential": 0.9}, False)):
        assert read_plan("mlp", resolve_params("mlp", {"schedule": schedule})).depends_on_epochs is depends


def test_unchecked_parameters_are_a_programming_mistake() -> None:
    with pytest.raises(ValueError, match="'no_such' was not checked"):
        resolve_params("mlp", {"no_such": 1})
    with pytest.raises(ValueError, match="optimizer 'no_such' was not checked"):
        resolve_params("mlp", {"optimizer": "no_such"})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "hidden": st.lists(st.integers(1, 512), min_size=1, max_size=3),
            "activation": st.sampled_from(["relu", "tanh"]),
            "dropout": st.floats(0, 0.9),
            "batch_norm": st.booleans(),
            "epochs": st.integers(1, 99),
            "batch_size": st.integers(1, 999),
            "learning_rate": st.floats(1e-6, 10),
            "optimizer": st.sampled_from(["adam", "SGD", {"rmsprop": {"rho": 0.5}}]),
            "schedule": st.sampled_from(["constant", "cosine", {"exponential": {"rate": 0.5}}]),
        },
    )
)
def test_the_resolved_form_has_the_same_plan(params: dict[str, Any]) -> None:
    assert list_problems(params) == []
    resolved = resolve_params("mlp", params)
    plan = read_plan("mlp", resolved)
    assert canonical_json(resolved)
    for name in ("epochs", "batch_size", "learning_rate"):
        assert getattr(plan, name) == params.get(name, DEFAULTS[name])
    dense = [options["units"] for name, options in plan.layers if name == "Dense"]
    assert dense == params.get("hidden", DEFAULTS["hidden"])
    assert sum(name == "Dropout" for name, _ in plan.layers) == (len(dense) if params.get("dropout") else 0)
