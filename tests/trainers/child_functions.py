"""Functions that the tests run in forked processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from rapidml.trainers.child import Channel


def say(channel: Channel, *words: object) -> int:
    """Send every argument; return their number."""
    for word in words:
        channel.send(word)
    return len(words)


def add(channel: Channel) -> int:
    """Return the sum of what comes, until 0."""
    total = 0
    while number := channel.receive():
        total += number
    return total


def double(channel: Channel) -> Any:
    """Return twice the array that comes."""
    return channel.receive() * np.float32(2)


def name_modules(_channel: Channel, *names: str) -> dict[str, bool]:
    """Which modules are loaded when the function begins."""
    return {name: name in sys.modules for name in names}


def name_variables(_channel: Channel, *names: str) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


def fail(_channel: Channel, text: str) -> NoReturn:
    raise ValueError(text)


def fail_plainly(_channel: Channel, text: str) -> NoReturn:
    raise ModelError(text)


def write_and_exit(_channel: Channel, text: str, code: int) -> NoReturn:
    """End without a word on the channel."""
    print(text, file=sys.stderr, flush=True)
    os._exit(code)


def abort(_channel: Channel) -> NoReturn:
    os.abort()


def linger(channel: Channel) -> NoReturn:
    """Go on for ever, deaf to SIGTERM as TensorFlow is, with a process of its own; send both process ids."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    channel.send((os.getpid(), other.pid))
    while True:
        time.sleep(60)


def multiply_with_tensorflow(channel: Channel, size: int) -> float:
    """The trace of a product of matrices of ones."""
    import tensorflow as tf

    channel.send("loaded")
    return float(tf.linalg.trace(tf.ones((size, size)) @ tf.ones((size, size))))
