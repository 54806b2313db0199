"""Who is alive: a process keeps raising a counter in a small file; readers judge it by their own clock."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.store.durable import load_json, write_file

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from pathlib import Path

PERIOD = 2.0
"""Seconds between two beats."""

STALE_AFTER = 30.0
"""Seconds that a counter must stand still before its process counts as gone."""


@dataclass(frozen=True)
class Beat:
    """A process, as it shows itself.

    Attributes:
        host: Name of its host.
        machine: Boot and process namespace: process numbers can be compared only where this is equal.
        pid: Process number.
        started: When the process started, in ticks of the system; tells it from a later one with its number.
        counter: Rises with every beat.
        note: What it is at: run, attempt, folder; JSON-like.
    """

    host: str
    machine: str
    pid: int
    started: int | None
    counter: int = 0
    note: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-like form."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Beat | None:
        """The beat that ``to_json`` wrote; None if it is none."""
        try:
            beat = cls(**{name: tree[name] for name in cls.__dataclass_fields__})
        except (KeyError, TypeError):
            return None
        return beat if isinstance(beat.pid, int) and isinstance(beat.note, dict) else None

    def is_here(self) -> bool:
        """Whether it is a process of this machine, since its last start."""
        return self.machine == _this_machine()

    def is_gone(self) -> bool:
        """Whether it is certain that the process is no more; False for other machines."""
        if not self.is_here():
            return False
        if self.started is not None:
            return _find_start(self.pid) != self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def describe(self) -> str:
        """For messages: ``process 4711 on login3``."""
        return f"process {self.pid} on {self.host}"


def make_beat(**note: Any) -> Beat:
    """The first beat of this process."""
    return Beat(os.uname().nodename, _this_machine(), os.getpid(), _find_start(os.getpid()), 0, note)


def read_beat(path: Path) -> Beat | None:
    """The last beat in a file; None if there is none."""
    return Beat.from_json(load_json(path))


class Pulse:
    """Beats for this process: one thread that raises the counters in any number of files. Close it.

    Args:
        period: Seconds between two beats.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._beats: dict[Path, Beat] = {}
        self._change = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def add(self, path: Path, beat: Beat) -> None:
        """Write a first beat to a file, and keep beating."""
        with self._change:
            self._beats[path] = beat
            write_file(path, json.dumps(beat.to_json()), lasting=False)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()

    def remove(self, path: Path) -> None:
        """Beat in a file no more; when this returns nothing writes to it."""
        with self._change:
            self._beats.pop(path, None)

    def close(self) -> None:
        """Stop beating."""
        with self._change:
            self._is_closed = True
            self._beats.clear()
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._change:
            while not self._is_closed:
                if self._change.wait_for(lambda: self._is_closed, timeout=self._period):
                    return
                for path, beat in list(self._beats.items()):
                    self._beats[path] = following = replace(beat, counter=beat.counter + 1)
                    with contextlib.suppress(OSError):  # a beat that fails is made up for by the next
                        write_file(path, json.dumps(following.to_json()), lasting=False)


class Liveness:
    """Judges whether processes are alive, from what it saw of their counters.

    Args:
        seen: Counter and time of the last change, by name; handed in to remember across processes.
        clock: Seconds, from any origin.
        limit: Seconds of standstill after which a process counts as gone.
    """

    def __init__(
        self,
        seen: MutableMapping[str, tuple[str, float]] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        limit: float = STALE_AFTER,
    ) -> None:
        self.seen: MutableMapping[str, tuple[str, float]] = {} if seen is None else seen
        self._clock = clock
        self._limit = limit

    def is_alive(self, name: str, beat: Beat | None) -> bool:
        """Whether a process counts as alive; who is seen for the first time does.

        Args:
            name: What it holds, the same at every look.
            beat: Its last beat; None if it has not beaten yet.
        """
        if beat is not None and beat.is_gone():
            return False
        token = "" if beat is None else f"{beat.machine}:{beat.pid}:{beat.counter}"
        now = self._clock()
        last = self.seen.get(name)
        if last is None or last[0] != token or last[1] > now:
            self.seen[name] = (token, now)
            return True
        return now - last[1] < self._limit

    def wait(self, name: str, read: Callable[[], Beat | None], sleep: Callable[[float], None] = time.sleep) -> bool:
        """Look until it is known whether a process is alive: its counter rises, or stands still for too long.

        Args:
            name: What it holds.
            read: Its last beat.
            sleep: Waits for some seconds.
        """
        first = read()
        while True:
            beat = read()
            if not self.is_alive(name, beat):
                return False
            if beat is not None and (first is None or beat.counter != first.counter or beat.pid != first.pid):
                return True
            sleep(PERIOD / 4)


def is_fresh(path: Path, beat: Beat | None) -> bool:
    """Whether a process of this machine beat within the last few periods, by the time of its file."""
    if beat is None or not beat.is_here() or beat.is_gone():
        return False
    try:
        return abs(time.time() - path.stat().st_mtime) < 4 * PERIOD
    except OSError:
        return False


def _this_machine() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123  pathlib is not loaded yet
            boot = file.read().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return f"{os.uname().nodename}:{sys.platform}"


def _find_start(pid: int) -> int | None:
    """Start of a process, in ticks after boot; None if it is not there, or the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else int(fields[19])
