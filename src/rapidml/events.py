"""Progress records: one type for Dask's event log, ``events.*.jsonl``, the terminal and notebooks. Display only."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["run_started", "step_started", "progress", "step_finished", "step_failed", "note", "run_finished"]
TOPIC = "rapidml"
"""Topic of Dask's event log that workers write to."""


@dataclass(frozen=True)
class Event:
    """Something that happened in a run.

    Attributes:
        kind: What happened.
        step: Kind of step it belongs to: ``read``, ``fit``, ``evaluate``; empty for the run.
        key: Key of the step; empty for the run.
        name: What a person calls it, such as ``bdt, fold 3``.
        data: Details, JSON-like: ``{"done": 40, "total": 100}`` for progress.
        time: Seconds since 1970, UTC.
    """

    kind: Kind
    step: str = ""
    key: str = ""
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def to_json(self) -> str:
        """One line of ``events.*.jsonl``."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Event:
        """The event that ``to_json`` wrote."""
        return cls(**json.loads(line))
