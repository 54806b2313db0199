"""Runs as rows of the dashboard, and what is shown of the chosen ones, from real small runs."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import StoreError
from rapidml.events import Event
from rapidml.execution.listing import FilterError
from rapidml.execution.overview import Overview, follow
from tests.execution import small_runs as small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECIPE = """
name: {name}
dataset: {{path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}}
split: {{test: 0.25, folds: 2, seed: {seed}}}
models:
  bdt: {{type: xgboost, params: {{n_estimators: {rounds}, max_depth: 2}}}}
  logistic: sklearn.linear_model.LogisticRegression
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overview")
    small.write_csv(folder / "events.csv", small.make_events(200))
    for name, rounds, seed in (("first", 2, 0), ("second", 6, 0), ("other", 2, 5)):
        text = RECIPE.format(name=name, rounds=rounds, seed=seed)
        small.run(small.write(folder / f"{name}.yaml", text), folder / "store")
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return small.copy_store(made / "store", tmp_path / "store")


@pytest.fixture
def overview(store: Path) -> Iterator[Overview]:
    opened = Overview([store])
    yield opened
    opened.close()


def test_rows_are_the_newest_runs(overview: Overview) -> None:
    rows = overview.look()
    assert [row.name for row in rows] == ["other", "second", "first"]
    row = rows[0]
    assert (row.state, row.rows, row.fits, row.metric, row.message) == ("finished", 200, 6, "roc_auc", "")
    assert row.score is not None
    assert row.score["low"] <= row.score["value"]
    assert row.chosen in ("bdt", "logistic")
    assert overview.look(limit=1) == rows[:1]
    assert overview.look() == rows


def test_a_filter_selects_as_in_ls(overview: Overview) -> None:
    assert [row.name for row in overview.look("name == 'first' and rows > 100")] == ["first"]
    with pytest.raises(FilterError, match="did you mean name"):
        overview.look("nmae == 'first'")


def test_stores_stand_beside_each_other_and_may_come_later(store: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    overview = Overview([store, later])
    assert len(overview.look()) == 3
    shutil.copytree(store, later)
    rows = overview.look()
    assert len(rows) == len({row.key for row in rows}) == 6
    same = [row.key for row in rows if row.name == "first"]
    selected = overview.load(same)
    assert {row.against for row in selected.scores} >= {"best", "same scores"}
    shutil.rmtree(later)
    assert len(overview.look()) == 3
    assert any("gone" in note for note in overview.load(same).notes)
    overview.close()


def test_a_damaged_run_is_a_row_that_says_so(store: Path) -> None:
    (path,) = (path for path in (store / "runs").glob("2*/run.json") if '"name": "first"' in path.read_text())
    path.write_text("{")
    for file in store.glob("index.sqlite*"):
        file.unlink()
    overview = Overview([store])
    rows = {row.id: row for row in overview.look()}
    damaged = rows[path.parent.name]
    assert (damaged.state, len(rows)) == ("damaged", 3)
    assert "rapidml rm" in damaged.message
    assert "is damaged" in overview.load([damaged.key]).notes[0]
    overview.close()


def test_a_run_without_its_driver_is_interrupted(store: Path) -> None:
    path = next(path for path in (store / "runs").glob("2*/run.json") if '"name": "first"' in path.read_text())
    small.edit_json(path, lambda content: content.update(state="running", seconds=None))
    for file in store.glob("index.sqlite*"):
        file.unlink()
    overview = Overview([store])
    row = next(row for row in overview.look() if row.name == "first")
    assert (row.state, row.progress) == ("interrupted", None)
    assert "run its recipe again" in row.message
    overview.close()


def test_tags_and_notes_are_written(overview: Overview, store: Path) -> None:
    key = overview.look()[0].key
    overview.mark(key, ["paper", "good"], "the one")
    overview.mark(key, ["good"], "the one")
    row = overview.look("tag.good and not tag.paper")[0]
    assert (row.key, row.tags, row.note) == (key, "good", "the one")
    reader = Overview([store], read_only=True)
    with pytest.raises(StoreError, match="read-only"):
        reader.mark(key, [], "")
    reader.close()


def test_chosen_runs_are_compared_within_equal_rows(overview: Overview) -> None:
    keys = {row.name: row.key for row in overview.look()}
    selected = overview.load([keys["first"], keys["second"], keys["other"]])
    assert [row.group for row in selected.scores] == [0] * 6 + [1] * 3
    assert [row.against for row in selected.scores].count("best") == 2
    assert [row.run_name for row in selected.scores if row.is_chosen].count("first") == 1
    assert all((row.test is not None) == row.is_chosen for row in selected.scores)
    assert [row.model for row in selected.scores if row.is_baseline] == ["dummy"] * 3
    values = [row.scores["roc_auc"]["value"] for row in selected.scores[:4]]
    assert values == sorted(values, reverse=True)
    assert len(selected.curves) == 6
    assert "one group" in selected.notes[0]
    assert selected.selection == "out-of-fold"


def test_verdicts_of_one_run_are_those_of_show(overview: Overview) -> None:
    row = next(row for row in overview.look() if row.name == "second")
    store, run = overview.find(row.key)
    result = store.runs.load(run)["result"]
    shown = {score.model: score.against for score in overview.load([row.key]).scores}
    expected = {name: entry["against_best"] for name, entry in result["models"].items()}
    assert shown == {**expected, "dummy": result["baseline"]["against_best"]}


def test_runs_of_one_name_are_told_apart(store: Path) -> None:
    overview = Overview([store])
    first, second = overview.look()[:2]
    store_of, run = overview.find(second.key)
    store_of.runs.mark(run, name=first.name)
    names = {row.run_name for row in overview.load([first.key, second.key]).scores}
    assert names == {f"{first.name} {first.id[-4:]}", f"{first.name} {second.id[-4:]}"}
    overview.close()


def fit(kind: Any, name: str, **data: Any) -> Event:
    return Event(kind, "fit", f"key of {name}", name, data, 20.0)


PLAN = {"fits": {"to_train": 3, "stored": 1, "collapsed": 0}, "rank_by": "log_loss"}


def test_progress_follows_events() -> None:
    read = [Event("step_started", "read", "k", "dataset", {}, 10.0)]
    assert replace(follow(read), started=None).stage == "reading"
    begun = [*read, Event("run_started", name="x", data=PLAN, time=15.0)]
    assert (follow(begun).done, follow(begun).total, follow(begun).started) == (1, 4, 15.0)
    fits = [*begun, fit("step_started", "bdt, fold 0"), fit("progress", "bdt, fold 0", done=1200, total=4000)]
    assert follow(fits).stage == "bdt, fold 0: 1,200 of 4,000 rounds"
    epochs = fit("progress", "net, fold 0", done=2, total=20, unit="epoch")
    assert follow([*begun, epochs]).stage == "net, fold 0: 2 of 20 epochs"
    ended = [*fits, *(fit(kind, f"bdt, fold {i}") for i, kind in enumerate(("step_finished", "step_failed")))]
    assert (follow(ended).done, follow(ended).stage) == (3, "fitting")
    scores = [
        Event("step_finished", "evaluate", name, name, {"score": {"value": value, "low": 0.0, "high": 1.0}})
        for name, value in (("bdt", 0.4), ("forest", 0.3), ("dummy", 0.1), ("broken", None))
    ]
    last = follow([*ended, fit("step_finished", "bdt, final fit"), *scores])
    assert (last.stage, last.best_model) == ("scoring", "forest")  # log_loss: the smaller one
    assert last.best_score is not None
    assert last.best_score["value"] == 0.3


def test_progress_follows_searches() -> None:
    best = {"value": 0.3, "low": None, "high": None}
    data = {"done": 12, "total": 54, "running": 2, "best": best}
    begun = [Event("run_started", data={**PLAN, "fits": {"to_train": 0, "stored": 0, "collapsed": 0}})]
    searching = [*begun, fit("progress", "bdt #3", done=5, total=20), Event("progress", "search", "", "bdt", data)]
    found = follow(searching)
    assert (found.stage, found.best_model, found.best_score) == ("searching bdt: 12 of 54 candidates", "bdt", best)
    assert follow([*searching, Event("progress", "search", "", "bdt", {**data, "running": 0})]).stage == "fitting"


def test_a_new_attempt_begins_anew() -> None:
    again = {**PLAN, "fits": {"to_train": 1, "stored": 3, "collapsed": 0}}
    events = [
        Event("run_started", data=PLAN),
        fit("step_started", "a"),
        fit("step_finished", "b"),
        Event("run_started", data=again, time=99.0),
    ]
    assert (follow(events).done, follow(events).stage, follow(events).started) == (3, "fitting", 99.0)


def test_events_of_a_real_run_end_complete(overview: Overview) -> None:
    from rapidml.store.events_file import read_events

    store, run = overview.find(overview.look()[0].key)
    progress = follow(read_events(store.runs.folder(run)))
    assert progress.done == progress.total == 6
    assert progress.best_model in ("bdt", "logistic")
    assert re.fullmatch("scoring", progress.stage)
