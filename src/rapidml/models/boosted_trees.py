"""The ``xgboost`` adapter: gradient-boosted trees, exact under continuing, cutting, restarts and threads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.models.adapter import Complaint
from rapidml.models.booster_model import (
    BoosterModel,
    explain_refusals,
    import_xgboost,
    load_booster,
    make_booster_model,
    predict_prefixes,
    predict_rounds,
)
from rapidml.models.parameters import ParameterList, read_list
from rapidml.models.versions import find_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rapidml.dataset.frame import Frame, Task, TrainingRows
    from rapidml.models.adapter import Fitted, Keep, Report
    from rapidml.models.boosted_rows import BinnedRows, RowFacts
    from rapidml.models.boosting import Boosting, History

DEFAULT_ROUNDS = 100
DEFAULT_ROUNDS_STOPPED = 2000

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
    prefix: str | None = "n_estimators"
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

    def prefix_rounds(self, params: Mapping[str, Any]) -> int | None:
        """The number of rounds; blocks of random numbers make prefixes exact with sampling too."""
        return int(params.get("n_estimators", DEFAULT_ROUNDS))

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
        from rapidml.models.boosted_rows import bin_rows, find_facts

        import_xgboost(device)
        own = _library_params(params, find_facts(rows, task), task, threads=threads, device=device)
        patience = early_stopping if watch is not None else None
        boosting = _make_boosting(own, params, task, seed, patience, report, keep)
        return _train(boosting, lambda: bin_rows(rows, watch, params, threads), task, start)

    def form(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Binned rows depend on the number of bins alone; see ``adapter.HoldingAdapter``."""
        from rapidml.models.boosted_rows import DEFAULT_BINS

        return "xgboost", params.get("max_bin", DEFAULT_BINS)

    def hold_rows(
        self, rows: TrainingRows, params: Mapping[str, Any], task: Task, *, threads: int, watch: TrainingRows | None
    ) -> BinnedRows:
        """Binned rows; see ``adapter.HoldingAdapter``."""
        from rapidml.models.boosted_rows import hold_binned

        with explain_refusals(import_xgboost("cpu")):
            return hold_binned(rows, watch, params, task, threads)

    def hold_shown(self, features: Frame) -> NDArray[np.float32]:
        """Rows to predict. Shape ``(n_rows, n_flat)``."""
        from rapidml.models.boosted_rows import make_float_matrix

        return make_float_matrix(features)

    def fit_held(
        self,
        rows: BinnedRows,
        params: Mapping[str, Any],
        task: Task,
        *,
        seed: int,
        threads: int,
        early_stopping: int | None = None,
        start: Fitted | None = None,
        device: str = "cpu",
        report: Report | None = None,
        keep: Keep | None = None,
    ) -> BoosterModel:
        """The model of ``fit``, without binning the rows again; see ``adapter.HoldingAdapter``."""
        import_xgboost(device)
        own = _library_params(params, rows.facts, task, threads=threads, device=device)
        patience = early_stopping if rows.watch is not None else None
        boosting = _make_boosting(own, params, task, seed, patience, report, keep)
        return _train(boosting, lambda: (rows.train, rows.watch), task, start)

    def predict_held(
        self, fitted: BoosterModel, shown: NDArray[np.float32], rounds: Sequence[int], *, threads: int
    ) -> list[NDArray[np.float32]]:
        """Predictions after each number of rounds; see ``adapter.HoldingAdapter``."""
        for wanted in rounds:
            fitted.require_rounds(wanted)
        booster = load_booster(fitted.raw, threads)
        if len(rounds) < 2:
            return [predict_rounds(booster, shown, fitted.task, rounds[0] if rounds else 0)]
        return predict_prefixes(booster, shown, fitted.task, rounds)

    def load(self, folder: Path, task: Task) -> BoosterModel:
        """The model that ``BoosterModel.save`` wrote."""
        from rapidml.models.boosting import History

        import_xgboost("cpu")
        try:
            raw = (folder / "model.ubj").read_bytes()
            rounds = json.loads((folder / "rounds.json").read_text(encoding="utf-8"))
            return BoosterModel(raw, task, rounds["rounds"], rounds["best_round"], History.from_json(rounds["losses"]))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder} does not hold a whole xgboost model: {error}") from error


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


def _make_boosting(
    own: dict[str, Any],
    params: Mapping[str, Any],
    task: Task,
    seed: int,
    patience: int | None,
    report: Report | None,
    keep: Keep | None,
) -> Boosting:
    """How to train with XGBoost's own parameters."""
    from rapidml.models.boosting import Boosting

    return Boosting(
        params=own,
        total=int(params["n_estimators"]),
        sampling=is_sampling(params),
        seed=seed,
        patience=patience,
        report=report,
        keep=None if keep is None else lambda booster, losses: keep(make_booster_model(booster, task, losses)),
    )


def _train(
    boosting: Boosting, find_rows: Callable[[], tuple[Any, Any]], task: Task, start: Fitted | None
) -> BoosterModel:
    """Train, continue or cut; the rows are asked for only where something is left to train."""
    assert start is None or isinstance(start, BoosterModel)
    begin = None if start is None else _find_begin(start, boosting, is_watched=boosting.patience is not None)
    if isinstance(begin, BoosterModel):
        return begin
    from rapidml.models.threads import limit_threads

    with explain_refusals(import_xgboost("cpu")), limit_threads(boosting.params["nthread"], "xgboost"):
        train, watch = find_rows()
        raw, history = (None, _new_history()) if begin is None else begin
        booster = boosting.run(train, watch, raw, history)
    return _keep_best(make_booster_model(booster, task, history), boosting)


def _library_params(
    params: Mapping[str, Any], facts: RowFacts, task: Task, *, threads: int, device: str
) -> dict[str, Any]:
    """XGBoost's own parameters for one fit."""
    from rapidml.models.boosted_rows import make_constraints

    given = {name: value for name, value in params.items() if name != "n_estimators"}
    objective = given.pop("objective", None) or default_objective(task.kind)
    loss = OBJECTIVES[objective][1]
    if loss == "tweedie-nloglik":
        loss += f"@{given.get('tweedie_variance_power', 1.5)}"
    full = {"tree_method": "hist", "device": device, "nthread": threads, "verbosity": 0, **given}
    full |= {"objective": objective, "eval_metric": loss}
    if task.kind == "multiclass":
        full["num_class"] = len(task.classes)
        assert facts.class_scores is not None
        full.setdefault("base_score", list(facts.class_scores))
    return full | make_constraints(given, facts.names)


def _new_history() -> History:
    from rapidml.models.boosting import History

    return History()
