"""Hyperband at a quarter of a grid's compute: is its best candidate as good? For ``search.py``.

Both search the same ranges on the same folds, with nothing random in a fit: a seed changes the proposals alone. The
grid is computed once, hyperband with every seed from nothing. Compute is the boosting rounds trained on folds, which
are what hyperband deals out; seconds of these fits are shown, too: good candidates have deep trees, which take longer.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
import sys
from typing import TYPE_CHECKING, Any

from measure import Figure, run_once
from search_grids import LEAST_ROWS, write_recipe
from search_sides import Measured, Place, load_candidates, load_facts, ours
from search_tables import Table, write_table

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 20_000
CANDIDATES = 42
"""Of hyperband, so that it takes about a quarter of the grid's compute; the grid has 54."""
COMPUTE = 0.25
SHORTFALL = 1.0

ENTRY: dict[str, Any] = {
    "type": "xgboost",
    "params": {
        "n_estimators": 100,
        "max_depth": {"any": [3, 5, 7]},
        "learning_rate": {"log": [0.02, 0.5], "points": 6},
        "min_child_weight": {"log": [1.0, 100.0], "points": 3},
    },
}


def measure_hyperband(place: Place) -> Measured:
    """The best scores of hyperband over seeds beside that of the grid."""
    if importlib.util.find_spec("optuna") is None:
        print("skipped: hyperband needs optuna, which is not installed", flush=True)
        return {}, []
    write_table(Table(place.scaled(ROWS, LEAST_ROWS), folds=3), place.folder / "rows.parquet")
    (place.folder / "grid.yaml").write_text(write_recipe(ENTRY))
    search = f"{{method: hyperband, candidates: {CANDIDATES}}}"
    (place.folder / "hyperband.yaml").write_text(write_recipe(ENTRY, search))
    grid = _search(place, "grid.yaml", 0)
    found = [_search(place, "hyperband.yaml", seed) for seed in range(place.seeds)]
    best, rounds, seconds, wall = zip(*found, strict=True)
    mean = statistics.fmean(best)
    error = statistics.stdev(best) / math.sqrt(len(best)) if len(best) > 1 else math.nan
    what = f"best of hyperband {mean:.5f} +- {error:.5f} over {len(best)} seeds, of the grid {grid[0]:.5f}"
    figures = [
        Figure(f"{what}: missing", (_count_errors(grid[0] - mean, error),), "errors", SHORTFALL),
        Figure("rounds trained by hyperband, against the grid", _shares(rounds, grid[1]), "x", COMPUTE),
        Figure("seconds of its fits, against the grid", _shares(seconds, grid[2]), "x"),
    ]
    return {"hyperband, warm": list(wall), "its grid, warm": [grid[3]]}, figures


def _search(place: Place, recipe: str, seed: int) -> tuple[float, float, float, float]:
    """Best score, rounds trained, seconds of fits, and wall-clock time of one run from nothing."""
    store = place.store("warm")
    finished = run_once(ours(place, "warm", recipe, f"seed={seed}"))
    rows, number = load_candidates(store)
    best = next(row["mean"] for row in rows if row["number"] == number)
    rounds, seconds = count_compute(store)
    print(f"{recipe}, seed {seed}: {best:.5f}, {rounds:,} rounds, {seconds:.1f} s", file=sys.stderr, flush=True)
    return best, rounds, seconds, finished.seconds


def count_compute(store: Path) -> tuple[int, float]:
    """Rounds that the newest run of a store has trained on folds, and the seconds of these fits.

    A fit that continues a shorter one has trained the rounds beyond it.
    """
    facts = load_facts(store)
    fits = {fact.key: fact for fact in facts if fact.kind == "fit"}
    rounds, seconds = 0, 0.0
    for fact in facts:
        if fact.kind != "score" or not fact.payload["trained"]:
            continue
        fit = fits.get(fact.payload["fit"])
        start = None if fit is None else fits.get(fit.payload["start"])
        rounds += fact.payload["rounds"] - (0 if start is None else start.payload["rounds"])
        seconds += fact.seconds
    return rounds, seconds


def _shares(values: tuple[float, ...], whole: float) -> tuple[float, ...]:
    return tuple(value / whole for value in values)


def _count_errors(missing: float, error: float) -> float:
    """What is missing, in standard errors; without an error to hold it against, whether anything is missing."""
    if error > 0:
        return missing / error
    return math.inf if missing > 0 else 0.0
