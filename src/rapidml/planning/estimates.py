"""What a plan will cost, scaled from stored fits of the same types. Without any, nothing is promised."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.planning.searching import ModelSearch
    from rapidml.planning.steps import FitStep, Plan


@dataclass(frozen=True)
class Cost:
    """Cost of a stored fit.

    Attributes:
        type: Type of its model.
        seconds: Wall time.
        cells: Rows times features times rounds it took.
        peak_memory: Largest resident size of its process, bytes.
        disk: Bytes of its model and predictions.
        rounds: Rounds it took, if its type has rounds.
    """

    type: str
    seconds: float
    cells: float
    peak_memory: int
    disk: int
    rounds: int | None


@dataclass(frozen=True)
class Estimate:
    """What the fits of a plan will cost together.

    Attributes:
        seconds: Sum of the fits' times over the workers.
        low: The same from the faster quarter of the stored fits.
        high: The same from the slower quarter.
        memory: Bytes of a worker.
        disk: Bytes of models and predictions.
    """

    seconds: float
    low: float
    high: float
    memory: int
    disk: float


def count_cells(rows: int, features: int, rounds: int | None) -> float:
    """Work of a fit, up to a factor of its type: rows times features times rounds."""
    return float(max(1, rows)) * max(1, features) * max(1, rounds or 1)


def read_cost(payload: Mapping[str, Any], seconds: float, peak_memory: int | None, disk: int) -> Cost:
    """Cost of a stored fit from its fact."""
    cells = count_cells(payload["rows"], payload["features"], payload.get("rounds"))
    return Cost(payload["type"], seconds, cells, peak_memory or 0, disk, payload.get("rounds"))


def estimate(plan: Plan, known: Sequence[Cost], workers: int) -> Estimate | None:
    """Cost of what a plan has to do; None when a type of model has never been fitted here, or nothing is to do.

    Args:
        plan: The plan.
        known: Costs of stored fits.
        workers: Fits that run at once.
    """
    to_do = [fit for fit in plan.fits if fit.state == "to_do"]
    searched = {search.entry.type: _search_cells(plan, search) for search in plan.searches}
    searched = {name: cells for name, cells in searched.items() if cells}
    by_type: dict[str, list[Cost]] = {}
    for cost in known:
        by_type.setdefault(cost.type, []).append(cost)
    types = {fit.spec.type for fit in to_do} | set(searched)
    if not types or not types <= set(by_type):
        return None
    rates = {name: sorted(cost.seconds / cost.cells for cost in costs) for name, costs in by_type.items()}
    cells = {name: searched.get(name, 0.0) for name in by_type}
    for fit in to_do:
        cells[fit.spec.type] += _cells(plan, fit, by_type[fit.spec.type])

    def total(part: float) -> float:
        return (
            sum(cells[name] * some[min(len(some) - 1, int(part * len(some)))] for name, some in rates.items()) / workers
        )

    disk = sum(statistics.median(cost.disk for cost in by_type[name]) * _count(to_do, name) for name in types)
    memory = max(cost.peak_memory for name in types for cost in by_type[name])
    return Estimate(total(0.5), total(0.25), total(0.75), memory, disk)


def _search_cells(plan: Plan, search: ModelSearch) -> float:
    """Work of the fits of a search that are to be done, those of candidates to come like the ones that are known."""
    profile, steps = plan.resolved.profile, search.count_open()
    share = 1.0 - 1.0 / plan.resolved.n_folds if plan.resolved.n_folds else 1.0
    rounds = [one.spec.rounds or 1 for one in search.candidates] or [search.find_rounds() or 1]
    fits = steps.fits + search.count_coming() * len(search.parts)
    longest = max(rounds) if steps.collapsed else sum(rounds) / len(rounds)
    return fits * count_cells(int(profile.n_training * share), len(profile.features), round(longest))


def time_text(found: Estimate, seconds: float) -> str:
    """Whether the time of a search suffices: such as ``search.time of 20 min: suffices for the 9 min expected``."""
    if found.seconds <= seconds:
        return f"search.time of {_time(seconds)} suffices: about {_time(found.seconds)} expected"
    share = seconds / found.seconds
    return (
        f"search.time of {_time(seconds)} does not suffice: about {share:.0%} of the {_time(found.seconds)} expected; "
        "the same command goes on"
    )


def _count(fits: Sequence[FitStep], type_name: str) -> int:
    return sum(fit.spec.type == type_name for fit in fits)


def _cells(plan: Plan, fit: FitStep, costs: Sequence[Cost]) -> float:
    """Work of a fit to do; where it chooses its rounds itself, as many as the stored ones of its type took."""
    profile = plan.resolved.profile
    share = 1.0 if fit.is_final or not plan.resolved.n_folds else 1.0 - 1.0 / plan.resolved.n_folds
    rounds = fit.spec.rounds or statistics.median_low([cost.rounds or 1 for cost in costs])
    return count_cells(int(profile.n_training * share), len(profile.features), rounds)


def estimate_text(found: Estimate | None) -> str:
    """Such as ``about 9 s (7 to 12 s), 0.4 GB a worker, 3 MB on disk``."""
    if found is None:
        return "time, memory and disk unknown until the first fit"
    spread = "" if found.high < 1.3 * found.low or found.high < 2 else f" ({_time(found.low)} to {_time(found.high)})"
    return (
        f"about {_time(found.seconds)}{spread}, {found.memory / 1e9:.1f} GB a worker, "
        f"{max(0.1, found.disk / 1e6):.{0 if found.disk > 1e6 else 1}f} MB on disk"
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
