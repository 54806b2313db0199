"""Both sides of a search, ready to be timed: rapidml cold and on a warm cluster, and a peer's script; and their scores.

A warm cluster is started anew before every run, outside the time, so that it holds no rows of the run before. A cold
run has a runtime folder of its own: no warm cluster of the user's is found.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_cluster_start import call
from measure import Command, Figure, count_cores, empty, load_result, rapidml

from rapidml.planning.step_keys import fit_seed
from rapidml.store import open_store, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from measure import Finished
    from search_peers import Peers

    from rapidml.store.facts import Fact

SCRIPT = Path(__file__).with_name("search_script.py")
MODEL = "model"
"""Name of the model in every recipe of this bench."""
TOLERANCE = 1e-6
SEED = 0

Measured = tuple[dict[str, list[float]], list[Figure]]
"""Seconds by what was timed, and what is claimed of them."""
Ranges = tuple[tuple[str, str, tuple[Any, ...]], ...]
"""Of each range its name in rapidml, its name in scikit-learn, and its values."""


@dataclass(frozen=True)
class Place:
    """Where and how often something is measured.

    Attributes:
        folder: An empty folder.
        cold: Environment of runs that find no warm cluster.
        warm: Environment of the warm cluster.
        peers: Who else is there.
        repeat: Rounds that count.
        scale: Share of the rows, or of the candidates, that are taken; 1 for the figures that count.
        seeds: Seeds of searches that depend on chance.
    """

    folder: Path
    cold: Mapping[str, str]
    warm: Mapping[str, str]
    peers: Peers
    repeat: int
    scale: float
    seeds: int

    def scaled(self, number: int, least: int) -> int:
        """A number of rows or candidates."""
        return max(least, round(number * self.scale))

    def store(self, kind: str) -> Path:
        """The store of the cold or of the warm runs."""
        return self.folder / f"store-{kind}"


@dataclass(frozen=True)
class Script:
    """A search as a script makes it.

    Attributes:
        type: Dotted name of the class.
        params: Its parameters beside the ranges.
        ranges: The ranges.
        prepare: Steps before it: ``impute``, ``standardize``.
        is_seeded: Whether it draws random numbers; then every fold has rapidml's seed.
        folds: Number of folds.
        split: File with the fold of each row, in place of the column of the table.
    """

    type: str
    params: Mapping[str, Any]
    ranges: Ranges
    prepare: tuple[str, ...] = ()
    is_seeded: bool = False
    folds: int = 5
    split: Path | None = None
    threads: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    )


def ours(place: Place, kind: str, *words: str, before: Callable[[], None] | None = None) -> Command:
    """``rapidml run`` into a store.

    Args:
        place: Where.
        kind: ``cold`` or ``warm``.
        words: The recipe, and changes of its fields.
        before: What makes the store ready; None empties it.
    """
    environment = place.warm if kind == "warm" else place.cold
    ready = before or empty(place.store(kind))

    def prepare() -> None:
        ready()
        if kind == "warm":
            call(environment, "stop")
            call(environment, "start")

    command = rapidml(f"rapidml, {kind}", place.folder, "run", *words, "--store", str(place.store(kind)))
    return Command(command.name, command.arguments, command.folder, prepare, environment)


def theirs(place: Place, library: str, script: Script, table: Path) -> Command:
    """The script of a peer."""
    parts = [f"fold:{number}" for number in range(script.folds)]
    job = {
        "library": library,
        "path": str(table),
        "target": "label",
        "split": None if script.split is None else str(script.split),
        "type": script.type,
        "params": script.params,
        "ranges": script.ranges,
        "prepare": script.prepare,
        "seeds": [fit_seed(SEED, part) for part in (*parts, "train")] if script.is_seeded else None,
        "cores": count_cores(),
    }
    path = place.folder / f"{library.replace(', ', '-').replace(' ', '-')}.json"
    path.write_text(json.dumps(job))
    arguments = (place.peers.pythons[library], str(SCRIPT), str(path))
    return Command(library, arguments, place.folder, None, script.threads)


def load_candidates(store: Path) -> tuple[list[dict[str, Any]], int]:
    """The candidates of the newest run of a store, and the number of the best one."""
    with open_store(store) as opened:
        path = opened.runs.folder(opened.find_run("@last")) / "candidates.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["models"][MODEL]["rows"]
    return rows, int(load_result(store)["models"][MODEL]["search"]["best"])


def load_facts(store: Path) -> list[Fact]:
    """What the newest run of a store has computed."""
    with open_store(store) as opened:
        paths = sorted((opened.path / "facts").glob(f"{opened.find_run('@last')}.*.jsonl"))
    return [fact for path in paths for fact in read_facts(path)]


def require_agreement(store: Path, peer: str, finished: Finished, within: float = TOLERANCE) -> None:
    """Make sure that a peer has scored the same candidates alike, and found the same best one.

    Args:
        store: What rapidml has found.
        peer: Name of the peer.
        finished: Its run.
        within: Largest difference of a score.

    Raises:
        RuntimeError: It has not.
    """
    rows, best = load_candidates(store)
    told = json.loads(finished.lines[-1][1])
    own = {_identify(row["values"]): row["folds"] for row in rows}
    other = {_identify(row["values"]): row["folds"] for row in told["rows"]}
    if own.keys() != other.keys():
        raise RuntimeError(f"rapidml has {len(own)} candidates, {peer} has {len(other)}, and they are not the same")
    difference = max(_difference(own[name], other[name]) for name in own)
    if not difference <= within:
        raise RuntimeError(f"scores of rapidml and of {peer} differ by {difference:.2g}: they did not do the same work")
    chosen = next(row["values"] for row in rows if row["number"] == best)
    means = {name: math.fsum(folds) / len(folds) for name, folds in own.items()}
    # candidates of one and the same score are one best candidate: which is named first is a custom of the library
    if means[_identify(told["best"])] != means[_identify(chosen)]:
        raise RuntimeError(f"the best candidate of rapidml is {chosen}, that of {peer} is {told['best']}")
    print(f"scores as those of {peer} within {difference:.1g}, best: {chosen}", file=sys.stderr, flush=True)


def _difference(own: Sequence[float | None], other: Sequence[float]) -> float:
    pairs = zip(own, other, strict=True)
    return max(math.inf if mine is None else abs(mine - yours) for mine, yours in pairs)


def _identify(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
