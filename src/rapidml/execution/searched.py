"""Searches against a store: what is known of their candidates, and the plan once candidates are chosen."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.execution.search_table import COMPARED
from rapidml.planning import step_keys
from rapidml.planning.candidates import Scored
from rapidml.planning.observing import observe
from rapidml.planning.planner import make_plan
from rapidml.planning.searching import ModelSearch
from rapidml.planning.steps import EvaluateStep, Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.execution.known import StoredFacts
    from rapidml.planning.candidates import Candidate
    from rapidml.planning.steps import Plan, Resolved
    from rapidml.store.facts import Fact
    from rapidml.store.store import Store

REACH = 4.0
"""Standard deviations of the best one's score within which another may be tied with it: a paired difference has at most
twice that deviation, unless the other's is larger, and is a tie within 1.65 of its own."""
JOURNAL = "proposals.jsonl"
"""File of a run with what was proposed and what was stopped, in order."""


def append_journal(store: Store, run: str, entry: Mapping[str, Any]) -> None:
    """Write down a proposal, or that a candidate was stopped: ``{"model", "values"[, "pruned"]}``."""
    with (store.runs.folder(run) / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def read_journal(store: Store, run: str | None) -> list[dict[str, Any]]:
    """What a run has written down; a torn last line is passed over."""
    found: list[dict[str, Any]] = []
    if run is None or not (store.runs.folder(run) / JOURNAL).exists():
        return found
    for line in (store.runs.folder(run) / JOURNAL).read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def open_searches(
    resolved: Resolved, facts: StoredFacts, journal: Sequence[Mapping[str, Any]]
) -> tuple[ModelSearch, ...]:
    """The searches of a recipe with all that is stored of them.

    Args:
        resolved: The recipe with its defaults decided.
        facts: The store.
        journal: What this run has proposed before; empty for a new run.
    """
    found = []
    for name in resolved.ranged:
        search = ModelSearch(resolved, name)
        search.add_planned()
        search.add_journalled(journal)
        if search.is_adaptive:
            _recall_family(search, facts)
        else:
            _recall(search, facts)
        _recall_predictions(search, facts)
        found.append(search)
    return tuple(found)


def _recall(search: ModelSearch, facts: StoredFacts) -> None:
    """Scores of the candidates that are known before anything is scored."""
    keys = [step.key for candidate in search.candidates for step in search.list_steps(candidate)]
    for key, fact in facts.find_facts(keys).items():
        search.learn(key, _read(fact))


def _recall_predictions(search: ModelSearch, facts: StoredFacts) -> None:
    """Predictions of open steps that are stored, as after a run without ranges, or with other metrics."""
    steps = {step.prediction: step for one in search.candidates for step in search.list_open(one)}
    found = [steps[key] for key in facts.find_finished(steps)]
    fits = facts.find_facts([step.fit for step in found])
    for step in found:
        known, fit = search.known.get(step.key), fits.get(step.fit)
        search.predicted[step.key] = known.seconds if known else fit.seconds if fit else 0.0


def _recall_family(search: ModelSearch, facts: StoredFacts) -> None:
    """Every score of this type of model on these rows: they tell the sampler where to look."""
    stored = sorted(facts.list_family(search.family), key=lambda fact: fact.time)
    for fact in stored:
        search.learn(fact.key, _read(fact))
    if not search.search.reuse:
        return
    for fact in stored:
        values = observe(search, fact.payload["content"]) if fact.is_finished else None
        if values is not None:
            search.add_scored(values)


def _read(fact: Fact) -> Scored:
    return Scored.from_payload(fact.payload, fact.run, fact.error)


def plan_searched(resolved: Resolved, searches: Sequence[ModelSearch], facts: StoredFacts, *, is_over: bool) -> Plan:
    """The plan of a recipe, with the best candidate of every search that is complete.

    Args:
        resolved: The recipe with its defaults decided, its ranges open.
        searches: Its searches.
        facts: The store.
        is_over: The best candidates are chosen even where a search is not complete: its time is over.
    """
    chosen = {
        search.name: best.spec
        for search in searches
        if (is_over or search.is_complete) and (best := search.best) is not None
    }
    plan = replace(make_plan(resolved.with_chosen(chosen), facts), searches=tuple(searches))
    if not chosen:
        return plan
    contenders = [step for search in searches if search.name in chosen for step in _list_contenders(search, facts)]
    finished = set(facts.find_finished([step.key for step in contenders]))
    contenders = [replace(step, state="stored") if step.key in finished else step for step in contenders]
    return replace(plan, evaluations=(*plan.evaluations, *contenders))


def _list_contenders(search: ModelSearch, facts: StoredFacts) -> list[EvaluateStep]:
    """Scores with replicas that tell which candidates are tied with the best: only of those that may be.

    The best one's interval must be known first; others have predictions that are stored.
    """
    best, *others = search.ranked()[:COMPARED]
    first = _compare_step(search, best)
    stored = facts.find_facts([first.key]).get(first.key)
    if stored is None or not stored.is_finished:
        return [first]
    reach = REACH * (stored.payload["selection"][search.metric.name]["std"] or math.inf)
    mean = search.mean(best) or 0.0
    near = [one for one in others if abs((search.mean(one) or 0.0) - mean) <= reach]
    predicted = set(facts.find_finished([step.prediction for one in near for step in one.steps]))
    ready = [one for one in near if all(step.prediction in predicted for step in one.steps)]
    return [first, *(_compare_step(search, one) for one in ready)]


def _compare_step(search: ModelSearch, candidate: Candidate) -> EvaluateStep:
    predictions = tuple(Prediction(step.prediction, step.held) for step in candidate.steps)
    key = step_keys.evaluate_key(search.resolved, "selection", [prediction.key for prediction in predictions])
    return EvaluateStep(key, search.name, "selection", predictions, candidate=candidate.number)
