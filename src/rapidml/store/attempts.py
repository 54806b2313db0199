"""Attempts at a run: which process drives it, and how another takes over when that one is gone.

The numbered facts file is the fence: only one process can create ``<run>.<n>.jsonl``, so of several that find the
last driver gone exactly one becomes the next. The file ``driver`` carries the counter of the last attempt.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import RunIsAlive
from rapidml.store.durable import make_folder
from rapidml.store.events_file import EventWriter
from rapidml.store.facts import FactWriter, read_lines
from rapidml.store.liveness import Beat, Liveness, Pulse, is_fresh, make_beat, read_beat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rapidml.events import Event
    from rapidml.store.runs import Runs
    from rapidml.store.work import Claim, Rival, Work

DRIVER = "driver"


@dataclass(frozen=True)
class Driver:
    """The last process that drove a run.

    Attributes:
        attempt: Number of its attempt.
        beat: Its last beat; None in the instant before the first.
        is_ended: It said that it was done.
    """

    attempt: int
    beat: Beat | None
    is_ended: bool

    def describe(self) -> str:
        """For messages: ``process 4711 on login3``."""
        return "another process" if self.beat is None else self.beat.describe()


class Attempt:
    """This process drives a run. Finish it, or close it.

    Attributes:
        run: Id of the run.
        number: Number of the attempt, from 1.
        facts: Writes facts.
        events: Writes events.
        pulse: Shows that this process is alive.
    """

    def __init__(self, runs: Runs, work: Work, facts: FactWriter, pulse: Pulse) -> None:
        self.run = facts.run
        self.number = facts.attempt
        self.facts = facts
        self.pulse = pulse
        self._runs = runs
        self._work = work
        self._started = time.monotonic()
        folder = runs.folder(self.run)
        self._driver = folder / DRIVER
        self.events = EventWriter(folder / f"events.{self.number}.jsonl")
        pulse.add(self._driver, make_beat(run=self.run, attempt=self.number))
        runs.set_state(self.run, "running")

    def append(self, event: Event) -> None:
        """Write an event."""
        self.events.append(event)

    def claim(self, key: str) -> Claim | Rival:
        """Claim a key, or learn which live run has it; after a claim ask for its fact once more."""
        return self._work.claim(key, self.pulse, run=self.run)

    def finish(
        self, state: str, *, summary: Mapping[str, Any] | None = None, changes: Mapping[str, Any] | None = None
    ) -> None:
        """End the attempt: facts to disk, final state, end of the facts file, and no driver any more.

        Args:
            state: ``finished``, ``failed`` or ``interrupted``.
            summary: What listings show; kept as it is if None.
            changes: Further fields of ``run.json``.
        """
        try:
            self.facts.flush()
            seconds = {"seconds": time.monotonic() - self._started}
            shown = {} if summary is None else {"summary": dict(summary)}
            self._runs.update(self.run, {**seconds, **shown, **(changes or {}), "state": state})
        finally:
            self.close()

    def close(self) -> None:
        """Let go without a final state, which makes an interrupted run; the facts handed over are on disk."""
        self.pulse.remove(self._driver)
        self.pulse.close()
        try:
            self.facts.close()
        finally:
            self.events.close()
            _remove_driver(self._driver, self.number)


class Attempts:
    """Attempts at the runs of a store.

    Args:
        facts: Folder ``facts`` of the store.
        runs: Its runs.
        work: Its work in progress.
    """

    def __init__(self, facts: Path, runs: Runs, work: Work) -> None:
        self._facts = facts
        self._runs = runs
        self._work = work

    def start(
        self,
        run: str,
        *,
        liveness: Liveness | None = None,
        on_wait: Callable[[Driver], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Attempt:
        """Drive a run, after any former driver of it.

        Args:
            run: Id of the run.
            liveness: Judges the former driver.
            on_wait: Called if it takes up to half a minute to judge it.
            sleep: Waits for some seconds.

        Raises:
            RunIsAlive: Another process drives it.
        """
        facts = self._open_facts(run, liveness or Liveness(), on_wait, sleep)
        return Attempt(self._runs, self._work, facts, Pulse())

    @contextlib.contextmanager
    def add_facts(self, run: str) -> Iterator[FactWriter]:
        """Add facts to a run, as its only driver meanwhile; the state of the run stays what it is.

        Args:
            run: Id of the run.

        Raises:
            RunIsAlive: Another process drives it.
        """
        path = self._runs.folder(run) / DRIVER
        pulse = Pulse()
        try:
            with self._open_facts(run, Liveness(), None, time.sleep) as facts:
                pulse.add(path, make_beat(run=run, attempt=facts.attempt))
                try:
                    yield facts
                finally:
                    pulse.remove(path)
                    _remove_driver(path, facts.attempt)
        finally:
            pulse.close()

    def _open_facts(
        self,
        run: str,
        liveness: Liveness,
        on_wait: Callable[[Driver], None] | None,
        sleep: Callable[[float], None],
    ) -> FactWriter:
        make_folder(self._facts)
        while True:
            former = self.find_driver(run)
            if former is not None and self._wait(run, former, liveness, on_wait, sleep):
                raise RunIsAlive(run, (self.find_driver(run) or former).describe())
            number = 1 if former is None else former.attempt + 1
            path = self._facts / f"{run}.{number}.jsonl"
            beat = make_beat(run=run, attempt=number)
            try:
                return FactWriter(path, run, number, {"driver": beat.to_json(), "time": time.time()})
            except FileExistsError:
                continue

    def find_driver(self, run: str) -> Driver | None:
        """Driver of the last attempt at a run; None if there was none."""
        number = 0
        while (self._facts / f"{run}.{number + 1}.jsonl").exists():
            number += 1
        if number == 0:
            return None
        beat = read_beat(self._runs.folder(run) / DRIVER)
        is_current = beat is not None and beat.note.get("attempt") == number
        header, is_ended = _read_ends(self._facts / f"{run}.{number}.jsonl")
        return Driver(number, beat if is_current else header, is_ended)

    def is_alive(self, run: str, liveness: Liveness) -> bool:
        """Whether a process drives a run, as far as can be told without waiting."""
        driver = self.find_driver(run)
        if driver is None or driver.is_ended:
            return False
        return liveness.is_alive(f"{run}.{driver.attempt}", driver.beat)

    def _wait(
        self,
        run: str,
        driver: Driver,
        liveness: Liveness,
        on_wait: Callable[[Driver], None] | None,
        sleep: Callable[[float], None],
    ) -> bool:
        """Whether the driver is alive, however long it takes to know."""
        name = f"{run}.{driver.attempt}"
        if driver.is_ended or not liveness.is_alive(name, driver.beat):
            return False
        if is_fresh(self._runs.folder(run) / DRIVER, driver.beat):
            return True
        if on_wait is not None:
            on_wait(driver)

        def look() -> Beat | None:
            found = self.find_driver(run)
            return None if found is None or found.is_ended else found.beat

        return liveness.wait(name, look, sleep)


def _remove_driver(path: Path, attempt: int) -> None:
    """Remove the last beat of an attempt, unless another attempt has written its own."""
    beat = read_beat(path)
    if beat is not None and beat.note.get("attempt") == attempt:
        with contextlib.suppress(OSError):
            path.unlink()


def _read_ends(path: Path) -> tuple[Beat | None, bool]:
    """Who began a facts file, and whether it was ended."""
    try:
        lines, _ = read_lines(path, 0, 1 << 16)
        header = json.loads(lines[0][1]) if lines else {}
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200))
            tail = file.read()
    except (OSError, ValueError):
        return None, False
    last = tail.splitlines()[-1] if tail.endswith(b"\n") else b""
    return Beat.from_json(header.get("driver")) if isinstance(header, dict) else None, last.startswith(b'{"end":true')
