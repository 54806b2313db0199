"""Layers by Keras' names: mistakes with their fixes, one form in keys, and the bundled list against the library."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.models.layer_checking import check_layers, find_group, list_activations, resolve_layers
from rapidml.models.parameters import read_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapidml.models.layer_checking import Argument, Group, Item

GROUPS = {
    "layer": "layers",
    "optimizer": "optimizers",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
}
"""Groups of the list, and the modules of the library that have them."""
NEVER = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "StringLookup", "Normalization", "Concatenate", "RNN", "LSTMCell")
"""Code, files, what learns before training, several inputs, other layers within."""


def list_problems(*layers: list[Any]) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, one.path)), one.expected, one.fix) for one in check_layers((), list(layers))]


def test_right_layers_have_no_problems() -> None:
    layers = [
        ["Conv2D", {"filters": 32, "kernel_size": [3, 3], "padding": "same", "activation": None}],
        ["Conv2D", {"filters": 8, "kernel_size": 3, "kernel_initializer": "he_normal", "kernel_constraint": None}],
        ["MaxPool2D", {}],
        ["Rescaling", {"value": 0.5}],
        ["Reshape", {"target_shape": [4, -1]}],
        ["ZeroPadding2D", {"padding": [[1, 0], [0, 1]]}],
        ["LSTM", {"units": 3, "return_sequences": True}],
        ["Dense", {"units": 3, "kernel_regularizer": {"l2": 0.01}, "bias_initializer": {"Constant": {"value": 1}}}],
        ["BatchNormalization", {}],
        ["Dropout", {"value": 0}],
    ]
    assert list_problems(*layers) == []
    assert resolve_layers(layers)[1:3] == [
        ["Conv2D", {"filters": 8, "kernel_size": 3, "kernel_initializer": ["HeNormal", {}], "kernel_constraint": None}],
        ["MaxPooling2D", {}],
    ]
    named = {"kernel_regularizer": ["L2", {"l2": 0.01}], "bias_initializer": ["Constant", {"value": 1.0}]}
    assert resolve_layers(layers)[-3:] == [
        ["Dense", {"units": 3, **named}],
        ["BatchNormalization", {}],
        ["Dropout", {"rate": 0.0}],
    ]


@pytest.mark.parametrize(
    ("layer", "path", "expected", "fix"),
    [
        (["Dens", {}], "0", "a layer: Dense, Conv2D", "write 'Dense'"),
        (["dense", {"units": 3}], "0.dense", "a layer: Dense, Conv2D", "write 'Dense'"),
        (["MaxPool2d", {}], "0", "a layer: Dense, Conv2D", "write 'MaxPool2D'"),
        (["Dense(64)", {}], "0", "a layer: Dense, Conv2D", "write  {Dense: {units: 64}}"),
        (["Quantum", {}], "0", "others", "write one of these"),
        (["Lambda", {}], "0", "a layer that recipes can have", "a recipe holds no code"),
        (["Input", {"shape": [3]}], "0.Input", "a layer that recipes can have", "the input follows from the features"),
        (["Normalization", {}], "0", "a layer that recipes can have", "prepare: [standardize]"),
        (["Add", {}], "0", "a layer that recipes can have", "the output of each layer is the input of the next"),
        (["Dense", {}], "0", "units, which Dense has no default for", "write for example  {Dense: {units: 64}}"),
        (["Dense", {"unit": 3}], "0.Dense.unit", "an argument of Dense: activation", "write 'units'"),
        (["Dense", {"units": 3, "x": 1}], "0.Dense.x", "an argument of Dense: activation", "write one of these names"),
        (["Dense", {"units": "64"}], "0.Dense.units", "an integer of at least 1", "write it without quotes: 64"),
        (["Dense", {"units": 64.0}], "0.Dense.units", "an integer of at least 1", "write 64"),
        (["Dense", {"units": [64]}], "0.Dense.units", "an integer of at least 1", "write for example  units: 64"),
        (["Dense", {"value": 0}], "0.Dense", "an integer of at least 1", "write for example  units: 64"),
        (["Dense", {"units": 3, "activation": "rleu"}], "0.Dense.activation", "one of relu, tanh", "write 'relu'"),
        (["Dense", {"units": 3, "use_bias": "no"}], "0.Dense.use_bias", "true or false", "use_bias: true"),
        (["Dense", {"units": 3, "name": "x"}], "0.Dense.name", "that recipes can set", "remove it"),
        (["Dense", {"units": 3, "input_shape": [2]}], "0.Dense.input_shape", "recipes can set", "from the features"),
        (["Dropout", {"rate": 0.1, "seed": 2}], "0.Dropout.seed", "that recipes can set", "the recipe's seed"),
        (["Flatten", {"value": 1}], "0.Flatten", "no value; Flatten has no arguments", "write  Flatten"),
        (["Flatten", {"x": 1}], "0.Flatten.x", "no arguments; Flatten has none", "remove it"),
        (["Conv2D", {"value": 32}], "0.Conv2D", "kernel_size, which Conv2D", "{filters: 64, kernel_size: 3}"),
        (
            ["Conv2D", {"filters": 8, "kernel_size": [3, 3, 3]}],
            "0.Conv2D.kernel_size", "or a list of 2 integers of at least 1", "kernel_size: 3",
        ),
        (
            ["Conv2D", {"filters": 8, "kernel_size": 3, "padding": "SAME"}],
            "0.Conv2D.padding", "same or valid", "write 'same'",
        ),
        (
            ["Dense", {"units": 3, "kernel_regularizer": "l3"}],
            "0.Dense.kernel_regularizer", "a regularizer: L1, L1L2, L2, OrthogonalRegularizer", "write one of these",
        ),
        (
            ["Dense", {"units": 3, "kernel_initializer": "he_norml"}],
            "0.Dense.kernel_initializer", "an initializer: ", "write 'he_normal'",
        ),
        (
            ["Dense", {"units": 3, "kernel_initializer": 0.1}],
            "0.Dense.kernel_initializer", "an initializer or one {NAME: {arguments}}", "kernel_initializer: ",
        ),
        (
            ["Dense", {"units": 3, "kernel_constraint": {"MaxNorm": {"max_value": -1}}}],
            "0.Dense.kernel_constraint.MaxNorm.max_value", "a number above 0", "max_value: 3",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_fix(layer: list[Any], path: str, expected: str, fix: str) -> None:
    ((found, wanted, mend),) = list_problems(layer)
    assert found == path
    assert expected in wanted
    assert fix in mend


def test_nothing_that_runs_code_or_reads_files_is_offered() -> None:
    assert {name for name in NEVER if find_group("layer").find(name)} == set()


def test_every_argument_has_an_example_that_it_takes() -> None:
    for word in GROUPS:
        for item in find_group(word).items.values():
            for name, argument in item.arguments.items():
                values = list(list_values(argument))
                assert values, (item.name, name)
                assert argument.describe()


def list_values(argument: Argument) -> Iterator[Any]:
    """Values that an argument takes, as resolved: at the bounds and between them."""
    if argument.group is not None:
        for item in find_group(argument.group).items.values():
            yield [item.name, {needed: find_value(item, needed) for needed in item.required}]
    lists = ([1], [1, 2], [2, 3, 1], [[0, 1]], [[1, 1], [0, 2]], [[1, 1], [0, 2], [1, 0]])
    choices = [choice for kind in argument.parameter.kinds for choice in kind.choices]
    for value in (None, True, False, 0.0, 0.5, 0.9, 1.0, 3.0, 0, 1, 2, *choices, *lists):
        if argument.parameter.accepts(value):
            yield argument.parameter.convert(value)


# Against the library


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install 'iml-rapidml[tensorflow]'")
    return pytest.importorskip("keras")


@pytest.mark.slow
def test_the_list_is_what_the_library_says(keras: Any) -> None:
    from rapidml.models.make_keras_list import make_content

    bundled = read_list("keras")
    if bundled["made_from"] != f"keras {keras.__version__}":
        pytest.skip(f"the list was made from {bundled['made_from']}")
    assert {name: bundled[name] for name in ("activations", "groups")} == make_content()


@pytest.mark.slow
def test_the_library_knows_every_name_and_every_alias(keras: Any) -> None:
    assert {name for name in list_activations() if keras.activations.get(name) is None} == set()
    for word, module in GROUPS.items():
        for item in find_group(word).items.values():
            for name in (item.name, *item.aliases):
                assert hasattr(getattr(keras, module), name) or getattr(keras, module).get(name) is not None


@pytest.mark.slow
@pytest.mark.parametrize("word", GROUPS)
def test_the_library_takes_every_value_that_we_take(word: str, keras: Any) -> None:
    refused = []
    for item in find_group(word).items.values():
        for name, argument in item.arguments.items():
            for value in list_values(argument):
                options = {**{needed: find_value(item, needed) for needed in item.required}, name: value}
                try:
                    make(keras, word, item, options)
                except (TypeError, ValueError) as error:
                    refused.append((item.name, options, str(error)))
    assert refused == []


@pytest.mark.slow
def test_the_library_refuses_what_is_just_below_a_bound(keras: Any) -> None:
    """Where the library has a check of its own, ours is no laxer: a sample of arguments."""
    for layer, options in (
        ("Dense", {"units": 0}),
        ("Dropout", {"rate": -0.1}),
        ("Conv2D", {"filters": 0, "kernel_size": 3}),
        ("Conv2D", {"filters": 2, "kernel_size": 0}),
        ("MaxPooling2D", {"pool_size": 0}),
    ):
        assert list_problems([layer, options])
        with pytest.raises(ValueError, match=r"."):
            make(keras, "layer", find_group("layer").items[layer], options)


def find_value(item: Item, name: str) -> Any:
    values = [value for value in list_values(item.arguments[name]) if value is not None]
    return 4 if name == "filters" else values[0]


def make(keras: Any, word: str, item: Item, options: dict[str, Any]) -> Any:
    """The thing as the library makes it of resolved arguments."""
    read = {name: read_value(value) for name, value in options.items()}
    if word == "optimizer":
        return keras.optimizers.get({"class_name": item.name, "config": {"learning_rate": 0.1, **read}})
    return getattr(getattr(keras, GROUPS[word]), item.name)(**read)


def read_value(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
        return {"class_name": value[0], "config": value[1]}
    return tuple(map(read_value, value)) if isinstance(value, list) else value


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", *sorted(set(list_activations()) - {"relu"})])
def test_every_activation_works_in_a_layer(name: str, keras: Any) -> None:
    import numpy as np

    layer = keras.layers.Dense(4, activation=name)
    assert np.isfinite(np.asarray(layer(np.ones((2, 3), np.float32)))).all()


def test_groups_agree_on_their_names() -> None:
    groups: list[Group] = [find_group(word) for word in GROUPS]
    for group, other in product(groups, groups):
        assert group is other or not group.items.keys() & other.items.keys() - {"UnitNorm"}
