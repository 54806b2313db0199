"""One value added to a finished grid: what a run takes beyond the fits that are new. For ``search.py``."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

from measure import Figure, count_cores, measure, run_once, seconds_of
from search_grids import GRIDS, KINDS, LEAST_ROWS, over
from search_sides import MODEL, Measured, Place, load_candidates, load_facts, ours, theirs
from search_tables import Table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from measure import Command, Finished

ROWS = 20_000
ADDED = 8
BEYOND = 2.0
FITS, NEW = 54, 18
"""Of the grid, 18 candidates on 3 folds, and of one more depth."""


def measure_added(place: Place) -> Measured:
    """A depth added to the grid of XGBoost, whole process, beyond the seconds of its fits and beyond a script."""
    from dataclasses import replace

    grid = GRIDS["plain"]
    table, finished = place.folder / "rows.parquet", place.folder / "store-finished"
    write_table(Table(place.scaled(ROWS, LEAST_ROWS), folds=3), table)
    (place.folder / "grid.yaml").write_text(grid.recipe)
    run_once(ours(place, "cold", "grid.yaml"))
    if finished.exists():
        shutil.rmtree(finished)
    shutil.copytree(place.store("cold"), finished, symlinks=True)
    depth, *others = grid.ranges
    change = f"models.{MODEL}.params.max_depth={json.dumps({'any': [*depth[2], ADDED]})}"
    script = replace(grid.script, ranges=(over("max_depth", ADDED), *others))
    commands = [ours(place, kind, "grid.yaml", change, before=_restore(finished, place.store(kind))) for kind in KINDS]
    only = theirs(place, "scikit-learn", script, table)
    beyond: dict[str, list[float]] = {command.name: [] for command in commands}

    def subtract(command: Command, ended: Finished) -> None:
        if command.name in beyond:
            store = place.store(command.name.split()[-1])
            beyond[command.name].append(ended.seconds - count_new(store))

    found = measure([*commands, only], place.repeat, subtract)
    times = {f"a value added: {name}": seconds_of(runs) for name, runs in found.items()}
    figures = [Figure(f"a value added: {name}, beyond its fits", tuple(v), "s", BEYOND) for name, v in beyond.items()]
    theirs_alone = seconds_of(found[only.name])
    for name in beyond:
        more = tuple(a - b for a, b in zip(seconds_of(found[name]), theirs_alone, strict=True))
        figures.append(Figure(f"a value added: {name}, beyond a script with these fits alone", more, "s"))
    return times, figures


def count_new(store: Path) -> float:
    """Seconds that the new fits of a run take on all cores: those on folds in parallel, then the final one.

    Raises:
        RuntimeError: There are not as many as a value adds.
    """
    facts = load_facts(store)
    scores = [fact for fact in facts if fact.kind == "score" and fact.payload["trained"]]
    rows, _ = load_candidates(store)
    if len(scores) != NEW or len(rows) * 3 != FITS + NEW:
        raise RuntimeError(f"{len(scores)} new fits of {len(rows) * 3}, not {NEW} of {FITS + NEW}")
    final = [fact.seconds for fact in facts if fact.kind == "fit" and fact.payload["part"] == "train"]
    new = sum(fact.seconds for fact in scores) / count_cores() + sum(final)
    print(f"{len(scores)} new fits and {len(final)} final: {new:.2f} s", file=sys.stderr, flush=True)
    return new


def _restore(source: Path, target: Path) -> Callable[[], None]:
    def restore() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)

    return restore
