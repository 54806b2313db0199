"""Sentences that a plan is worth: versions that differ, ports without a password, a time that does not suffice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.execution.provenance import list_versions
from rapidml.planning.estimates import time_text
from rapidml.recipe.values import parse_seconds

if TYPE_CHECKING:
    from rapidml.execution.known import StoredFacts
    from rapidml.models.spec import ModelSpec
    from rapidml.planning.estimates import Estimate
    from rapidml.planning.steps import Plan


def list_notes(plan: Plan, facts: StoredFacts) -> tuple[str, ...]:
    """Sentences worth saying about what is reused, and about fits that other users of the host could disturb."""
    now = list_versions()
    mixed: dict[tuple[str, str, str], int] = {}
    for fact in facts.find_facts([fit.key for fit in plan.fits if fit.state == "stored"]).values():
        for library, version in fact.versions.items():
            if now.get(library, version) != version:
                mixed[library, version, now[library]] = mixed.get((library, version, now[library]), 0) + 1
    reused = (
        f"{count} fits were made with {library} {old}, you have {new}: reused"
        for (library, old, new), count in mixed.items()
    )
    shards = {fit.model: fit.spec.shards for fit in plan.fits if fit.state == "to_do" and fit.spec.shards > 1}
    spread = (
        f"{model} trains in {count} shards; while it does, XGBoost's ports between them ask for no password"
        for model, count in shards.items()
    )
    gangs = {fit.model for fit in plan.fits if fit.state == "to_do" and _is_gang(fit.spec)}
    open_ports = (
        f"{model} trains by multiworker; while it does, TensorFlow's ports between its ranks ask for no password"
        for model in sorted(gangs)
    )
    return (*reused, *spread, *open_ports)


def _is_gang(spec: ModelSpec) -> bool:
    return spec.trainer is not None and spec.trainer.name == "multiworker"


def note_time(plan: Plan, cost: Estimate | None) -> tuple[str, ...]:
    """Whether the time of the search suffices, where that can be told."""
    search = plan.resolved.recipe.search
    if cost is None or search is None or search.time is None or plan.is_searched:
        return ()
    return (time_text(cost, parse_seconds(search.time)),)
