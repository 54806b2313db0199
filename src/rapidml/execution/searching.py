"""The driver's loop of a search: candidates go to the workers that hold their rows, scores come back, nobody waits."""

from __future__ import annotations

import math
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.events import Event
from rapidml.execution.candidates import CandidateJob, Want, describe_failure, score_candidates
from rapidml.execution.lanes import Group, Lane
from rapidml.execution.limits import describe_limits, was_running
from rapidml.execution.proposals import Draws, Proposals
from rapidml.execution.race import Race
from rapidml.execution.search_table import write_tables
from rapidml.execution.searched import append_journal
from rapidml.models.network_params import NETWORKS
from rapidml.planning.candidates import Scored
from rapidml.planning.step_keys import fit_seed
from rapidml.planning.steps import Start
from rapidml.recipe.values import parse_bytes, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Future

    from rapidml.execution.known import StoredFacts
    from rapidml.execution.lanes import Journal
    from rapidml.execution.outcome import Outcome
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.session import Session
    from rapidml.planning.searching import ModelSearch
    from rapidml.planning.steps import Plan

MOST_LOSSES = 2
"""How often the worker of a fit may die before the fit is given up."""
AHEAD = 2
"""Tasks handed over for each worker: one runs, the other is there when it ends. Only one where the next candidate
depends on scores, so that it is proposed when as many as possible are known."""
BATCH_GROUPS = 32
BATCH_CELLS = 500_000
"""Fits of a task at most, and rows x features x rounds: a Dask task costs as much as a fit of a few hundred rows."""
LOOK_AHEAD = 2
"""Candidates for each worker among whose fits one is looked for whose rows it holds; more of them, and none is done
for long."""
HELD = 8
"""Forms of rows that a worker is thought to hold."""
MANY = 1_000_000
"""Candidates to come of a search that time alone ends."""
HANDS_SECONDS = 60.0
"""Longest wait for a worker in place of the last one that died."""
KEPT_PREDICTIONS = 100
"""Candidates of a model whose predictions are kept, so that they can be compared later."""
SHOW_SECONDS = 0.5
TABLE_SECONDS = 2.0


@dataclass
class Hand:
    """What a worker has been given.

    Attributes:
        address: Where it is.
        running: Tasks it has.
        held: What its rows were prepared for, the newest last.
    """

    address: str
    running: int = 0
    held: deque[Any] = field(default_factory=lambda: deque(maxlen=HELD))


class Searching:
    """The searches of a run on their way.

    Args:
        session: The attempt that executes.
        plan: The plan, with its searches.
        request: Rows that the fits work on.
        known: What was stored before.
    """

    def __init__(self, session: Session, plan: Plan, request: RowsRequest, known: StoredFacts) -> None:
        self.session = session
        self.resolved = plan.resolved
        self.request = request
        self.known = known
        settings = plan.resolved.recipe.search
        assert settings is not None
        self.settings = settings
        self.lanes: list[Lane] = [make_lane(search, self._note) for search in plan.searches]
        self.hands: dict[str, Hand] = {}
        self.running: dict[Future[Any], tuple[str, list[tuple[Group, CandidateJob]]]] = {}
        self.starts: dict[str, list[Start]] = {}
        self._turn = 0
        self._shown = self._written = self._began = time.monotonic()

    @property
    def is_late(self) -> bool:
        """Whether the time for candidates to begin is over."""
        written = self.settings.time
        return written is not None and time.monotonic() - self._began > parse_seconds(written)

    def run(self) -> None:
        """Score every candidate that is wanted, or as many as the time allows; failed ones are recorded."""
        from distributed import as_completed

        if all(search.is_complete for search in self._searches()):
            return
        self._find_starts()
        workers = self.session.need(*self._measure(), apart=self._is_limited() or self._has_network())
        self._find_hands()
        self._began = time.monotonic()
        completed = as_completed(loop=workers.client.loop, with_results=True, raise_errors=False)
        try:
            self._hand_over(completed.add)
            while self.running:
                ended = completed.next_batch(block=True)
                self.session.refuse_lost()
                for future, result in ended:
                    address, jobs = self.running.pop(future)
                    if address in self.hands:
                        self.hands[address].running -= 1
                    self._receive(jobs, future, result)
                self._await_hands()
                self._hand_over(completed.add)
                self._show()
        finally:
            self._show(is_end=True)

    def _searches(self) -> list[ModelSearch]:
        return [lane.search for lane in self.lanes]

    def _is_limited(self) -> bool:
        return self.settings.time_limit is not None or self.settings.memory_limit is not None

    def _has_network(self) -> bool:
        return any(lane.search.entry.type in NETWORKS for lane in self.lanes)

    def _measure(self) -> tuple[int, float]:
        """Fits that could run at once, and their cells."""
        profile = self.resolved.profile
        fits = cells = 0
        for lane in self.lanes:
            count = lane.count_open()
            rounds = max(1, (lane.search.find_rounds() or 1) // 20)
            fits += count
            cells += count * profile.n_training * max(1, len(profile.features)) * rounds
        return max(1, fits), float(cells)

    def _find_starts(self) -> None:
        """Stored fits that those to do continue, or are cut from."""
        families = {family for lane in self.lanes for family in lane.list_families()}
        for family, found in (self.known.find_family(families) if families else {}).items():
            self.starts[family] = [Start(key, rounds) for key, rounds in found]

    def _find_hands(self) -> None:
        """The workers that are there."""
        workers = self.session.workers
        found = list(workers.client.scheduler_info(n_workers=-1)["workers"])[: workers.count]
        self.hands = {address: self.hands.get(address, Hand(address)) for address in found}

    def _await_hands(self) -> None:
        """Look for the workers that come in place of those that died; wait where there is no other."""
        if len(self.hands) >= self.session.workers.count:
            return
        end = time.monotonic() + HANDS_SECONDS
        self._find_hands()
        while not self.hands and not self.running and time.monotonic() < end:
            self.session.refuse_lost()
            time.sleep(0.1)  # workers that another process starts: there is nothing to wait on
            self._find_hands()

    def _hand_over(self, add: Any) -> None:
        """Give every worker what it can begin soon."""
        count = self.session.workers.count
        is_single = self._is_limited() or any(lane.search.is_adaptive for lane in self.lanes)
        ahead = 1 if is_single else AHEAD  # a worker that is ended takes nothing else with it
        while len(self.running) < ahead * count:
            free = sorted((hand for hand in self.hands.values() if hand.running < ahead), key=lambda one: one.running)
            hand, batch = next(((hand, batch) for hand in free if (batch := self._take_batch(hand))), (None, []))
            if hand is None:
                return
            jobs = [(group, self._make_job(group)) for group in batch]
            hand.running += 1
            hand.held.append(batch[-1].rows)
            future = self.session.submit(
                score_candidates,
                self.request,
                [job for _, job in jobs],
                name=f"search-{jobs[0][1].key[:16]}",
                worker=None if self._is_limited() else hand.address,
                only=False,
            )
            self.running[future] = (hand.address, jobs)
            add(future)

    def _take_batch(self, hand: Hand) -> list[Group]:
        """Groups for one task: one, or several small ones while enough is left for every worker."""
        batch: list[Group] = []
        cells = 0.0
        waiting = sum(len(lane.queue) for lane in self.lanes)
        share = 1 if self._is_limited() else max(1, min(BATCH_GROUPS, waiting // (AHEAD * self.session.workers.count)))
        while len(batch) < share and cells <= BATCH_CELLS:
            group = self._take(hand)
            if group is None:
                break
            batch.append(group)
            cells += self._cells(group)
        return batch

    def _take(self, hand: Hand) -> Group | None:
        """The next group for a worker, of each model in turn: one whose rows it holds, else one that nobody holds."""
        for offset in range(len(self.lanes)):
            lane = self.lanes[(self._turn + offset) % len(self.lanes)]
            lane.refill(AHEAD * self.session.workers.count, is_late=self.is_late)
            group = self._choose(lane, hand)
            if group is not None:
                self._turn += offset + 1
                return group
        return None

    def _choose(self, lane: Lane, hand: Hand) -> Group | None:
        elsewhere = {rows for other in self.hands.values() if other is not hand for rows in other.held}
        ahead = LOOK_AHEAD * self.session.workers.count * len(lane.search.parts)
        near = [group for group, _ in zip(lane.queue, range(ahead), strict=False) if not self._is_too_late(group)]
        chosen = min(near, key=lambda one: (one.wave, one.rows not in hand.held, one.rows in elsewhere), default=None)
        if chosen is None or not self._is_worth_it(chosen, hand, near, elsewhere):
            return None
        lane.queue.remove(chosen)
        return chosen

    def _is_worth_it(self, group: Group, hand: Hand, near: Sequence[Group], elsewhere: set[Any]) -> bool:
        """Whether a worker should prepare rows that another one holds: not where that takes longer than it saves."""
        if group.rows in hand.held or group.rows not in elsewhere:
            return True
        search = group.lane.search
        left = sum(other.rows == group.rows for other in near) + (MANY if search.is_endless else search.count_coming())
        holders = sum(group.rows in other.held for other in self.hands.values())
        return not hand.running and left * group.lane.fit_seconds / (1 + holders) > group.lane.prepare_seconds / 2

    def _is_too_late(self, group: Group) -> bool:
        return self.is_late and not any(candidate.number in group.lane.begun for candidate, _, _ in group.wants)

    def _cells(self, group: Group) -> float:
        profile = self.resolved.profile
        has_rounds = group.spec.iterations is not None
        rounds = max(1, (group.spec.rounds or 100) // 20) if has_rounds else 1
        return profile.n_training * max(1, len(profile.features)) * rounds

    def _make_job(self, group: Group) -> CandidateJob:
        search, resolved, settings = group.lane.search, self.resolved, self.settings
        group.lane.begun.update(candidate.number for candidate, _, _ in group.wants)
        wants = tuple(
            Want(
                step.key,
                step.fit,
                step.prediction,
                spec,
                candidate.number,
                self._known_metrics(search, step.key),
                search.predicted.get(step.key),
            )
            for candidate, step, spec in group.wants
        )
        sign = 1 if search.metric.greater_is_better else -1
        is_family = group.spec.iterations is not None and group.spec.rounds is not None
        return CandidateJob(
            model=search.name,
            part=group.part,
            held=group.wants[0][1].held,
            seed=fit_seed(resolved.recipe.seed, group.part, group.repetition),
            wants=wants,
            family=group.family if is_family else None,
            search=search.family,
            start=self._find_start(group) if is_family else None,
            metrics=resolved.metrics,
            training=resolved.recipe.training,
            balance=resolved.balance,
            threads=self.session.workers.threads,
            topic=self.session.topic,
            floor=math.inf * sign if group.repetition else group.lane.floor(group.part),
            keep_predictions=not group.repetition and search.n_scored < KEPT_PREDICTIONS,
            greater_is_better=search.metric.greater_is_better,
            seconds=None if settings.time_limit is None else parse_seconds(settings.time_limit),
            memory=None if settings.memory_limit is None else parse_bytes(settings.memory_limit),
            repetition=group.repetition,
            token=uuid.uuid4().hex if self._is_limited() else "",
        )

    def _known_metrics(self, search: ModelSearch, key: str) -> dict[str, float | None]:
        known = search.known.get(key)
        return {} if known is None or known.error else dict(known.metrics)

    def _find_start(self, group: Group) -> Start | None:
        """Continue the longest shorter fit, or cut the shortest longer one."""
        rounds, found = group.spec.rounds or 0, self.starts.get(group.family, [])
        longer = min((one for one in found if one.rounds >= rounds), key=lambda one: one.rounds, default=None)
        return longer or max(found, key=lambda one: one.rounds, default=None)

    def _receive(self, jobs: Sequence[tuple[Group, CandidateJob]], future: Future[Any], result: Any) -> None:
        """Record what a task returned. If its worker died, whoever was not running is tried again, alone."""
        if future.status == "error":
            self._find_hands()
            for group, job in jobs:
                group.losses += 1
                text = f"{type(result[1]).__name__}: {result[1]}"
                is_over = len(jobs) == 1 and was_running(self.request.store, job)
                if is_over or group.losses > MOST_LOSSES:
                    self._record(group, describe_failure(job, describe_limits(job) if is_over else text, text))
                else:
                    group.lane.queue.appendleft(group)
            return
        for (group, _), outcomes in zip(jobs, result, strict=True):
            self._record(group, outcomes)

    def _record(self, group: Group, outcomes: Sequence[Outcome]) -> None:
        """Record what became of a group. Where it failed, the longest of several has: the others are tried without."""
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        if failed and len(group.wants) > 1:
            self._record_one(group, failed[-1])
            group.lane.retry(group, group.wants[:-1])
            return
        for outcome in sorted(outcomes, key=lambda one: one.kind == "score"):  # a score tells that the rest is there
            self._record_one(group, outcome)
        group.lane.search.collapsed += len(group.wants) - 1
        group.lane.receive(group)

    def _record_one(self, group: Group, outcome: Outcome) -> None:
        self.session.record(outcome, remember=False)
        if outcome.kind == "score":
            group.lane.search.learn(outcome.key, Scored.from_payload(outcome.payload, self.session.run, outcome.error))
            group.lane.search.trained += bool(outcome.payload.get("trained"))
            group.lane.search.spent += outcome.seconds
            group.lane.clock(outcome.payload)
        elif outcome.kind == "fit" and outcome.family is not None:
            start = Start(outcome.key, outcome.payload["rounds"])
            self.starts.setdefault(outcome.family, []).append(start)

    def _note(self, entry: dict[str, Any]) -> None:
        append_journal(self.session.store, self.session.run, entry)

    def _show(self, *, is_end: bool = False) -> None:
        now = time.monotonic()
        if is_end or now - self._shown > SHOW_SECONDS:
            self._shown = now
            for lane in self.lanes:
                event = Event("progress", "search", name=lane.search.name, data=self._progress(lane))
                self.session.announce(event)
        if is_end or now - self._written > TABLE_SECONDS:
            write_tables(self.session.store, self.session.run, self._searches(), running=self._list_running())
            after = time.monotonic()
            self._written = after + 20 * (after - now)  # the table of many candidates takes long to write

    def _list_running(self) -> set[tuple[str, int]]:
        jobs = [job for _, batch in self.running.values() for _, job in batch]
        return {(job.model, want.number) for job in jobs for want in job.wants}

    def _progress(self, lane: Lane) -> dict[str, Any]:
        search = lane.search
        best = search.best
        total = search.wanted if search.is_adaptive or search.space.size is None else len(search.candidates)
        spent = time.monotonic() - self._began
        left = None if not lane.n_received or total is None else spent / lane.n_received * lane.count_open()
        return {
            "done": search.n_scored,
            "total": total,
            "running": sum(model == search.name for model, _ in self._list_running()),
            "failed": search.n_failed,
            "pruned": len(search.pruned),
            "best": None if best is None else {"value": search.mean(best), "low": None, "high": None},
            "values": {} if best is None else dict(best.values),
            "left": left,
        }


def make_lane(search: ModelSearch, journal: Journal) -> Lane:
    """The lane of a search."""
    if search.is_adaptive:
        return Proposals(search, journal)
    if search.search.race:
        return Race(search, journal)
    if search.search.method == "random" and search.wanted is None:
        return Draws(search, journal)
    return Lane(search, journal)
