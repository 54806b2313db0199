"""A search as its run keeps it, made by hand: a table of candidates, and what the result says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEPTHS = [4, 6, 8]
RATES = [0.01, 0.03, 0.1, 0.3]
DEPTH, RATE = "params.max_depth", "params.learning_rate"
BEST = 6
"""Number of the best candidate: depth 6, rate 0.1."""


REACHED = {"rounds": 4, "folds": 1}
"""How far the candidate came that was stopped."""


def make_row(number: int, **changes: Any) -> dict[str, Any]:
    """A candidate of a grid of depths and rates, done."""
    depth, rate = DEPTHS[number // len(RATES)], RATES[number % len(RATES)]
    mean = 0.90 - 0.004 * abs(depth - 6) - 0.02 * abs(RATES.index(rate) - 2)
    row = {
        "number": number,
        "values": {DEPTH: depth, RATE: rate},
        "mean": mean,
        "std": 0.0123,
        "folds": [mean - 0.01, mean, mean + 0.01],
        "low": None,
        "high": None,
        "seconds": 0.5 * depth,
        "state": "done",
        "from": None,
        "tied": None,
        "error": None,
        "reached": None,
    }
    return {**row, **changes}


def make_rows() -> list[dict[str, Any]]:
    """Nine done, the best and two tied with it compared by replicas; one failed, one running, one stopped early."""
    changes: dict[int, dict[str, Any]] = {
        BEST: {"tied": True, "low": 0.895, "high": 0.905},
        2: {"tied": True, "low": 0.887, "high": 0.897, "from": "20261121-0719-aaaa"},
        10: {"tied": True, "low": 0.886, "high": 0.896},
        7: {"tied": False, "low": 0.875, "high": 0.885},
        0: {"state": "failed", "mean": None, "std": None, "folds": [None] * 3, "error": "ModelError: no\n  good"},
        8: {"state": "pruned", "mean": None, "std": None, "folds": [0.8, None, None], "reached": REACHED},
        11: {"state": "running", "mean": None, "std": None, "folds": [0.87, None, None], "seconds": None},
    }
    return [make_row(number, **changes.get(number, {})) for number in range(12)]


RANGES = [
    {"name": DEPTH, "kind": "any", "values": DEPTHS, "points": None},
    {"name": RATE, "kind": "log", "values": [0.01, 0.3], "points": 4},
]


def make_content(rows: Iterable[dict[str, Any]] | None = None, model: str = "bdt", **changes: Any) -> dict[str, Any]:
    """What ``candidates.json`` holds."""
    table = {"method": "grid", "metric": "roc_auc", "greater_is_better": True, "ranges": RANGES}
    table["rows"] = make_rows() if rows is None else list(rows)
    return {"models": {model: {**table, **changes}}}


def make_search(**changes: Any) -> dict[str, Any]:
    """What the result says of the search of a model."""
    search = {
        "method": "grid",
        "metric": "roc_auc",
        "greater_is_better": True,
        "candidates": 9,
        "failed": 1,
        "pruned": 1,
        "unfinished": 1,
        "from_other_runs": 1,
        "fits": 27,
        "stored": 3,
        "collapsed": 0,
        "seconds": 81.0,
        "ranges": RANGES,
        "best": BEST,
        "optimism": {"value": 0.0021, "corrected": 0.8979, "low": 0.893, "high": 0.903},
        "tied": [BEST, 2, 10],
        "cheapest": 2,
        "edges": [
            {
                "name": DEPTH,
                "value": 6,
                "side": "high",
                "override": "models.bdt.params.max_depth={any: [4, 6, 8]}",
                "to_fit": 12,
                "stored": 24,
            }
        ],
    }
    return {**search, **changes}


def write_candidates(store: Path, run: str, content: dict[str, Any] | None = None) -> Path:
    """Write the table of a run, whole, as its driver does."""
    path = store / "runs" / run / "candidates.json"
    beside = path.with_name(".candidates")
    beside.write_text(json.dumps(make_content() if content is None else content))
    beside.replace(path)
    return path
