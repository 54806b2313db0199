"""What a plan is made of: steps with their keys. Frozen data; how keys are made is in ``step_keys``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.frame import Task
    from rapidml.dataset.profile import Profile
    from rapidml.models.fitting import ModelSpec
    from rapidml.planning.searching import ModelSearch
    from rapidml.recipe.schema import ModelEntry, Recipe

State = Literal["stored", "to_do"]


@dataclass(frozen=True)
class Start:
    """A stored fit of the same model with other rounds, from which a fit is continued or cut.

    Attributes:
        key: Key of the stored fit.
        rounds: Rounds it has.
    """

    key: str
    rounds: int


@dataclass(frozen=True)
class Prediction:
    """Predictions of one fit on one part of the rows.

    Attributes:
        key: Key of the prediction.
        part: ``held:3``, ``valid``, ``test``, ``train`` or ``fit``.
    """

    key: str
    part: str


@dataclass(frozen=True)
class FitStep:
    """One fit with the predictions that are made right after it.

    Attributes:
        key: Key of the fit.
        family: Key without the number of rounds: fits of one family continue or cut each other. None if they cannot.
        model: Name of the model in the recipe.
        part: Rows it trains on: ``fold:3``, ``train`` or ``fit``.
        spec: Model with resolved parameters.
        seed: Seed of this fit.
        predictions: What is predicted with it.
        rounds_from: Keys of the fold fits whose best rounds set this fit's rounds; empty without early stopping.
        start: Stored fit to continue or cut, if any.
        state: Whether the fit and all its predictions are stored.
    """

    key: str
    family: str | None
    model: str
    part: str
    spec: ModelSpec
    seed: int
    predictions: tuple[Prediction, ...]
    rounds_from: tuple[str, ...] = ()
    start: Start | None = None
    state: State = "to_do"

    @property
    def is_final(self) -> bool:
        """Whether this is the fit that is tested, exported and used on unknown rows."""
        return not self.part.startswith("fold:")

    @property
    def title(self) -> str:
        """What a person calls it, such as ``bdt, fold 3``."""
        return f"{self.model}, {'final fit' if self.is_final else self.part.replace(':', ' ')}"


@dataclass(frozen=True)
class EvaluateStep:
    """Scores of one model on some parts, from stored predictions.

    Attributes:
        key: Key of the scores.
        model: Name of the model, or ``dummy`` for the baseline.
        stage: ``selection`` (rows that trained no fit, not test rows) or ``final`` (training and test rows).
        predictions: Predictions that are scored; empty for the baseline.
        parts: Parts of the baseline, as ``(trained on, scored on)``; empty for a model.
        candidate: Number of the candidate, where it is one of several of its model; None for the chosen one.
    """

    key: str
    model: str
    stage: Literal["selection", "final"]
    predictions: tuple[Prediction, ...]
    parts: tuple[tuple[str, str], ...] = ()
    state: State = "to_do"
    candidate: int | None = None


@dataclass(frozen=True)
class Resolved:
    """A recipe with every default that depends on the data decided.

    Attributes:
        recipe: The recipe as written.
        request: Rows and columns of the table.
        profile: What the training rows look like.
        task: What is learned.
        balance: Whether training weights are balanced over classes.
        rank_by: Metric that ranks.
        metrics: All metrics, ``rank_by`` first.
        models: Resolved models by name, in recipe order; without those whose ranges are still open.
        n_folds: Number of folds; 0 with a validation part.
        ranged: Models with ranges whose candidate is not chosen yet.
    """

    recipe: Recipe
    request: TableRequest
    profile: Profile
    task: Task
    balance: Literal["none", "classes"]
    rank_by: str
    metrics: tuple[str, ...]
    models: dict[str, ModelSpec]
    n_folds: int
    ranged: Mapping[str, ModelEntry] = field(default_factory=dict)

    def with_chosen(self, chosen: Mapping[str, ModelSpec]) -> Resolved:
        """The same with a candidate chosen for some models."""
        models = {**self.models, **chosen}
        ranged = {name: entry for name, entry in self.ranged.items() if name not in chosen}
        return replace(
            self, models={name: models[name] for name in self.recipe.models if name in models}, ranged=ranged
        )


@dataclass(frozen=True)
class Reason:
    """Why something is computed. The vocabulary is closed: see ``reasons.CODES``.

    Attributes:
        code: One of ``reasons.CODES``.
        models: Models it concerns; empty for all.
        field: Dotted path of the field that changed, or empty.
        old: Its former value.
        new: Its value now.
        origin: Where the value now was written, such as ``command line``.
        was: Where the former value was written, such as ``higgs.yaml:14``.
        count: Number of fits (or other steps) it concerns.
    """

    code: str
    models: tuple[str, ...] = ()
    field: str = ""
    old: Any = None
    new: Any = None
    origin: str = ""
    was: str = ""
    count: int = 0


@dataclass(frozen=True)
class Plan:
    """Everything a run will do, and why.

    Attributes:
        resolved: The recipe with all defaults decided.
        fits: Fold fits and final fits, in recipe order.
        evaluations: Scores to compute, the baseline's included.
        reasons: Why not everything is stored.
        notes: Sentences worth saying: library versions that differ, columns left out.
        searches: Searches over the ranges of models, finished or not.
    """

    resolved: Resolved
    fits: tuple[FitStep, ...]
    evaluations: tuple[EvaluateStep, ...]
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = field(default=())
    searches: tuple[ModelSearch, ...] = ()

    @property
    def is_searched(self) -> bool:
        """Whether every model has its candidate: nothing is left to be searched."""
        return not self.resolved.ranged and all(search.is_complete for search in self.searches)

    @cached_property
    def fits_by_model(self) -> dict[str, list[FitStep]]:
        """The fits of each model, in recipe order."""
        found: dict[str, list[FitStep]] = {name: [] for name in self.resolved.models}
        for fit in self.fits:
            found[fit.model].append(fit)
        return found

    @property
    def to_train(self) -> int:
        """Number of different fits that are not stored."""
        return len({fit.key for fit in self.fits if fit.state == "to_do"})

    @property
    def stored(self) -> int:
        """Number of different fits that are stored."""
        return len({fit.key for fit in self.fits if fit.state == "stored"})

    @property
    def collapsed(self) -> int:
        """Number of fits that another fit of the plan serves: models that differ in name only."""
        return len(self.fits) - len({fit.key for fit in self.fits})

    def list_keys(self) -> list[str]:
        """Keys of all steps, fits and predictions."""
        steps: list[FitStep | EvaluateStep] = [*self.fits, *self.evaluations]
        predicted = dict.fromkeys(prediction.key for step in steps for prediction in step.predictions)
        return [*(step.key for step in steps), *predicted]
