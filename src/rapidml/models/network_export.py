"""A network with its outputs as one ``keras.Model``: for those who have Keras and not this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.models.network_build import build_network
from rapidml.models.network_loop import OUT
from rapidml.models.network_runtime import open_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rapidml.dataset.frame import Task
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import TargetFacts


def make_whole(
    plan: NetworkPlan, task: Task, shape: tuple[int, ...], facts: TargetFacts, weights: Sequence[Sequence[NDArray[Any]]]
) -> Any:
    """A ``keras.Model`` from rows to chances or values.

    Args:
        plan: The network.
        task: What was learned.
        shape: Shape of one row's input.
        facts: What is known of the targets.
        weights: Those of one network, or of several whose mean predicts.

    Returns:
        A model whose output has shape ``(n_rows, 1)``: the chance of class 1, or the value; or
        ``(n_rows, n_classes)``.
    """
    open_tensorflow()
    import keras

    inputs = keras.Input(shape, name="features")
    found = [_make_one(plan, task, shape, facts, each, number)(inputs) for number, each in enumerate(weights)]
    return keras.Model(inputs, found[0] if len(found) == 1 else keras.layers.Average(name="mean")(found))


def _make_one(
    plan: NetworkPlan,
    task: Task,
    shape: tuple[int, ...],
    facts: TargetFacts,
    weights: Sequence[NDArray[Any]],
    number: int,
) -> Any:
    import keras
    import numpy as np

    logits = build_network(plan, task, shape, seed=0)
    for variable, values in zip([*logits.trainable_variables, *logits.non_trainable_weights], weights, strict=True):
        variable.assign(values)
    if task.kind == "regression":
        last = keras.layers.Rescaling(facts.scale, offset=facts.mean)
    else:
        last = keras.layers.Activation("softmax" if task.kind == "multiclass" else "sigmoid")
    if task.kind == "multiclass" and not all(facts.present):
        output = logits.get_layer("output")
        kernel, bias = output.get_weights()
        output.set_weights([kernel, bias + np.where(facts.present, 0.0, OUT).astype(bias.dtype)])
    return keras.Model(logits.inputs, last(logits.outputs[0]), name=f"network_{number}")
