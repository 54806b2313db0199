"""What a search has found, for people: the table of its candidates, and its part of a run's result."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.recipe.values import parse_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rapidml.evaluate.scores import Score
    from rapidml.planning.candidates import Candidate
    from rapidml.planning.searching import ModelSearch
    from rapidml.planning.steps import Plan
    from rapidml.search.edges import Edge
    from rapidml.store.facts import Fact
    from rapidml.store.store import Store

TABLES = "candidates.json"
"""File of a run with the candidates of its searches."""
MOST_PRICED = 10_000
"""Combinations of a grid beyond which nobody counts what one more value would take."""
COMPARED = 20
"""Candidates of a model, the best ones, that are compared by replicas."""


def write_tables(
    store: Store,
    run: str,
    searches: Sequence[ModelSearch],
    *,
    running: Collection[tuple[str, int]] = (),
    scores: Mapping[str, Mapping[int, Score]] | None = None,
) -> None:
    """Write the candidates of a run's searches, whole.

    Args:
        store: The store.
        run: Run id.
        searches: The searches.
        running: Model and number of the candidates of which a fit runs now.
        scores: Scores with replicas by model and number, once there are some.
    """
    path = store.runs.folder(run) / TABLES
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:  # row by row: a search may have many thousands
        for place, search in enumerate(searches):
            head = {
                "method": search.search.method,
                "metric": search.metric.name,
                "greater_is_better": search.metric.greater_is_better,
                "ranges": list_ranges_of(search),
            }
            file.write(
                (", " if place else '{"models": {') + f'{json.dumps(search.name)}: {json.dumps(head)[:-1]}, "rows": ['
            )
            for number, row in enumerate(_make_rows(search, run, running, (scores or {}).get(search.name, {}))):
                file.write((",\n" if number else "") + json.dumps(row, separators=(",", ":")))
            file.write("]}")
        file.write("}}" if searches else '{"models": {}}')
    beside.replace(path)


def list_ranges_of(search: ModelSearch) -> list[dict[str, Any]]:
    """The ranges of a search as JSON."""
    return [
        {"name": one.name, "kind": one.kind, "values": list(one.values), "points": one.points} for one in search.ranges
    ]


def _make_rows(
    search: ModelSearch, run: str, running: Collection[tuple[str, int]], scores: Mapping[int, Score]
) -> Iterator[dict[str, Any]]:
    tied = set(find_tied(search, scores))
    for one in search.candidates:
        yield _make_row(search, one, run, (search.name, one.number) in running, scores, tied)


def _make_row(
    search: ModelSearch,
    candidate: Candidate,
    run: str,
    is_running: bool,
    scores: Mapping[int, Score],
    tied: Collection[int],
) -> dict[str, Any]:
    folds = search.fold_scores(candidate)
    known = [one for step in candidate.steps if (one := search.known.get(step.key)) is not None]
    values = [score for score in folds if score is not None]
    runs = {one.run for one in known} - {run, ""}
    score = scores.get(candidate.number)
    reached = search.reached.get(candidate.number) if candidate.number in search.pruned else None
    return {
        "number": candidate.number,
        "values": dict(candidate.values),
        "mean": reached["mean"] if reached else search.mean(candidate),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "folds": folds,
        "reached": None if reached is None else {name: int(reached[name]) for name in ("rounds", "folds")},
        "repeated": _describe_repeats(search, candidate),
        "low": None if score is None or math.isnan(score.low) else score.low,
        "high": None if score is None or math.isnan(score.high) else score.high,
        "seconds": reached["seconds"] if reached else round(sum(one.seconds for one in known), 4),
        "state": _find_state(search, candidate, is_running=is_running),
        "from": min(runs) if runs else None,
        "tied": None if score is None else candidate.number in tied,
        "error": search.find_error(candidate),
    }


def _describe_repeats(search: ModelSearch, candidate: Candidate) -> dict[str, Any] | None:
    """Mean over all folds of a candidate for which they were drawn again, and the number of these folds."""
    again = search.mean_again(candidate)
    return None if again is None else {"mean": again, "folds": len(search.list_steps(candidate))}


def _find_state(search: ModelSearch, candidate: Candidate, *, is_running: bool) -> str:
    if search.is_failed(candidate):
        return "failed"
    if candidate.number in search.pruned:
        return "pruned"
    if search.mean(candidate) is not None or not search.list_open(candidate):
        return "done"
    return "running" if is_running else "waiting"


def describe_planned(search: ModelSearch) -> dict[str, Any]:
    """What of a search is stored and what is to be done, as ``plan --json`` prints it.

    Returns:
        ``candidates`` is None where time alone ends the search; ``to_fit`` counts the fits that are known to be
        missing, ``to_score`` stored predictions that need no fit, and ``unknown`` tells that candidates will be
        proposed whose fits are not known yet.
    """
    steps = search.count_open()
    stored = sum(len(one.steps) - len(search.list_open(one)) for one in search.candidates)
    coming = search.count_coming()
    return {
        "method": search.search.method,
        "candidates": len(search.candidates) + coming if search.wanted is not None or not coming else None,
        "stored": sum(not search.list_open(one) for one in search.candidates),
        "to_fit": steps.fits + coming * (len(search.parts) + (search.search.method == "hyperband")),
        "to_score": steps.scores,
        "stored_fits": stored + steps.scores,
        "collapsed": steps.collapsed,
        "unknown": bool(coming) or search.is_endless,
        "seconds_left": None if search.search.time is None else parse_seconds(search.search.time),
    }


def find_tied(search: ModelSearch, scores: Mapping[int, Score]) -> list[int]:
    """Numbers of the best candidate and of those that are not clearly worse, the best first."""
    from rapidml.evaluate.comparison import compare_scores

    best = search.best
    if best is None or best.number not in scores:
        return []
    ranked = [one.number for one in search.ranked() if one.number in scores]
    first = scores[best.number]
    return [
        number
        for number in ranked
        if number == best.number or compare_scores(scores[number], first, search.metric.greater_is_better).tied
    ]


def add_searches(result: dict[str, Any], store: Store, run: str, plan: Plan, facts: Mapping[str, Fact]) -> None:
    """Put the searches of a run into its result, and write their tables."""
    scores = contender_scores(plan, facts)
    for search in plan.searches:
        entry = result["models"].setdefault(search.name, _empty_entry(search))
        entry["search"] = describe_search(search, run, scores.get(search.name, {}))
        result["fits"]["trained"] += search.trained
        result["fits"]["collapsed"] += search.collapsed
        result["fits"]["pruned"] += len(search.pruned)
        failed = [_describe_failed(search, one) for one in search.candidates if search.is_failed(one)]
        result["fits"]["failed"] += len(failed)
        result["errors"] += failed
        if failed:
            result["state"] = "failed"
    write_tables(store, run, plan.searches, scores=scores)


def _empty_entry(search: ModelSearch) -> dict[str, Any]:
    """A model of which no candidate could be chosen."""
    parts = dict.fromkeys(("selection", "train", "test"))
    return {
        "type": search.entry.type,
        "params": {},
        **parts,
        "evaluations": {},
        "keys": {},
        "rounds": None,
        "seconds": 0.0,
        "fits": 0,
        "chosen": False,
        "against_best": None,
    }


def _describe_failed(search: ModelSearch, candidate: Candidate) -> dict[str, Any]:
    failed = (step for step in candidate.steps if step.key in search.known and search.known[step.key].error)
    step = next(failed, candidate.steps[0])  # where it failed on its way: the first fold
    part = f"candidate {candidate.number}, {step.part.replace(':', ' ')}"
    return {"model": search.name, "part": part, "error": search.find_error(candidate), "traceback": None}


def contender_scores(plan: Plan, facts: Mapping[str, Fact]) -> dict[str, dict[int, Score]]:
    """Scores with replicas of the best candidates, by model and number."""
    from rapidml.evaluate.scores import Score

    found: dict[str, dict[int, Score]] = {}
    for step in plan.evaluations:
        fact = facts.get(step.key)
        if step.candidate is not None and fact is not None and fact.state == "finished":
            score = Score.from_json(fact.payload["selection"][plan.resolved.rank_by])
            found.setdefault(step.model, {})[step.candidate] = score
    return found


def describe_search(search: ModelSearch, run: str, scores: Mapping[int, Score]) -> dict[str, Any]:
    """A search as a part of a run's result.

    Args:
        search: The search.
        run: Run id.
        scores: Scores with replicas of the best candidates, by number.
    """
    tied = find_tied(search, scores)
    best = search.best
    states: Counter[str] = Counter()
    costs: dict[int, float] = {}
    from_other_runs = 0
    for row in _make_rows(search, run, (), scores):
        states[row["state"]] += 1
        from_other_runs += row["from"] is not None
        if row["number"] in tied:
            costs[row["number"]] = row["seconds"]
    return {
        "method": search.search.method,
        "metric": search.metric.name,
        "greater_is_better": search.metric.greater_is_better,
        "candidates": states["done"],
        "failed": states["failed"],
        "pruned": len(search.pruned),
        "unfinished": states["waiting"] + states["running"] + search.count_coming(),
        "from_other_runs": from_other_runs,
        "fits": search.trained,
        "stored": sum(len(one.steps) for one in search.candidates) - _count_new(search, run),
        "collapsed": search.collapsed,
        "seconds": round(search.spent, 3),
        "ranges": list_ranges_of(search),
        "best": None if best is None else best.number,
        "values": None if best is None else dict(best.values),
        "optimism": _find_optimism(search, scores),
        "tied": tied,
        "cheapest": min(tied, key=lambda number: (costs[number], number), default=None),
        "edges": [] if best is None else _list_edges(search, best),
    }


def _count_new(search: ModelSearch, run: str) -> int:
    steps = (step for one in search.candidates for step in one.steps)
    return sum(step.key not in search.known or search.known[step.key].run == run for step in steps)


def _find_optimism(search: ModelSearch, scores: Mapping[int, Score]) -> dict[str, Any] | None:
    from rapidml.evaluate.optimism import estimate_optimism

    known = [score for score in scores.values() if not math.isnan(score.value)]
    if len(known) < 2:
        return None
    found = estimate_optimism(known, search.metric.greater_is_better)
    numbers = {"value": found.value, "corrected": found.corrected, "low": found.low, "high": found.high}
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}


def _list_edges(search: ModelSearch, best: Candidate) -> list[dict[str, Any]]:
    """Ranges whose best value is their first or last, with what goes one step further and what that would take."""
    found = []
    for edge in search.space.find_edges(best.values):
        beyond = (min if edge.side == "low" else max)(edge.longer.values)
        if search.is_legal({**best.values, edge.name: beyond}):
            override = f"models.{search.name}.{edge.name}={edge.extended}"
            found.append({"name": edge.name, "value": edge.value, "side": edge.side, "override": override})
            found[-1] |= {"to_fit": _price(search, edge), "stored": _count_stored(search)}
    return found


def _count_stored(search: ModelSearch) -> int:
    return sum(len(one.steps) for one in search.candidates if search.mean(one) is not None)


def _price(search: ModelSearch, edge: Edge) -> int | None:
    """Fits that a range one step further takes; None where that depends on what is proposed."""
    if search.search.method != "grid":
        return None
    ranges = tuple(edge.longer if one.name == edge.name else one for one in search.ranges)
    longer = replace(search.space, ranges=ranges).list_grid(MOST_PRICED)
    new = [values for values in longer if search.find(values) is None]
    return search.count_fits(new) if len(longer) < MOST_PRICED else None
