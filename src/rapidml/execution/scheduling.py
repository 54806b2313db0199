"""The driver's loop: hands steps to workers when what they need is there, records what comes back, waits for nobody."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rapidml.events import Event
from rapidml.execution.outcome import Outcome
from rapidml.execution.tasks import FitJob, evaluate_task, fit_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Future

    from rapidml.execution.known import StoredFacts
    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.session import Session
    from rapidml.planning.steps import EvaluateStep, FitStep, Plan

Step = Any


class Schedule:
    """The steps of a plan on their way.

    Args:
        session: The attempt that executes.
        plan: What is to be done.
        request: Rows that the steps work on.
        known: What was stored before.
    """

    def __init__(self, session: Session, plan: Plan, request: RowsRequest, known: StoredFacts) -> None:
        self.session = session
        self.plan = plan
        self.request = request
        self.known = known
        self.done: set[str] = {fit.key for fit in plan.fits if fit.state == "stored"}
        self.failed: set[str] = set()
        self.waiting: list[tuple[set[str], Step]] = []
        self.elsewhere: list[FitStep] = []
        self.running: dict[Future[Any], Step] = {}
        self.trained = 0

    def run(self) -> None:
        """Do every step of the plan that is not stored; failed fits are recorded and the others go on."""
        from distributed import as_completed

        fits = [fit for fit in self.plan.fits if fit.state == "to_do" and not self._adopt(fit)]
        evaluations = [step for step in self.plan.evaluations if step.state == "to_do"]
        if not fits and not evaluations:
            return
        cells = float(sum(self._cells(fit) for fit in fits))
        self.session.need(max(1, len(fits) or len(evaluations)), cells)
        self.waiting = [(self._needs(step), step) for step in (*fits, *evaluations)]
        completed = as_completed(loop=self.session.workers.client.loop)
        self._start_ready(completed.add)
        while self.running or self.elsewhere:
            if not self.running:
                self._wait_elsewhere(completed.add)
                continue
            future = next(completed)
            self._finish(self.running.pop(future), future)
            self._start_ready(completed.add)

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
        self.done.add(fit.key)
        return True

    def _cells(self, fit: FitStep) -> int:
        profile = self.plan.resolved.profile
        return profile.n_training * max(1, len(profile.features)) * max(1, (fit.spec.rounds or 100) // 20)

    def _needs(self, step: Step) -> set[str]:
        if hasattr(step, "part"):
            return set(step.rounds_from)
        keys = {prediction.key for prediction in step.predictions}
        return {fit.key for fit in self.plan.fits if keys & {prediction.key for prediction in fit.predictions}}

    def _start_ready(self, add: Callable[[Future[Any]], Any]) -> None:
        still: list[tuple[set[str], Step]] = []
        for needs, step in self.waiting:
            if needs & self.failed:
                self.failed.add(step.key)
            elif needs <= self.done:
                self._start(step, add)
            else:
                still.append((needs, step))
        self.waiting = still

    def _start(self, step: Step, add: Callable[[Future[Any]], Any]) -> None:
        if hasattr(step, "part") and not self.session.claim(step.key):
            self.elsewhere.append(step)
            return
        if hasattr(step, "part") and self.known.find_finished([step.key]):  # by another run, just before the claim
            self.session.release(step.key, is_finished=True)
            self.done.add(step.key)
            return
        future = self._submit_fit(step) if hasattr(step, "part") else self._submit_evaluation(step)
        self.running[future] = step
        add(future)

    def _submit_fit(self, step: FitStep) -> Future[Any]:
        resolved = self.plan.resolved
        if step.rounds_from:
            step = replace(step, spec=replace(step.spec, rounds=self._median_rounds(step)))
        job = FitJob(step, resolved.recipe.training, resolved.balance, self.session.workers.threads)
        self.session.announce(Event("step_started", "fit", step.key, step.title))
        return self.session.submit(fit_task, self.request, job, name=f"fit-{step.key[:16]}")

    def _submit_evaluation(self, step: EvaluateStep) -> Future[Any]:
        resolved = self.plan.resolved
        arguments = (self.request, step, resolved.metrics, resolved.balance == "classes")
        return self.session.submit(evaluate_task, *arguments, name=f"evaluate-{step.key[:16]}", priority=10)

    def _median_rounds(self, step: FitStep) -> int:
        """Lower median of the folds' best rounds."""
        facts = {**self.known.find_facts(step.rounds_from), **self.session.facts}
        rounds = sorted(int(facts[key].payload["best_round"]) for key in step.rounds_from)
        return rounds[(len(rounds) - 1) // 2]

    def _finish(self, step: Step, future: Future[Any]) -> None:
        outcomes = _collect(future, step)
        for outcome in outcomes:
            self.session.record(outcome)
        first = outcomes[0]
        kind = "fit" if hasattr(step, "part") else "evaluate"
        name = step.title if kind == "fit" else step.model
        if first.error is not None:
            self.failed.add(step.key)
            self.session.announce(Event("step_failed", kind, step.key, name, {"error": first.error}))
        else:
            self.done.add(step.key)
            self.trained += kind == "fit"
            data = {"seconds": first.seconds, **self._score(first)}
            self.session.announce(Event("step_finished", kind, step.key, name, data))
        if kind == "fit":
            self.session.release(step.key, is_finished=first.error is None)

    def _score(self, outcome: Outcome) -> dict[str, Any]:
        """The selection score of an evaluation, for the table that grows."""
        if outcome.kind != "evaluate" or "selection" not in outcome.payload:
            return {}
        score = outcome.payload["selection"][self.plan.resolved.rank_by]
        return {"score": {part: score[part] for part in ("value", "low", "high")}}

    def _wait_elsewhere(self, add: Callable[[Future[Any]], Any]) -> None:
        """Only fits that another run is computing are left: take its results, or take over when it stands still."""
        time.sleep(0.2)  # polls another process's files; there is nothing to wait on
        finished = self.known.find_finished([fit.key for fit in self.elsewhere])
        waiting, self.elsewhere = self.elsewhere, []
        for fit in waiting:
            if fit.key in finished:
                self.done.add(fit.key)
            else:
                self._start(fit, add)
        self._start_ready(add)


def _collect(future: Future[Any], step: Step) -> list[Outcome]:
    """Outcomes of a task; a worker that died or a bug of ours is an outcome too."""
    try:
        result = future.result()
    except Exception as error:  # noqa: BLE001  (whatever a lost worker raises: the other steps go on)
        text = f"{type(error).__name__}: {error}"
        payload = {"model": step.model, "part": getattr(step, "part", ""), "traceback": traceback.format_exc()}
        kind = "fit" if hasattr(step, "part") else "evaluate"
        return [Outcome(step.key, kind, payload, error=text)]
    return result if isinstance(result, list) else [result]
