"""Promise 3, by editing stores: lines lost with a driver are adopted, torn ones skipped, nothing is fitted twice."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import RunIsAlive
from rapidml.store.store import open_store
from tests.execution.small_runs import (
    assert_nothing_computed_twice,
    copy_store,
    edit_json,
    list_model_files,
    make_events,
    plan,
    read_all_facts,
    run,
    scores_of,
    to_fit,
    write,
    write_csv,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_PROCESS = 1 << 23
"""Above the largest process number of Linux."""

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 20, learning_rate: 0.3}, early_stopping: 3}
  bayes: sklearn.naive_bayes.GaussianNB
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    write_csv(folder / "events.csv", make_events(120))
    return write(folder / "recipe.yaml", RECIPE)


@pytest.fixture(scope="module")
def result(recipe: Path) -> dict[str, Any]:
    return run(recipe, recipe.parent / "store")


@pytest.fixture
def store(recipe: Path, result: dict[str, Any], tmp_path: Path) -> Path:
    """A store of its own with the finished run."""
    return copy_store(recipe.parent / "store", tmp_path / "store")


def interrupt(store: Path, run_id: str, keep: Callable[[str], bool], torn: str = "") -> int:
    """Make it look as if the driver had been killed: only some lines, no end, a state that says running."""
    (path,) = (store / "facts").glob("*.jsonl")
    header, *lines = path.read_text().splitlines()
    kept = [line for line in lines if '"end":true' not in line and keep(line)]
    beat = json.loads(header)
    beat["driver"] |= {"pid": NO_PROCESS}
    path.write_text("\n".join([json.dumps(beat), *kept]) + "\n" + torn)
    for index in store.glob("index.sqlite*"):
        index.unlink()

    def forget(content: dict[str, Any]) -> None:
        content.update(state="running")
        content.pop("result")

    edit_json(store / "runs" / run_id / "run.json", forget)
    return len(kept)


def assert_as_undisturbed(store: Path, recipe: Path, again: dict[str, Any], result: dict[str, Any]) -> None:
    assert again["run"] == result["run"]
    assert again["state"] == "finished"
    assert list_model_files(store, again) == list_model_files(recipe.parent / "store", result)
    for part in ("selection", "train", "test"):
        assert scores_of(again, part) == scores_of(result, part)
    assert to_fit(plan(recipe, store)) == {}


def test_an_interrupted_run_is_listed_so(store: Path, result: dict[str, Any]) -> None:
    interrupt(store, result["run"], lambda line: True)
    with open_store(store) as opened:
        assert [record.state for record in opened.list_runs()] == ["interrupted"]


def test_objects_without_a_line_are_adopted(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    interrupt(store, result["run"], lambda line: '"kind":"fit"' not in line and '"kind":"predict"' not in line)
    again = run(recipe, store)
    assert (again["fits"]["trained"], again["fits"]["stored"]) == (0, 6)
    assert_as_undisturbed(store, recipe, again, result)
    fits = [fact for fact in read_all_facts(store) if fact.kind == "fit"]
    assert {fact.attempt for fact in fits} == {2}
    assert len(fits) == 6


def test_scores_without_a_line_are_computed_again(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    interrupt(store, result["run"], lambda line: '"kind":"evaluate"' not in line)
    again = run(recipe, store)
    assert (again["fits"]["trained"], again["fits"]["stored"]) == (0, 6)
    assert_as_undisturbed(store, recipe, again, result)


@pytest.mark.parametrize("lines", [1, 3, 5, 8])
def test_a_torn_last_line(store: Path, recipe: Path, result: dict[str, Any], lines: int) -> None:
    (path,) = (store / "facts").glob("*.jsonl")
    text = path.read_text().splitlines()
    torn = text[lines + 1][: len(text[lines + 1]) // 2]
    seen = iter(range(1000))
    assert interrupt(store, result["run"], lambda line: next(seen) < lines, torn) == lines
    again = run(recipe, store)
    assert_as_undisturbed(store, recipe, again, result)
    assert_nothing_computed_twice(read_all_facts(store))


def test_a_model_without_its_predictions_is_not_fitted_again(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    interrupt(store, result["run"], lambda line: '"kind":"fit"' not in line and '"kind":"predict"' not in line)
    shutil.rmtree(store / "objects" / "predictions")
    before = {path: path.stat().st_mtime_ns for path in (store / "objects" / "models").rglob("*") if path.is_file()}
    again = run(recipe, store)
    assert_as_undisturbed(store, recipe, again, result)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_damaged_model_is_fitted_again(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    key = result["models"]["bdt"]["keys"]["fold:0"]
    files = sorted((store / "objects" / "models" / key[:2] / key).rglob("*"), key=lambda path: path.stat().st_size)
    largest = files[-1]
    largest.chmod(0o644)
    largest.write_bytes(largest.read_bytes()[:-10])
    assert to_fit(plan(recipe, store)) == {"bdt": 1}
    assert_as_undisturbed(store, recipe, run(recipe, store), result)


def test_a_second_driver_is_told_who_runs_it(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    interrupt(store, result["run"], lambda line: False)
    with open_store(store) as opened:
        attempt = opened.start_attempt(result["run"])
        try:
            with pytest.raises(RunIsAlive, match=r"is being driven by process \d+ on "):
                run(recipe, store)
        finally:
            attempt.close()


def test_a_finished_run_writes_nothing(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    def look() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in store.rglob("*") if "index.sqlite" not in path.name}

    before = look()
    again = run(recipe, store)
    assert again["computed"] is False
    assert look() == before


def test_two_recipes_share_their_fits(store: Path, recipe: Path, result: dict[str, Any]) -> None:
    only = run(recipe, store, "models.bdt=null")
    assert only["run"] != result["run"]
    assert (only["fits"]["trained"], only["fits"]["stored"]) == (0, 3)
    assert only["models"]["bayes"]["selection"] == result["models"]["bayes"]["selection"]
