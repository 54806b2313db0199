"""What ``staleness.py`` varies, and the trainings that are made of it; many of them side by side."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import count_cores
from networks_sides import load_images, say
from staleness_network import make_weights
from staleness_simulation import Simulation, Task, Times

from rapidml.models.network_params import NetworkPlan
from rapidml.models.network_rows import NetworkRows, TargetFacts
from rapidml.models.trainer_plan import read_trainer
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from staleness_simulation import Trained

load_once = cache(load_images)


@dataclass(frozen=True)
class Setting:
    """A training by what is varied.

    Attributes:
        trainer: Name of the trainer.
        replicas: Number of replicas.
        window: Mini-batches between exchanges; None for the trainer's default.
        hidden: Widths of the hidden layers.
        batch_size: Rows of a mini-batch.
        epochs: Number of epochs.
        rows: Training rows.
        seed: Seed.
    """

    trainer: str
    replicas: int
    window: int | None
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    rows: int
    seed: int

    def make_task(self) -> Task:
        """What is trained; a replica's rows are every so many-th of shuffled ones."""
        options: dict[str, Any] = {"replicas": self.replicas}
        if self.window is not None:
            options["window"] = self.window
        trainer = read_trainer(Choice(name=self.trainer, options=options))
        assert trainer is not None
        dense = tuple(("Dense", {"units": width, "activation": "relu"}) for width in self.hidden)
        layers: tuple[tuple[str, Mapping[str, Any]], ...] = (("Rescaling", {"scale": 1 / 255}), ("Flatten", {}), *dense)
        plan = NetworkPlan(layers, epochs=self.epochs, batch_size=self.batch_size, learning_rate=0.001)
        images, labels = load_once("train")
        chosen = np.random.default_rng(self.seed).permutation(len(images))[: self.rows]
        facts = TargetFacts(present=(True,) * 10)
        shards = []
        for number in range(self.replicas):
            rows = chosen[number :: self.replicas]
            target, weight = labels[rows].astype(np.float32), np.ones(len(rows), np.float32)
            shards.append(NetworkRows(images[rows], target, weight, rows.astype(np.uint64), facts))
        return Task(plan, trainer, shards, load_once("t10k"), (make_weights(plan, self.seed),), self.seed)


def simulate(setting: Setting, times: Times) -> Trained:
    """One training on the simulated clock."""
    return Simulation(setting.make_task(), times).run()


def simulate_all(wanted: Mapping[Setting, Times]) -> dict[Setting, Trained]:
    """Many trainings, as many at once as there are cores."""
    found = {}
    with ProcessPoolExecutor(count_cores(), get_context("spawn")) as pool:
        futures = {setting: pool.submit(simulate, setting, times) for setting, times in wanted.items()}
        for setting, future in futures.items():
            one = found[setting] = future.result()
            window = "its own" if setting.window is None else setting.window
            where = f"{setting.trainer}, {setting.replicas} replicas, window {window}, seed {setting.seed}"
            found_there = f"accuracy {one.accuracy:.4f}, loss {one.loss:.3g}, staleness {one.staleness:.1f}"
            say(f"{where}: {found_there}, {one.seconds:.1f} s")
    return found
