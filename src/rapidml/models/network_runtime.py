"""TensorFlow as networks use it: loaded quietly, deterministic, with a fixed number of threads."""

from __future__ import annotations

import os
from typing import Any

from rapidml.errors import DISTRIBUTION, ModelError

THREADS = 4
"""Threads of one TensorFlow operation. Sums within convolutions depend on it, so it is the same on every machine."""
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "KERAS_BACKEND": "tensorflow"}
"""Set before TensorFlow is imported."""


def open_tensorflow(device: str = "cpu", threads: int = THREADS, gpu: int | None = None) -> Any:
    """The module ``tensorflow``, set up on first use in this process.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: Threads of one operation; only the first call of a process decides.
        gpu: Number of the only GPU that this process uses, dealt round those that there are; None for all.

    Raises:
        ModelError: TensorFlow is not installed, or there is no such device.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ModelError(f"networks need TensorFlow: pip install '{DISTRIBUTION}[tensorflow]' ({error})") from error
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        found = tf.config.list_physical_devices("GPU")
        if found and gpu is not None:
            found = [found[gpu % len(found)]]
            tf.config.set_visible_devices(found, "GPU")
        for one in found:
            tf.config.experimental.set_memory_growth(one, enable=True)
    except RuntimeError:  # it has computed already in this process: as the first call said
        pass
    tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    if device == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise ModelError("TensorFlow finds no GPU here: write 'device: cpu', or install a CUDA build of TensorFlow")
    return tf


def name_device(device: str) -> str:
    """TensorFlow's name of a device of a recipe."""
    return "/GPU:0" if device == "cuda" else "/CPU:0"
