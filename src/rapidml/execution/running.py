"""Running a recipe: check, read, plan, execute, keep the result. And planning it without running."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rapidml.dataset.checks import add_data_error
from rapidml.dataset.columns import request_columns
from rapidml.errors import ClusterError, DatasetError, RapidmlError, RecipeError
from rapidml.events import Event
from rapidml.execution.comparing import scored_of
from rapidml.execution.known import StoredFacts
from rapidml.execution.notes import list_notes, note_time
from rapidml.execution.provenance import describe_machine, find_git, list_versions
from rapidml.execution.reading import Reading, count_stored_files, find_reading, guess_work, read, rows_request
from rapidml.execution.references import compare_with_reference, find_reference
from rapidml.execution.results import make_result, make_summary, selection_name
from rapidml.execution.search_table import add_searches, describe_planned
from rapidml.keys import make_key
from rapidml.planning.checking import Checked, check_document
from rapidml.planning.estimates import Estimate, estimate, estimate_text
from rapidml.planning.planner import make_plan
from rapidml.planning.reasons import Reference, explain, explain_unread
from rapidml.planning.resolving import resolve
from rapidml.recipe.affects import step_affected
from rapidml.recipe.naming import run_name
from rapidml.recipe.resolved import dump_recipe, list_resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rapidml.execution.options import RunOptions
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.scheduling import Schedule
    from rapidml.execution.session import Session
    from rapidml.planning.steps import EvaluateStep, Plan, Reason
    from rapidml.recipe.document import Document
    from rapidml.store.store import Store


LONG_READ = 50_000_000
"""Bytes of files from which on a look at the first rows tells much sooner than reading them what is wrong with them."""
ADDED: Mapping[str, Any] = {"shards": 1, "search": None, "layers": [], "trainer": None}
"""Fields that recipes got after version 0.2, with the default they came with, which changes no run of before."""


@dataclass(frozen=True)
class Prepared:
    """A checked recipe against a store, before anything is computed.

    Attributes:
        checked: The recipe without a known mistake.
        reading: What is stored of its rows.
        plan: Its plan; None until the rows have been read once.
        digest: Same digest, same run.
        reference: The earlier run that reasons compare with.
        values: The recipe with its defaults, flat: dotted field to value.
        origins: Where each value was written.
        cost: What the fits to do will cost; None if that is unknown.
        unread_reasons: Why rows are to be read, if they are.
        stored_files: Files that need not be parsed again for it.
        run: Run of this very recipe and data, if there is one.
    """

    checked: Checked
    reading: Reading
    plan: Plan | None
    digest: str
    reference: Reference | None
    values: Mapping[str, Any]
    origins: Mapping[str, str]
    cost: Estimate | None = None
    unread_reasons: tuple[Reason, ...] = ()
    stored_files: int = 0
    run: str | None = None

    @property
    def name(self) -> str:
        """Name of the run."""
        return run_name(self.checked.document)


def prepare(document: Document, store: Store, *, look: bool = False) -> Prepared:
    """Check a recipe and find what is stored of it.

    Args:
        document: The recipe.
        store: The store.
        look: Look at the first rows if the rows have not been read; otherwise reading them will tell.

    Raises:
        RecipeError: With all problems.
    """
    checked = check_document(document, store.index)
    request = request_columns(checked.recipe.dataset, checked.header, checked.identity, checked.recipe.split)
    facts = StoredFacts(store)
    reading = find_reading(checked, request, facts)
    identity = checked.identity.to_json()
    values = list_resolved(document, checked.recipe)
    significant = {name: value for name, value, _ in values if _is_significant(name, value)}
    digest = make_key({"recipe": significant, "identity": identity})
    plain, origins = {name: value for name, value, _ in values}, {name: origin for name, _, origin in values}
    reference = find_reference(store, checked, plain, origins)
    run = store.runs.find_same(digest)
    prepared = Prepared(checked, reading, None, digest, reference, plain, origins, run=run)
    if reading.profile is not None:
        return _with_plan(prepared, facts)
    if look:
        check_document(document, store.index, look=True)
    reasons = explain_unread(prepared.reference, plain, origins, identity)
    return replace(prepared, unread_reasons=reasons, stored_files=count_stored_files(reading, checked.identity, store))


def _with_plan(prepared: Prepared, facts: StoredFacts) -> Prepared:
    reading = prepared.reading
    assert reading.profile is not None
    resolved = resolve(prepared.checked, reading.request, reading.profile)
    if not resolved.ranged:
        return _explain(replace(prepared, plan=make_plan(resolved, facts)), facts)
    from rapidml.execution.searched import open_searches, plan_searched, read_journal

    searches = open_searches(resolved, facts, read_journal(facts.store, prepared.run))
    return _explain(replace(prepared, plan=plan_searched(resolved, searches, facts, is_over=False)), facts)


def _explain(prepared: Prepared, facts: StoredFacts) -> Prepared:
    """The plan with its reasons, notes and costs."""
    plan, reference = prepared.plan, prepared.reference
    assert plan is not None
    if reference is not None:
        stored = facts.store.find_facts(reference.keys, stored=False)
        failed = frozenset(key for key, fact in stored.items() if fact.state == "failed")
        finished = frozenset(key for key, fact in stored.items() if fact.state == "finished")
        reference = replace(reference, failed=failed, finished=finished)
    identity = prepared.checked.identity.to_json()
    plan = explain(plan, reference, prepared.values, prepared.origins, identity)
    plan = replace(plan, notes=list_notes(plan, facts))
    is_done = plan.is_searched and not plan.to_train
    costs = [] if is_done else facts.list_costs(_comparable_keys(plan, reference, facts))
    cost = estimate(
        plan,
        costs,
        workers=min(os.cpu_count() or 1, max(plan.to_train, *(s.count_open().fits for s in plan.searches), 1)),
    )
    plan = replace(plan, notes=(*plan.notes, *note_time(plan, cost)))
    return replace(prepared, plan=plan, reference=reference, cost=cost)


def _is_significant(name: str, value: Any) -> bool:
    """Whether a value makes another run of the recipe: not where it has no effect, or says what was always so."""
    field = name.rpartition(".")[2]
    return step_affected(name) != "nothing" and not (field in ADDED and value == ADDED[field])


def _comparable_keys(plan: Plan, reference: Reference | None, facts: StoredFacts) -> list[str]:
    """Keys of stored fits that tell what the plan's will cost: its own, the reference's, else the newest run's."""
    if reference is not None:
        return [*plan.list_keys(), *reference.keys]
    newest = facts.store.index.list_runs(limit=1)
    return list(facts.store.runs.list_keys(newest[0].id)) if newest else []


def run_recipe(document: Document, store: Store, options: RunOptions, watch: Callable[[Event], None]) -> dict[str, Any]:
    """Run a recipe to its result; what is stored is not computed again.

    Args:
        document: The recipe.
        store: Where facts, objects and runs live.
        options: How to execute; changes no result.
        watch: Called with every event, possibly from other threads.

    Returns:
        The result, as ``show --json`` prints it.

    Raises:
        RecipeError: The recipe or its data are wrong; nothing was started.
        StoreError: Another process is executing this very run.
        KeyboardInterrupt: Stopped by the user; the same command goes on.
    """
    started = time.perf_counter()
    prepared = prepare(document, store)
    same = prepared.run
    if same is not None and prepared.plan is not None and _is_complete(prepared.plan):
        stored = store.runs.load(same).get("result")
        if stored is not None and stored["state"] == "finished":
            return _nothing_computed(stored, prepared.plan)
    from rapidml.execution.session import Session

    store.refuse_read_only()
    run = same
    if run is None:
        content = {**_run_content(prepared), "git": find_git(prepared.checked.document.base)}
        run = store.create_run(content, prepared.checked.document.text)
    try:
        types = {entry.type for entry in prepared.checked.recipe.models.values()}
        with Session(store, run, options, watch, types) as session:
            session.expect(guess_work(prepared.checked, prepared.plan))
            return _execute(session, prepared, started)
    except (RecipeError, ClusterError):
        if same is None:
            store.remove_run(run)
        raise


def _is_complete(plan: Plan) -> bool:
    return plan.is_searched and not plan.to_train and all(step.state == "stored" for step in plan.evaluations)


def _nothing_computed(stored: dict[str, Any], plan: Plan) -> dict[str, Any]:
    fits = {**stored["fits"], "trained": 0, "stored": len(plan.fits)}
    return {**stored, "fits": fits, "computed": False}


def _execute(session: Session, prepared: Prepared, started: float) -> dict[str, Any]:
    from rapidml.execution.scheduling import Schedule

    facts = StoredFacts(session.store)
    schedule = None
    try:
        prepared = _with_plan(replace(prepared, reading=_read(session, prepared)), facts)
        assert prepared.plan is not None
        session.store.runs.update(session.run, _run_content(prepared))
        session.announce(Event("run_started", name=prepared.name, data=describe_plan(prepared)))
        request = rows_request_of(session, prepared)
        if not prepared.plan.is_searched:
            prepared = _search(session, prepared, request, facts)
        plan = prepared.plan
        assert plan is not None
        schedule = Schedule(session, plan, request, facts, partial(_find_contenders, session, prepared, facts))
        schedule.run()
        if plan.searches:
            prepared = _choose(session, prepared, facts)
    except BaseException as error:
        state, changes = _describe_end(session, prepared, schedule, facts, started, error)
        session.attempt.finish(state, changes=changes)
        raise
    result = _finish(session, prepared, schedule.trained, started)
    result["against_run_before"] = compare_with_reference(prepared.plan, prepared.reference, session.store, result)
    session.announce(Event("run_finished", name=prepared.name, data={"state": result["state"]}))
    session.attempt.finish(
        result["state"], summary=make_summary(result, scored_of(result, result["rank_by"])), changes={"result": result}
    )
    return result


def _describe_end(
    session: Session,
    prepared: Prepared,
    schedule: Schedule | None,
    facts: StoredFacts,
    started: float,
    error: BaseException,
) -> tuple[str, dict[str, Any]]:
    """State of a run that was broken off, and what its record says: the result as far as it went."""
    state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    changes: dict[str, Any] = {"error": str(error) if isinstance(error, RapidmlError) else repr(error)}
    if schedule is None and prepared.plan is not None and prepared.plan.searches:
        prepared = _choose(session, prepared, facts)
        changes["result"] = {**_finish(session, prepared, 0, started), "state": state}
    elif schedule is not None:
        changes["result"] = {**_finish(session, prepared, schedule.trained, started), "state": state}
    return state, changes


def _search(session: Session, prepared: Prepared, request: RowsRequest, facts: StoredFacts) -> Prepared:
    """Search the ranges that are open; the plan then has the best candidates."""
    from rapidml.execution.searching import Searching

    assert prepared.plan is not None
    Searching(session, prepared.plan, request, facts).run()
    return _choose(session, prepared, facts)


def _find_contenders(session: Session, prepared: Prepared, facts: StoredFacts, ended: str) -> list[EvaluateStep]:
    """Candidates that may be tied with the best one of their search, if it is this one that has an interval now."""
    assert prepared.plan is not None
    planned = {step.key: step for step in prepared.plan.evaluations if step.candidate is not None}
    if ended not in planned:
        return []
    session.attempt.facts.flush()
    found = [step for step in _plan_chosen(prepared, facts).evaluations if step.candidate is not None]
    return [step for step in found if step.state == "to_do" and step.key not in planned]


def _choose(session: Session, prepared: Prepared, facts: StoredFacts) -> Prepared:
    """The plan with the best candidates of its searches, as far as they went."""
    plan = prepared.plan
    assert plan is not None
    session.attempt.facts.flush()
    prepared = replace(prepared, plan=replace(_plan_chosen(prepared, facts), reasons=plan.reasons, notes=plan.notes))
    session.store.runs.update(session.run, _run_content(prepared))
    return prepared


def _plan_chosen(prepared: Prepared, facts: StoredFacts) -> Plan:
    from rapidml.execution.searched import plan_searched

    plan = prepared.plan
    assert plan is not None
    resolved = resolve(prepared.checked, prepared.reading.request, plan.resolved.profile)
    return plan_searched(resolved, plan.searches, facts, is_over=True)


def _finish(session: Session, prepared: Prepared, trained: int, started: float) -> dict[str, Any]:
    """The result as far as it goes; every fact is on disk."""
    plan = prepared.plan
    assert plan is not None
    session.attempt.facts.flush()
    found = {**StoredFacts(session.store).find_facts(plan.list_keys()), **session.facts}
    result = make_result(session.run, prepared.name, plan, found, trained)
    if plan.searches:
        add_searches(result, session.store, session.run, plan, found)
    result["seconds"] = round(time.perf_counter() - started, 3)
    result["computed"] = True
    return result


def _read(session: Session, prepared: Prepared) -> Reading:
    """Read what is missing; data that contradict the recipe are a problem of the recipe, with its line."""
    document = prepared.checked.document
    if prepared.plan is None and sum(file.size for file in prepared.checked.identity.files) > LONG_READ:
        check_document(document, session.store.index, look=True)
    try:
        return read(session, prepared.checked, prepared.reading)
    except DatasetError as error:
        add_data_error(document, error)
        raise RecipeError(document.file, document.problems) from error


def rows_request_of(session: Session, prepared: Prepared) -> Any:
    """What workers need to open the rows of a prepared recipe."""
    objects = session.store.objects
    folders = [str(objects.find(ref.kind, ref.key)) for fact in prepared.reading.groups for ref in fact.objects]
    return rows_request(prepared.checked, prepared.reading, str(session.store.path), folders)


def _run_content(prepared: Prepared) -> dict[str, Any]:
    """What ``run.json`` holds."""
    checked = prepared.checked
    identity = checked.identity.to_json()
    keys = [prepared.reading.profile_key, *(fact.key for fact in prepared.reading.groups)]
    keys += [key for fact in prepared.reading.groups for key in fact.payload["parts"]]
    keys += [] if prepared.plan is None else prepared.plan.list_keys()
    if checked.identity.arrays is not None:
        keys.append(checked.identity.arrays)
    return {
        "name": prepared.name,
        "digest": prepared.digest,
        "dataset": make_key({"identity": identity}),
        "recipe": dump_recipe(checked.recipe),
        "values": dict(prepared.values),
        "origins": dict(prepared.origins),
        "identity": identity,
        "keys": keys,
        "versions": list_versions(),
        "machine": describe_machine(),
    }


def describe_plan(prepared: Prepared) -> dict[str, Any]:
    """The plan as JSON: what ``plan --json`` prints."""
    from dataclasses import asdict

    plan = prepared.plan
    if plan is None:
        models = list(prepared.checked.recipe.models)
        reasons = [asdict(reason) for reason in prepared.unread_reasons]
        return {"fits": None, "models": models, "reasons": reasons, "read": "to_do"}
    resolved, profile = plan.resolved, plan.resolved.profile
    per_model: dict[str, dict[str, int]] = {}
    for fit in plan.fits:
        counts = per_model.setdefault(fit.model, {"to_train": 0, "stored": 0})
        counts["stored" if fit.state == "stored" else "to_train"] += 1
    return {
        "fits": {"to_train": plan.to_train, "stored": plan.stored, "collapsed": plan.collapsed},
        "models": per_model,
        "selection": selection_name(resolved),
        "rank_by": resolved.rank_by,
        "balanced": resolved.balance == "classes",
        "evaluate": sum(step.state == "to_do" for step in plan.evaluations),
        "folds": resolved.n_folds,
        "reasons": [asdict(reason) for reason in plan.reasons],
        "read": "stored" if not prepared.reading.missing else "to_do",
        "rows": profile.n_rows,
        "features": len(profile.features),
        "test_rows": profile.n_test,
        "class_counts": [[count.label, count.n_rows] for count in profile.classes],
        "description": profile.describe(),
        "weighted": resolved.request.weight is not None,
        "notes": list(plan.notes),
        "left_out": [list(pair) for pair in profile.left_out],
        "estimate": None if prepared.cost is None else estimate_text(prepared.cost),
        "reference": None if prepared.reference is None else prepared.reference.id,
        "search": {search.name: describe_planned(search) for search in plan.searches},
    }
