"""A fit that fails is a fact with its traceback; everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rapidml.terminal import result_lines, show_lines
from tests.execution.small_runs import find_facts, list_model_files, make_events, plan, run, to_fit, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: energy, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  gamma: sklearn.linear_model.GammaRegressor      # wants targets above 0
  ridge: sklearn.linear_model.Ridge
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failed")
    write_csv(folder / "events.csv", make_events(100))
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def result(recipe: Path) -> dict[str, Any]:
    return run(recipe, recipe.parent / "store")


def test_counts_and_state(result: dict[str, Any]) -> None:
    assert result["fits"] == {"trained": 3, "stored": 0, "failed": 3, "pruned": 0, "collapsed": 0}
    assert result["state"] == "failed"
    assert result["models"]["ridge"]["chosen"]
    assert result["models"]["gamma"]["selection"] is None


def test_every_failure_is_told_with_its_traceback(recipe: Path, result: dict[str, Any]) -> None:
    assert [(error["model"], error["part"]) for error in result["errors"]] == [
        ("gamma", "fold:0"),
        ("gamma", "fold:1"),
        ("gamma", "train"),
    ]
    facts = find_facts(recipe.parent / "store", list(result["models"]["gamma"]["keys"].values()))
    assert len(facts) == 3
    for fact in facts.values():
        assert fact.state == "failed"
        assert not fact.objects
        assert "GammaRegressor" in str(fact.error)
        assert "Traceback (most recent call last)" in fact.payload["traceback"]


def test_tables_show_it(result: dict[str, Any]) -> None:
    lines = result_lines(result)
    assert any(line.split()[:2] == ["gamma", "failed"] for line in lines)
    (line,) = [line for line in lines if line.startswith("gamma, 3 of 3 fits failed: ")]
    assert "GammaRegressor" in line
    assert line in show_lines(result)


def test_other_models_are_not_affected(recipe: Path, result: dict[str, Any], tmp_path: Path) -> None:
    alone = run(recipe, tmp_path / "store", "models.gamma=null")
    assert alone["models"]["ridge"]["selection"] == result["models"]["ridge"]["selection"]
    files = list_model_files(tmp_path / "store", alone)
    ridge = {("ridge", part): key for part, key in result["models"]["ridge"]["keys"].items()}
    facts = find_facts(recipe.parent / "store", list(ridge.values()))
    assert files == {place: dict(facts[key].objects[0].files) for place, key in ridge.items()}


def test_the_same_command_tries_again(recipe: Path, result: dict[str, Any]) -> None:
    assert to_fit(plan(recipe, recipe.parent / "store")) == {"gamma": 3}
    again = run(recipe, recipe.parent / "store")
    assert again["run"] == result["run"]
    assert again["fits"] == {"trained": 0, "stored": 3, "failed": 3, "pruned": 0, "collapsed": 0}


def test_a_failed_fold_with_early_stopping_leaves_no_final_fit(tmp_path: Path) -> None:
    """Two rows a fold are too few to hold any out; nothing hangs."""
    columns = {name: values[:6] for name, values in make_events(100).items()}
    columns["label"] = ["s", "b"] * 3
    columns["part"] = [0, 0, 1, 1, 2, 2]
    write_csv(tmp_path / "events.csv", columns)
    recipe = write(
        tmp_path / "recipe.yaml",
        """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta]}
split: {folds: {by: part}}
models:
  bdt: {type: xgboost, params: {n_estimators: 3}, early_stopping: 2}
  bayes: sklearn.naive_bayes.GaussianNB
""",
    )
    result = run(recipe, tmp_path / "store")
    assert result["state"] in ("failed", "finished")
    assert result["models"]["bayes"]["selection"]
    assert result["fits"]["failed"] + result["fits"]["trained"] + result["fits"]["stored"] <= 8


def test_scores_that_fail_are_told_and_tried_again(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise MemoryError("no room for replicas")

    with monkeypatch.context() as patch:
        patch.setattr("rapidml.evaluate.scores.score_parts", fail)
        broken = run(recipe, tmp_path / "store", "models.gamma=null")
    assert broken["state"] == "failed"
    assert broken["fits"]["trained"] == 3
    errors = {(error["model"], error["part"], error["error"]) for error in broken["errors"]}
    assert ("ridge", "selection scores", "MemoryError: no room for replicas") in errors
    assert any("ridge, selection scores and final scores failed: " in line for line in result_lines(broken))
    mended = run(recipe, tmp_path / "store", "models.gamma=null")
    assert (mended["state"], mended["fits"]["trained"], mended["fits"]["stored"]) == ("finished", 0, 3)
    assert mended["models"]["ridge"]["selection"]
