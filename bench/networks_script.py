"""The training of a network as users of TensorFlow write it: what ``networks.py`` compares rapidml with.

``python networks_script.py job.json`` trains with ``Model.fit``, as in Keras' own examples.
``TF_CONFIG=... python networks_script.py job.json`` is one worker of a ``MultiWorkerMirroredStrategy`` with a loop of
its own, as in TensorFlow's tutorial: Keras 3 has no ``fit`` for it. Every worker trains on rows of its own, several
steps a call. Both print the seconds of each epoch.

Imports nothing of rapidml.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
STEPS_AT_ONCE = 256


def load_rows(job: dict[str, Any]) -> tuple[Any, Any]:
    """Images as numbers from 0 to 1, and digits."""
    import numpy as np

    images, labels = np.load(job["features"]), np.load(job["target"])
    return images[: job["rows"]].astype("float32") / 255, labels[: job["rows"]].astype("int32")


def build_model(job: dict[str, Any]) -> Any:
    """The network."""
    import keras

    layers = [keras.layers.Input((28, 28)), keras.layers.Reshape((28, 28, 1))]
    for layer in job["layers"]:
        name, options = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        layers.append(getattr(keras.layers, name)(**options))
    return keras.Sequential([*layers, keras.layers.Dense(10)])


def make_loss(reduction: str) -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)


def fit(job: dict[str, Any]) -> None:
    """``Model.fit``."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            print(f"epoch {epoch} {time.perf_counter() - self.began:.4f} {logs}", flush=True)

    rows, labels = load_rows(job)
    model = build_model(job)
    model.compile(keras.optimizers.Adam(job["learning_rate"]), make_loss("sum_over_batch_size"))
    model.fit(rows, labels, batch_size=job["batch_size"], epochs=job["epochs"], verbose=0, callbacks=[Clock()])


def train_together(job: dict[str, Any]) -> None:
    """One worker of several."""
    import keras
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    n_workers, worker = strategy.num_replicas_in_sync, strategy.cluster_resolver.task_id
    rows, labels = load_rows(job)
    rows, labels = rows[worker::n_workers], labels[worker::n_workers]
    data = tf.data.Dataset.from_tensor_slices((rows, labels)).shuffle(len(rows), seed=worker).repeat()
    data = iter(data.batch(job["batch_size"], drop_remainder=True).prefetch(tf.data.AUTOTUNE))
    with strategy.scope():
        model = build_model(job)
        optimizer = keras.optimizers.Adam(job["learning_rate"])
        optimizer.build(model.trainable_variables)
    find_loss = make_loss("sum")

    def step(images: Any, digits: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = find_loss(digits, model(images, training=True)) / (job["batch_size"] * n_workers)
        gradients = tape.gradient(loss, model.trainable_variables)
        gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function  # type: ignore[untyped-decorator]
    def train(data: Any, steps: Any) -> Any:
        total = 0.0
        for _ in tf.range(steps):
            total += strategy.run(step, args=next(data))
        return total

    n_steps = job["rows"] // (job["batch_size"] * n_workers)
    for epoch in range(job["epochs"]):
        began, total = time.perf_counter(), 0.0
        for first in range(0, n_steps, STEPS_AT_ONCE):
            total += float(train(data, tf.constant(min(STEPS_AT_ONCE, n_steps - first))))
        print(f"epoch {epoch} {time.perf_counter() - began:.4f} {total / n_steps:.4f}", flush=True)


if __name__ == "__main__":
    content = json.loads(Path(sys.argv[1]).read_text())
    (train_together if "TF_CONFIG" in os.environ else fit)(content)
