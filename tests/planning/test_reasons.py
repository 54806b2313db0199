"""What a plan has to do after an edit, and why: against one store with one finished run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.execution.planned import plan_lines
from rapidml.execution.running import describe_plan
from rapidml.planning.reasons import CODES, reason_text
from rapidml.planning.steps import Reason
from rapidml.store.store import open_store
from tests.execution.small_runs import (
    copy_store,
    edit_json,
    list_model_files,
    make_events,
    plan,
    read_all_facts,
    run,
    to_fit,
    write,
    write_csv,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.events import Event

RECIPE = """\
# three models
dataset:
  path: data/events.csv
  target: label
  positive: s
  weight: w
  features: [pt, eta, mass]
split: {test: 0.25, folds: 2}
models:
  bdt:
    type: xgboost
    params: {n_estimators: 4, max_depth: 2}
  tree:
    type: sklearn.tree.DecisionTreeClassifier
    params: {max_depth: 2, max_features: 1}
  bayes: sklearn.naive_bayes.GaussianNB
"""
EVERY = {"bdt": 3, "tree": 3, "bayes": 3}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reasons")
    (folder / "data").mkdir()
    write_csv(folder / "data" / "events.csv", make_events(120))
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def result(recipe: Path) -> dict[str, Any]:
    return run(recipe, recipe.parent / "store")


@pytest.fixture(scope="module")
def store(recipe: Path, result: dict[str, Any]) -> Path:
    """A store with one finished run; not to be written to."""
    return recipe.parent / "store"


def list_reasons(recipe: Path, store: Path, *overrides: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps(describe_plan(plan(recipe, store, *overrides))["reasons"]))
    assert {reason["code"] for reason in found} <= set(CODES)
    return found


def run_and_listen(recipe: Path, store: Path, *overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Result of a run, and the plan that it announced once its rows were known."""
    heard: list[Event] = []
    result = run(recipe, store, *overrides, watch=heard.append)
    (started,) = [event for event in heard if event.kind == "run_started"]
    assert {reason["code"] for reason in started.data["reasons"]} <= set(CODES)
    return result, started.data


def test_every_code_has_a_text() -> None:
    for code in CODES:
        assert reason_text(Reason(code, ("bdt",), field="models.bdt", old=1, new=2))


def test_the_first_plan_knows_no_rows_yet(recipe: Path, tmp_path: Path) -> None:
    prepared = plan(recipe, tmp_path / "store")
    assert prepared.plan is None
    assert [reason["code"] for reason in describe_plan(prepared)["reasons"]] == ["first_run", "rows_unknown"]


def test_the_first_run_says_so(recipe: Path, tmp_path: Path) -> None:
    _, announced = run_and_listen(recipe, tmp_path / "store")
    assert [(reason["code"], reason["count"]) for reason in announced["reasons"]] == [("first_run", 9)]
    assert announced["fits"] == {"to_train": 9, "stored": 0, "collapsed": 0}


def test_an_unchanged_recipe_has_nothing_to_do(recipe: Path, store: Path) -> None:
    described = describe_plan(plan(recipe, store))
    assert described["fits"] == {"to_train": 0, "stored": 9, "collapsed": 0}
    assert (described["evaluate"], described["read"], described["reasons"]) == (0, "stored", [])


@pytest.mark.parametrize(
    "overrides",
    [
        ("name=other",),
        ("notes=a thought",),
        ("dataset.labels={pt: momentum}",),
        ("dataset.path=data/*.csv",),
        ("split.seed=0",),
        ("training.balance=classes",),
    ],
)
def test_edits_that_change_nothing(recipe: Path, store: Path, overrides: tuple[str, ...]) -> None:
    assert to_fit(plan(recipe, store, *overrides)) == {}


def test_form_of_the_file_changes_nothing(recipe: Path, store: Path) -> None:
    """Comments, order of keys, names of models."""
    text = RECIPE.replace("# three models", "# a comment\n").replace("  bdt:", "  trees:   # renamed")
    text = text.replace("  tree:\n", "  single:\n")
    models = text.index("models:")
    other = write(recipe.parent / "other.yaml", text[models:] + text[:models])
    prepared = plan(other, store)
    assert to_fit(prepared) == {}
    assert prepared.plan is not None
    assert all(step.state == "stored" for step in prepared.plan.evaluations)


def test_touch_changes_nothing(recipe: Path, store: Path) -> None:
    os.utime(recipe.parent / "data" / "events.csv", ns=(1, 1))
    assert to_fit(plan(recipe, store)) == {}


def test_moving_the_folder_changes_nothing(recipe: Path, store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(recipe.parent, moved)
    assert to_fit(plan(moved / "recipe.yaml", moved / "store")) == {}


def test_a_git_commit_changes_nothing(recipe: Path, store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "repository"
    shutil.copytree(recipe.parent, moved)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(moved)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "recipe.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "recipe"], check=True)
    assert to_fit(plan(moved / "recipe.yaml", moved / "store")) == {}


EDITS = [
    ("models.bdt.params.max_depth=3", {"bdt": 3}, "models.bdt.params.max_depth", 2, 3, "recipe.yaml:12"),
    ("models.bdt.params.reg_lambda=2.0", {"bdt": 3}, "models.bdt.params.reg_lambda", None, 2.0, "default"),
    ("models.bdt.early_stopping=3", {"bdt": 3}, "models.bdt.early_stopping", None, 3, "default"),
    ("models.bdt.weights=ignore", {"bdt": 3}, "models.bdt.weights", None, "ignore", "default"),
    ("models.tree.params.max_features=1.0", {"tree": 3}, "models.tree.params.max_features", 1, 1.0, "recipe.yaml:15"),
    ("models.tree.prepare=[standardize]", {"tree": 3}, "models.tree.prepare.0", None, "standardize", "default"),
    ("training.balance=none", EVERY, "training.balance", None, "none", "default"),
    ("training.negative_weights=drop", EVERY, "training.negative_weights", "error", "drop", "default"),
]


@pytest.mark.parametrize(("override", "expected", "field", "old", "new", "was"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_names_its_models_and_its_field(
    recipe: Path, store: Path, override: str, expected: dict[str, int], field: str, old: Any, new: Any, was: str
) -> None:
    assert to_fit(plan(recipe, store, override)) == expected
    reasons = list_reasons(recipe, store, override)
    assert {model for reason in reasons for model in reason["models"]} == set(expected)
    for reason in reasons:
        assert (reason["code"], reason["field"], reason["old"], reason["new"]) == ("field_changed", field, old, new)
        assert type(reason["new"]) is type(new)
        assert reason["origin"] == "command line"
        assert reason["was"] == was.replace("recipe.yaml", str(recipe))
        assert reason["count"] == sum(expected[model] for model in reason["models"])


ROW_EDITS = [
    ("seed=1", EVERY, "seed", 0, 1),
    ("split.test=0.2", EVERY, "split.test", 0.25, 0.2),
    ("dataset.features=[pt, eta]", EVERY, "dataset.features", ["pt", "eta", "mass"], ["pt", "eta"]),
    ("dataset.select=pt > -1", EVERY, "dataset.select", None, "pt > -1"),
    ("dataset.weight=null", EVERY, "dataset.weight", "w", None),
    ("dataset.missing=0.25", EVERY, "dataset.missing", [], [0.25]),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "expected", "field", "old", "new"), ROW_EDITS, ids=[edit[0] for edit in ROW_EDITS]
)
def test_an_edit_of_the_rows_is_explained_when_they_are_read(
    recipe: Path, store: Path, tmp_path: Path, override: str, expected: dict[str, int], field: str, old: Any, new: Any
) -> None:
    result, announced = run_and_listen(recipe, copy_store(store, tmp_path / "store"), override)
    assert {name: counts["to_train"] for name, counts in announced["models"].items()} == expected
    (reason,) = announced["reasons"]
    assert (reason["code"], reason["field"], reason["old"], reason["new"]) == ("field_changed", field, old, new)
    assert reason["origin"] == ("default" if new is None else "command line")
    assert result["fits"]["trained"] == 9


def test_the_same_edit_in_the_file_names_its_line(recipe: Path, store: Path) -> None:
    edited = write(recipe.parent / "edited.yaml", RECIPE.replace("max_depth: 2}", "max_depth: 5}"))
    (reason,) = list_reasons(edited, store)
    assert (reason["origin"], reason["was"]) == (f"{edited}:12", f"{recipe}:12")
    lines = plan_lines(plan(edited, store))
    assert any(f"models.bdt.params.max_depth 2 -> 5 ({edited}:12; was {recipe}:12)" in line for line in lines)


def test_an_expression_in_other_words_fits_nothing(recipe: Path, store: Path, tmp_path: Path) -> None:
    result = run(recipe, copy_store(store, tmp_path / "store"), "dataset.weight=( w )")
    assert (result["fits"]["trained"], result["fits"]["stored"]) == (0, 9)


@pytest.mark.slow
@pytest.mark.parametrize(("override", "trained"), [("split.folds=3", 9), ("split={test: 0.25, valid: 0.3}", 3)])
def test_other_folds_are_all_fitted(recipe: Path, store: Path, tmp_path: Path, override: str, trained: int) -> None:
    """The final fit on all training rows is shared; with a validation part there is none."""
    own = copy_store(store, tmp_path / "store")
    edited, fresh = run(recipe, own, override), run(recipe, tmp_path / "fresh", override)
    assert edited["fits"]["trained"] == trained
    assert list_model_files(own, edited) == list_model_files(tmp_path / "fresh", fresh)
    assert edited["models"]["bdt"]["selection"] == fresh["models"]["bdt"]["selection"]


def test_another_metric_is_computed_from_stored_predictions(recipe: Path, store: Path, tmp_path: Path) -> None:
    own = copy_store(store, tmp_path / "store")
    described = describe_plan(plan(recipe, own, "evaluate.also=[log_loss]"))
    assert described["fits"]["to_train"] == 0
    assert described["evaluate"] == 8
    assert [reason["field"] for reason in described["reasons"]] == ["evaluate.also"]
    result = run(recipe, own, "evaluate.also=[log_loss]")
    assert (result["fits"]["trained"], result["fits"]["stored"]) == (0, 9)
    assert set(result["models"]["bdt"]["selection"]) == {"roc_auc", "log_loss"}


def test_a_new_model(recipe: Path, store: Path) -> None:
    (reason,) = list_reasons(recipe, store, "models.stump={type: sklearn.tree.DecisionTreeClassifier}")
    assert (reason["code"], reason["models"], reason["count"]) == ("model_added", ["stump"], 3)


def test_a_spectator_reads_a_column_and_fits_nothing(recipe: Path, store: Path, tmp_path: Path) -> None:
    result = run(recipe, copy_store(store, tmp_path / "store"), "dataset.spectators=[energy]")
    assert (result["fits"]["trained"], result["fits"]["stored"]) == (0, 9)


def test_changed_data(recipe: Path, store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(recipe.parent, folder)
    columns = make_events(120)
    columns["pt"][0] = 9.0
    write_csv(folder / "data" / "events.csv", columns)
    _, announced = run_and_listen(folder / "recipe.yaml", folder / "store")
    assert [reason["code"] for reason in announced["reasons"]] == ["data_changed"]
    assert announced["fits"]["to_train"] == 9


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["models", "predictions"])
def test_an_object_that_is_gone(recipe: Path, store: Path, result: dict[str, Any], tmp_path: Path, kind: str) -> None:
    own = copy_store(store, tmp_path / "store")
    key = result["models"]["bdt"]["keys"]["fold:1"]
    if kind == "predictions":
        prepared = plan(recipe, own)
        assert prepared.plan is not None
        key = next(fit.predictions[0].key for fit in prepared.plan.fits if fit.key == key)
    shutil.rmtree(own / "objects" / kind / key[:2] / key)
    assert to_fit(plan(recipe, own)) == {"bdt": 1}
    assert [(reason["code"], reason["count"]) for reason in list_reasons(recipe, own)] == [("object_gone", 1)]
    again = run(recipe, own)
    trained = int(kind == "models")  # a lost prediction is made again by the stored model
    assert (again["run"], again["fits"]["trained"], again["fits"]["stored"]) == (result["run"], trained, 9 - trained)
    assert list_model_files(own, again) == list_model_files(store, result)
    assert to_fit(plan(recipe, own)) == {}


@pytest.mark.slow
def test_a_damaged_table_is_read_again(recipe: Path, store: Path, result: dict[str, Any], tmp_path: Path) -> None:
    own = copy_store(store, tmp_path / "store")
    shutil.rmtree(own / "objects" / "tables")
    again = run(recipe, own, "models.bdt.params.max_depth=1")
    assert (again["fits"]["trained"], again["fits"]["stored"]) == (3, 6)


def test_what_was_never_finished(recipe: Path, store: Path, result: dict[str, Any], tmp_path: Path) -> None:
    own = copy_store(store, tmp_path / "store")
    (path,) = (own / "facts").glob("*.jsonl")
    keys = result["models"]["tree"]["keys"].values()
    lines = [line for line in path.read_text().splitlines() if not any(f'"key":"{key}"' in line for key in keys)]
    path.write_text("\n".join(lines) + "\n")
    (own / "index.sqlite").unlink()
    for key in keys:
        shutil.rmtree(own / "objects" / "models" / key[:2] / key)
    edit_json(own / "runs" / result["run"] / "run.json", lambda content: content.update(state="interrupted"))
    assert to_fit(plan(recipe, own)) == {"tree": 3}
    assert [(reason["code"], reason["count"]) for reason in list_reasons(recipe, own)] == [("not_finished", 3)]


def test_what_failed_before(recipe: Path, tmp_path: Path) -> None:
    models = "models={bad: {type: sklearn.svm.NuSVC, params: {nu: 0.999}}, bayes: sklearn.naive_bayes.GaussianNB}"
    override = (models, "dataset.weight=null")
    failed = run(recipe, tmp_path / "store", *override)
    assert failed["fits"] == {"trained": 3, "stored": 0, "failed": 3, "pruned": 0, "collapsed": 0}
    reasons = list_reasons(recipe, tmp_path / "store", *override)
    assert [(r["code"], r["models"], r["count"]) for r in reasons] == [("failed_before", ["bad"], 3)]


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["", ", subsample: 0.5"])
def test_more_and_fewer_rounds_equal_fresh_fits(recipe: Path, tmp_path: Path, sampling: str) -> None:
    """30 rounds, then 55 continued from them, then 27 cut; blocks of sampled rounds are 25 long."""

    def edit(rounds: int) -> str:
        return f"models={{bdt: {{type: xgboost, params: {{n_estimators: {rounds}, max_depth: 2{sampling}}}}}}}"

    store = tmp_path / "store"
    run(recipe, store, edit(30))
    for rounds, code in ((55, "continued"), (27, "cut")):
        reasons = list_reasons(recipe, store, edit(rounds))
        assert [reason["code"] for reason in reasons] == ["field_changed", code]
        assert (reasons[1]["old"], reasons[1]["new"], reasons[1]["count"]) == (30, rounds, 3)
        edited = run(recipe, store, edit(rounds))
        fresh = run(recipe, tmp_path / f"fresh{rounds}", edit(rounds))
        assert list_model_files(store, edited) == list_model_files(tmp_path / f"fresh{rounds}", fresh)
        facts = {fact.key: fact for fact in read_all_facts(store) if fact.kind == "fit"}
        assert all(facts[key].payload["start"] for key in edited["models"]["bdt"]["keys"].values())


@pytest.mark.slow
def test_reasons_compare_with_the_closest_of_the_newest_runs(recipe: Path, store: Path, tmp_path: Path) -> None:
    own = copy_store(store, tmp_path / "store")
    run(recipe, own, "models.tree.params.max_depth=7", "models.bdt.params.max_depth=7")
    (reason,) = list_reasons(recipe, own, "models.bdt.params.max_depth=3")
    assert (reason["old"], reason["new"]) == (2, 3)


def test_the_index_may_be_deleted(recipe: Path, store: Path, tmp_path: Path) -> None:
    own = copy_store(store, tmp_path / "store")
    for path in own.glob("index.sqlite*"):
        path.unlink()
    assert to_fit(plan(recipe, own)) == {}
    with open_store(own) as opened:
        assert len(opened.list_runs()) == 1
