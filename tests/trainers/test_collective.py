"""Ranks in threads: one model whatever holds them, weighted as one, and errors that name their cause."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from rapidml.errors import ModelError
from rapidml.models.fitting import ModelSpec, TrainedModel, resolve_model, train_share
from rapidml.models.shares import Source, make_share
from rapidml.recipe.schema import ModelEntry
from rapidml.trainers.collective import RankLostError, agree, is_loss, open_tracker, run_ranks
from tests.models.conformance import TASKS, make_rows

if TYPE_CHECKING:
    from rapidml.dataset.frame import TrainingRows
    from tests.models.conformance import Kind

pytestmark = pytest.mark.slow

SEED = 5


def spec(kind: Kind = "binary", **fields: Any) -> ModelSpec:
    return resolve_model(ModelEntry(type="xgboost", **fields), TASKS[kind])


def fit(rows: TrainingRows, wanted: ModelSpec, kind: Kind = "binary", **fields: Any) -> list[TrainedModel]:
    """What every rank gets."""
    source, task = Source.from_rows(rows), TASKS[kind]
    shares = [make_share(wanted, source, task, SEED, rank) for rank in range(wanted.shards)]

    def work(rank: int) -> TrainedModel:
        return train_share(wanted, shares[rank], task, seed=SEED, **fields)

    with open_tracker(wanted.shards, "127.0.0.1") as tracker:
        models = run_ranks(range(wanted.shards), tracker, work)
    return [models[rank] for rank in range(wanted.shards)]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_all_ranks_get_the_same_model_for_any_threads(kind: Kind) -> None:
    rows = make_rows(kind)
    wanted = spec(kind, shards=3, params={"n_estimators": 60, "subsample": 0.7, "max_depth": 3})
    first = fit(rows, wanted, kind, threads=1)
    second = fit(rows, wanted, kind, threads=2)
    assert len({model.fitted.raw for model in [*first, *second]}) == 1  # type: ignore[attr-defined]


def test_one_rank_in_a_collective_is_a_fit_without_one() -> None:
    rows = make_rows("binary")
    wanted = spec(params={"n_estimators": 20})
    share = make_share(wanted, Source.from_rows(rows), TASKS["binary"], SEED)
    alone = train_share(wanted, share, TASKS["binary"], seed=SEED)
    assert fit(rows, wanted)[0].fitted.raw == alone.fitted.raw  # type: ignore[attr-defined]


def test_losses_are_those_of_all_rows_with_their_weights() -> None:
    rows = make_rows("binary", weighted=True)
    wanted = spec(shards=2, params={"n_estimators": 10, "max_depth": 3})
    model = fit(rows, wanted)[0]
    predicted = model.predict(rows.features)
    assert model.history["round"][-1] == 10
    expected = log_loss(rows.target, predicted, sample_weight=rows.weight)
    assert model.history["train"][-1] == pytest.approx(expected, rel=1e-5)


def test_shards_learn_as_well_as_one_process() -> None:
    rows = make_rows("binary")
    params = {"n_estimators": 40, "max_depth": 3}
    scores = [
        roc_auc_score(rows.target, fit(rows, spec(shards=count, params=params))[0].predict(rows.features))
        for count in (1, 4)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


def test_early_stopping_watches_the_rows_of_all_ranks() -> None:
    rows = make_rows("binary")
    wanted = spec(shards=2, params={"n_estimators": 200, "learning_rate": 0.5}, early_stopping=5)
    models = fit(rows, wanted)
    assert len({model.best_round for model in models}) == 1
    best, losses = models[0].best_round, models[0].history["watch"]
    assert best == models[0].rounds == 1 + int(np.argmin(losses))
    assert len(losses) == best + 5


@pytest.mark.parametrize("params", [{}, {"subsample": 0.6}])
def test_continuing_is_undisturbed(params: dict[str, Any]) -> None:
    rows = make_rows("binary")
    short = fit(rows, spec(shards=2, params={"n_estimators": 55, **params}))[0]
    long = spec(shards=2, params={"n_estimators": 70, **params})
    assert fit(rows, long, start=short.fitted)[0].fitted.raw == fit(rows, long)[0].fitted.raw  # type: ignore[attr-defined]


def test_the_error_of_a_rank_is_what_is_raised() -> None:
    def work(rank: int) -> None:
        from xgboost import collective

        if rank == 1:
            raise ValueError("this rank has a reason")
        collective.allreduce(np.ones(3), collective.Op.SUM)

    with open_tracker(2, "127.0.0.1") as tracker, pytest.raises(ValueError, match="this rank has a reason"):
        run_ranks([0, 1], tracker, work)


def test_a_rank_that_never_comes_is_a_loss() -> None:
    with open_tracker(2, "127.0.0.1") as tracker:
        address = {**tracker, "dmlc_timeout": 1}
        with pytest.raises(RankLostError, match="another shard did not answer"):
            run_ranks([0], address, lambda rank: rank)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("shard-")]


def test_only_the_collective_says_that_a_rank_is_lost() -> None:
    from xgboost.core import XGBoostError

    assert is_loss(XGBoostError("src/collective/result.cc:83: Poll timeout"))
    assert is_loss(RankLostError("gone"))
    assert not is_loss(XGBoostError("Check failed: label must be in [0,1] for logistic regression"))
    assert not is_loss(ModelError("the loss is not finite after round 3"))
    assert not is_loss(ValueError("collective"))


@pytest.mark.parametrize(("rounds", "is_fine"), [((50, 50), True), ((50, 40), False), ((0, 50), False)])
def test_ranks_begin_at_the_same_round(rounds: tuple[int, int], *, is_fine: bool) -> None:
    with open_tracker(2, "127.0.0.1") as tracker:
        if is_fine:
            assert run_ranks([0, 1], tracker, lambda rank: agree(rounds[rank])) == {0: None, 1: None}
        else:
            with pytest.raises(RankLostError, match=f"begun at rounds {min(rounds)} and {max(rounds)}"):
                run_ranks([0, 1], tracker, lambda rank: agree(rounds[rank]))
