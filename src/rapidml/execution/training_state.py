"""The trainings of the networks of one run as a page looks at them again and again, while they go on and after.

What is finished comes from facts, what goes on from events. Looking is cheap: both are read from where they were read
to, and the very same object is returned where nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.execution.training import add_up, describe_fit, part_title
from rapidml.models.network_params import NETWORKS
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rapidml.events import Event
    from rapidml.execution.overview import Overview
    from rapidml.store.facts import Fact


@dataclass(frozen=True)
class Training:
    """One fit of a network, as far as it is.

    Attributes:
        model: Name of the model.
        title: What a person calls the fit: ``final fit``, ``fold 3``.
        state: ``running``, ``finished``, ``failed``, or ``stopped`` where its run was broken off.
        done: Epochs that ended.
        total: Epochs it has at most; 0 while it is not known.
        told: What ``training.describe_fit`` tells of it; of one that goes on, as far as it is known.
        curves: Losses over time and samples: ``{"replicas": {"0": curve}, "centre": {name: curve}}``, where a curve is
            ``{"seconds", "samples", "loss", ...}``; empty without a centre.
        error: Why it failed.
    """

    model: str
    title: str
    state: str = "running"
    done: int = 0
    total: int = 0
    told: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    error: str = ""

    @property
    def has_trainer(self) -> bool:
        """Whether several replicas train it."""
        return bool(self.told.get("trainer", SINGLE) != SINGLE)


@dataclass(frozen=True)
class TrainingState:
    """The trainings of a run at one moment.

    Attributes:
        run: Run id.
        name: Name of the run; may be empty.
        state: State of the run.
        models: Fits of each network that have begun, by model; a model of which none has begun is there with none.
    """

    run: str
    name: str
    state: str
    models: Mapping[str, tuple[Training, ...]] = field(default_factory=dict)


def list_networks(values: Mapping[str, Any]) -> dict[str, str]:
    """Names of the models of a recipe that are networks, each with its trainer.

    Args:
        values: The recipe, flat: dotted field to value.
    """
    found = {}
    for field_name, value in values.items():
        first, _, rest = field_name.partition(".")
        name = rest.removesuffix(".type")
        if first == "models" and rest.endswith(".type") and "." not in name and value in NETWORKS:
            trainer = values.get(f"models.{name}.trainer") or SINGLE
            found[name] = trainer if isinstance(trainer, str) else str(next(iter(trainer)))
    return found


class TrainingLook:
    """Looks at the trainings of a run. One thread at a time.

    Args:
        overview: The stores of the page.
        key: Key of the run on the page.
    """

    def __init__(self, overview: Overview, key: str) -> None:
        self._overview = overview
        self._key = key
        self._positions: dict[str, int] = {}
        self._live = _Live()
        self._facts: dict[str, Fact] = {}
        self._content: dict[str, Any] = {}
        self._record: Any = None
        self._stamp: Any = None
        self._known: TrainingState | None = None

    def look(self) -> TrainingState:
        """What there is now; the very same object as before where nothing changed.

        Raises:
            RunNotFound: The run is gone.
        """
        from rapidml.store.events_file import read_events

        store, run = self._overview.find(self._key)
        record = store.get_run(run)
        folder = store.runs.folder(run)
        marks = (record.state, record.seconds, record.name)
        if marks != self._record or not self._content.get("values"):
            self._record, self._content = marks, store.runs.load(run)
        for event in read_events(folder, self._positions):
            self._live.take(event)
        ended = {key for key, fact in self._facts.items() if fact.is_finished}
        self._facts |= store.find_facts([key for key in self._list_keys() if key not in ended], stored=False)
        stamp = (marks, self._live.taken, [(key, fact.state) for key, fact in self._facts.items()])
        if self._known is None or stamp != self._stamp:
            self._stamp = stamp
            self._known = TrainingState(run, record.name or "", record.state, self._collect(record.state))
        return self._known

    def _list_keys(self) -> dict[str, tuple[str, str]]:
        """Model and title of each fit of a network, by key, in the order of the recipe and then of the fits."""
        networks = list_networks(self._content.get("values") or {})
        found: dict[str, tuple[str, str]] = {}
        models = (self._content.get("result") or {}).get("models", {})
        for name in networks:
            for part, key in models.get(name, {}).get("keys", {}).items():
                found[key] = name, part_title(part)
        for key, training in self._live.fits.items():
            if training.model in networks:
                found.setdefault(key, (training.model, training.title))
        return found

    def _collect(self, state: str) -> dict[str, tuple[Training, ...]]:
        networks = list_networks(self._content.get("values") or {})
        found: dict[str, list[Training]] = {name: [] for name in networks}
        for key, (model, title) in self._list_keys().items():
            live = self._live.fits.get(key, Training(model, title))
            live = replace(live, model=model, told={"trainer": networks[model], **live.told})
            fact = self._facts.get(key)
            if fact is not None and (live.state != "running" or state != "running" or fact.is_finished):
                live = _read_fact(fact, live)
            elif state != "running" and live.state == "running":
                live = replace(live, state="stopped")
            found[model].append(live)
        return {name: tuple(fits) for name, fits in found.items()}


def _read_fact(fact: Fact, live: Training) -> Training:
    """What a fact says of a fit that ended."""
    if not fact.is_finished:
        return replace(live, state="failed", error=fact.error or "failed")
    told = describe_fit(fact)
    curves = (fact.payload.get("training") or {}).get("curves", {})
    return replace(
        live, state="finished", done=told["epochs"], total=told["epochs"], told=told, curves=curves, error=""
    )


class _Live:
    """What events told of fits, by key."""

    def __init__(self) -> None:
        self.fits: dict[str, Training] = {}
        self.taken = 0

    def take(self, event: Event) -> None:
        """Take the next event."""
        if event.kind == "run_started":  # an earlier attempt is over; what it finished is stored
            self.fits = {key: replace(fit, state="stopped") for key, fit in self.fits.items()}
            self.taken += 1
        if event.step != "fit" or not event.key:
            return
        self.taken += 1
        model, _, title = event.name.rpartition(", ")
        known = self.fits.get(event.key) or Training(model, title)
        if event.kind == "step_started":
            self.fits[event.key] = Training(model, title)
        elif event.kind == "progress":
            self.fits[event.key] = _read_progress(event.data, known)
        elif event.kind in ("step_finished", "step_failed"):
            state = "finished" if event.kind == "step_finished" else "failed"
            self.fits[event.key] = replace(known, state=state, error=str(event.data.get("error") or ""))


def _read_progress(data: Mapping[str, Any], known: Training) -> Training:
    """A fit that goes on, after news of it."""
    done, total, report = data.get("done", 0), data.get("total", 0), data.get("training")
    if report is None:
        history = _add_losses(known.told.get("history", {}), done, data.get("scores", {}))
        return replace(known, state="running", done=done, total=total, told={**known.told, "history": history})
    curves = report["curves"]
    head = {"trainer": report["trainer"], "replicas": report["replicas"]}
    told = {**head, **add_up([report]), "epochs": done, "best_epoch": None, "history": data["history"]}
    return replace(known, state="running", done=done, total=total, told=told, curves=curves)


def _add_losses(history: Mapping[str, Any], epoch: int, scores: Mapping[str, float]) -> dict[str, Any]:
    """A history with the losses of one more epoch; epochs between two news are left out."""
    known = [at for at, number in enumerate(history.get("round", ())) if number < epoch]
    names: Iterable[str] = dict.fromkeys([*history, "round", *scores])
    kept = {name: dict(enumerate(history.get(name) or ())) for name in names}
    return {
        name: [*map(values.get, known), epoch if name == "round" else scores.get(name)] for name, values in kept.items()
    }
