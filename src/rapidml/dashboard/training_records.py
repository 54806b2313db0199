"""Trainings as records of a table, as columns for plots and as sentences. Pure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rapidml.dashboard.numbers import number_text, seconds_cell
from rapidml.dashboard.record_table import column
from rapidml.layout import bytes_text, count_text, seconds_text
from rapidml.training_text import ONE_PROCESS, lost_text, rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.training_state import Training, TrainingState

MOST_REPLICAS = 12
"""Replicas whose losses are drawn; more cannot be told apart."""
TIME_BINS = 40
"""Points of the throughput at most."""
LOSSES = {"train": "training rows", "watch": "watched rows", "centre": "centre, on training rows"}
"""What the losses of a history are called."""
_SHORT = {"watch": "watched", "centre": "centre"}
_TOGETHER = ("multiworker",)
_TONES = {"stopped": "interrupted"}
_TRAINING = "Mean loss of the rows while they were trained on, in the best epoch or the last one"
_LATE = "Updates of the centre by others between two exchanges of a replica: mean, and what 95% do not exceed"

COLUMNS = (
    column("model", "Model", heading=True),
    column("trainer", "Trainer", title="With the copies of the network, each of which has its own part of the rows"),
    column("state", "State"),
    column("loss", "Training loss", align="right nowrap", title=_TRAINING),
    column("held", "Other loss", align="right nowrap", title="On rows that are only watched, else of the centre"),
    column("seconds", "Took", align="right"),
    column("samples", "Samples/s", align="right nowrap", title="Rows trained on in a second, by all replicas together"),
    column("exchanges", "Exchanges", align="right", title="Of replicas with the centre, and what they sent each other"),
    column("staleness", "Staleness", align="nowrap", title=_LATE),
    column("lost", "Lost", align="right", title="Times that a replica was lost"),
)
"""Columns of the table of trainings."""


def make_training_records(state: TrainingState, shown: Training | None) -> list[dict[str, Any]]:
    """Records of the table: every fit of every network of a run.

    Args:
        state: The trainings.
        shown: The fit whose plots are shown.
    """
    absent = "waiting" if state.state == "running" else "not trained"
    records = []
    for model, fits in state.models.items():
        if not fits:
            records.append({"key": model, "cells": {"model": model, "state": absent}})
        records += [_make_record(fit, several=len(fits) > 1, is_shown=fit is shown) for fit in fits]
    return records


def _make_record(fit: Training, *, several: bool, is_shown: bool) -> dict[str, Any]:
    told = fit.told
    mean = told.get("mean_staleness")
    held = next((name for name in ("watch", "centre") if find_last(fit, name) is not None), None)
    replicas = told.get("replicas", 1)
    cells: dict[str, Any] = {
        "model": {
            "text": fit.model,
            "small": fit.title if several else "",
            "tags": ["shown below"] if is_shown else [],
        },
        "trainer": {
            "text": str(told.get("trainer", "")),
            "small": count_text(replicas, "replica") if replicas > 1 else "",
        },
        "state": _state_cell(fit),
        "loss": _number_cell(find_last(fit, "train")),
        "held": {} if held is None else {**_number_cell(find_last(fit, held)), "small": _SHORT[held]},
        "seconds": seconds_cell(told.get("seconds")),
        "samples": {"text": rate_text(told.get("samples_per_second")), "sort": told.get("samples_per_second")},
        "exchanges": _exchanges_cell(told),
        "lost": {"text": "" if told.get("lost") is None else f"{told['lost']:,}", "sort": told.get("lost")},
    }
    if mean is not None:
        cells["staleness"] = {"text": f"{mean:.2f}", "small": f"95% \u2264 {told['late_staleness']}", "sort": mean}
    return {"key": f"{fit.model}/{fit.title}", "cells": cells}


def _state_cell(fit: Training) -> dict[str, Any]:
    cell: dict[str, Any] = {"text": fit.state, "tone": _TONES.get(fit.state, fit.state), "sort": fit.state}
    if fit.state == "failed":
        return {**cell, "small": fit.error, "title": fit.error}
    if fit.state == "running" and fit.total:
        share = fit.done / fit.total
        return {**cell, "bar": share, "small": f"{fit.done:,} of {count_text(fit.total, 'epoch')}"}
    return {**cell, "small": count_text(fit.done, "epoch") if fit.done else ""}


def _number_cell(value: float | None) -> dict[str, Any]:
    return {"text": "" if value is None else number_text(value), "sort": value}


def _exchanges_cell(told: Mapping[str, Any]) -> dict[str, Any]:
    """How many, how fast, how much."""
    if told.get("exchanges") is None:
        return {"text": "", "sort": None}
    rate = told.get("exchanges_per_second")
    pieces = [*([] if rate is None else [f"{rate_text(rate)}/s"]), bytes_text(told["bytes"])]
    return {"text": f"{told['exchanges']:,}", "small": ", ".join(pieces), "sort": told["exchanges"]}


def find_last(fit: Training, name: str) -> float | None:
    """A loss in the best epoch, else in the last one; None where there is none.

    Args:
        fit: The training.
        name: Which loss: ``train``, ``watch`` or ``centre``.
    """
    values = (fit.told.get("history") or {}).get(name)
    if not values:
        return None
    best = fit.told.get("best_epoch")
    found = values[best - 1] if best and best <= len(values) else values[-1]
    return None if found is None else float(found)


def describe_training(fit: Training) -> str:
    """How far a training is and how fast, in a sentence."""
    told = fit.told
    trainer = told.get("trainer", ONE_PROCESS)
    who = "one process" if trainer == ONE_PROCESS else trainer
    pieces = [f"{who}, {count_text(told['replicas'], 'replica')}" if told.get("replicas", 1) > 1 else who]
    if fit.state == "running":
        pieces.append(f"running: {fit.done:,} of {count_text(fit.total, 'epoch')}" if fit.total else "starting")
    else:
        pieces.append(f"{fit.state} after {count_text(fit.done, 'epoch')}" if fit.done else fit.state)
    if told.get("best_epoch"):
        pieces.append(f"best epoch {told['best_epoch']:,}")
    if told.get("seconds"):
        pieces.append(seconds_text(told["seconds"]))
    if told.get("samples_per_second"):
        pieces.append(f"{rate_text(told['samples_per_second'])} samples/s")
    if told.get("exchanges"):
        pieces.append(f"{rate_text(told['exchanges_per_second'])} exchanges/s")
    if told.get("lost"):
        pieces.append(lost_text(told))
    return f"{fit.model}, {fit.title}: {', '.join(pieces)}"


def make_curve(curve: Mapping[str, Any]) -> dict[str, list[Any]]:
    """A loss as columns of a plot; what is no number is left out."""
    points = zip(curve["seconds"], curve["samples"], curve["loss"], strict=True)
    found = [point for point in points if point[2] is not None and math.isfinite(point[2])]
    return {name: [point[place] for point in found] for place, name in enumerate(("seconds", "samples", "loss"))}


def make_losses(fit: Training) -> dict[str, dict[str, list[Any]]]:
    """Losses by epoch, by name in the order of the history."""
    history = fit.told.get("history") or {}
    found = {}
    for name, values in history.items():
        pairs = zip(history["round"], values, strict=False)
        known = [(epoch, value) for epoch, value in pairs if value is not None and math.isfinite(value)]
        if name != "round" and known:
            found[name] = {"epoch": [epoch for epoch, _ in known], "loss": [value for _, value in known]}
    return found


def make_throughput(replicas: Mapping[str, Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Samples in a second over time: the slope of the samples that all replicas together have trained on.

    Args:
        replicas: Their curves.

    Returns:
        Steps: begin and end in seconds, samples in a second.
    """
    pairs = {pair for one in replicas.values() for pair in zip(one["seconds"], one["samples"], strict=True)}
    points = sorted({(0.0, 0), *pairs})
    end, samples = points[-1]
    least = end / TIME_BINS
    chosen = points[:1]
    for point in points[1:]:
        if point[0] - chosen[-1][0] >= least and end - point[0] >= least:
            chosen.append(point)
    if end > 0:
        chosen.append((end, samples))
    return [(begin, until, (seen - before) / (until - begin)) for (begin, before), (until, seen) in pairwise(chosen)]


def explain_curves(fit: Training) -> str:
    """Why there are no curves over time; empty where there are some."""
    if fit.curves.get("replicas"):
        return ""
    if fit.told.get("trainer", ONE_PROCESS) in (ONE_PROCESS, *_TOGETHER):  # said of the staleness
        return ""
    return "No replica has finished its first window yet." if fit.state == "running" else "No curves were kept."


def explain_staleness(fit: Training) -> str:
    """Why there is no histogram of staleness, or what it says."""
    told = fit.told
    trainer = told.get("trainer", ONE_PROCESS)
    if trainer == ONE_PROCESS:
        return "One process trains: nothing is exchanged, so nothing is stale."
    if trainer in _TOGETHER:
        return "All replicas take every step together: they have the same losses, and nothing is stale."
    if told.get("mean_staleness") is None:
        return "No exchange yet." if fit.state == "running" else "These replicas exchange nothing that could be stale."
    exchanges = count_text(sum(told["staleness"].values()), "exchange")
    if not any(int(late) for late in told["staleness"]):
        return f"Nothing was stale in {exchanges}: no other replica changed the centre in between."
    text = (
        f"Staleness: updates of the centre by others between the last exchange of a replica and this one. {exchanges}: "
    )
    return f"{text}mean {told['mean_staleness']:.2f}, 95% at most {told['late_staleness']}."
