"""A network of dense layers in NumPy that trains as ``NetworkLoop`` does with TensorFlow. For ``staleness.py``.

One process holds hundreds of them: a replica takes a fraction of a millisecond a step, and memory for its weights and
its optimizer's alone. Gradients, Adam and Nesterov's momentum are those of Keras; ``staleness.py`` holds them against
TensorFlow's. Replicas (``trainers.replica``) cannot tell the difference.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidml.trainers.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rapidml.models.network_batches import Batches
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows

    Array = NDArray[np.float32]

N_PIXELS, N_CLASSES = 784, 10
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Of Keras' Adam."""


class Variable:
    """A part of a flat vector, with the two methods of a Keras variable that replicas use."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def numpy(self) -> Array:
        """Its values."""
        return self.values

    def assign(self, values: Array) -> None:
        """Take over values."""
        self.values[...] = values


class Dense:
    """The weights of a network, as Keras' models give them.

    Args:
        shapes: Shape of every array: kernel, bias, kernel, bias, ...

    Attributes:
        flat: All numbers in one vector.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = [int(np.prod(shape)) for shape in shapes]
        ends = np.cumsum([0, *sizes])
        self.flat: Array = np.zeros(int(ends[-1]), np.float32)
        parts = [
            self.flat[first:last].reshape(shape) for first, last, shape in zip(ends, ends[1:], shapes, strict=False)
        ]
        self.arrays = parts
        self.trainable_variables = [Variable(part) for part in parts]
        self.non_trainable_weights: list[Variable] = []


class Adam:
    """Keras' Adam."""

    def __init__(self, model: Dense, rate: float) -> None:
        self.flat, self.rate, self.steps = model.flat, rate, 0
        self.mean, self.square = np.zeros_like(model.flat), np.zeros_like(model.flat)

    def apply(self, gradient: Array) -> None:
        """One step; the gradient's memory is used up."""
        self.steps += 1
        step = self.rate * np.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        self.mean *= BETA_1
        self.mean += (1 - BETA_1) * gradient
        np.square(gradient, out=gradient)
        gradient *= 1 - BETA_2
        self.square *= BETA_2
        self.square += gradient
        np.sqrt(self.square, out=gradient)
        gradient += EPSILON
        np.divide(self.mean, gradient, out=gradient)
        gradient *= np.float32(step)
        self.flat -= gradient


class Nesterov:
    """Keras' SGD with momentum and ``nesterov``; without momentum plain SGD."""

    def __init__(self, model: Dense, rate: float, momentum: float) -> None:
        self.flat, self.rate, self.momentum = model.flat, rate, momentum
        self.velocity = Dense([variable.values.shape for variable in model.trainable_variables])

    @property
    def momentums(self) -> list[Variable]:
        """Momentum of every array."""
        return self.velocity.trainable_variables

    def apply(self, gradient: Array) -> None:
        """One step; the gradient's memory is used up."""
        gradient *= self.rate
        self.velocity.flat *= self.momentum
        self.velocity.flat -= gradient
        self.flat -= gradient
        self.flat += self.momentum * self.velocity.flat


class NumpyLoop:
    """The loop of a replica; see ``models.network_loop.NetworkLoop``.

    Args:
        plan: The network: dense layers with ``relu`` between them, and an optimizer that is known here.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        shapes = list_shapes(plan)
        self.plan, self.model, self._gradient = plan, Dense(shapes), Dense(shapes)
        name, options = plan.optimizer
        self.optimizer: Any
        if name == "adam":
            self.optimizer = Adam(self.model, plan.learning_rate)
        else:
            self.optimizer = Nesterov(self.model, plan.learning_rate, float(options.get("momentum", 0.0)))

    def set_seeds(self, seed: int) -> None:
        """There is nothing random in the steps."""

    def set_learning_rate(self, value: float) -> None:
        """The rate of all steps from now on."""
        self.optimizer.rate = value

    def load(self, rows: NetworkRows) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Rows that steps can train on."""
        return rows.inputs.reshape(len(rows.inputs), -1), rows.target.astype(np.int64)

    def train(self, rows: tuple[NDArray[Any], NDArray[np.int64]], batches: Batches) -> Array:
        """Take some steps; the loss of each."""
        losses = np.empty(batches.n_steps, np.float32)
        for step, size in enumerate(batches.sizes):
            chosen = batches.rows[step, :size]
            losses[step] = self.take_step(rows[0][chosen], rows[1][chosen])
        return losses

    def take_step(self, inputs: NDArray[Any], target: NDArray[np.int64]) -> float:
        """One step; the loss before it."""
        layers = self._run(inputs)
        chances, count = _find_chances(layers[-1]), len(target)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            loss = float(-np.mean(np.log(chances[np.arange(count), target])))
        chances[np.arange(count), target] -= 1
        chances /= count
        self._find_gradient(layers, chances)
        self.optimizer.apply(self._gradient.flat)
        return loss

    def _run(self, inputs: NDArray[Any]) -> list[Array]:
        """What goes into every layer, and the outputs."""
        found = [inputs.astype(np.float32) / np.float32(255)]
        arrays = self.model.arrays
        with np.errstate(over="ignore", invalid="ignore"):
            for place in range(0, len(arrays), 2):
                outputs = found[-1] @ arrays[place] + arrays[place + 1]
                found.append(outputs if place == len(arrays) - 2 else np.maximum(outputs, 0, out=outputs))
        return found

    def _find_gradient(self, layers: Sequence[Array], error: Array) -> None:
        gradient = self._gradient.arrays
        with np.errstate(over="ignore", invalid="ignore"):
            for place in range(len(gradient) - 2, -1, -2):
                inputs = layers[place // 2]
                np.matmul(inputs.T, error, out=gradient[place])
                np.sum(error, axis=0, out=gradient[place + 1])
                if place:
                    error = error @ self.model.arrays[place].T
                    error *= inputs > 0


def list_shapes(plan: NetworkPlan) -> list[tuple[int, ...]]:
    """Shapes of the weights of a network of dense layers."""
    widths = [N_PIXELS, *(int(options["units"]) for name, options in plan.layers if name == "Dense"), N_CLASSES]
    return [shape for one, two in pairwise(widths) for shape in ((one, two), (two,))]


def make_weights(plan: NetworkPlan, seed: int) -> Weights:
    """Weights as Keras begins with them: Glorot's uniform ones, biases of 0."""
    draw = np.random.default_rng(seed)
    trained = []
    for shape in list_shapes(plan):
        bound = np.sqrt(6 / sum(shape)) if len(shape) == 2 else 0.0
        trained.append(draw.uniform(-bound, bound, shape).astype(np.float32))
    return Weights(trained, [])


def score(weights: Sequence[Array], inputs: NDArray[Any], target: NDArray[Any]) -> tuple[float, float]:
    """How good a network is.

    Returns:
        The share of rows whose largest output is that of their class, and the mean log loss in nats. Weights that
        are no numbers any more have none right and an infinite loss.
    """
    found: NDArray[np.float32] = inputs.reshape(len(inputs), -1).astype(np.float32) / np.float32(255)
    with np.errstate(over="ignore", invalid="ignore"):
        for place in range(0, len(weights), 2):
            found = found @ weights[place] + weights[place + 1]
            if place < len(weights) - 2:
                found = np.maximum(found, 0)
    if not np.isfinite(found).all():
        return 0.0, math.inf
    right = found[np.arange(len(target)), target]
    largest = found.max(axis=1)
    losses = np.log(np.exp(found - largest[:, None]).sum(axis=1, dtype=np.float64)) + largest - right
    return float(np.mean(found.argmax(axis=1) == target)), float(losses.mean())


def _find_chances(outputs: Array) -> Array:
    found: Array
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
    return found
