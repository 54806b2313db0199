"""Ten thousand candidates of a trivial model: how fast, and with how much memory of the driver. For ``search.py``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psutil
from measure import Figure, ratio, run_once
from search_grids import KINDS, write_recipe
from search_sides import Measured, Place, Script, load_candidates, ours, require_agreement, theirs
from search_tables import Table, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Command, Finished

MANY, FEW = 10_000, 1_000
MILLISECONDS = 5.0
"""Of a candidate, end to end: 200 a second."""
GROWTH = 1.2
"""Driver's memory with ten times as many candidates: values, keys and scores of each are 3 kB."""
WATCH_SECONDS = 0.05
SMOOTHING = "var_smoothing"


def measure_many(place: Place) -> Measured:
    """A grid of 10,000 and of 1,000 candidates, and the driver's memory."""
    table = place.folder / "rows.parquet"
    write_table(Table(1_000, columns=5, is_double=True), table)
    counts = {f"{number:,}": number for number in (place.scaled(MANY, 100), place.scaled(FEW, 10))}
    commands = {}
    for label, number in counts.items():
        recipe = f"many-{number}.yaml"
        (place.folder / recipe).write_text(_write_many(number))
        for kind in KINDS:
            commands[f"{label} candidates, {kind}"] = ours(place, kind, recipe)
    compared = f"{list(counts)[1]} candidates, {KINDS[0]}"  # the peer would take many minutes for all
    peer = _make_peer(place, commands[compared], table)
    times: dict[str, list[float]] = {name: [] for name in (*commands, peer.name)}
    memory: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(1 + place.repeat):
        for name, command in commands.items():
            finished, largest = run_watched(command)
            if number:
                times[name].append(finished.seconds)
                memory[name].append(largest)
            if name == compared:
                ended = run_once(peer)
                require_agreement(place.store("cold"), peer.name, ended)
                if number:
                    times[peer.name].append(ended.seconds)
    return times, _list_figures(counts, times, memory, peer.name)


def _list_figures(
    counts: dict[str, int], times: dict[str, list[float]], memory: dict[str, list[float]], peer: str
) -> list[Figure]:
    (many, n_many), (few, _) = counts.items()
    figures = []
    for kind in KINDS:
        name, short = f"{many} candidates, {kind}", f"{few} candidates, {kind}"
        each = tuple(1000 * seconds / n_many for seconds in times[name])
        figures += [
            Figure(f"{name}: each, end to end", each, "ms", MILLISECONDS),
            ratio(f"{short}: against {peer}", times[short], times[peer]),
            Figure(f"{name}: driver's memory", tuple(memory[name]), "MB"),
            ratio(f"{name}: driver's memory, against that of {few}", memory[name], memory[short], GROWTH),
        ]
    return figures


def _write_many(number: int) -> str:
    entry = {
        "type": "sklearn.naive_bayes.GaussianNB",
        "params": {SMOOTHING: {"log": [1e-12, 10.0], "points": number}},
    }
    return write_recipe(entry, split="{valid: 0.2}")


def _make_peer(place: Place, command: Command, table: Path) -> Command:
    """``GridSearchCV`` on the validation rows and the values of a run of rapidml."""
    run_once(command)
    rows, _ = load_candidates(place.store("cold"))
    values = tuple(row["values"][f"params.{SMOOTHING}"] for row in rows)
    split = place.folder / "valid.npy"
    export_valid(place.folder / command.arguments[4], place.store("cold"), split)
    ranges = ((f"params.{SMOOTHING}", f"model__{SMOOTHING}", values),)
    script = Script("sklearn.naive_bayes.GaussianNB", {}, ranges, split=split)
    return theirs(place, "scikit-learn", script, table)


def export_valid(recipe: Path, store: Path, target: Path) -> None:
    """Write 0 for the validation rows of a finished run, -1 for all others; see ``measure.export_split``."""
    import numpy as np

    from rapidml.execution.reading import rows_request
    from rapidml.execution.rows import load_rows
    from rapidml.execution.running import prepare
    from rapidml.recipe.document import load_document
    from rapidml.store import open_store

    with open_store(store) as opened:
        prepared = prepare(load_document(recipe), opened)
        found = [opened.objects.find(ref.kind, ref.key) for group in prepared.reading.groups for ref in group.objects]
        request = rows_request(prepared.checked, prepared.reading, str(store), [str(folder) for folder in found])
        np.save(target, np.where(load_rows(request).parts.valid, 0, -1))


def run_watched(command: Command) -> tuple[Finished, float]:
    """Run a command and follow the memory of its process, without that of its children.

    Returns:
        The run, and the largest resident memory, MB.
    """
    largest, done = 0, threading.Event()
    own = psutil.Process()

    def follow() -> None:
        nonlocal largest
        while not done.wait(WATCH_SECONDS):
            try:
                for child in own.children():
                    if child.cmdline()[1:] == list(command.arguments[1:]):
                        largest = max(largest, child.memory_info().rss)
            except psutil.Error:  # it has ended
                continue

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        return run_once(command), largest / 1e6
    finally:
        done.set()
        thread.join()
