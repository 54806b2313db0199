"""Trainings of networks made by hand: what facts, events and results say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.events import Event
from rapidml.execution.overview import Overview
from rapidml.execution.training import describe_training
from rapidml.execution.training_state import TrainingLook, TrainingState
from rapidml.store.facts import Fact
from rapidml.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS = {"net": "1" * 64, "adag": "2" * 64, "mw": "3" * 64}
VALUES = {
    "models.bdt.type": "xgboost",
    "models.net.type": "mlp",
    "models.net.trainer": None,
    "models.adag.type": "keras",
    "models.adag.trainer": {"adag": {"replicas": 2}},
    "models.mw.type": "mlp",
    "models.mw.trainer": "multiworker",
}
"""The recipe, flat."""
ROWS = 1000


def make_curve(points: list[tuple[float, int, float]], stride: int = 1) -> dict[str, Any]:
    seconds, samples, loss = (list(column) for column in zip(*points, strict=True))
    return {"seconds": seconds, "samples": samples, "loss": loss, "stride": stride, "last": stride}


def make_report(epochs: int = 4, **changes: Any) -> dict[str, Any]:
    """Of ``epochs`` epochs by two replicas, each of a second; 10 exchanges an epoch."""
    curves = {
        "replicas": {
            str(replica): make_curve(
                [(e + 0.5 * replica + 0.5, ROWS * e + 500 * (replica + 1), 2 / (e + 1)) for e in range(epochs)]
            )
            for replica in range(2)
        },
        "centre": {"watch": make_curve([(e + 1.0, ROWS * (e + 1), 1.8 / (e + 1)) for e in range(epochs)])},
    }
    plain = {"trainer": "adag", "replicas": 2, "exchanges": 10 * epochs, "seconds": float(epochs)}
    counts = {"staleness": {"0": 6 * epochs, "1": 3 * epochs, "3": epochs}, "samples": ROWS * epochs, "lost": 1}
    return {
        **plain,
        "exchanges_per_second": 10.0,
        "bytes": 2_000_000 * epochs,
        **counts,
        "curves": curves,
        "epochs": epochs,
        **changes,
    }


def make_fact(model: str, *, epochs: int = 4, state: str = "finished", **changes: Any) -> Fact:
    history: dict[str, list[float]] = {"round": list(range(1, epochs + 1))}
    history["train"] = [2 / epoch for epoch in range(1, epochs + 1)]
    if model == "adag":
        history["watch"] = [1.8 / epoch for epoch in range(1, epochs + 1)]
    reports: Mapping[str, dict[str, Any]] = {
        "adag": {"training": make_report(epochs)},
        "mw": {"training": {"trainer": "multiworker", "replicas": 2, "seconds": 2.0, "samples": ROWS * epochs}},
        "net": {},
    }
    payload = {
        "model": model,
        "part": "fit",
        "rows": ROWS,
        "rounds": epochs,
        "best_round": epochs - 1 if model == "adag" else None,
        "history": history,
        "trained": True,
        "start": None,
        **reports[model],
        **changes,
    }
    if state == "failed":
        return Fact(KEYS[model], "fit", "failed", {"model": model, "part": "fit"}, error="ModelError: no <good>")
    return Fact(KEYS[model], "fit", "finished", payload, seconds=2.5)


def make_training(model: str, **changes: Any) -> dict[str, Any]:
    """What a result says of the training of a model."""
    found = describe_training("mlp", {"fit": make_fact(model, **changes)})
    assert found is not None
    return found


def make_event(kind: Any, model: str, **data: Any) -> Event:
    return Event(kind, "fit", KEYS[model], f"{model}, final fit", data, time=1.0)


def make_progress(model: str, epochs: int, total: int = 4) -> Event:
    """News of a fit with a centre, or without one."""
    if model == "adag":
        history = make_fact(model, epochs=epochs).payload["history"]
        told = {"unit": "epoch", "scores": {}, "training": make_report(epochs), "history": history}
        return make_event("progress", model, done=epochs, total=total, **told)
    return make_event("progress", model, done=epochs, total=total, scores={"train": 2 / epochs})


class Driven:
    """A store with one run that this process drives, and a look at it."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)
        self.run = self.store.create_run({"name": "digits", "digest": "", "keys": [], "values": VALUES}, "models: {}\n")
        self.attempt = self.store.start_attempt(self.run)
        self.overview = Overview([path])
        self.training = TrainingLook(self.overview, f"0:{self.run}")

    def tell(self, *events: Event) -> None:
        for event in events:
            self.attempt.append(event)

    def store_fact(self, fact: Fact) -> None:
        self.attempt.facts.append(fact)
        self.attempt.facts.flush()

    def end(self, state: str = "finished", **changes: Any) -> None:
        self.attempt.finish(state, changes=changes)

    def look(self) -> TrainingState:
        return self.training.look()

    def close(self) -> None:
        self.attempt.close()
        self.overview.close()
        self.store.close()
