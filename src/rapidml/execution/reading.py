"""Making sure that the table of a recipe is in the store and its training rows have been looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.dataset.profile import Profile
from rapidml.events import Event
from rapidml.execution.rows import RowsRequest
from rapidml.models.network_params import NETWORKS
from rapidml.models.registry import find_adapter
from rapidml.planning import step_keys
from rapidml.recipe.ranges import list_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.files import Identity
    from rapidml.execution.known import StoredFacts
    from rapidml.execution.session import Session
    from rapidml.planning.checking import Checked
    from rapidml.planning.steps import Plan
    from rapidml.recipe.schema import ModelEntry, Search
    from rapidml.store.facts import Fact
    from rapidml.store.store import Store

BYTES_OF_CELL = 4
"""Of a file of a dataset, for each number."""
USUAL_FOLDS = 5
ROUNDS_OF_CELL = 20
"""Rounds of a fit that count as much as its rows x features."""
USUAL_ROUNDS = 5
"""What a fit of 100 rounds counts, for work that is not planned yet."""


@dataclass(frozen=True)
class Reading:
    """What is stored of the rows of a recipe, and what is to be read.

    Attributes:
        request: Rows and columns.
        groups: Facts of the stored column groups that hold some of the columns, the one with ids first.
        missing: Keys of columns that are in no group; empty if nothing is to be read.
        profile: What the training rows look like; None if they have not been looked at.
        profile_key: Key of that step.
    """

    request: TableRequest
    groups: tuple[Fact, ...]
    missing: frozenset[str]
    profile: Profile | None
    profile_key: str

    @property
    def key(self) -> str:
        """Key of the reading that is to be done."""
        return step_keys.read_key(self.request.rows_key, self.missing)


def count_stored_files(reading: Reading, identity: Identity, store: Store) -> int:
    """Files of the dataset that need not be parsed again, because they were read for an earlier state of it."""
    if len(identity.files) < 2 or identity.builtin is not None or not reading.missing:
        return 0
    request = reading.request.narrow(reading.missing)
    keys = [step_keys.part_key(request, identity, index) for index in range(len(identity.files))]
    return sum(store.objects.find("parts", key) is not None for key in keys)


def find_reading(checked: Checked, request: TableRequest, facts: StoredFacts) -> Reading:
    """What the store holds of the rows of a recipe."""
    groups = [fact for fact in facts.store.index.find_family([request.rows_key]) if facts.is_whole(fact)]
    wanted = {column.key for column in request.columns}
    kept_text = {column.key for column in request.columns if column.keep_text}
    chosen: list[Fact] = []
    for group in sorted(groups, key=lambda fact: fact.time):
        if not chosen or wanted & set(group.payload["columns"]):
            chosen.append(group)
            left_out = {key for key, about in group.payload.get("about", {}).items() if "left_out" in about}
            wanted -= set(group.payload["columns"]) - (left_out & kept_text)
    if not chosen:
        wanted = {column.key for column in request.columns}
    profile_key = step_keys.profile_key(request, checked.recipe)
    found = facts.find_facts([profile_key]).get(profile_key)
    profile = None if found is None or found.state != "finished" else Profile.from_json(dict(found.payload))
    return Reading(request, tuple(chosen), frozenset(wanted), profile, profile_key)


def rows_request(checked: Checked, reading: Reading, session_store: str, folders: Sequence[str]) -> RowsRequest:
    """What workers need to open the rows."""
    recipe = checked.recipe
    seed = recipe.seed if recipe.split.seed is None else recipe.split.seed
    return RowsRequest(session_store, tuple(folders), reading.request, recipe.split, seed, reading.profile)


def read(session: Session, checked: Checked, reading: Reading) -> Reading:
    """Read what is missing and look at the training rows, on workers.

    Returns:
        The reading with nothing missing and a profile.

    Raises:
        DatasetError: The data cannot be read, or are not what the recipe says.
    """
    if reading.missing:
        reading = _read_table(session, checked, reading)
    if reading.profile is None:
        session.need(1, 0.0)
        request = rows_request(checked, reading, str(session.store.path), _folders(session, reading))
        from rapidml.execution.tasks import profile_task

        future = session.submit(profile_task, request, reading.profile_key, checked.recipe.dataset, name="profile")
        fact = session.record(future.result())
        reading = replace(reading, profile=Profile.from_json(dict(fact.payload)))
    return reading


def guess_work(checked: Checked, plan: Plan | None) -> float:
    """Rows x features x fits x rounds / 20 of all models, as far as known. Infinite for what needs processes.

    Args:
        checked: The recipe, which with the sizes of its files tells something of rows that have not been read.
        plan: What is to be done; None before the rows have been read.
    """
    recipe = checked.recipe
    limits = () if recipe.search is None else (recipe.search.time_limit, recipe.search.memory_limit)
    is_apart = any(limits) or any(entry.type in NETWORKS for entry in recipe.models.values())
    if plan is not None:
        work = _measure_work(plan)
        return math.inf if is_apart and work else work
    if is_apart:
        return math.inf
    folds = recipe.split.folds
    parts = folds if isinstance(folds, int) else 0 if folds is None else USUAL_FOLDS
    cells = sum(file.size for file in checked.identity.files) / BYTES_OF_CELL
    return cells * sum(_guess_fits(entry, recipe.search, parts) for entry in recipe.models.values())


def _measure_work(plan: Plan) -> float:
    """Of its searches, or of its fits, whichever is more: one is done after the other."""
    profile = plan.resolved.profile
    searched = sum(
        (search.count_open().fits + search.count_coming() * len(search.parts))
        * max(1, (search.find_rounds() or 1) // ROUNDS_OF_CELL)
        for search in plan.searches
    )
    to_do = {fit.key: fit.spec.rounds for fit in plan.fits if fit.state == "to_do"}
    fits = sum(max(1, (rounds or USUAL_ROUNDS * ROUNDS_OF_CELL) // ROUNDS_OF_CELL) for rounds in to_do.values())
    return float(profile.n_training * max(1, len(profile.features)) * max(searched, fits))


def _guess_fits(entry: ModelEntry, search: Search | None, parts: int) -> int:
    """Fits of a model, each counted with its rounds."""
    ranges = list_ranges(entry)
    if not ranges or search is None:
        return (parts + 1) * USUAL_ROUNDS
    rounds = 1 if find_adapter(entry.type).iterations is None else USUAL_ROUNDS
    count = math.prod(len(one.values) if one.points is None else one.points for one in ranges)
    return (search.candidates if isinstance(search.candidates, int) else count) * max(1, parts) * rounds


def _folders(session: Session, reading: Reading) -> list[str]:
    return [str(session.store.objects.find(ref.kind, ref.key)) for fact in reading.groups for ref in fact.objects]


def _read_table(session: Session, checked: Checked, reading: Reading) -> Reading:
    from rapidml.execution.tasks import keep_part_task, read_part_task, write_table_task

    identity = checked.identity
    n_parts = max(1, len(identity.files))
    session.need_to_read(n_parts, guess_work(checked, None))
    session.announce(Event("step_started", "read", reading.key, "dataset", {"files": n_parts}))
    request = reading.request.narrow(reading.missing)
    store = str(session.store.path)
    with session.store.work.scratch(reading.key) as folder:
        keys: list[str] = []
        parts: list[Any] = []
        if session.store.objects.find_manifest("tables", reading.key) is not None:
            pass  # finished before, only its line was lost
        elif n_parts == 1 or identity.builtin is not None:  # made again sooner than found
            parts = [
                session.submit(read_part_task, request, identity, index, str(folder), name=f"read-{index}")
                for index in range(n_parts)
            ]
        else:
            keys = [step_keys.part_key(request, identity, index) for index in range(n_parts)]
            parts = [
                session.submit(keep_part_task, request, identity, index, store, key, name=f"read-{index}")
                for index, key in enumerate(keys)
            ]
        table = session.submit(write_table_task, store, reading.key, request, parts, keys, name="table")
        fact = session.record(table.result())
    session.announce(Event("step_finished", "read", reading.key, "dataset", {"rows": fact.payload.get("rows")}))
    return replace(reading, groups=(*reading.groups, fact), missing=frozenset())
