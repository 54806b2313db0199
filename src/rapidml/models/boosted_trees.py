"""The ``xgboost`` adapter: gradient-boosted trees, exact under continuing, cutting, restarts and threads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rapidml.errors import ExtraNotInstalled, ModelError
from rapidml.models.adapter import Complaint
from rapidml.models.parameters import ParameterList, read_list
from rapidml.models.versions import find_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.models.adapter import Fitted, Keep, Report
    from rapidml.models.boosting import Boosting, History

DEFAULT_ROUNDS = 100
DEFAULT_ROUNDS_STOPPED = 2000
LEAST_SHARE = 1e-7
"""A class that has no weight in the rows of a fit starts with this share."""

OBJECTIVES: dict[str, tuple[str, str]] = {
    "binary:logistic": ("binary", "logloss"),
    "multi:softprob": ("multiclass", "mlogloss"),
    "reg:squarederror": ("regression", "rmse"),
    "reg:squaredlogerror": ("regression", "rmsle"),
    "reg:logistic": ("regression", "logloss"),
    "reg:pseudohubererror": ("regression", "mphe"),
    "reg:absoluteerror": ("regression", "mae"),
    "reg:quantileerror": ("regression", "quantile"),
    "reg:gamma": ("regression", "gamma-nloglik"),
    "reg:tweedie": ("regression", "tweedie-nloglik"),
    "count:poisson": ("regression", "poisson-nloglik"),
}
"""Objective -> (task kind, the loss it lowers). The first of a kind is the default."""

SPECIAL = {
    "scale_pos_weight": ("binary:logistic", "reg:logistic"),
    "huber_slope": ("reg:pseudohubererror",),
    "quantile_alpha": ("reg:quantileerror",),
    "tweedie_variance_power": ("reg:tweedie",),
}
"""Parameters that only some objectives read."""

SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")

_SEED = "remove it; the recipe's 'seed' sets it"
_THREADS = "remove it; rapidml gives every fit its share of the cores ('--workers'), which changes no result"
_LOSS = "remove it; scores are named under 'evaluate', and early stopping watches the objective's own loss"
_CATEGORIES = "remove it; categorical columns are found in the dataset and used as such"
_TREES = "remove it; rapidml trains tree boosters with the histogram method, whose results can be continued exactly"
_SILENT = "remove it; progress is shown by rapidml"
REFUSED = {
    **dict.fromkeys(("seed", "random_state", "seed_per_iteration"), _SEED),
    **dict.fromkeys(("nthread", "n_jobs", "num_threads"), _THREADS),
    **dict.fromkeys(("eval_metric", "eval_set", "disable_default_eval_metric", "feval", "custom_metric"), _LOSS),
    **dict.fromkeys(("enable_categorical", "feature_types", "feature_names"), _CATEGORIES),
    **dict.fromkeys(("booster", "tree_method", "updater", "process_type", "refresh_leaf", "multi_strategy"), _TREES),
    **dict.fromkeys(("verbosity", "verbose", "verbose_eval", "silent", "callbacks", "validate_parameters"), _SILENT),
    **dict.fromkeys(("device", "gpu_id", "predictor"), "remove it and write 'device: cuda' beside 'type'"),
    **dict.fromkeys(("early_stopping_rounds", "early_stopping"), "write 'early_stopping' beside 'params', not in it"),
    "num_class": "remove it; it is the number of classes in the dataset",
    "missing": "remove it; 'dataset.missing' says which numbers mean a missing value",
    "obj": "remove it; 'objective' takes one of the library's own objectives by name",
    "feature_weights": "remove it; it is not available",
    "importance_type": "remove it; it changes no fit",
    "sample_weight": "remove it; 'dataset.weight' is the weight of each row",
    "xgb_model": "remove it; a stored fit is continued whenever that gives the same model",
}


class BoostedTrees:
    """Adapter of XGBoost's tree boosters; see ``adapter.Adapter`` for the contract."""

    name = "xgboost"
    library = "xgboost"
    extra: str | None = "cpu"
    tasks = frozenset({"binary", "multiclass", "regression"})
    takes_weights = True
    takes_negative_weights = False
    takes_categories = True
    takes_missing = True
    takes_negative_features = True
    iterations: str | None = "n_estimators"
    uses_threads = True
    devices = frozenset({"cpu", "cuda"})
    takes_shards = True

    def check(self, params: Mapping[str, Any], task_kind: str | None) -> Iterator[Complaint]:
        """Names, types and ranges; then what only fits together with the task or the objective."""
        known = _parameter_list()
        complaints = list(known.check(params))
        yield from complaints
        wrong = {complaint.path[0] for complaint in complaints}
        resolved = known.resolve({name: value for name, value in params.items() if name not in wrong})
        objective = resolved.get("objective") or (default_objective(task_kind) if task_kind else None)
        yield from _check_objective(resolved.get("objective"), task_kind)
        for name in params:
            parameter = known.find(name)
            if (
                parameter
                and name not in wrong
                and objective
                and objective not in SPECIAL.get(parameter.name, (objective,))
            ):
                wanted = " or ".join(SPECIAL[parameter.name])
                yield Complaint((name,), f"{name} only with objective {wanted}", f"remove '{name}'", on_key=True)
        if objective == "reg:quantileerror" and "quantile_alpha" not in resolved:
            yield Complaint(
                ("objective",), "quantile_alpha beside objective reg:quantileerror", "add 'quantile_alpha: 0.5'"
            )

    def resolve(self, params: Mapping[str, Any], task: Task, early_stopping: int | None) -> dict[str, Any]:  # noqa: ARG002
        """Canonical names, and the number of rounds."""
        default = DEFAULT_ROUNDS if early_stopping is None else DEFAULT_ROUNDS_STOPPED
        return {"n_estimators": default, **_parameter_list().resolve(params)}

    def versions(self) -> dict[str, str]:
        """Version of whichever distribution brings XGBoost."""
        found = find_versions(("xgboost", "xgboost-cpu"))
        return {"xgboost": next(iter(found.values()))} if found else {}

    def fit(
        self,
        rows: TrainingRows,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        watch: TrainingRows | None = None,
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> BoosterModel:
        """Train, continue or cut; see ``adapter.Adapter.fit``."""
        from rapidml.models.boosting import Boosting

        xgboost = _import_library(device)
        boosting = Boosting(
            params=_library_params(params, rows, task, threads=threads, device=device),
            total=int(params["n_estimators"]),
            sampling=is_sampling(params),
            seed=seed,
            patience=early_stopping if watch is not None else None,
            report=report,
            keep=None if keep is None else lambda booster, losses: keep(_make_model(booster, task, losses)),
        )
        assert start is None or isinstance(start, BoosterModel)
        begin = None if start is None else _find_begin(start, boosting, is_watched=watch is not None)
        if isinstance(begin, BoosterModel):
            return begin
        try:
            train = _make_dmatrix(rows, params, threads)
            watched = None if watch is None else _make_dmatrix(watch, params, threads, like=train)
            raw, history = (None, _new_history()) if begin is None else begin
            booster = boosting.run(train, watched, raw, history)
        except xgboost.core.XGBoostError as error:
            raise ModelError(f"xgboost: {_first_line(error)}") from error
        return _keep_best(_make_model(booster, task, history), boosting)

    def load(self, folder: Path, task: Task) -> BoosterModel:
        """The model that ``BoosterModel.save`` wrote."""
        from rapidml.models.boosting import History

        _import_library("cpu")
        try:
            raw = (folder / "model.ubj").read_bytes()
            rounds = json.loads((folder / "rounds.json").read_text(encoding="utf-8"))
            return BoosterModel(raw, task, rounds["rounds"], rounds["best_round"], History.from_json(rounds["losses"]))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder} does not hold a whole xgboost model: {error}") from error


@dataclass(frozen=True)
class BoosterModel:
    """Fitted trees as XGBoost's own bytes (UBJSON), which is also how they are stored.

    Attributes:
        raw: The model without training state; two equal fits have equal bytes.
        task: What was learned.
        rounds: Rounds in it.
        best_round: Round with the lowest watched loss; None if nothing was watched.
        losses: Losses of all rounds that were trained, those cut off included: they decide how continuing goes.
    """

    raw: bytes = field(repr=False)
    task: Task
    rounds: int
    best_round: int | None
    losses: History = field(repr=False)

    @property
    def history(self) -> dict[str, list[float]]:
        """Losses by name, each as long as ``round``."""
        return self.losses.to_json()

    def predict(self, features: Frame, *, threads: int) -> NDArray[np.float32]:
        """Chance of class 1, of every class, or the value; see ``adapter.Fitted.predict``."""
        import numpy as np

        from rapidml.models.matrix import make_matrix

        booster = _load_booster(self.raw, threads)
        predicted = booster.inplace_predict(make_matrix(features, np.float32), validate_features=False)
        shape = (features.n_rows, len(self.task.classes)) if self.task.kind == "multiclass" else (features.n_rows,)
        return np.asarray(predicted, dtype=np.float32).reshape(shape)

    def save(self, folder: Path) -> None:
        """Write ``model.ubj`` (XGBoost's own format) and ``rounds.json``."""
        (folder / "model.ubj").write_bytes(self.raw)
        rounds = {"rounds": self.rounds, "best_round": self.best_round, "losses": self.history}
        (folder / "rounds.json").write_text(json.dumps(rounds, sort_keys=True), encoding="utf-8")

    def cut(self, rounds: int) -> BoosterModel:
        """The model after its first rounds, equal to the byte to a fit of that many.

        Raises:
            ValueError: It has fewer rounds, or ``rounds`` is below 1.
        """
        if not 1 <= rounds <= self.rounds:
            raise ValueError(f"cannot cut a model of {self.rounds} rounds to {rounds}")
        if rounds == self.rounds:
            return self
        raw = bytes(_load_booster(self.raw, 1)[:rounds].save_raw("ubj"))
        return BoosterModel(raw, self.task, rounds, None, self.losses.first(rounds))


def _make_model(booster: Any, task: Task, losses: History) -> BoosterModel:
    """All rounds trained so far."""
    return BoosterModel(bytes(booster.save_raw("ubj")), task, booster.num_boosted_rounds(), None, losses)


def default_objective(task_kind: str) -> str:
    """What is minimised when a recipe does not say."""
    return next(name for name, (kind, _) in OBJECTIVES.items() if kind == task_kind)


def is_sampling(params: Mapping[str, Any]) -> bool:
    """Whether random numbers matter: some rows or columns are left out of a tree, level or node."""
    return any(params.get(name, 1.0) < 1.0 for name in SAMPLING)


def _parameter_list() -> ParameterList:
    return ParameterList.from_json(read_list("xgboost")["parameters"], REFUSED)


def _check_objective(objective: str | None, task_kind: str | None) -> Iterator[Complaint]:
    if objective is not None and task_kind is not None and OBJECTIVES[objective][0] != task_kind:
        fitting = [name for name, (kind, _) in OBJECTIVES.items() if kind == task_kind]
        fix = f"remove it, or write '{fitting[0]}'"
        yield Complaint(("objective",), f"an objective for a {task_kind} task: {', '.join(fitting)}", fix)


def _find_begin(
    start: BoosterModel, boosting: Boosting, *, is_watched: bool
) -> BoosterModel | tuple[bytes, History] | None:
    """What a stored fit saves: the answer itself, bytes and losses to go on from, or nothing."""
    from rapidml.models.boosting import Stopper

    if is_watched:
        stopper = Stopper(boosting.patience)
        end = stopper.replay(start.losses, boosting.total)
        if end is not None and stopper.best <= start.rounds:
            return _keep_best(
                BoosterModel(start.raw, start.task, start.rounds, None, start.losses.first(end)), boosting
            )
    elif start.rounds >= boosting.total:
        return start.cut(boosting.total)
    kept = boosting.first_round(start.rounds)
    if kept == 0:
        return None
    return start.cut(kept).raw, start.losses.first(kept)


def _keep_best(model: BoosterModel, boosting: Boosting) -> BoosterModel:
    """Cut the trees after the best watched round; the losses stay."""
    from rapidml.models.boosting import Stopper

    if boosting.patience is None:
        return model
    stopper = Stopper(boosting.patience)
    stopper.replay(model.losses, boosting.total)
    return BoosterModel(model.cut(stopper.best).raw, model.task, stopper.best, stopper.best, model.losses)


def _library_params(
    params: Mapping[str, Any], rows: TrainingRows, task: Task, *, threads: int, device: str
) -> dict[str, Any]:
    """XGBoost's own parameters for one fit."""
    given = {name: value for name, value in params.items() if name != "n_estimators"}
    objective = given.pop("objective", None) or default_objective(task.kind)
    loss = OBJECTIVES[objective][1]
    if loss == "tweedie-nloglik":
        loss += f"@{given.get('tweedie_variance_power', 1.5)}"
    full = {"tree_method": "hist", "device": device, "nthread": threads, "verbosity": 0, **given}
    full |= {"objective": objective, "eval_metric": loss}
    if task.kind == "multiclass":
        full["num_class"] = len(task.classes)
        full.setdefault("base_score", class_scores(rows, len(task.classes)))
    return full | _constraints(given, rows.features)


def class_scores(rows: TrainingRows, n_classes: int) -> list[float]:
    """Where several classes start: the logarithm of their weighted shares, mean 0.

    XGBoost makes the same numbers, but in sums whose last digits depend on the number of threads.
    """
    import numpy as np

    sums = rows.class_sums
    if sums is None:
        codes = rows.target.astype(np.int64)
        sums = np.bincount(codes, rows.weight, n_classes).astype(np.float64)
    logarithm = np.log(np.maximum(sums / sums.sum(), LEAST_SHARE))
    return [float(np.float32(value)) for value in logarithm - logarithm.mean()]


def _constraints(params: Mapping[str, Any], features: Frame) -> dict[str, Any]:
    """Constraints by column name as XGBoost's by position."""
    from rapidml.models.matrix import flat_names

    names = flat_names(features)
    found: dict[str, Any] = {}
    monotone = params.get("monotone_constraints")
    if isinstance(monotone, dict):
        _require_columns(monotone, names, "monotone_constraints")
        found["monotone_constraints"] = "(" + ",".join(str(monotone.get(name, 0)) for name in names) + ")"
    groups = params.get("interaction_constraints")
    if groups is not None:
        _require_columns([name for group in groups for name in group], names, "interaction_constraints")
        found["interaction_constraints"] = json.dumps([[names.index(name) for name in group] for group in groups])
    return found


def _require_columns(wanted: Any, names: list[str], parameter: str) -> None:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ModelError(f"{parameter} names '{unknown[0]}', which is not a feature of this model")


def _make_dmatrix(rows: TrainingRows, params: Mapping[str, Any], threads: int, like: Any = None) -> Any:
    """Rows in XGBoost's binned form; ``like`` gives the bins of the training rows."""
    import numpy as np
    import xgboost

    from rapidml.models.matrix import flat_categorical, make_matrix

    return xgboost.QuantileDMatrix(
        make_matrix(rows.features, np.float32),
        label=rows.target,
        weight=rows.weight,
        feature_types=["c" if categorical else "q" for categorical in flat_categorical(rows.features)],
        enable_categorical=True,
        max_bin=params.get("max_bin"),
        nthread=threads,
        ref=like,
    )


def _load_booster(raw: bytes, threads: int) -> Any:
    import xgboost

    try:
        return xgboost.Booster({"nthread": threads, "verbosity": 0}, model_file=bytearray(raw))
    except xgboost.core.XGBoostError as error:
        raise ModelError(f"not a whole xgboost model: {_first_line(error)}") from error


def _new_history() -> History:
    from rapidml.models.boosting import History

    return History()


def _import_library(device: str) -> Any:
    try:
        import xgboost
    except ImportError as error:
        raise ExtraNotInstalled("type: xgboost", "cpu") from error
    if device == "cuda" and not xgboost.build_info().get("USE_CUDA"):
        raise ExtraNotInstalled("device: cuda", "gpu")
    return xgboost


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].partition("Check failed: ")[2] or str(error).strip().splitlines()[0]
