"""Event weights count in every fit and score of a run, and only their ratios matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import RecipeError
from tests.execution.small_runs import Columns, list_model_files, make_events, run, scores_of, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, weight: w, id: event, features: [pt, eta, mass]}
split: {folds: {by: event % 3}}
models:
  bayes: sklearn.naive_bayes.GaussianNB
evaluate: {also: [log_loss, accuracy, average_precision]}
"""
TREES = """models.tree={type: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 3}}
models.bdt={type: xgboost, params: {n_estimators: 4, max_depth: 3}}
models.logistic={type: sklearn.linear_model.LogisticRegression, prepare: [standardize]}""".splitlines()


def run_table(folder: Path, columns: Columns, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    write_csv(folder / "events.csv", columns)
    return run(write(folder / "recipe.yaml", RECIPE), folder / "store", *overrides)


def assert_equal_scores(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    for part in ("selection", "train"):
        for model, scores in scores_of(one, part).items():
            for metric, score in scores.items():
                twin = scores_of(other, part)[model][metric]
                assert twin == pytest.approx(score, abs=tolerance), (part, model, metric)


def repeat_rows(columns: Columns, times: list[int]) -> Columns:
    return {
        name: [value for value, count in zip(values, times, strict=True) for _ in range(count)]
        for name, values in columns.items()
    }


@pytest.mark.slow
def test_doubling_every_weight_changes_nothing(tmp_path: Path) -> None:
    columns = make_events(120)
    doubled = {**columns, "w": [2 * weight for weight in columns["w"]]}
    first = run_table(tmp_path / "first", columns, *TREES)
    second = run_table(tmp_path / "second", doubled, *TREES)
    assert_equal_scores(first, second, 0.0)
    assert list_model_files(tmp_path / "first" / "store", first) == list_model_files(
        tmp_path / "second" / "store", second
    )


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_weight_2_is_the_row_twice(tmp_path: Path, balance: str) -> None:
    columns = make_events(120)
    times = [1 + (event % 4 == 0) for event in columns["event"]]
    assert sum(times) > 140
    weighted = {**columns, "w": times}
    repeated = repeat_rows({**columns, "w": [1] * len(times)}, times)
    override = f"training.balance={balance}"
    first = run_table(tmp_path / "weighted", weighted, override)
    second = run_table(tmp_path / "repeated", repeated, override)
    assert second["dataset"]["rows"] == sum(times)
    assert_equal_scores(first, second, 1e-6)


def test_weight_0_is_the_row_absent(tmp_path: Path) -> None:
    columns = make_events(120)
    strangers = make_events(40, seed=9)
    strangers["event"] = [event + 1_000_000 for event in strangers["event"]]
    strangers["w"] = [0] * 40
    strangers["pt"] = [100 - value for value in strangers["pt"]]
    more = {name: values + strangers[name] for name, values in columns.items()}
    first = run_table(tmp_path / "without", columns, *TREES)
    second = run_table(tmp_path / "with", more, *TREES)
    assert second["dataset"]["rows"] == 160
    assert_equal_scores(first, second, 1e-6)


@pytest.mark.slow
def test_weights_matter(tmp_path: Path) -> None:
    columns = make_events(120)
    first = run_table(tmp_path / "weighted", columns)
    second = run_table(tmp_path / "plain", columns, "dataset.weight=null")
    assert first["models"]["bayes"]["selection"] != second["models"]["bayes"]["selection"]
    assert (first["dataset"]["weighted"], second["dataset"]["weighted"]) == (True, False)


def test_negative_weights_are_an_error_with_their_count_and_share(tmp_path: Path) -> None:
    columns = make_events(120)
    columns["w"] = [-1 if row % 12 == 0 else 1 for row in range(120)]
    expected = r"what to do with 10 negative weights \(8\.3"
    with pytest.raises(RecipeError, match=expected) as raised:
        run_table(tmp_path / "negative", columns)
    assert re.search(r"write negative_weights: drop, absolute or use", str(raised.value))
    (problem,) = raised.value.problems
    assert problem.field == "training.negative_weights"


@pytest.mark.parametrize("rule", ["drop", "absolute"])
def test_negative_weights_can_be_trained_on_otherwise(tmp_path: Path, rule: str) -> None:
    columns = make_events(120)
    columns["w"] = [-0.5 if row % 12 == 0 else 1 for row in range(120)]
    result = run_table(tmp_path / "negative", columns, f"training.negative_weights={rule}")
    assert result["state"] == "finished"


def test_a_refused_run_leaves_no_run_behind(tmp_path: Path) -> None:
    columns = make_events(60)
    columns["w"] = [-1] * 5 + [1] * 55
    with pytest.raises(RecipeError, match="negative weights"):
        run_table(tmp_path / "negative", columns)
    runs = tmp_path / "negative" / "store" / "runs"
    assert not runs.exists() or not [path for path in runs.iterdir() if not path.name.startswith(".")]
