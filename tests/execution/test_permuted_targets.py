"""Promise 1: nothing is chosen, fitted or decided on test rows. The targets of test rows are permuted in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.execution.small_runs import (
    Columns,
    find_facts,
    list_model_files,
    list_prediction_files,
    make_events,
    open_run_rows,
    plan,
    run,
    scores_of,
    write,
    write_csv,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.execution.running import Prepared
    from rapidml.store.facts import Fact

BDT = "{type: xgboost, params: {n_estimators: 5, max_depth: 3, subsample: 0.7}}"
TREE = "{type: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 3}}"

CASES = {
    "binary_weighted": (
        "label",
        f"""
dataset: {{path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass, jets]}}
split: {{test: 0.25, folds: 3}}
models:
  bdt: {BDT}
  tree: {TREE}
evaluate: {{also: [log_loss, accuracy, average_precision]}}
""",
    ),
    "binary_not_weighted_by_id": (
        "label",
        f"""
dataset: {{path: events.csv, target: label, positive: s, id: event, features: {{exclude: [w, kind, energy]}}}}
models:
  bdt: {BDT}
evaluate: {{also: [log_loss]}}
""",
    ),
    "several_classes": (
        "kind",
        f"""
dataset: {{path: events.csv, target: kind, features: {{exclude: [w, label, energy]}}}}
split: {{test: 0.25, folds: 3}}
models:
  bdt: {BDT}
  tree: {TREE}
evaluate: {{also: [accuracy, roc_auc]}}
""",
    ),
    "regression": (
        "energy",
        """
dataset: {path: events.csv, target: energy, weight: w, features: {exclude: [label, kind]}}
split: {test: 0.25, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 5, max_depth: 3}}
  ridge: {type: sklearn.linear_model.Ridge, prepare: [impute: median, standardize]}
evaluate: {also: [mae, r2]}
""",
    ),
    "early_stopping": (
        "label",
        """
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass, jets]}
split: {test: 0.25, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 40, learning_rate: 0.3, max_depth: 3}, early_stopping: 3}
evaluate: {also: [log_loss]}
""",
    ),
    "balance_and_valid": (
        "label",
        f"""
dataset: {{path: events.csv, target: label, positive: s, features: [pt, eta, mass, jets]}}
training: {{balance: classes}}
split: {{test: 0.25, valid: 0.3}}
models:
  bdt: {BDT}
  stopped: {{type: xgboost, params: {{n_estimators: 40}}, early_stopping: 3}}
evaluate: {{also: [log_loss, accuracy]}}
""",
    ),
    "folds_by_a_column_without_balance": (
        "label",
        f"""
dataset: {{path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}}
training: {{balance: none}}
split: {{test: 0.25, folds: {{by: event % 3}}}}
models:
  bdt: {BDT}
  logistic: {{type: sklearn.linear_model.LogisticRegression, prepare: [standardize]}}
evaluate: {{also: [log_loss]}}
""",
    ),
    "searches": (
        "label",
        """
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}
split: {test: 0.25, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: {any: [3, 6, 12]}, max_depth: {any: [1, 2, 3]}}}
  logistic: {type: sklearn.linear_model.LogisticRegression, params: {C: {log: [0.01, 10], points: 3}}}
search: {method: grid}
""",
    ),
}


def permute_test_targets(columns: Columns, target: str, is_test: list[bool]) -> Columns:
    """The same table with the targets of its test rows in reverse order."""
    rows = [row for row, tested in enumerate(is_test) if tested]
    permuted = list(columns[target])
    for row, other in zip(rows, reversed(rows), strict=True):
        permuted[row] = columns[target][other]
    assert sorted(map(str, permuted)) == sorted(map(str, columns[target]))
    assert sum(a != b for a, b in zip(permuted, columns[target], strict=True)) >= 8
    return {**columns, target: permuted}


def list_decisions(result: dict[str, Any]) -> dict[str, Any]:
    """Everything that a run chose or decided."""
    models = {
        name: {key: entry[key] for key in ("type", "params", "chosen", "against_best", "rounds")}
        | {"search": {key: entry["search"][key] for key in ("best", "tied", "optimism")} if "search" in entry else None}
        for name, entry in result["models"].items()
    }
    own = ("task", "rank_by", "metrics", "balanced", "selection", "dataset", "beats_baseline")
    return {"models": models, **{name: result[name] for name in own}}


def list_selection_facts(store: Path, prepared: Prepared) -> dict[str, Any]:
    """Selection scores with their replicas, by model."""
    assert prepared.plan is not None
    steps = {step.model: step.key for step in prepared.plan.evaluations if step.stage == "selection"}
    facts: dict[str, Fact] = find_facts(store, list(steps.values()))
    return {model: facts[key].payload["selection"] for model, key in steps.items()}


def list_profile(prepared: Prepared) -> dict[str, Any]:
    """What was seen of the training rows; keys follow the file's hash and are left out."""
    assert prepared.reading.profile is not None
    content = prepared.reading.profile.to_json()
    for feature in content["features"]:
        del feature["key"]
    return content


IN_SHORT = ("binary_weighted", "early_stopping", "searches")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in IN_SHORT else [pytest.mark.slow]) for case in CASES]
)
def test_permuted_test_targets(case: str, tmp_path: Path) -> None:
    target, text = CASES[case]
    columns = make_events(200)
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        write(folder / "recipe.yaml", text)
    write_csv(before / "events.csv", columns)
    first = run(before / "recipe.yaml", before / "store")
    planned = plan(before / "recipe.yaml", before / "store")
    is_test = open_run_rows(before / "store", planned).parts.test.tolist()
    assert 30 <= sum(is_test) <= 60

    write_csv(after / "events.csv", permute_test_targets(columns, target, is_test))
    second = run(after / "recipe.yaml", after / "store")
    replanned = plan(after / "recipe.yaml", after / "store")

    assert open_run_rows(after / "store", replanned).parts.test.tolist() == is_test
    assert list_profile(planned) == list_profile(replanned)
    assert list_model_files(before / "store", first) == list_model_files(after / "store", second)
    predictions = list_prediction_files(before / "store", planned)
    assert predictions == list_prediction_files(after / "store", replanned)
    assert any(predicted == "test" for _, _, predicted in predictions)
    assert list_selection_facts(before / "store", planned) == list_selection_facts(after / "store", replanned)
    for part in ("selection", "train"):
        assert scores_of(first, part) == scores_of(second, part)
    assert list_decisions(first) == list_decisions(second)
    for model in first["models"]:
        assert first["models"][model]["test"] != second["models"][model]["test"]


def test_a_class_of_test_rows_alone_is_not_learned_from(tmp_path: Path) -> None:
    """The classes are those of the training rows: a label that only test rows have is an error, not a class."""
    from rapidml.errors import RapidmlError

    columns = make_events(60)
    columns["part"] = ["test" if row % 4 == 0 else "train" for row in range(60)]
    columns["kind"] = ["other" if row == 0 else kind for row, kind in enumerate(columns["kind"])]
    write_csv(tmp_path / "events.csv", columns)
    recipe = write(
        tmp_path / "recipe.yaml",
        """
dataset: {path: events.csv, target: kind, features: [pt, eta, mass]}
split: {test: {column: part, train: [train], test: [test]}, folds: 2}
models: {tree: {type: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 2}}}
""",
    )
    with pytest.raises(RapidmlError, match="other"):
        run(recipe, tmp_path / "store")
