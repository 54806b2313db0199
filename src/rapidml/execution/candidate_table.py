"""The candidates of a search as its run keeps them: ``candidates.json``, written while it works, read by whoever looks.

Display only: what a search has computed are facts, and a run is not read again from this file.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rapidml.store.store import Store

FILE = "candidates.json"
"""Name of the file in the folder of a run."""

_ORDER = {"done": 0, "running": 1, "waiting": 2, "pruned": 3, "failed": 4}


@dataclass(frozen=True)
class TableRange:
    """A range that the candidates take values of.

    Attributes:
        name: Dotted path within the model, such as ``params.max_depth``.
        kind: ``any``, ``log`` or ``between``.
        values: The values of ``any``; the two bounds of the others.
    """

    name: str
    kind: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Candidate:
    """One point of the ranges of a model, and what became of it.

    Attributes:
        number: Its number in the search of its model.
        values: A value for each range, by name of the range.
        state: ``done``, ``failed``, ``pruned`` (stopped because it was behind), ``running`` or ``waiting``.
        mean: Plain mean over folds; None while there is none, or it is undefined.
        reached: How far a stopped candidate came, and what its mean is of: ``rounds``, and ``folds``, the first ones.
        std: Standard deviation over folds; None with fewer than two.
        folds: Score on the held-out rows of each fold; None for a fold without one.
        low: Lower end of the central 68.3% of the replicas; None unless it was compared by replicas.
        high: Upper end.
        seconds: Time of its fits; None while nothing was fitted.
        source: Run whose facts it is made of; None if it was fitted here.
        tied: Whether these rows cannot tell it from the best; None unless it was compared.
        error: Why it failed.
    """

    number: int
    values: Mapping[str, Any]
    state: str = "waiting"
    mean: float | None = None
    std: float | None = None
    folds: tuple[float | None, ...] = ()
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    source: str | None = None
    tied: bool | None = None
    error: str | None = None
    reached: Mapping[str, int] | None = None

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Candidate:
        """The candidate that a row of the file describes."""
        return cls(
            number=int(row["number"]),
            values=dict(row["values"]),
            state=str(row.get("state", "waiting")),
            mean=_finite(row.get("mean")),
            std=_finite(row.get("std")),
            folds=tuple(_finite(score) for score in row.get("folds") or ()),
            low=_finite(row.get("low")),
            high=_finite(row.get("high")),
            seconds=_finite(row.get("seconds")) or None,  # 0 of those that wait
            source=row.get("from"),
            tied=row.get("tied"),
            error=row.get("error"),
            reached=row.get("reached"),
        )

    def to_json(self) -> dict[str, Any]:
        """The row that ``from_json`` reads."""
        names = (
            "number",
            "values",
            "mean",
            "std",
            "folds",
            "low",
            "high",
            "seconds",
            "state",
            "tied",
            "error",
            "reached",
        )
        return {**{name: getattr(self, name) for name in names}, "folds": list(self.folds), "from": self.source}


def _finite(number: Any) -> float | None:
    is_number = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    return float(number) if is_number else None


@dataclass(frozen=True)
class CandidateTable:
    """The candidates of one model.

    Attributes:
        method: ``grid``, ``random``, ``tpe`` or ``hyperband``.
        metric: Metric that ranks them.
        greater_is_better: Its direction.
        ranges: What the candidates take values of.
        rows: The candidates, best first: done, under way, stopped, failed; those of equal scores by number.
    """

    method: str
    metric: str
    greater_is_better: bool
    ranges: tuple[TableRange, ...]
    rows: tuple[Candidate, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CandidateTable:
        """The table that the file holds of a model."""
        ranges = tuple(TableRange(str(r["name"]), str(r["kind"]), tuple(r["values"])) for r in content["ranges"])
        greater = bool(content["greater_is_better"])
        rows = [Candidate.from_json(row) for row in content["rows"]]
        ordered = tuple(sorted(rows, key=lambda row: _place(row, greater_is_better=greater)))
        return cls(str(content["method"]), str(content["metric"]), greater, ranges, ordered)

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best mean among those that are done; None before the first."""
        first = self.rows[0] if self.rows else None
        return first if first is not None and first.state == "done" and first.mean is not None else None

    @property
    def tied(self) -> tuple[Candidate, ...]:
        """The best and those that these rows cannot tell from it, best first; empty before they were compared."""
        best = self.best
        if best is None or all(row.tied is None for row in self.rows):
            return ()
        return tuple(row for row in self.rows if row is best or (row.tied and row.state == "done"))

    @property
    def cheapest(self) -> Candidate | None:
        """The one of the tied whose fits took the least time; None if none is known to be tied with the best."""
        known = [row for row in self.tied if row.seconds is not None]
        return min(known, key=lambda row: row.seconds or 0.0) if len(self.tied) > 1 and known else None

    def count(self, *states: str) -> int:
        """Number of candidates in one of some states."""
        return sum(row.state in states for row in self.rows)

    def find(self, number: int) -> Candidate | None:
        """The candidate of a number."""
        return next((row for row in self.rows if row.number == number), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the rows best first."""
        best, cheapest = self.best, self.cheapest
        return {
            "method": self.method,
            "metric": self.metric,
            "greater_is_better": self.greater_is_better,
            "ranges": [{"name": r.name, "kind": r.kind, "values": list(r.values)} for r in self.ranges],
            "best": None if best is None else best.number,
            "cheapest": None if cheapest is None else cheapest.number,
            "rows": [row.to_json() for row in self.rows],
        }


def _place(row: Candidate, *, greater_is_better: bool) -> tuple[int, bool, float, int]:
    mean = 0.0 if row.mean is None else row.mean
    state = _ORDER.get(row.state, len(_ORDER))
    return state, row.mean is None, -mean if greater_is_better else mean, row.number


def load_candidates(store: Store, run: str) -> dict[str, CandidateTable]:
    """The candidates of a run by model; empty for a run that searched nothing.

    Args:
        store: The store.
        run: Id of the run.

    Raises:
        RunNotFound: There is no such run.
        StoreError: The file is damaged.
    """
    return read_candidates(store.runs.folder(run) / FILE)


def read_candidates(path: Path) -> dict[str, CandidateTable]:
    """The candidates of a file by model; empty if there is none.

    Raises:
        StoreError: It is damaged.
    """
    try:
        content = json.loads(path.read_bytes())
        return {str(name): CandidateTable.from_json(table) for name, table in content["models"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged; running the recipe again writes it anew") from error
