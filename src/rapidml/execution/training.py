"""What is told of the training of networks: trainer, time, samples, exchanges, staleness, the losses of each epoch."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rapidml.models.network_params import NETWORKS
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.store.facts import Fact

COUNTS = ("seconds", "samples", "exchanges", "bytes", "lost")
"""What the fits of a model have in sum."""
LATE = 0.95
"""Share of the exchanges that are no staler than what is told beside the mean."""
FINAL = ("fit", "train")
"""Parts of the rows that a final fit trains on."""


def describe_training(type_name: str, facts: Mapping[str, Fact]) -> dict[str, Any] | None:
    """What a result says of the training of a model.

    Args:
        type_name: Type of the model.
        facts: Of its fits, by the part of the rows that they train on.

    Returns:
        Sums over its fits as ``describe_fit`` tells them, with ``fits`` by part; None for what is no network, or is
        not fitted.
    """
    fits = {part: describe_fit(fact) for part, fact in facts.items() if fact.is_finished}
    if type_name not in NETWORKS or not fits:
        return None
    first = next(iter(fits.values()))
    head = {"trainer": first["trainer"], "replicas": first["replicas"]}
    return {**head, **add_up(list(fits.values())), "fits": fits}


def describe_fit(fact: Fact) -> dict[str, Any]:
    """What is told of one fit.

    Args:
        fact: Its fact, finished.

    Returns:
        ``trainer``, ``replicas``; ``seconds``, ``samples`` (rows trained on, over all epochs), ``exchanges``,
        ``bytes``, ``lost``, ``staleness``, each None where there is none or it is not known; rates and the mean of
        these; ``epochs``, ``best_epoch``, ``history``.
    """
    payload = fact.payload
    report = payload.get("training") or {}
    history = dict(payload.get("history") or {})
    told = {"seconds": fact.seconds, "samples": None, "lost": None, **report}
    if not report:
        told["samples"] = _count_samples(payload, history)
    return {
        "trainer": report.get("trainer", SINGLE),
        "replicas": report.get("replicas", 1),
        **add_up([told]),
        "epochs": len(history.get("round", ())),
        "best_epoch": payload.get("best_round"),
        "history": history,
    }


def _count_samples(payload: Mapping[str, Any], history: Mapping[str, Sequence[float]]) -> int | None:
    """Rows that a fit in one process trained on; None if it went on from another one, or held some out."""
    is_whole = payload.get("trained") and payload.get("start") is None and "watch" not in history
    return int(payload["rows"]) * len(history.get("round", ())) if is_whole else None


def add_up(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of several fits together, with rates and the staleness in numbers; None for what one does not know.

    Args:
        told: Reports of trainings, or what this function made of some.
    """
    sums: dict[str, Any] = {}
    for name in COUNTS:
        values = [one.get(name) for one in told]
        sums[name] = None if None in values else sum(value for value in values if value is not None)
    staleness: dict[str, int] = {}
    for one in told:
        for late, count in (one.get("staleness") or {}).items():
            staleness[str(late)] = staleness.get(str(late), 0) + count
    mean, late_end = summarize_staleness(staleness)
    return {
        **sums,
        "samples_per_second": _divide(sums["samples"], sums["seconds"]),
        "exchanges_per_second": _divide(sums["exchanges"], sums["seconds"]),
        "staleness": dict(sorted(staleness.items(), key=lambda item: int(item[0]))) or None,
        "mean_staleness": mean,
        "late_staleness": late_end,
    }


def _divide(count: float | None, seconds: float | None) -> float | None:
    return None if count is None or not seconds else count / seconds


def summarize_staleness(staleness: Mapping[str, int]) -> tuple[float | None, int | None]:
    """Mean of a staleness histogram, and what 95% of the exchanges do not exceed; None without exchanges.

    Example:
        >>> summarize_staleness({"0": 60, "1": 36, "2": 4})
        (0.44, 1)
    """
    counts = sorted((int(late), count) for late, count in staleness.items())
    total = sum(count for _, count in counts)
    if not total:
        return None, None
    seen = accumulate(count for _, count in counts)
    late_end = next(late for (late, _), so_far in zip(counts, seen, strict=True) if so_far >= LATE * total)
    return sum(late * count for late, count in counts) / total, late_end


def part_title(part: str) -> str:
    """What a person calls the fit on a part of the rows: ``final fit``, ``fold 3``."""
    return "final fit" if part in FINAL else part.replace(":", " ")
