"""How the rows of one fit are dealt to ranks: every row once, the same held out, the columns learned from all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.errors import ModelError
from rapidml.models.fitting import ModelSpec, resolve_model, train
from rapidml.models.shares import Share, Source, make_share
from rapidml.recipe.schema import Choice, ModelEntry
from tests.models.conformance import TASKS, make_rows

if TYPE_CHECKING:
    from rapidml.dataset.frame import TrainingRows
    from tests.models.conformance import Kind

SEED = 11


def spec(kind: Kind = "binary", **fields: Any) -> ModelSpec:
    return resolve_model(ModelEntry(type="xgboost", **fields), TASKS[kind])


def deal(rows: TrainingRows, wanted: ModelSpec, kind: Kind = "binary") -> list[Share]:
    source = Source.from_rows(rows)
    return [make_share(wanted, source, TASKS[kind], SEED, rank) for rank in range(wanted.shards)]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_row_has_one_rank_and_ranks_keep_the_order(count: int) -> None:
    rows = make_rows("binary")
    shares = deal(rows, spec(shards=count))
    place = {row: number for number, row in enumerate(rows.ids.tolist())}
    seen = [[place[row] for row in share.rows.ids.tolist()] for share in shares]
    assert sorted(number for numbers in seen for number in numbers) == list(range(len(rows.ids)))
    assert all(numbers == sorted(numbers) for numbers in seen)


def test_ranks_are_about_equal() -> None:
    rows = make_rows("binary")
    sizes = np.array([len(share.rows.ids) for share in deal(rows, spec(shards=3))])
    expected = len(rows.ids) / 3
    assert np.all(np.abs(sizes - expected) < 5 * np.sqrt(expected))  # binomial, five standard deviations


def test_the_rank_of_a_row_does_not_depend_on_the_other_rows() -> None:
    rows = make_rows("binary")
    every = [set(share.rows.ids.tolist()) for share in deal(rows, spec(shards=3))]
    half = [set(share.rows.ids.tolist()) for share in deal(rows.take(np.arange(0, len(rows.ids), 2)), spec(shards=3))]
    assert all(few < many for few, many in zip(half, every, strict=True))


def test_the_same_rows_are_watched_as_in_one_process() -> None:
    rows = make_rows("binary")
    alone = deal(rows, spec(early_stopping=5))[0]
    shares = deal(rows, spec(early_stopping=5, shards=2))
    for part in ("rows", "watch"):
        dealt = np.concatenate([getattr(share, part).ids for share in shares])
        assert sorted(dealt.tolist()) == sorted(getattr(alone, part).ids.tolist())


def test_columns_are_learned_from_the_rows_of_all_ranks() -> None:
    rows = make_rows("binary")
    steps = (Choice(name="impute", options={"value": "median"}), Choice(name="standardize"))
    alone = deal(rows, spec(prepare=steps))[0]
    for share in deal(rows, spec(prepare=steps, shards=3)):
        assert share.features == alone.features
        assert share.preparation is not None
        assert alone.preparation is not None
        assert share.preparation.to_json() == alone.preparation.to_json()


def test_classes_are_summed_over_all_ranks() -> None:
    rows = make_rows("multiclass")
    shares = deal(rows, spec("multiclass", shards=2), "multiclass")
    weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight
    expected = [weight[rows.target == code].sum() for code in range(len(TASKS["multiclass"].classes))]
    for share in shares:
        assert share.rows.class_sums == pytest.approx(expected)
    assert sum(len(share.rows.target) for share in shares) == len(rows.target)


def test_rows_of_weight_zero_have_no_rank() -> None:
    rows = make_rows("binary")
    weight = np.where(np.arange(len(rows.ids)) % 3 == 0, 0.0, 2.0)
    shares = deal(replace(rows, weight=weight), spec(shards=2))
    assert sum(len(share.rows.ids) for share in shares) == np.count_nonzero(weight)
    assert all(share.rows.weight is not None and np.all(share.rows.weight == 1) for share in shares)


def test_a_shard_without_rows_is_refused() -> None:
    rows = make_rows("binary").take(np.arange(12))
    with pytest.raises(ModelError, match=r"of 12 rows to train on, none falls to shard \d+ of 100; write fewer shards"):
        deal(rows, spec(shards=100))


def test_one_call_does_not_train_shards() -> None:
    with pytest.raises(ValueError, match="a fit of 2 shards needs that many ranks"):
        train(spec(shards=2), make_rows("binary"), TASKS["binary"], seed=SEED)
