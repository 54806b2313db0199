"""Builds the Keras network of a plan: its input, the layers of the recipe, and the output layer of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.keys import make_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.frame import Task
    from rapidml.models.network_params import NetworkPlan

SPATIAL = ("Conv", "SeparableConv", "DepthwiseConv", "MaxPooling", "AveragePooling", "GlobalMax", "GlobalAverage")
"""First words of layers that read a channel beside the places."""


def build_network(plan: NetworkPlan, task: Task, shape: tuple[int, ...], seed: int) -> Any:
    """A ``keras.Model`` whose outputs are logits (classes) or a value, shape ``(n_rows, n_outputs)``.

    An image without channels gets one before layers that read channels; arrays are made flat before a first ``Dense``
    and before the output layer.

    Args:
        plan: The network.
        task: What is learned.
        shape: Shape of one row's input.
        seed: Seed of initial weights and of dropout.

    Raises:
        ModelError: The layers do not fit the input, or each other.
    """
    import keras

    inputs = keras.Input(shape, name="features")
    tensor = inputs
    if len(shape) == 2 and _reads_channels(plan, dimensions=2):
        tensor = keras.layers.Reshape((*shape, 1))(tensor)
    elif len(shape) > 1 and plan.layers[:1] and plan.layers[0][0] == "Dense":
        tensor = keras.layers.Flatten()(tensor)
    for number, (name, options) in enumerate(plan.layers):
        try:
            tensor = _make_layer(name, options, make_seed(seed, "layer", number))(tensor)
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"layer {number + 1}, {name}, does not fit rows of shape {tuple(tensor.shape[1:])}: {_shorten(error)}"
            ) from error
    if len(tensor.shape) > 2:
        tensor = keras.layers.Flatten()(tensor)
    last = {"units": count_outputs(task), "name": "output"}
    outputs = _make_layer("Dense", last, make_seed(seed, "layer", len(plan.layers)))(tensor)
    return keras.Model(inputs, outputs)


def _make_layer(name: str, options: Mapping[str, Any], seed: int) -> Any:
    """A layer whose random numbers follow from a seed of its own.

    Keras would draw seeds from Python's generator, which other threads of the process use too.
    """
    import inspect

    import keras

    made = getattr(keras.layers, name)
    given = _read_options(options)
    if "seed" in inspect.signature(made.__init__).parameters:
        given.setdefault("seed", seed)
    layer = made(**given)
    for part in (layer, getattr(layer, "cell", None)):
        for attribute, value in vars(part).items() if part is not None else ():
            if isinstance(value, keras.initializers.Initializer) and hasattr(value, "seed"):
                value.seed = make_seed(seed, attribute)
    return layer


def count_outputs(task: Task) -> int:
    """Width of the output layer."""
    return len(task.classes) if task.kind == "multiclass" else 1


def make_optimizer(plan: NetworkPlan) -> Any:
    """The ``keras`` optimizer of a plan, with its first learning rate.

    Raises:
        ModelError: The library refuses its options.
    """
    import keras

    name, options = plan.optimizer
    try:
        return keras.optimizers.get(
            {"class_name": name, "config": {"learning_rate": plan.learning_rate, **_read_options(options)}}
        )
    except (ValueError, TypeError) as error:
        raise ModelError(f"the optimizer {name} refuses its options: {_shorten(error)}") from error


def learning_rate(plan: NetworkPlan, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0."""
    import math

    name, options = plan.schedule
    if name == "cosine":
        return plan.learning_rate * 0.5 * (1.0 + math.cos(math.pi * epoch / plan.epochs))
    if name == "exponential":
        return plan.learning_rate * float(options["rate"]) ** epoch
    return plan.learning_rate


def _reads_channels(plan: NetworkPlan, dimensions: int) -> bool:
    """Whether the first layer that looks at places is of so many dimensions, with nothing before that reshapes."""
    for name, _ in plan.layers:
        if name in ("Reshape", "Flatten"):
            return False
        if name.startswith(SPATIAL):
            return name.endswith(f"{dimensions}D")
    return False


def _read_options(options: Any) -> dict[str, Any]:
    """Options as Keras takes them: lists are tuples, ``[name, {options}]`` is an object of that class."""
    return {name: _read_option(value) for name, value in options.items()}


def _read_option(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        return {"class_name": value[0], "config": dict(value[1])}
    return tuple(map(_read_option, value))


def _shorten(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300]
