"""The driver's loop: hands steps to workers when what they need is there, records what comes back, waits for nobody."""

from __future__ import annotations

import time
import traceback
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.events import Event
from rapidml.execution.outcome import Outcome
from rapidml.execution.tasks import FitJob, ScoreJob, run_jobs
from rapidml.models.fitting import middle_rounds
from rapidml.models.network_params import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Future

    from rapidml.execution.known import StoredFacts
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.session import Session
    from rapidml.planning.steps import EvaluateStep, FitStep, Plan

Step = Any
AHEAD = 3
"""Tasks handed over for each worker: one runs, the others are there when it ends."""
BATCH_STEPS = 32
BATCH_CELLS = 500_000
"""Steps of a task at most, and rows x features x rounds: a Dask task costs as much as a fit of a few hundred rows."""


class Schedule:
    """The steps of a plan on their way.

    Args:
        session: The attempt that executes.
        plan: What is to be done.
        request: Rows that the steps work on.
        known: What was stored before.
        follow: Called with the key of every step that is finished: evaluations that are to be done now.
    """

    def __init__(
        self,
        session: Session,
        plan: Plan,
        request: RowsRequest,
        known: StoredFacts,
        follow: Callable[[str], Sequence[EvaluateStep]] = lambda _: (),
    ) -> None:
        self.session = session
        self.plan = plan
        self.request = request
        self.known = known
        self.follow = follow
        self.trained = 0
        self.ready: deque[Step] = deque()
        self.running: dict[Future[Any], list[Step]] = {}
        self._alone: set[str] = set()
        self.elsewhere: list[FitStep] = []
        self._fit_of = {prediction.key: fit.key for fit in plan.fits for prediction in fit.predictions}
        self._needs: dict[str, set[str]] = {}
        self._waiting: dict[str, list[Step]] = {}
        self._rivals: dict[str, str] = {}

    def run(self) -> None:
        """Do every step of the plan that is not stored; failed fits are recorded and the others go on."""
        from distributed import as_completed

        to_do = {fit.key: fit for fit in self.plan.fits if fit.state == "to_do"}
        fits = [fit for fit in to_do.values() if not self._adopt(fit)]
        open_steps = [step for step in reversed(self.plan.evaluations) if step.state == "to_do"]
        evaluations = list({step.key: step for step in open_steps}.values())[::-1]
        if not fits and not evaluations:
            return
        self._rivals = self.session.find_rivals()
        at_once = max(1, len(fits) or len(evaluations), *(fit.spec.ranks for fit in fits))
        workers = self.session.need(at_once, float(sum(self._cells(fit) for fit in fits)), apart=_has_network(fits))
        self._arrange(fits, evaluations)
        completed = as_completed(loop=workers.client.loop, with_results=True, raise_errors=False)
        while self.ready or self.running or self.elsewhere:
            self._hand_over(completed.add, workers.count)
            if self.ready and not self.running:
                self._run_spread(self.ready.popleft())
                continue
            if not self.running:
                self._wait_elsewhere()
                continue
            ended = completed.next_batch(block=True)
            self.session.refuse_lost()
            for future, result in ended:
                self._receive(self.running.pop(future), _read_result(future, result))

    def _arrange(self, fits: Sequence[FitStep], evaluations: Sequence[EvaluateStep]) -> None:
        """Which step waits for which fits."""
        open_keys = {fit.key for fit in fits}
        steps: list[Step] = [*fits, *evaluations]
        for step in steps:
            keys = step.rounds_from if is_fit(step) else (self._fit_of.get(p.key) for p in step.predictions)
            needs = open_keys.intersection(keys)
            if not needs:
                self.ready.append(step)
                continue
            self._needs[step.key] = needs
            for key in needs:
                self._waiting.setdefault(key, []).append(step)

    def _hand_over(self, add: Callable[[Future[Any]], Any], workers: int) -> None:
        """Give ready steps to workers, as many as they can begin soon."""
        while self.ready and len(self.running) < AHEAD * workers and not self._wants_all(self.ready[0]):
            batch = self._take_batch(workers)
            if batch:
                future = self._submit(batch)
                self.running[future] = batch
                add(future)

    def _wants_all(self, step: Step) -> bool:
        """Whether a step trains on all workers together, so that it waits until they have nothing else to do."""
        if not is_fit(step) or not step.spec.is_spread:
            return False
        return self.session.store.objects.find_manifest("models", step.key, verify=True) is None

    def _run_spread(self, step: FitStep) -> None:
        """One fit on all workers."""
        if step.spec.trainer is None:
            from rapidml.execution.sharded import run_sharded as run_spread
        else:
            from rapidml.execution.replicated import run_replicated as run_spread

        if step.key in self._rivals:
            self.elsewhere.append(step)
            return
        self.session.announce(Event("step_started", "fit", step.key, step.title))
        job = self._make_job(step)
        assert isinstance(job, FitJob)
        self._finish(step, run_spread(self.session, self.request, job))

    def _take_batch(self, workers: int) -> list[Step]:
        """Ready steps for one task: one, or several small ones while enough is left for every worker."""
        share = max(1, min(BATCH_STEPS, len(self.ready) // (AHEAD * workers)))
        batch: list[Step] = []
        cells = 0
        while self.ready and len(batch) < share and cells <= BATCH_CELLS:
            if batch and (self.ready[0].key in self._alone or batch[0].key in self._alone):
                break
            if self._wants_all(self.ready[0]):
                break
            step = self.ready.popleft()
            if step.key in self._rivals:
                self.elsewhere.append(step)
            else:
                batch.append(step)
                cells += self._cells(step)
        return batch

    def _release(self, key: str, *, is_done: bool) -> None:
        """Let the steps go on that waited for a fit; without it they are given up."""
        for step in self._waiting.pop(key, []):
            if not is_done:
                self._needs.pop(step.key, None)
                self._release(step.key, is_done=False)
            elif step.key in self._needs:
                self._needs[step.key].discard(key)
                if not self._needs[step.key]:
                    del self._needs[step.key]
                    if is_fit(step):
                        self.ready.append(step)
                    else:
                        self.ready.appendleft(step)

    def _adopt(self, fit: FitStep) -> bool:
        """Record a fit whose objects are all stored but whose lines were lost with the driver."""
        objects = self.session.store.objects
        wanted = [("models", fit.key), *(("predictions", prediction.key) for prediction in fit.predictions)]
        manifests = [objects.find_manifest(kind, key) for kind, key in wanted]
        found = [manifest for manifest in manifests if manifest is not None]
        if len(found) < len(wanted):
            return False
        for manifest in found:
            self.session.record(Outcome.from_manifest(manifest))
        return True

    def _cells(self, step: Step) -> int:
        """Rough work of a step: rows x features x rounds."""
        profile = self.plan.resolved.profile
        rounds = max(1, (step.spec.rounds or 100) // 20) if is_fit(step) else 1
        return profile.n_training * max(1, len(profile.features)) * rounds

    def _find_stored(self, fits: Sequence[Step]) -> set[str]:
        """Keys of the steps that are stored with all their predictions."""
        finished = self.known.find_finished([key for fit in fits for key in _keys_of(fit)])
        return {fit.key for fit in fits if all(key in finished for key in _keys_of(fit))}

    def _submit(self, batch: Sequence[Step]) -> Future[Any]:
        for step in batch:
            if is_fit(step):
                self.session.announce(Event("step_started", "fit", step.key, step.title))
        jobs = [self._make_job(step) for step in batch]
        name = "fit" if is_fit(batch[0]) else "evaluate"
        return self.session.submit(run_jobs, self.request, jobs, name=f"{name}-{batch[0].key[:16]}")

    def _make_job(self, step: Step) -> FitJob | ScoreJob:
        resolved = self.plan.resolved
        if not is_fit(step):
            keeps_draws = step.stage == "selection" and bool(self.plan.searches)  # candidates are scored on these rows
            return ScoreJob(step, resolved.metrics, resolved.recipe.training, resolved.balance, keeps_draws)
        if step.rounds_from:
            step = replace(step, spec=step.spec.with_rounds(self._median_rounds(step)))
        return FitJob(
            step, resolved.recipe.training, resolved.balance, self.session.workers.threads, self.session.topic
        )

    def _median_rounds(self, step: FitStep) -> int:
        """Lower median of the folds' best rounds."""
        facts = {**self.known.find_facts(step.rounds_from), **self.session.facts}
        return middle_rounds([int(facts[key].payload["best_round"]) for key in step.rounds_from])

    def _receive(self, batch: Sequence[Step], results: list[list[Outcome]] | BaseException) -> None:
        """Record what a task returned. If its worker died with several steps, each is tried again alone."""
        if not isinstance(results, BaseException):
            for step, outcomes in zip(batch, results, strict=True):
                self._finish(step, outcomes)
        elif len(batch) == 1:
            self._finish(batch[0], _describe_loss(batch[0], results))
        else:
            self._alone.update(step.key for step in batch)
            self.ready.extend(batch)

    def _finish(self, step: Step, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.session.record(outcome)
        first = outcomes[0]
        name = step.title if is_fit(step) else step.model
        if first.error is not None:
            self.session.announce(Event("step_failed", first.kind, step.key, name, {"error": first.error}))
        else:
            self.trained += is_fit(step) and first.payload["trained"]
            data = {"seconds": first.seconds, **self._score(step, first)}
            self.session.announce(Event("step_finished", first.kind, step.key, name, data))
        self._release(step.key, is_done=first.error is None)
        self.ready.extend(self.follow(step.key))

    def _score(self, step: Step, outcome: Outcome) -> dict[str, Any]:
        """The selection score of an evaluation, for the table that grows."""
        if outcome.kind != "evaluate" or "selection" not in outcome.payload or step.candidate is not None:
            return {}
        score = outcome.payload["selection"][self.plan.resolved.rank_by]
        return {"score": {part: score[part] for part in ("value", "low", "high")}}

    def _drop_stored(self) -> None:
        """Pass over ready steps that another run has finished in the meantime."""
        stored = self._find_stored(list(self.ready))
        for step in [step for step in self.ready if step.key in stored]:
            self.ready.remove(step)
            self._release(step.key, is_done=True)

    def _wait_elsewhere(self) -> None:
        """Only fits that another run is computing are left: take its results, or take over when its driver is gone."""
        time.sleep(0.2)  # polls another process's files; there is nothing to wait on
        # in this order: what a driver that is gone now has finished is on disk by now
        alive = {run for run in set(self._rivals.values()) if self.session.store.is_alive(run)}
        stored = self._find_stored(self.elsewhere)
        waiting, self.elsewhere = self.elsewhere, []
        for fit in waiting:
            if fit.key in stored:
                self._release(fit.key, is_done=True)
            elif self._rivals[fit.key] in alive:
                self.elsewhere.append(fit)
            else:
                self.ready.append(fit)
        if self.ready:
            self._rivals = self.session.find_rivals()
            self._drop_stored()


def _has_network(fits: Sequence[FitStep]) -> bool:
    """Whether there are networks: TensorFlow is slow to load, and trains one at a time in a process."""
    return any(fit.spec.type in NETWORKS for fit in fits)


def is_fit(step: Step) -> bool:
    """Whether a step is a fit, not an evaluation."""
    return hasattr(step, "part")


def _keys_of(fit: Step) -> list[str]:
    return [fit.key, *(prediction.key for prediction in fit.predictions)]


def _read_result(future: Future[Any], result: Any) -> list[list[Outcome]] | BaseException:
    """What a task returned or raised; a worker that died is an exception too."""
    if future.status == "error":
        error: BaseException = result[1]
        return error
    outcomes: list[list[Outcome]] = result
    return outcomes


def _describe_loss(step: Step, error: BaseException) -> list[Outcome]:
    """The outcome of a task that never returned: its worker died, or a bug of ours."""
    trace = "".join(traceback.format_exception(error))
    payload = {"model": step.model, "part": getattr(step, "part", ""), "traceback": trace}
    kind = "fit" if is_fit(step) else "evaluate"
    return [Outcome(step.key, kind, payload, error=f"{type(error).__name__}: {error}")]
