"""Comparisons of stored runs, through the Python interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rapidml
from rapidml.errors import RapidmlError, RunNotFound
from tests.execution.small_runs import make_events, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 4, max_depth: 2}}
  bayes: sklearn.naive_bayes.GaussianNB
evaluate: {also: [log_loss]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparing")
    write_csv(folder / "events.csv", make_events(120))
    write(folder / "recipe.yaml", RECIPE)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[rapidml.Run]:
    """The recipe, with deeper trees, and on other rows."""
    edits: tuple[list[str], ...] = (
        [],
        ["models.bdt.params.max_depth=4"],
        ["dataset.select=pt > -1"],
        ["seed=3"],
        ["dataset.weight=w"],
    )
    return [rapidml.run(rapidml.load_recipe(folder / "recipe.yaml", edit), store=folder / "store") for edit in edits]


def test_a_run_has_scores_and_a_best_model(runs: list[rapidml.Run]) -> None:
    first = runs[0]
    assert first.best.is_chosen
    assert first.best.name in ("bdt", "bayes")
    rows = first.scores
    assert len(rows) == 3 * 3 * 2
    assert {row["part"] for row in rows} == {"selection", "train", "test"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["model"] != "dummy")
    assert first.best.name in str(first)
    with pytest.raises(KeyError):
        first.model("absent")


def test_a_stored_run_opens_as_it_was(folder: Path, runs: list[rapidml.Run]) -> None:
    for name in (runs[-1].id, "@last", "recipe"):
        assert rapidml.open_run(name, store=folder / "store").result == runs[-1].result
    with pytest.raises(RunNotFound):
        rapidml.open_run("absent", store=folder / "store")


def test_models_of_one_run(folder: Path, runs: list[rapidml.Run]) -> None:
    first = runs[0]
    result = rapidml.compare([first.model("bdt"), first.model("bayes")], store=folder / "store").result
    assert result["note"] is None
    assert result["entries"][0]["against"] == "best"
    values = [entry["value"] for entry in result["entries"]]
    assert values == sorted(values, reverse=True)
    second = result["entries"][1]
    assert second["difference"]["value"] == pytest.approx(values[1] - values[0])
    assert second["against"] == first.model(second["model"]).result["against_best"]


def test_a_run_with_itself_is_no_difference(folder: Path, runs: list[rapidml.Run]) -> None:
    result = rapidml.compare([runs[0], runs[0].id], store=folder / "store").result
    assert [entry["difference"]["value"] for entry in result["entries"]] == [0, 0]
    assert [entry["difference"]["std"] for entry in result["entries"]] == [0, 0]


def test_runs_on_the_same_rows(folder: Path, runs: list[rapidml.Run]) -> None:
    comparison = rapidml.compare([f"{runs[0].id}/bdt", f"{runs[1].id}/bdt"], metric="log_loss", store=folder / "store")
    assert comparison.result["note"] is None
    assert comparison.result["metric"] == "log_loss"
    values = [entry["value"] for entry in comparison.result["entries"]]
    assert values == sorted(values)
    assert runs[0].id in str(comparison)


def test_only_runs_on_the_same_rows_tell_of_the_run_before(runs: list[rapidml.Run]) -> None:
    told = [list(run.result["against_run_before"]) for run in runs]
    assert told == [[], ["bdt"], [], [], []]


def test_a_renamed_model_is_compared_by_its_new_name(folder: Path, runs: list[rapidml.Run]) -> None:
    renamed = write(folder / "renamed.yaml", RECIPE.replace("  bdt:", "  trees:"))
    run = rapidml.run(renamed, store=folder / "renamed")
    again = rapidml.run(folder / "recipe.yaml", store=folder / "renamed")
    assert (again.result["fits"]["trained"], again.result["fits"]["stored"]) == (0, 6)
    compared = rapidml.compare([run.model("trees"), again.model("bdt")], store=folder / "renamed").result
    assert [entry["difference"]["value"] for entry in compared["entries"]] == [0, 0]


@pytest.mark.parametrize("other", [2, 3, 4])
def test_runs_on_different_rows_say_so(folder: Path, runs: list[rapidml.Run], other: int) -> None:
    comparison = rapidml.compare([runs[0], runs[other]], store=folder / "store")
    assert "different rows" in comparison.result["note"]
    assert "different rows" in str(comparison)


def test_a_metric_that_a_run_does_not_have(folder: Path, runs: list[rapidml.Run]) -> None:
    with pytest.raises(RapidmlError, match="has no score in accuracy; it has roc_auc, log_loss"):
        rapidml.compare([runs[0]], metric="accuracy", store=folder / "store")


def test_the_function_works_twice(folder: Path, runs: list[rapidml.Run]) -> None:
    for _ in range(2):
        again = rapidml.run(folder / "recipe.yaml", store=folder / "store")
        assert again.id == runs[0].id
        assert again.result["computed"] is False
