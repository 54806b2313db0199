"""What runs in a process that a helper has forked: one function, its channel to who asked for it, signs of life.

The process ends by SIGKILL, with all that it has started, when who asked for it or the helper is gone: TensorFlow
catches SIGTERM.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import sys
import threading
import traceback
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from rapidml.trainers.limits import BEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MESSAGE = "message"
RETURNED = "returned"
RAISED = "raised"


class Channel:
    """The child's end of the connection with who asked for it. Any thread may send.

    Args:
        descriptor: A stream socket; this object closes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._connection: Connection[Any, Any] = Connection(descriptor)
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Send anything that can be pickled, but not None, which stands for "nothing came"."""
        if message is None:
            raise ValueError("None cannot be told from no message")
        self.send_as(MESSAGE, message)

    def send_as(self, kind: str, content: object) -> None:
        """Send a message of another kind: what the function returned or raised."""
        with self._sending:
            self._connection.send((kind, content))

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is something to receive, waiting so many seconds at most; None waits for ever."""
        return self._connection.poll(timeout)

    def receive(self) -> Any:
        """The next object from who asked for this process."""
        return self._connection.recv()


def run_child(channel: int, beats: int, errors: int, lives: Sequence[int]) -> int:
    """Run what is asked for on the channel, in a process just forked.

    Args:
        channel: Socket to who asked for it. The first object on it is ``("module:function", arguments)``.
        beats: Pipe to write signs of life to.
        errors: File that takes what the process prints.
        lives: Pipes whose other end closes when the processes end without which this one must not go on.

    Returns:
        The exit code: 0 if the function returned, else 1. What it returned or raised has been sent.
    """
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    faulthandler.enable(2, all_threads=False)
    threading.Thread(target=_give_signs, args=(beats, tuple(lives)), name="signs of life", daemon=True).start()
    line = Channel(channel)
    try:
        name, arguments = line.receive()
        line.send_as(RETURNED, find_function(name)(line, *arguments))
        return 0
    except BaseException as error:  # noqa: BLE001  (it is raised again in the process that asked)
        _report(line, error)
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


def find_function(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, attribute = name.partition(":")
    function = getattr(import_module(module), attribute)
    if not callable(function):
        raise TypeError(f"{name} is not a function")
    found: Callable[..., Any] = function
    return found


def _report(line: Channel, error: BaseException) -> None:
    """Send what was raised, in words: its class may be unknown on the other side."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    trace = "".join(traceback.format_exception(error))
    print(trace, file=sys.stderr)
    with contextlib.suppress(OSError):
        line.send_as(RAISED, {"kind": name, "text": str(error), "trace": trace})


def _give_signs(beats: int, lives: tuple[int, ...]) -> None:
    """Say each second that this process lives; end it when it is alone."""
    os.set_blocking(beats, False)
    poll = select.poll()
    for life in lives:
        poll.register(life, select.POLLIN)  # nothing is ever written there: it is the end
    while True:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # nobody reads them just now
            os.write(beats, b".")
        if poll.poll(BEAT_SECONDS * 1000):
            os.killpg(0, signal.SIGKILL)
