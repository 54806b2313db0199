"""Events of a run on disk, for whoever wants to watch it. Display only: a lost one does no harm."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from rapidml.events import Event
from rapidml.store.facts import read_lines

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path


class EventWriter:
    """Writes ``events.<attempt>.jsonl``. Close it.

    Args:
        path: File to append to.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def append(self, event: Event) -> None:
        """Write an event at once, without waiting for the disk; a full disk is passed over."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, event.to_json().encode() + b"\n")

    def close(self) -> None:
        """Close the file; later events are dropped."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def read_events(run: Path, positions: MutableMapping[str, int] | None = None) -> list[Event]:
    """Events of all attempts at a run, oldest attempt first.

    Args:
        run: Folder of the run.
        positions: Where each file was read to; kept up to date, so that the next call returns only what is new.
    """
    positions = {} if positions is None else positions
    events: list[Event] = []
    files = [path for path in run.glob("events.*.jsonl") if path.suffixes[0][1:].isdigit()]
    for path in sorted(files, key=lambda path: int(path.suffixes[0][1:])):
        while True:
            start = positions.get(path.name, 0)
            lines, positions[path.name] = read_lines(path, start)
            for _, text in lines:
                with contextlib.suppress(ValueError, TypeError):
                    events.append(Event.from_json(text.decode()))
            if positions[path.name] == start:
                break
    return events
