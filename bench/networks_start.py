"""How soon training begins on a warm cluster: from the command to the end of the first step. For ``networks.py``.

On a cluster that was just started, the first command starts the helpers with TensorFlow; the second one, another fit,
finds them. What a fit tells gives the end of the step: the first losses of replicas with a centre, else the end of the
first epoch, of few rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_cluster_start import call
from measure import Figure, run_once
from networks_sides import MLP, Measured, Place, describe_network, load_events, ours, say, write_images, write_recipe

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 5.0
TRAINERS: dict[str, Any] = {
    "one process": None,
    "multiworker": {"multiworker": {"replicas": 2}},
    "adag": {"adag": {"replicas": 2}},
}
FEW, MANY = 3_000, 30_000
"""Rows: replicas with a centre tell every two seconds what they do, the others at the end of an epoch."""


def measure_start(place: Place) -> Measured:
    """First and second command, for each way to train."""
    times: dict[str, list[float]] = {}
    figures = []
    for name, trainer in TRAINERS.items():
        dataset = write_images(place, MANY if name == "adag" else FEW)
        found = [_measure_pair(place, dataset, name, trainer) for _ in range(place.repeat)]
        first, second = (list(values) for values in zip(*found, strict=True))
        times |= {f"first step, {name}, first command": first, f"first step, {name}, second command": second}
        figures.append(Figure(f"first step of the second command, {name}", tuple(second), "s", SECONDS))
    return times, figures


def _measure_pair(place: Place, dataset: dict[str, Any], name: str, trainer: Any) -> tuple[float, float]:
    call(place.warm, "stop")
    call(place.warm, "start")
    found: list[float] = []
    for rate in (0.001, 0.0009):
        params = {"epochs": 6, "batch_size": 64, "learning_rate": rate}
        recipe = write_recipe(place, "start.yaml", dataset, {"net": describe_network(MLP, params, trainer)})
        finished = run_once(ours(place, name, place.warm, recipe, is_kept=bool(found)))
        found.append(find_first_step(place.store) - finished.began)
    say(f"first step, {name}: {found[0]:.2f} s, then {found[1]:.2f} s")
    return found[0], found[1]


def find_first_step(store: Path) -> float:
    """When the first step of the newest run ended, seconds since 1970.

    Raises:
        RuntimeError: The run was too short to tell, or did not use the warm cluster.
    """
    events = load_events(store)
    for event in events:
        if event.kind == "note" and "not used" in event.name:
            raise RuntimeError(event.name)
    for event in events:
        if event.kind != "progress" or event.step != "fit":
            continue
        training = event.data.get("training")
        if training is None:
            return event.time
        if training["exchanges"]:  # seconds count from when the first replica was there, up to the last exchange
            firsts = [curve["seconds"][0] for curve in training["curves"]["replicas"].values() if curve["seconds"]]
            return event.time - float(training["seconds"]) + float(min(firsts))
    raise RuntimeError("nothing was told of the training")
