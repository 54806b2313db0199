"""What is guessed of the work of a recipe before its rows are read: whether worker processes start meanwhile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from rapidml.execution.reading import BYTES_OF_CELL, USUAL_FOLDS, USUAL_ROUNDS, guess_work
from rapidml.execution.running import prepare
from rapidml.planning.checking import NoMemory, check_document
from rapidml.recipe.document import load_document
from rapidml.store.store import open_store
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.execution.running import Prepared
    from rapidml.planning.checking import Checked

LOGISTIC = "sklearn.linear_model.LogisticRegression"


def check(folder: Path, models: str, more: str = "", split: str = "{test: 0.25, folds: 4}") -> Checked:
    """A recipe over a small table."""
    write_csv(folder / "events.csv", make_events(60))
    text = f"""
dataset: {{path: events.csv, target: label, positive: s, features: [pt, eta]}}
split: {split}
models: {models}
{more}
"""
    return check_document(load_document(str(write(folder / "recipe.yaml", text)), ()), NoMemory())


@pytest.mark.parametrize(
    ("models", "more", "split", "expected"),
    [
        ("{a: {type: xgboost}}", "", "{test: 0.25, folds: 4}", 5 * USUAL_ROUNDS),
        ("{a: {type: xgboost}}", "", "{test: 0.25, valid: 0.25}", USUAL_ROUNDS),
        ("{a: {type: xgboost}, b: {type: xgboost}}", "", "{folds: {by: event % 3}}", 2 * (USUAL_FOLDS + 1) * 5),
        (
            "{a: {type: xgboost, params: {max_depth: {any: [2, 3]}, gamma: {between: [0.0, 1.0], points: 3}}}}",
            "search: {method: grid}",
            "{folds: 4}",
            2 * 3 * 4 * USUAL_ROUNDS,
        ),
        (
            "{a: {type: xgboost, params: {max_depth: {any: [2, 3]}}}}",
            "search: {method: random, candidates: 2}",
            "{folds: 4}",
            2 * 4 * USUAL_ROUNDS,
        ),
        (f"{{a: {{type: {LOGISTIC}, params: {{C: {{any: [1.0, 2.0]}}}}}}}}", "search: {method: grid}", "{folds: 4}", 8),
    ],
    ids=["folds", "valid", "folds by", "grid", "random", "no rounds"],
)
def test_every_fit_counts(tmp_path: Path, models: str, more: str, split: str, expected: int) -> None:
    checked = check(tmp_path, models, more, split)
    cells = (tmp_path / "events.csv").stat().st_size / BYTES_OF_CELL
    assert guess_work(checked, None) == pytest.approx(cells * expected)


@pytest.mark.parametrize(
    ("models", "more"),
    [
        ("{a: {type: mlp}}", ""),
        ("{a: {type: xgboost, params: {max_depth: {any: [2, 3]}}}}", "search: {method: grid, time_limit: 20s}"),
        ("{a: {type: xgboost, params: {max_depth: {any: [2, 3]}}}}", "search: {method: grid, memory_limit: 2GB}"),
    ],
    ids=["network", "limit of time", "limit of memory"],
)
def test_what_needs_processes_is_never_small(tmp_path: Path, models: str, more: str) -> None:
    assert guess_work(check(tmp_path, models, more), None) == math.inf


def prepare_again(folder: Path, rounds: int, *overrides: str) -> Prepared:
    """A changed recipe after a run of the recipe itself."""
    write_csv(folder / "events.csv", make_events(60))
    text = f"""
dataset: {{path: events.csv, target: label, positive: s, features: [pt, eta]}}
split: {{test: 0.25, folds: 2}}
models: {{bdt: {{type: xgboost, params: {{n_estimators: {rounds}, max_depth: 2}}}}}}
"""
    recipe = write(folder / "recipe.yaml", text)
    run(recipe, folder / "store")
    with open_store(folder / "store") as store:
        return prepare(load_document(str(recipe), overrides), store)


@pytest.mark.parametrize("rounds", [10, 60])
@pytest.mark.parametrize(
    ("overrides", "fits"),
    [
        ((), 0),
        (("models.bdt.params.max_depth=3",), 3),
        (("models.bdt.params.max_depth={any: [2, 3, 4]}", "search.method=grid"), 4),
        (("models.bdt.params.max_depth={between: [3, 9]}", "search={method: tpe, candidates: 5}"), 10),
    ],
    ids=["stored", "another fit", "grid", "tpe"],
)
def test_what_is_planned_is_counted(tmp_path: Path, rounds: int, overrides: tuple[str, ...], fits: int) -> None:
    """A fit counts its rounds / 20, at least once; what is stored counts nothing."""
    prepared = prepare_again(tmp_path, rounds, *overrides)
    assert prepared.plan is not None
    cells = prepared.plan.resolved.profile.n_training * 2
    assert guess_work(prepared.checked, prepared.plan) == cells * fits * max(1, rounds // 20)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("search={method: grid, time_limit: 20s}", "models.bdt.params.max_depth={any: [2]}"), 0),
        (("search={method: grid, time_limit: 20s}", "models.bdt.params.max_depth={any: [2, 3]}"), math.inf),
        (("models.net.type=mlp",), math.inf),
    ],
    ids=["all stored", "limit", "network"],
)
def test_only_work_needs_processes(tmp_path: Path, overrides: tuple[str, ...], expected: float) -> None:
    prepared = prepare_again(tmp_path, 2, *overrides)
    assert guess_work(prepared.checked, prepared.plan) == expected
