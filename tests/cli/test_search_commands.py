"""`show` and `best --within-noise` on a small store: a real run, and the table of a search made by hand beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.store.store import open_store
from tests.execution.searched import BEST, DEPTH, RATE, make_search, write_candidates
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
name: small
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 4, max_depth: 6, learning_rate: 0.1}}
  bayes: sklearn.naive_bayes.GaussianNB
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store: one run with a search and one, of the same fits, without."""
    folder = tmp_path_factory.mktemp("searches")
    write_csv(folder / "events.csv", make_events(120))
    run(write(folder / "recipe.yaml", RECIPE), folder / "rapidml-store", "name=plain")
    also = "evaluate.also=[accuracy]"  # another run of the same fits
    with_search(folder / "rapidml-store", run(folder / "recipe.yaml", folder / "rapidml-store", also, "name=deep"))
    return folder


def with_search(store: Path, result: dict[str, Any]) -> None:
    """Say of the model of a run that it was searched."""
    with open_store(store) as opened:
        content = dict(result["models"]["bdt"])
        bdt = {**content, "search": make_search(), "params": {**content["params"], "max_depth": 6}}
        changed = {**result, "models": {**result["models"], "bdt": bdt}}
        opened.runs.update(result["run"], {"result": changed})
    write_candidates(store, result["run"])


@pytest.fixture(autouse=True)
def inside(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.delenv("RAPIDML_STORE", raising=False)


def call(*arguments: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert outcome.exit_code == code, outcome.output
    return outcome.stderr if code else outcome.stdout


def load(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json"))


def test_show_of_a_model_lists_its_candidates() -> None:
    text = call("show", "@last/bdt")
    assert "bdt: best of 10 candidates, 1 of them stopped early" in text
    assert "12 candidates of bdt by out-of-fold roc_auc (greater is better), grid" in text
    assert "tied, cheapest" in text
    assert "12 candidates" not in call("show", "@last")
    assert "12 candidates" not in call("show", "@last/bayes")


def test_show_json_has_the_candidates_of_the_model_named() -> None:
    found = load("show", "@last/bdt")
    assert found["models"]["bdt"]["search"]["best"] == BEST
    assert [row["number"] for row in found["candidates"]["bdt"]["rows"]][:3] == [6, 2, 10]
    assert "candidates" not in load("show", "@last")


def test_show_of_one_candidate() -> None:
    text = call("show", "@last/bdt#2")
    assert "max_depth=4, learning_rate=0.1" in text
    assert "from run 20261121-0719-aaaa" in text
    assert load("show", "@last/bdt#2")["values"] == {DEPTH: 4, RATE: 0.1}
    assert "has no candidate #99; its candidates are #0 to #11" in call("show", "@last/bdt#99", code=2)
    assert "none of its values is a range" in call("show", "@last/bayes#0", code=2)
    assert "write @last/bdt#2\n" in call("show", "@last/bdt#2.1", code=2)
    assert "rapidml show @last/bdt#2 shows it" in call("compare", "@last/bdt#2", code=1)


def test_candidates_of_a_run_without_result_are_shown(here: Path) -> None:
    with open_store(here / "rapidml-store") as store:
        identifier = store.runs.find("@last")
        content = store.runs.load(identifier)
        store.runs.update(identifier, {"result": None})
    try:
        lines = call("show", "@last").splitlines()
        assert lines[0].split() == [identifier, "finished"]
        assert lines[2] == "12 candidates of bdt by roc_auc (greater is better), grid"
        assert "12 candidates of bdt" in call("show", "@last/bdt")
        assert load("show", "@last")["candidates"]["bdt"]["best"] == BEST
        assert "has no result" in call("show", "@last/bayes", code=1)
    finally:
        with open_store(here / "rapidml-store") as store:
            store.runs.update(identifier, {"result": content["result"]})


def test_what_is_tied_with_the_best_of_a_searched_run() -> None:
    found = load("best", "@last", "--within-noise")
    tied = found["within_noise"]
    assert [entry["best"] for entry in tied] == [True] + [False] * (len(tied) - 1)
    assert sum(entry["cheapest"] for entry in tied) == 1
    of_bdt = [entry for entry in tied if entry["model"] == "bdt"]
    if found["model"] == "bdt":
        assert [entry["candidate"] for entry in of_bdt] == [6, 2, 10]
        assert [entry["params"]["max_depth"] for entry in of_bdt] == [6, 4, 8]
        assert of_bdt[1]["params"]["n_estimators"] == 4
    assert "within_noise" not in load("best", "@last")
    assert "tied" in call("best", "@last", "--within-noise")


def test_what_is_tied_in_a_run_without_search() -> None:
    found = load("best", "plain", "--within-noise")
    result = load("show", "plain")
    expected = {name for name, entry in result["models"].items() if entry["against_best"] in ("best", "tied")}
    assert {entry["model"] for entry in found["within_noise"]} == expected
    assert all(entry["candidate"] is None and entry["seconds"] > 0 for entry in found["within_noise"])


def test_the_same_fits_in_two_runs_are_listed_once() -> None:
    found = load("best", "--within-noise")
    assert (found["name"], len(load("ls"))) == ("deep", 2)
    assert {entry["name"] for entry in found["within_noise"]} == {"deep"}
