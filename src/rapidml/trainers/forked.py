"""A process that a helper has forked, as who asked for it sees it: messages, how it ended, why it was lost."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import threading
import time
from multiprocessing import connection
from typing import IO, TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.trainers.child import MESSAGE, RAISED, RETURNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection

LAST_LINES = 15
"""Lines of what a process printed that an error shows."""
GONE_WITHIN = 5.0
"""Seconds in which the end of a process that was killed must be known."""
_LAST_BYTES = 8192
_NOTE = re.compile(r"I\d{4} |WARNING: All log messages before absl")
"""What TensorFlow says when nothing is wrong."""


class ChildError(ModelError):
    """A function raised in a child.

    Args:
        kind: Its exception's class, such as ``ValueError`` or ``rapidml.errors.ModelError``.
        text: What the exception said.
        trace: The traceback, as Python prints it.
    """

    def __init__(self, kind: str, text: str, trace: str) -> None:
        self.kind = kind
        self.text = text
        self.trace = trace
        super().__init__(text if kind.startswith("rapidml.") else f"{kind}: {text}")

    def __reduce__(self) -> tuple[type[ChildError], tuple[str, str, str]]:
        return type(self), (self.kind, self.text, self.trace)


class ChildLostError(ModelError):
    """A child ended, or froze and was killed, before its function returned or raised.

    Args:
        pid: Its process id.
        code: Its exit code; minus the number of the signal that killed it; None if unknown.
        words: The last lines it printed.
        is_frozen: Whether it had given no sign of life any more.
    """

    def __init__(self, pid: int, code: int | None, words: str = "", *, is_frozen: bool = False) -> None:
        self.pid = pid
        self.code = code
        self.words = words
        self.is_frozen = is_frozen
        how = "gave no sign of life and was killed" if is_frozen else _describe_end(code)
        last = "".join(f"\n  {line}" for line in words.splitlines())
        super().__init__(f"a training process (id {pid}) {how}" + (f"; the last it wrote:{last}" if last else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_lost, (self.pid, self.code, self.words, self.is_frozen)


def _make_lost(pid: int, code: int | None, words: str, is_frozen: bool) -> ChildLostError:
    return ChildLostError(pid, code, words, is_frozen=is_frozen)


class Child:
    """A process that runs one function. Made by ``Helper.fork``; close it, or use it in ``with``.

    Args:
        channel: Its channel.
        beats: Non-blocking pipe with its signs of life; ``note_end`` closes it.
        errors: What it prints.

    Attributes:
        pid: Its process id; 0 before it is forked.
        result: What its function returned, once ``has_returned``.
        has_returned: Whether its function has returned and all its messages were read.
        is_over: Whether it has returned or raised, and all its messages were read.
        channel: Its channel; for ``wait_for_any`` alone.
    """

    def __init__(self, channel: Connection[Any, Any], beats: int, errors: IO[bytes]) -> None:
        self.pid = 0
        self.beats = beats
        self.result: Any = None
        self.has_returned = False
        self.is_over = False
        self.channel = channel
        self._errors = errors
        self._code: int | None = None
        self._ended = threading.Event()
        self._last_beat = time.monotonic()
        self._is_frozen = False

    def send(self, message: object) -> None:
        """Send anything that can be pickled to the function's channel.

        Raises:
            ChildLostError: The process is gone.
        """
        try:
            self.channel.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._make_lost() from None

    def poll(self, timeout: float | None = 0.0) -> Any:
        """The next message of the function.

        Args:
            timeout: Seconds to wait at most; None waits as long as the process lives.

        Returns:
            The message. None if none came in time, or if the function has returned (then ``has_returned``).

        Raises:
            ChildError: The function raised.
            ChildLostError: The process died, or was frozen and killed.
        """
        if self.has_returned or not self.channel.poll(timeout):
            return None
        try:
            kind, content = self.channel.recv()
        except (EOFError, ConnectionResetError):
            raise self._make_lost() from None
        if kind == MESSAGE:
            return content
        self.is_over = True
        if kind == RAISED:
            raise ChildError(**content)
        assert kind == RETURNED
        self.result, self.has_returned = content, True
        return None

    def messages(self) -> Iterator[Any]:
        """All messages to come, until the function has returned; raises as ``poll`` does."""
        while not self.has_returned:
            message = self.poll(None)
            if message is not None:
                yield message

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return not self._ended.is_set() and not self._is_hung_up()

    @property
    def exitcode(self) -> int | None:
        """Exit code, minus a signal's number if one killed the process; None while it runs or if nobody knows."""
        return self._code

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the process to end, whatever it says; whether it has."""
        return self._ended.wait(timeout)

    def last_words(self) -> str:
        """The last lines that the process printed."""
        return read_end(self._errors)

    def kill(self) -> None:
        """End the process, and what it started, at once: by SIGKILL."""
        if self._ended.is_set() or self._is_hung_up():
            return
        for kill in (os.killpg, os.kill):  # as it holds its channel, its id is its own; it may not have its group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process if it still runs, and let it go."""
        if self.channel.closed:
            return
        if not self.is_over:
            self.kill()
        self._ended.wait(GONE_WITHIN)
        self.kill()  # its function is over, and it does not end
        self.channel.close()
        self._errors.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_hung_up(self) -> bool:
        """Whether nobody holds the other end of the channel."""
        if self.channel.closed:
            return True
        poll = select.poll()
        poll.register(self.channel.fileno(), 0)
        return bool(poll.poll(0))

    def _make_lost(self) -> ChildLostError:
        self._ended.wait(GONE_WITHIN)
        return ChildLostError(self.pid, self._code, self.last_words(), is_frozen=self._is_frozen)

    # What follows is for the helper's thread.

    def note_beats(self, now: float) -> None:
        """Take the signs of life that came."""
        with contextlib.suppress(BlockingIOError):
            if os.read(self.beats, 4096):
                self._last_beat = now
            else:
                self._close_beats()

    def kill_if_silent(self, now: float, silent: float) -> None:
        """End a process that is frozen."""
        if now - self._last_beat > silent and not self._is_frozen and self.is_alive:
            self._is_frozen = True
            self.kill()

    def note_end(self, code: int | None) -> None:
        """The process has ended; its exit code, or None if nobody will ever know it."""
        self._close_beats()
        self._code = code
        self._ended.set()

    def _close_beats(self) -> None:
        if self.beats >= 0:
            os.close(self.beats)
            self.beats = -1


def wait_for_any(children: Iterable[Child], timeout: float | None = None) -> list[Child]:
    """Wait until one of some children says something, or ends.

    Args:
        children: Children, not closed; those whose functions are over are passed by.
        timeout: Seconds to wait at most; None waits for ever.

    Returns:
        Those for which ``poll`` has a message, returns at once or raises; none when the time is over.
    """
    channels = {child.channel: child for child in children if not child.is_over}
    ready = connection.wait(channels, timeout) if channels else []
    return [child for channel, child in channels.items() if channel in ready]


def read_end(file: IO[bytes]) -> str:
    """The last lines of a file that another process writes, without mere notes; of a crash, the first ones."""
    if file.closed:
        return ""
    size = os.fstat(file.fileno()).st_size
    text = os.pread(file.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES)).decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _NOTE.match(line)]
    crashes = [number for number, line in enumerate(lines) if line.startswith("Fatal Python error")]
    return "\n".join(lines[crashes[-1] :][:LAST_LINES] if crashes else lines[-LAST_LINES:])


def _describe_end(code: int | None) -> str:
    if code is None:
        return "is gone"
    if code >= 0:
        return f"ended with exit code {code}"
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL, as the system does when memory runs out"
    names = {number.value: number.name for number in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"
