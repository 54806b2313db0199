"""What ``rapidml scaling`` measures: a fit of a recipe's model, at several numbers of threads, shards or replicas."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError, StoreError
from rapidml.execution.provenance import describe_machine, list_versions
from rapidml.execution.reading import rows_request
from rapidml.execution.running import prepare
from rapidml.execution.tasks import FitJob
from rapidml.execution.timed_fits import Scoring, score_stored
from rapidml.execution.timings import KIND, Over, Timing, timing_key
from rapidml.keys import make_key, make_seed
from rapidml.models.registry import find_adapter
from rapidml.models.trainer_plan import REPLICAS, read_trainer, resolve_trainer
from rapidml.planning import step_keys
from rapidml.recipe.schema import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.rows import RowsRequest
    from rapidml.execution.running import Prepared
    from rapidml.models.spec import ModelSpec
    from rapidml.models.trainer_plan import TrainerPlan
    from rapidml.planning.steps import FitStep, Plan
    from rapidml.recipe.document import Document
    from rapidml.store.store import Store


@dataclass(frozen=True)
class Wanted:
    """What to measure.

    Attributes:
        over: ``threads``, ``shards`` or ``replicas``.
        numbers: Numbers of them, ascending; of replicas 1 is among them.
        model: Name of the model; with replicas empty for all models that have a trainer.
        repeat: Repetitions to measure; 0 shows what is stored.
        target: Score whose time is asked for; None for the default.
    """

    over: Over
    numbers: tuple[int, ...]
    model: str
    repeat: int
    target: float | None = None


@dataclass(frozen=True)
class Subject:
    """The fit that is timed.

    Attributes:
        store: The store.
        run: Run whose fit it is.
        wanted: What to measure.
        plan: Plan of the run.
        step: The fit, as the recipe has it.
        request: Rows of the run.
        machine: Where it is timed.
        versions: Versions of the libraries.
        label: What it is called.
    """

    store: Store
    run: str
    wanted: Wanted
    plan: Plan
    step: FitStep
    request: RowsRequest
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    label: str = ""

    @property
    def trainer(self) -> TrainerPlan | None:
        """How replicas train it; None without."""
        return read_trainer(self.step.spec.trainer)

    @property
    def numbers(self) -> tuple[int, ...]:
        """At which numbers it is timed: without a trainer there is one replica."""
        return (1,) if self.wanted.over == "replicas" and self.trainer is None else self.wanted.numbers

    @property
    def selection_part(self) -> str:
        """Rows that the fit has not seen and that no test row is among."""
        return "valid" if self.step.part == "fit" else self.step.part.replace("fold:", "held:")

    def of(self, name: str) -> Subject:
        """The same of another model of the recipe."""
        wanted = replace(self.wanted, model=name)
        return replace(self, wanted=wanted, step=_find_step(self.plan, self.run, wanted), label=name)

    def at(self, number: int) -> FitStep:
        """The fit at a number of threads (the same), of shards or of replicas (another one, with another key)."""
        spec = self.step.spec
        if self.wanted.over == "threads":
            return self.step
        if self.wanted.over == "shards":
            return respecify(self.plan, self.step, replace(spec, shards=number))
        if spec.trainer is None:
            return self.step
        trainer = Choice(name=spec.trainer.name, options={**spec.trainer.options, REPLICAS: number})
        return respecify(self.plan, self.step, replace(spec, trainer=resolve_trainer(trainer)))

    def threads(self, number: int) -> int:
        """Threads of each process: all of a fit have equally many, and all of the largest number find room."""
        if self.wanted.over == "threads":
            return number
        return max(1, int(self.machine["cores"]) // max(self.wanted.numbers))

    @property
    def key(self) -> str:
        """Key of the facts about it."""
        return timing_key(self.at(1).key if self.wanted.over != "threads" else self.step.key, self.wanted.over)

    def make_job(self, number: int, draw: int = 0) -> FitJob:
        """The fit at a number, as workers take it.

        Args:
            number: The number.
            draw: Which seed: 0 is that of the recipe.
        """
        resolved, step = self.plan.resolved, self.at(number)
        if draw:
            step = replace(step, seed=make_seed(step.seed, KIND, draw))
        return FitJob(step, resolved.recipe.training, resolved.balance, self.threads(number), "")

    def make_scoring(self, target: float | None = None) -> Scoring:
        """How its models are scored: as the recipe ranks them, on rows that did not train them."""
        from rapidml.evaluate.metrics import get_metric

        resolved = self.plan.resolved
        greater_is_better = get_metric(resolved.rank_by).greater_is_better
        is_balanced, cores = resolved.balance == "classes", int(self.machine["cores"])
        return Scoring(self.selection_part, resolved.rank_by, is_balanced, target, greater_is_better, cores)

    def load_timings(self) -> list[Timing]:
        """Stored timings on this machine with these versions, oldest first."""
        facts = self.store.index.find_lines([self.key]).get(self.key, [])
        timings = [timing for fact in facts[::-1] if (timing := Timing.from_fact(fact)) is not None]
        return [timing for timing in timings if self._is_alike(timing)]

    def _is_alike(self, timing: Timing) -> bool:
        is_here = timing.machine == self.machine and timing.versions == self.versions
        return is_here and timing.number in self.numbers and timing.threads == self.threads(timing.number)


def find_subjects(document: Document, store: Store, wanted: Wanted) -> tuple[Subject, ...]:
    """The fits to time: one of threads or shards, or one for each trainer and one of the same network without.

    Raises:
        RecipeError: The recipe or its data are wrong.
        ModelError: The fit failed.
        StoreError: The recipe has not been run.
    """
    if wanted.over != "replicas":
        return (find_subject(document, store, wanted),)
    from rapidml.execution.trainer_subjects import list_trained, with_singles

    names = [wanted.model] if wanted.model else list_trained(document)
    first = find_subject(document, store, replace(wanted, model=names[0]))
    return with_singles([first, *(first.of(name) for name in names[1:])])


def find_subject(document: Document, store: Store, wanted: Wanted) -> Subject:
    """The fit to time, of a recipe that has been run.

    It is the one on the rows outside the validation part, or outside fold 0.

    Raises:
        RecipeError: The recipe or its data are wrong.
        ModelError: Its fit failed.
        StoreError: The recipe has not been run.
    """
    prepared = prepare(document, store)
    run = store.find_same(prepared.digest)
    if prepared.plan is None or run is None:
        raise StoreError("nothing has been measured for this recipe here yet: leave out --repeat 0")
    return make_subject(store, run, prepared, wanted)


def make_subject(store: Store, run: str, prepared: Prepared, wanted: Wanted) -> Subject:
    """The fit to time, of a recipe whose plan is known; see ``find_subject``."""
    assert prepared.plan is not None
    step = _find_step(prepared.plan, run, wanted)
    request = _open_request(store, prepared)
    versions = list_versions()
    if wanted.over == "replicas":
        versions |= find_adapter(step.spec.type).versions()
    return Subject(store, run, wanted, prepared.plan, step, request, _describe_here(), versions, step.model)


def _find_step(plan: Plan, run: str, wanted: Wanted) -> FitStep:
    step = next(fit for fit in plan.fits_by_model[wanted.model] if fit.part in ("fit", "fold:0"))
    if wanted.repeat and wanted.over != "replicas" and step.state != "stored":
        raise ModelError(f"{step.title} failed, so there is nothing to time: rapidml show {run}/{wanted.model}")
    return step


def _open_request(store: Store, prepared: Prepared) -> RowsRequest:
    refs = [ref for fact in prepared.reading.groups for ref in fact.objects]
    folders = [str(store.objects.find(ref.kind, ref.key)) for ref in refs]
    return rows_request(prepared.checked, prepared.reading, str(store.path), folders)


def respecify(plan: Plan, step: FitStep, spec: ModelSpec) -> FitStep:
    """The fit of a model that is specified otherwise, on the same rows."""
    if spec == step.spec:
        return step
    key = make_key(step_keys.fit_content(plan.resolved, spec, step.part, ()))
    return replace(step, spec=spec, key=key, family=None, predictions=(), start=None)


def find_default_target(subject: Subject) -> float | None:
    """The worse end of the interval of the stored selection score on the rows outside the fit.

    With a validation part it is that of the run, with folds that of fold 0. None if the interval is undefined.
    """
    part = subject.selection_part
    key = next(prediction.key for prediction in subject.step.predictions if prediction.part == part)
    scoring = subject.make_scoring()
    score = score_stored(subject.request, key, scoring)
    target = score.low if scoring.greater_is_better else score.high
    return None if math.isnan(target) else target


def _describe_here() -> dict[str, Any]:
    """What times depend on: the host, its processor, the cores that this process may use, the version of Python."""
    from rapidml.cluster.cores import count_cores

    about = describe_machine()
    return {"host": about["host"], "python": about["python"], "cores": count_cores(), "cpu": _find_processor()}


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
