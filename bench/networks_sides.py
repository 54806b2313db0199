"""What the parts of ``networks.py`` share: where they run, rows of MNIST, recipes, and what a finished run tells."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import Command, Figure, empty, rapidml

from rapidml.store import open_store, read_facts
from rapidml.store.events_file import read_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rapidml.events import Event
    from rapidml.store.facts import Fact

DATA = Path(__file__).parents[2] / "shared" / "data"
MNIST = DATA / "mnist"
ROWS, TEST_ROWS = 60_000, 10_000
LEAST_ROWS = 3_000

SCALE: dict[str, Any] = {"Rescaling": {"scale": 1 / 255}}
MLP: tuple[Any, ...] = (
    SCALE,
    "Flatten",
    {"Dense": {"units": 1000, "activation": "relu"}},
    {"Dense": {"units": 250, "activation": "relu"}},
)
"""dist-keras' network for MNIST."""
CNN: tuple[Any, ...] = (
    SCALE,
    {"Conv2D": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
    {"Conv2D": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
    "MaxPooling2D",
    {"Dropout": {"rate": 0.25}},
    {"Conv2D": {"filters": 64, "kernel_size": 3, "activation": "relu"}},
    "MaxPooling2D",
    "Flatten",
    {"Dense": {"units": 225, "activation": "relu"}},
    {"Dropout": {"rate": 0.5}},
)
"""That of ``recipes/mnist-cnn.yaml``."""

Measured = tuple[dict[str, list[float]], list[Figure]]
"""Seconds by what was timed, and what is claimed of them."""


@dataclass(frozen=True)
class Place:
    """Where and how often something is measured.

    Attributes:
        folder: An empty folder.
        cold: Environment of runs that find no warm cluster.
        warm: Environment of the warm cluster.
        repeat: Rounds that count.
        scale: Share of the rows, epochs or seconds that are taken; 1 for the figures that count.
        seeds: Seeds over which scores are averaged.
    """

    folder: Path
    cold: Mapping[str, str]
    warm: Mapping[str, str]
    repeat: int
    scale: float
    seeds: int

    def scaled(self, number: int, least: int) -> int:
        """A number of rows or epochs."""
        return max(least, round(number * self.scale))

    @property
    def store(self) -> Path:
        """The store of all runs."""
        return self.folder / "store"


def load_images(part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images of MNIST and their digits. Shapes ``(n, 28, 28)`` and ``(n,)``.

    Args:
        part: ``train`` or ``t10k``.
    """
    images = gzip.decompress((MNIST / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((MNIST / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(images, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8)


def write_images(place: Place, rows: int = ROWS) -> dict[str, Any]:
    """Write the first images of both parts; the ``dataset`` of a recipe that reads them.

    Args:
        place: Where.
        rows: Rows to train on and to select with, at full scale.
    """
    paths = {}
    for part, most in (("train", rows), ("t10k", TEST_ROWS)):
        images, labels = load_images(part)
        count = place.scaled(most, LEAST_ROWS)
        paths[part] = {"features": f"{part}-features.npy", "target": f"{part}-target.npy"}
        np.save(place.folder / paths[part]["features"], images[:count])
        np.save(place.folder / paths[part]["target"], labels[:count])
    return {"path": paths["train"], "task": "classification", "test": {"path": paths["t10k"]}}


def write_recipe(place: Place, name: str, dataset: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """Write a recipe, a tenth of whose rows selects."""
    tree = {
        "dataset": dataset,
        "split": {"valid": 0.1},
        "models": models,
        "evaluate": {"rank_by": "accuracy", "also": ["log_loss"]},
    }
    (place.folder / name).write_text(json.dumps(tree))  # JSON is YAML
    return name


def describe_network(
    layers: Sequence[Any], params: Mapping[str, Any], trainer: Mapping[str, Any] | str | None = None
) -> dict[str, Any]:
    """An entry of ``models``."""
    entry: dict[str, Any] = {"type": "keras", "layers": list(layers), "params": dict(params)}
    return entry if trainer is None else {**entry, "trainer": trainer}


def ours(place: Place, name: str, environment: Mapping[str, str], *words: str, is_kept: bool = False) -> Command:
    """``rapidml run`` into the store, which is emptied before unless it ``is_kept``."""
    command = rapidml(name, place.folder, "run", *words, "--store", str(place.store))
    return Command(name, command.arguments, place.folder, None if is_kept else empty(place.store), environment)


def load_events(store: Path) -> list[Event]:
    """Events of the newest run of a store."""
    with open_store(store) as opened:
        return read_events(opened.runs.folder(opened.find_run("@last")))


def load_facts(store: Path) -> list[Fact]:
    """What the newest run of a store has computed."""
    with open_store(store) as opened:
        paths = sorted((opened.path / "facts").glob(f"{opened.find_run('@last')}.*.jsonl"))
    return [fact for path in paths for fact in read_facts(path)]


def count_rows(store: Path) -> int:
    """Training rows of the one fit of the newest run."""
    return next(int(fact.payload["rows"]) for fact in load_facts(store) if fact.kind == "fit")


def seconds_an_epoch(store: Path) -> float:
    """Seconds of an epoch of the one fit of the newest run, all that is done between epochs included.

    The first epoch does not count: functions are compiled in it.

    Raises:
        RuntimeError: Fewer than two epochs were told.
    """
    ends = {e.data["done"]: e.time for e in load_events(store) if e.kind == "progress" and e.step == "fit"}
    first, last = min(ends, default=0), max(ends, default=0)
    if last - first < 1:
        raise RuntimeError(f"epochs are told at most twice a second; there are only {sorted(ends)}: take more rows")
    return float((ends[last] - ends[first]) / (last - first))


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)
