"""Searches over the number of principal components, from recipe to result."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rapidml.errors import RecipeError
from tests.execution.small_runs import make_events, read_all_facts, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass, jets]}
split: {test: 0.2, folds: 3}
models:
  logistic:
    type: sklearn.linear_model.LogisticRegression
    prepare: [impute: median, standardize, pca: {n_components: {any: [1, 2, 3]}}]
search: {method: grid}
"""


@pytest.mark.slow
def test_a_worker_decomposes_a_fold_once_and_its_candidates_are_scored_as_without_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bytes]] = []
    real = np.linalg.eigh

    def eigh(matrix: np.ndarray) -> Any:
        seen.append((threading.get_ident(), matrix.tobytes()))
        return real(matrix)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    write_csv(tmp_path / "events.csv", make_events(200))
    recipe = write(tmp_path / "recipe.yaml", RECIPE)
    result = run(recipe, tmp_path / "store")
    assert result["models"]["logistic"]["search"]["candidates"] == 3
    assert result["fits"]["failed"] == 0
    assert len(seen) == len(set(seen))  # no worker decomposes the same rows twice
    assert len({matrix for _, matrix in seen}) == 3 + 1  # three folds, and all training rows for the chosen candidate
    table = json.loads((tmp_path / "store" / "runs" / result["run"] / "candidates.json").read_text())
    for row in table["models"]["logistic"]["rows"]:
        overrides = [f"models.logistic.{name}={value}" for name, value in row["values"].items()]
        plain = run(recipe, tmp_path / "plain", *overrides, "search=null")
        facts = {fact.key: fact for fact in read_all_facts(tmp_path / "plain")}
        stored = facts[plain["models"]["logistic"]["evaluations"]["selection"]].payload["selection"]["roc_auc"]
        assert row["folds"] == stored["parts"]


def test_a_short_form_is_run_and_too_many_components_stop_the_check(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", make_events(200))
    recipe = write(tmp_path / "recipe.yaml", RECIPE)
    short = ["models.logistic.prepare=[standardize, pca: 2]", "search=null"]
    assert run(recipe, tmp_path / "store", *short)["fits"]["failed"] == 0
    with pytest.raises(RecipeError, match="at most 3 components, as its rows have 3 numbers"):
        run(recipe, tmp_path / "store", "models.logistic.prepare=[pca: 4]", *short[1:])
