"""What is guessed of the work of a recipe before its rows are read: whether worker processes start meanwhile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from rapidml.execution.reading import BYTES_OF_CELL, USUAL_FOLDS, USUAL_ROUNDS, guess_work
from rapidml.planning.checking import NoMemory, check_document
from rapidml.recipe.document import load_document
from tests.execution.small_runs import make_events, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

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
    assert guess_work(checked) == pytest.approx(cells * expected)


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
    assert guess_work(check(tmp_path, models, more)) == math.inf
