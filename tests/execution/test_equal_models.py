"""Models that differ in their name only are fitted once; a parameter that names columns tells columns apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rapidml
from tests.execution.small_runs import make_events, write_csv

if TYPE_CHECKING:
    from pathlib import Path

DATASET = "dataset: {path: e.csv, target: label, positive: s, features: [p, q], columns: {p: COLUMN_P, q: COLUMN_Q}}\n"


def write(folder: Path, models: str, p: str = "pt + eta", q: str = "pt - eta") -> Path:
    write_csv(folder / "e.csv", make_events(120))
    path = folder / "recipe.yaml"
    dataset = DATASET.replace("COLUMN_P", p).replace("COLUMN_Q", q)
    path.write_text(f"{dataset}split: {{test: 0.2, folds: 2}}\nmodels:\n{models}")
    return path


def test_equal_models_are_fitted_once(tmp_path: Path) -> None:
    model = "{type: xgboost, params: {n_estimators: 4}}"
    run = rapidml.run(write(tmp_path, f"  a: {model}\n  b: {model}\n"), store=tmp_path / "store")
    fits = run.result["fits"]
    assert (fits["trained"], fits["stored"], fits["collapsed"]) == (3, 0, 3)
    assert run.model("a").result["selection"] == run.model("b").result["selection"]


def test_constraints_name_columns(tmp_path: Path) -> None:
    model = "  a: {type: xgboost, params: {n_estimators: 4, monotone_constraints: {p: 1, q: -1}}}\n"
    first = rapidml.run(write(tmp_path, model), store=tmp_path / "store")
    swapped = write(tmp_path, model.replace("p: 1, q: -1", "q: 1, p: -1"))
    other = rapidml.run(swapped, store=tmp_path / "store")
    assert other.result["fits"]["trained"] == 3
    renamed = write(tmp_path, model, p="pt - eta", q="pt + eta")
    third = rapidml.run(renamed, store=tmp_path / "store")
    assert third.result["fits"]["trained"] == 3
    assert third.model("a").result["selection"] != first.model("a").result["selection"]


def test_balance_is_no_difference_of_models(tmp_path: Path) -> None:
    path = write(tmp_path, "  a: {type: xgboost, params: {n_estimators: 4}}\n")
    rank = "evaluate.rank_by=accuracy"
    plain = rapidml.run(rapidml.load_recipe(path, [rank]), store=tmp_path / "store")
    balanced = rapidml.run(rapidml.load_recipe(path, [rank, "training.balance=classes"]), store=tmp_path / "store")
    comparison = rapidml.compare([plain, balanced], store=tmp_path / "store").result
    assert {entry["against"] for entry in comparison["entries"]} == {"best", "other rows"}
    assert comparison["note"] is not None
