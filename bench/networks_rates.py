"""Samples a second of rapidml's training loops against scripts (``networks_script.py``). For ``networks.py``.

Both sides train the same network on the same rows, batch size and optimizer. What counts is the time of an epoch after
the first one: without start and compiling, but with all that rapidml does between epochs: the network's state, its
checkpoint, what is told of it.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import Command, Figure, run_once
from networks_sides import (
    CNN,
    MLP,
    ROWS,
    SCALE,
    Measured,
    Place,
    count_rows,
    describe_network,
    ours,
    say,
    seconds_an_epoch,
    write_images,
    write_recipe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCRIPT = Path(__file__).with_name("networks_script.py")
SINGLE, TOGETHER = 1.0, 0.95
N_WORKERS = 2


@dataclass(frozen=True)
class Training:
    """What both sides train.

    Attributes:
        layers: The network.
        batch_size: Rows of a mini-batch, of each worker.
        rows: Rows, at full scale.
        epochs: Epochs, the first of which does not count.
    """

    layers: tuple[Any, ...]
    batch_size: int
    rows: int
    epochs: int

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of a recipe."""
        return {"epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": 0.001}


TRAININGS = {"mlp": Training(MLP, 64, ROWS, 6), "cnn": Training(CNN, 128, 20_000, 4)}


def measure_single(name: str, place: Place) -> Measured:
    """A fit in one process against ``Model.fit``."""

    def run_script(job: Path) -> float:
        command = Command("Model.fit", (sys.executable, str(SCRIPT), str(job)), place.folder)
        return _mean_of_epochs([line for _, line in run_once(command).lines])

    return _measure(place, f"{name} in one process", TRAININGS[name], None, ("Model.fit", run_script, SINGLE))


def measure_together(name: str, place: Place) -> Measured:
    """Ranks of ``multiworker`` against workers that a user starts by hand."""
    peer = ("a script with TF_CONFIG", lambda job: run_workers(place, job), TOGETHER)
    trainer = {"multiworker": {"replicas": N_WORKERS}}
    return _measure(place, f"{name} in {N_WORKERS} ranks", TRAININGS[name], trainer, peer)


def _measure(
    place: Place,
    what: str,
    training: Training,
    trainer: dict[str, Any] | None,
    peer: tuple[str, Callable[[Path], float], float],
) -> Measured:
    """Both sides in turn; the peer gets as many rows as rapidml trains on."""
    name, run_peer, floor = peer
    dataset = write_images(place, training.rows)
    entry = describe_network(training.layers, training.params, trainer)
    command = ours(place, "rapidml", place.cold, write_recipe(place, "rates.yaml", dataset, {"net": entry}))
    sides: dict[str, list[float]] = {"rapidml": [], name: []}
    rows = 0
    for _ in range(place.repeat):
        run_once(command)
        rows = count_rows(place.store)
        sides["rapidml"].append(seconds_an_epoch(place.store))
        sides[name].append(run_peer(_write_job(place, training, dataset["path"], rows)))
        say(f"{what}: " + ", ".join(f"{side} {rows / one[-1]:.0f} samples/s" for side, one in sides.items()))
    times = {f"an epoch of {rows:,} rows, {what}: {side}": found for side, found in sides.items()}
    rates = tuple(theirs / mine for mine, theirs in zip(sides["rapidml"], sides[name], strict=True))
    return times, [Figure(f"samples a second, {what}, against {name}", rates, "x", floor=floor)]


def _write_job(place: Place, training: Training, paths: dict[str, str], rows: int) -> Path:
    """What the script is to do; it scales the rows itself."""
    layers = [layer for layer in training.layers if layer != SCALE]
    files = {name: str(place.folder / path) for name, path in paths.items()}
    job = place.folder / "job.json"
    job.write_text(json.dumps({**files, **training.params, "layers": layers, "rows": rows}))
    return job


def run_workers(place: Place, job: Path) -> float:
    """Start the script's workers by hand; the seconds of an epoch of the first one.

    Raises:
        RuntimeError: One of them failed.
    """
    addresses = [f"127.0.0.1:{find_port()}" for _ in range(N_WORKERS)]
    workers = []
    with tempfile.TemporaryFile("w+") as errors:
        for index in range(N_WORKERS):
            place_of = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(place_of)}
            arguments = (sys.executable, str(SCRIPT), str(job))
            workers.append(
                subprocess.Popen(
                    arguments, cwd=place.folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
                )
            )
        told = [worker.communicate()[0] for worker in workers]
        if any(worker.returncode for worker in workers):
            errors.seek(0)
            raise RuntimeError(f"a worker of the script failed:\n{errors.read()[-2000:]}")
    return _mean_of_epochs(told[0].splitlines())


def find_port() -> int:
    """A port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _mean_of_epochs(lines: Sequence[str]) -> float:
    """Seconds of an epoch of a script, the first one left out."""
    seconds = [float(line.split()[2]) for line in lines if line.startswith("epoch ")]
    return statistics.fmean(seconds[1:])
