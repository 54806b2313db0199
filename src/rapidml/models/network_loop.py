"""The training loop of a network in one process: steps over mini-batches, its state in and out, its predictions.

The loop is our own and not ``Model.fit``: mini-batches follow from row ids, several steps are one call of a compiled
function, and the same loop serves a fit alone and a replica among others.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.keys import make_seed
from rapidml.models.network_build import build_network, count_outputs, make_optimizer
from rapidml.models.network_runtime import THREADS, name_device, open_tensorflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Task
    from rapidml.models.network_batches import Batches
    from rapidml.models.network_params import NetworkPlan
    from rapidml.models.network_rows import NetworkRows, TargetFacts

State = dict[str, "list[NDArray[Any]]"]
"""Arrays of a network by what they are: ``weights``, ``optimizer``, ``seeds`` (states of its random numbers)."""
LoadedRows = tuple[Any, ...]
STEPS_AT_ONCE = 256
"""Steps of one call of the compiled function."""
PREDICTED_AT_ONCE = 1024
"""Rows of one prediction, always that many, so that a row's value does not depend on its neighbours."""
OUT = -1e9
"""Logit of a class without rows: its chance is 0."""


class NetworkLoop:
    """A network, its optimizer, and the steps that train it.

    Args:
        plan: The network and how it is trained.
        task: What is learned.
        shape: Shape of one row's input.
        facts: What is known of the targets.
        seed: Seed of initial weights and of dropout.
        device: ``cpu`` or ``cuda``.
        threads: Threads of one operation; only the first use of TensorFlow in a process decides.
        gpu: The only GPU that this process uses; see ``open_tensorflow``.

    Raises:
        ModelError: The layers do not fit the input, or TensorFlow is not there.
    """

    def __init__(
        self,
        plan: NetworkPlan,
        task: Task,
        shape: tuple[int, ...],
        facts: TargetFacts,
        *,
        seed: int,
        device: str = "cpu",
        threads: int = THREADS,
        gpu: int | None = None,
    ) -> None:
        self.tf = open_tensorflow(device, threads, gpu)
        self.n_ranks = 1
        self.plan, self.task, self.facts = plan, task, facts
        self.device = name_device(device)
        with self.tf.device(self.device):
            self.model = build_network(plan, task, shape, seed)
            self.optimizer = make_optimizer(plan)
            self.optimizer.build(self.model.trainable_variables)
        self.losses = Losses(self.tf, task, facts)
        compiled = partial(self.tf.function, reduce_retracing=True, autograph=False)  # autograph leaves files in /tmp
        self._steps, self._outputs = compiled(self._train_steps), compiled(self._predict_rows)

    def load(self, rows: NetworkRows) -> LoadedRows:
        """Rows that steps can train on, where the network computes."""
        with self.tf.device(self.device):
            return tuple(map(self.tf.constant, (rows.inputs, self.losses.read_target(rows.target), rows.weight)))

    def train(self, rows: LoadedRows, batches: Batches) -> NDArray[np.float32]:
        """Take some steps.

        Returns:
            The loss of each step, averaged over the rows of its mini-batch. Shape ``(n_steps,)``.
        """
        import numpy as np

        found = []
        for first in range(0, batches.n_steps, STEPS_AT_ONCE):
            part = batches.part(first, first + STEPS_AT_ONCE)
            with self.tf.device(self.device):
                found.append(self._steps(part.rows, part.sizes, part.totals, *rows).numpy())
        return np.concatenate(found)

    def _train_steps(self, rows: Any, sizes: Any, totals: Any, inputs: Any, target: Any, weight: Any) -> Any:
        tf = self.tf
        n_steps = tf.shape(sizes)[0]

        def take_step(step: Any, losses: Any) -> tuple[Any, Any]:
            chosen = rows[step, : sizes[step]]
            share = tf.gather(weight, chosen) / tf.cast(totals[step], tf.float32)
            loss, gradients = self._find_gradients(tf.gather(inputs, chosen), tf.gather(target, chosen), share)
            loss, gradients = self.combine(loss, gradients)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            return step + 1, losses.write(step, loss)

        start = (tf.constant(0), tf.TensorArray(tf.float32, n_steps))
        return tf.while_loop(lambda step, _: step < n_steps, take_step, start)[1].stack()

    def combine(self, loss: Any, gradients: list[Any]) -> tuple[Any, list[Any]]:
        """Add up what the ranks of a step have found; there is only this one here."""
        return loss, gradients

    def agree(self, value: float) -> float:
        """A number that all ranks use alike: that of rank 0."""
        return value

    def end_epoch(self) -> None:
        """Called after the steps of an epoch."""

    def _find_gradients(self, inputs: Any, target: Any, share: Any) -> tuple[Any, list[Any]]:
        """Loss of a mini-batch, or of a rank's part of it, and its gradients; all ranks' add up to those of the whole.

        Args:
            inputs: Rows, as tensors.
            target: Their targets.
            share: Their weights over the number of rows of the mini-batch.
        """
        tf = self.tf
        with tf.GradientTape() as tape:
            outputs = self.model(tf.cast(inputs, tf.float32), training=True)
            loss = tf.reduce_sum(share * self.losses.of_rows(target, outputs))
            whole = loss + tf.add_n(self.model.losses) / self.n_ranks if self.model.losses else loss
        return loss, tape.gradient(whole, self.model.trainable_variables)

    def set_seeds(self, seed: int) -> None:
        """Take the random numbers of dropout from another seed, as many drawn as before: those of replicas differ."""
        for number, variable in enumerate(self._variables()["seeds"]):
            variable.assign([make_seed(seed, "dropout", number), int(variable.numpy()[1])])

    def set_learning_rate(self, value: float) -> None:
        """The rate of all steps from now on."""
        self.optimizer.learning_rate.assign(value)

    def outputs(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """What the network says of rows. Shape ``(n_rows, n_outputs)``."""
        import numpy as np

        found = np.empty((len(inputs), count_outputs(self.task)), np.float32)
        for first in range(0, len(inputs), PREDICTED_AT_ONCE):
            part = inputs[first : first + PREDICTED_AT_ONCE]
            n = len(part)
            if n < PREDICTED_AT_ONCE:
                part = np.concatenate([part, np.zeros((PREDICTED_AT_ONCE - n, *part.shape[1:]), part.dtype)])
            with self.tf.device(self.device):
                found[first : first + n] = self._outputs(part).numpy()[:n]
        return found

    def _predict_rows(self, inputs: Any) -> Any:
        return self.model(self.tf.cast(inputs, self.tf.float32), training=False)

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Chance of class 1, of every class, or the value. Shape ``(n_rows,)``, or ``(n_rows, n_classes)``."""
        return self.losses.make_predictions(self.outputs(inputs))

    def watch(self, rows: NetworkRows) -> float:
        """Weighted mean loss of rows that do not train."""
        return self.losses.mean(rows.target, self.outputs(rows.inputs), rows.weight)

    def get_state(self) -> State:
        """A copy of everything that the next step depends on."""
        return {name: [variable.numpy().copy() for variable in found] for name, found in self._variables().items()}

    def set_state(
        self, state: Mapping[str, Sequence[NDArray[Any]]], kinds: Sequence[str] = ("weights", "optimizer", "seeds")
    ) -> None:
        """Go on from a state, or from a part of it.

        Raises:
            ModelError: It is that of another network.
        """
        known = self._variables()
        for name in kinds:
            variables, arrays = known[name], state.get(name, ())
            shapes = [tuple(array.shape) for array in arrays]
            if shapes != [tuple(variable.shape) for variable in variables]:
                raise ModelError(f"the stored {name} are not those of this network")
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Take over weights alone; see ``set_state``."""
        self.set_state({"weights": weights}, ("weights",))

    def _variables(self) -> dict[str, list[Any]]:
        weights = [*self.model.trainable_variables, *self.model.non_trainable_weights]
        known = {id(variable) for variable in weights}
        seeds = [variable for variable in self.model.variables if id(variable) not in known]
        return {"weights": weights, "optimizer": list(self.optimizer.variables), "seeds": seeds}


class Losses:
    """The loss of a task, of outputs that are logits or scaled values.

    Args:
        tf: TensorFlow.
        task: What is learned.
        facts: What is known of the targets.
    """

    def __init__(self, tf: Any, task: Task, facts: TargetFacts) -> None:
        self.tf, self.task, self.facts = tf, task, facts

    def read_target(self, target: NDArray[Any]) -> NDArray[Any]:
        """Targets in the type that the loss takes."""
        return target.astype("int32") if self.task.kind == "multiclass" else target

    def of_rows(self, target: Any, outputs: Any) -> Any:
        """Log loss of classes, nats; squared error of scaled values. Shape ``(n_rows,)``."""
        tf = self.tf
        if self.task.kind == "multiclass":
            return tf.nn.sparse_softmax_cross_entropy_with_logits(target, outputs + self._mask())
        if self.task.kind == "binary":
            return tf.nn.sigmoid_cross_entropy_with_logits(target, outputs[:, 0])
        return tf.square(outputs[:, 0] - target)

    def _mask(self) -> Any:
        return self.tf.constant([0.0 if is_there else OUT for is_there in self.facts.present])

    def mean(self, target: NDArray[Any], outputs: NDArray[Any], weight: NDArray[Any]) -> float:
        """Weighted mean loss, in double precision."""
        import numpy as np

        if len(target) == 0 or weight.sum() <= 0:
            return math.nan
        losses = np.asarray(self.of_rows(self.read_target(target), outputs))
        return float(np.average(losses.astype(np.float64), weights=weight.astype(np.float64)))

    def make_predictions(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Chances, or values in the target's own units."""
        import numpy as np

        if self.task.kind == "regression":
            return (outputs[:, 0].astype(np.float64) * self.facts.scale + self.facts.mean).astype(np.float32)
        values = outputs.astype(np.float64)
        if self.task.kind == "binary":
            return (0.5 * (1.0 + np.tanh(0.5 * values[:, 0]))).astype(np.float32)
        values = values + np.where(self.facts.present, 0.0, OUT)
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)
