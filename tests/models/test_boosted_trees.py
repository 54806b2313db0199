"""XGBoost's adapter: exact to the byte under blocks, continuing, cutting, stopping, threads; equal to plain XGBoost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xgboost

from rapidml.dataset.frame import Column, Frame, TrainingRows
from rapidml.errors import ExtraNotInstalled, ModelError
from rapidml.models.boosted_rows import class_scores
from rapidml.models.boosted_trees import OBJECTIVES, REFUSED, BoostedTrees, is_sampling
from rapidml.models.boosting import BLOCK, block_seed
from tests.models.conformance import TASKS, Kind, make_rows

if TYPE_CHECKING:
    from rapidml.models.booster_model import BoosterModel

ADAPTER = BoostedTrees()
SAMPLING = {"subsample": 0.7, "colsample_bytree": 0.8, "colsample_bylevel": 0.9, "colsample_bynode": 0.7}
KINDS: list[Kind] = ["binary", "multiclass", "regression"]


def fit(rows: TrainingRows, kind: Kind, params: dict[str, Any], **arguments: Any) -> BoosterModel:
    resolved = ADAPTER.resolve({"max_depth": 3, **params}, TASKS[kind], arguments.get("early_stopping"))
    return ADAPTER.fit(rows, resolved, TASKS[kind], **{"seed": 7, "threads": 1, **arguments})


def rich_rows(kind: Kind, seed: int = 0) -> TrainingRows:
    return make_rows(kind, 300, seed=seed, weighted=True, categories=True, missing=True)


def plain_matrix(rows: TrainingRows) -> Any:
    matrix = np.stack([column.values for column in rows.features.columns], axis=1)
    return xgboost.QuantileDMatrix(matrix, rows.target, weight=rows.weight, feature_types=["q"] * 4, nthread=1)


# Against XGBoost itself


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_without_sampling_it_is_xgboost_train(kind: Kind) -> None:
    rows = make_rows(kind, weighted=True)
    model = fit(rows, kind, {"n_estimators": 20, "learning_rate": 0.2})
    settings = {
        "objective": OBJECTIVES_BY_KIND[kind],
        "max_depth": 3,
        "learning_rate": 0.2,
        "tree_method": "hist",
        "nthread": 1,
    }
    own = xgboost.train(settings, plain_matrix(rows), 20)
    assert model.raw == bytes(own.save_raw("ubj"))


OBJECTIVES_BY_KIND = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}


def test_several_classes_start_where_xgboost_starts() -> None:
    rows = make_rows("multiclass", weighted=True)
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    own = xgboost.train(settings, plain_matrix(rows), 1)
    start = own.save_config()
    library = [float(text) for text in start.split('"base_score":"[')[1].split("]")[0].split(",")]
    np.testing.assert_allclose(class_scores(rows, 3), library, atol=1e-5)


def test_the_classes_of_one_fit_may_lack_weight() -> None:
    rows = make_rows("multiclass")
    assert np.isfinite(class_scores(rows.take(rows.target != 2), 3)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_freshly_loaded_boosters(kind: Kind) -> None:
    """The shortcut of ``boosting._start_block`` against what it stands for."""
    rows = make_rows(kind, weighted=True)
    rounds = 2 * BLOCK + 10
    model = fit(rows, kind, {"n_estimators": rounds, **SAMPLING})
    settings: dict[str, Any] = {
        "objective": OBJECTIVES_BY_KIND[kind],
        "max_depth": 3,
        "tree_method": "hist",
        "nthread": 1,
        **SAMPLING,
    }
    if kind == "multiclass":
        settings |= {"num_class": 3}
    train, raw = plain_matrix(rows), None
    for begin in range(0, rounds, BLOCK):
        seeded = {**settings, "seed": block_seed(7, begin // BLOCK)}
        if raw is None:
            first = {"base_score": class_scores(rows, 3)} if kind == "multiclass" else {}
            booster = xgboost.Booster({**seeded, **first}, [train])
        else:
            booster = xgboost.Booster(seeded, [train], model_file=raw)
        for index in range(begin, min(begin + BLOCK, rounds)):
            booster.update(train, index)
        raw = booster.save_raw("ubj")
    assert raw is not None
    assert model.raw == bytes(raw)


def test_neighbouring_blocks_have_different_seeds() -> None:
    seeds = [block_seed(2**31 - 1, block) for block in range(1000)]
    assert len(set(seeds)) == 1000
    assert min(seeds) >= 0
    assert max(seeds) < 2**31


# Continuing and cutting


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, SAMPLING, {"subsample": 0.5, "num_parallel_tree": 2}, {"base_score": 0.3}])
@pytest.mark.parametrize("short", [BLOCK - 5, BLOCK + 7])
def test_continuing_and_cutting_equal_an_undisturbed_fit(kind: Kind, params: dict[str, Any], short: int) -> None:
    rows = rich_rows(kind)
    whole, part = (fit(rows, kind, {"n_estimators": n, **params}) for n in (2 * BLOCK + 5, short))
    continued = fit(rows, kind, {"n_estimators": 2 * BLOCK + 5, **params}, start=part)
    assert continued.raw == whole.raw
    assert continued.history == whole.history
    assert fit(rows, kind, {"n_estimators": short, **params}, start=whole).raw == part.raw
    assert whole.cut(short).raw == part.raw
    assert whole.cut(short).history == part.history


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if OBJECTIVES[name][0] == "regression"])
@pytest.mark.parametrize("sampling", [{}, {"subsample": 0.7}])
def test_every_objective_is_continued_exactly(objective: str, sampling: dict[str, float]) -> None:
    rows = rich_rows("regression")
    target = np.clip(rows.target / 4, 0, 1) if objective == "reg:logistic" else rows.target
    rows = TrainingRows(rows.features, target, rows.weight, rows.ids)
    params = {"objective": objective, **sampling, **({"quantile_alpha": 0.3} if "quantile" in objective else {})}
    whole, part = (fit(rows, "regression", {"n_estimators": n, **params}) for n in (BLOCK + 8, BLOCK + 1))
    assert fit(rows, "regression", {"n_estimators": BLOCK + 8, **params}, start=part).raw == whole.raw
    assert whole.history["train"][-1] < whole.history["train"][0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, SAMPLING])
def test_fits_that_stopped_early_are_continued(kind: Kind, params: dict[str, Any]) -> None:
    rows, watch = rich_rows(kind), rich_rows(kind, seed=1)

    def stop(patience: int, rounds: int, start: BoosterModel | None = None) -> BoosterModel:
        settings = {"n_estimators": rounds, "learning_rate": 0.3, **params}
        return fit(rows, kind, settings, watch=watch, early_stopping=patience, start=start)

    patient, hasty, bounded = stop(15, 120), stop(2, 120), stop(15, 12)
    assert patient.rounds == patient.best_round == int(np.argmin(patient.losses.watch)) + 1
    for start in (patient, hasty, bounded):
        for wanted, again in (
            (patient, stop(15, 120, start)),
            (hasty, stop(2, 120, start)),
            (bounded, stop(15, 12, start)),
        ):
            assert again == wanted
            assert again.history == wanted.history
    kept = fit(rows, kind, {"n_estimators": patient.rounds, "learning_rate": 0.3, **params})
    assert kept.raw == patient.raw


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, SAMPLING])
def test_threads_change_no_byte(kind: Kind, params: dict[str, Any]) -> None:
    rows, watch = rich_rows(kind), rich_rows(kind, seed=1)
    one, three = (
        fit(rows, kind, {"n_estimators": 30, **params}, threads=threads, watch=watch, early_stopping=30)
        for threads in (1, 3)
    )
    assert one == three
    assert one.history == three.history


def test_only_sampling_makes_seeds_matter() -> None:
    rows = make_rows("binary")
    assert fit(rows, "binary", {"n_estimators": 5}, seed=1).raw == fit(rows, "binary", {"n_estimators": 5}, seed=2).raw
    drawn = {"n_estimators": 5, "subsample": 0.5}
    assert fit(rows, "binary", drawn, seed=1).raw != fit(rows, "binary", drawn, seed=2).raw
    assert is_sampling({"colsample_bynode": 0.5})
    assert not is_sampling({"subsample": 1.0})


def test_the_watched_loss_is_weighted_and_the_objectives_own() -> None:
    from sklearn.metrics import log_loss

    rows, watch = rich_rows("binary"), rich_rows("binary", seed=1)
    model = fit(rows, "binary", {"n_estimators": 12}, watch=watch, early_stopping=50)
    chance = model.predict(watch.features, threads=1).astype(np.float64)
    own = log_loss(watch.target, chance, sample_weight=watch.weight)
    assert model.losses.watch[model.rounds - 1] == pytest.approx(own, rel=1e-5)


def test_progress_is_reported_every_round() -> None:
    told: list[tuple[int, int, dict[str, float]]] = []
    fit(make_rows("binary"), "binary", {"n_estimators": 12}, report=lambda *what: told.append(what))
    assert [(done, total) for done, total, _ in told] == [(i, 12) for i in range(1, 13)]
    assert set(told[-1][2]) == {"train"}


# Features


def test_constraints_go_by_name() -> None:
    rows = make_rows("regression")
    model = fit(rows, "regression", {"n_estimators": 30, "monotone_constraints": {"x1": -1}})
    one = Frame(tuple(Column(c.name, np.repeat(c.values[:1], 50)) for c in rows.features.columns))
    columns = list(one.columns)
    columns[1] = Column("x1", np.linspace(0, 8, 50))
    assert (np.diff(model.predict(Frame(tuple(columns)), threads=1)) <= 0).all()
    with pytest.raises(ModelError, match="names 'x9', which is not a feature"):
        fit(rows, "regression", {"monotone_constraints": {"x9": 1}})
    alone = fit(rows, "regression", {"n_estimators": 3, "interaction_constraints": [["x0"], ["x1"]]})
    assert alone.rounds == 3


def test_column_names_may_hold_any_character() -> None:
    rows = make_rows("binary")
    renamed = Frame(tuple(Column(f"m[{i}] < 3", c.values) for i, c in enumerate(rows.features.columns)))
    odd = TrainingRows(renamed, rows.target, rows.weight, rows.ids)
    assert fit(odd, "binary", {"n_estimators": 3}).raw == fit(rows, "binary", {"n_estimators": 3}).raw


# Parameters


@pytest.mark.parametrize(
    ("params", "expected", "fix"),
    [
        ({"max_depht": 3}, "one of base_score, colsample_bylevel", "write 'max_depth'"),
        ({"max_depth": 3.0}, "an integer of at least 0", "write 3"),
        ({"max_depth": True}, "an integer of at least 0", "give max_depth such a value"),
        ({"learning_rate": -0.1}, "a number above 0", "give learning_rate"),
        ({"subsample": 1.5}, "a number in (0, 1]", "give subsample"),
        ({"grow_policy": "losguide"}, "depthwise or lossguide", "write 'lossguide'"),
        ({"eta": 0.1, "learning_rate": 0.1}, "one of 'eta' and 'learning_rate'", "remove 'learning_rate'"),
        (
            {"objective": "reg:squarederror"},
            "an objective for a binary task: binary:logistic",
            "write 'binary:logistic'",
        ),
        ({"objective": "reg:cubederror"}, "binary:logistic, count:poisson", "write 'reg:squarederror'"),
        ({"huber_slope": 1.0}, "huber_slope only with objective reg:pseudohubererror", "remove 'huber_slope'"),
        ({"interaction_constraints": []}, "a list", "give interaction_constraints"),
        ({"monotone_constraints": {"a": 2}}, "a mapping of names to -1, 0 or 1", "give monotone_constraints"),
    ],
)
def test_wrong_parameters_are_explained(params: dict[str, Any], expected: str, fix: str) -> None:
    (complaint,) = ADAPTER.check(params, "binary")
    assert complaint.expected.startswith(expected)
    assert fix in complaint.fix


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_rapidml_sets_is_refused_with_the_place_to_set_it(name: str) -> None:
    (complaint,) = ADAPTER.check({name: 1}, None)
    assert complaint.fix == REFUSED[name]
    assert complaint.on_key


def test_the_quantile_objective_needs_its_quantile() -> None:
    (complaint,) = ADAPTER.check({"objective": "reg:quantileerror"}, "regression")
    assert complaint.fix == "add 'quantile_alpha: 0.5'"


def test_aliases_and_dependent_defaults_are_resolved() -> None:
    task = TASKS["binary"]
    assert ADAPTER.resolve({"eta": 1, "lambda": 2}, task, None) == {
        "n_estimators": 100,
        "learning_rate": 1.0,
        "reg_lambda": 2.0,
    }
    assert ADAPTER.resolve({}, task, 30) == {"n_estimators": 2000}
    assert ADAPTER.resolve({"num_boost_round": 7}, task, 30) == {"n_estimators": 7}


# Failures


def test_xgboosts_own_refusals_become_model_errors() -> None:
    rows = make_rows("regression")
    negative = TrainingRows(rows.features, rows.target - 10, rows.weight, rows.ids)
    with pytest.raises(ModelError, match=r"^xgboost: "):
        fit(negative, "regression", {"objective": "count:poisson"})


@pytest.mark.skipif(xgboost.build_info().get("USE_CUDA", False), reason="this XGBoost can use GPUs")
def test_a_gpu_needs_the_other_distribution() -> None:
    with pytest.raises(ExtraNotInstalled, match=r"\[gpu\]"):
        fit(make_rows("binary"), "binary", {}, device="cuda")
