"""Searches from recipe to result: the same scores as without ranges, nothing computed twice, the best by its folds."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.execution.proposals import Proposals
from rapidml.execution.running import describe_plan
from rapidml.execution.searched import JOURNAL
from rapidml.store.store import open_store
from tests.execution.small_runs import make_events, plan, read_all_facts, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}
split: {test: 0.2, folds: 3}
"""
GRID = (
    HEAD
    + """
models:
  bdt: {type: xgboost, params: {max_depth: {any: [1, 3]}, n_estimators: {any: [2, 6, 9]}, subsample: 0.8}}
search: {method: grid}
evaluate: {also: [log_loss]}
"""
)
N_FOLDS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    write_csv(folder / "events.csv", make_events(300))
    return folder


@pytest.fixture
def recipe(folder: Path, tmp_path: Path) -> Path:
    write_csv(tmp_path / "events.csv", make_events(300))
    return write(tmp_path / "recipe.yaml", GRID)


def table_of(store: Path, result: dict[str, Any], model: str = "bdt") -> list[dict[str, Any]]:
    tree = json.loads((store / "runs" / result["run"] / "candidates.json").read_text())
    rows: list[dict[str, Any]] = tree["models"][model]["rows"]
    return rows


def count_trained(store: Path) -> int:
    return sum(bool(fact.payload.get("trained")) for fact in read_all_facts(store) if fact.kind in ("score", "fit"))


@pytest.fixture(scope="module")
def done(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A finished grid search, which tests only look at."""
    recipe = write(folder / "recipe.yaml", GRID)
    return folder / "store", run(recipe, folder / "store")


def test_every_candidate_is_scored_as_the_same_model_without_ranges(
    done: tuple[Path, dict[str, Any]], folder: Path
) -> None:
    store, result = done
    rows = table_of(store, result)
    assert [row["values"] for row in rows] == [
        {"params.max_depth": depth, "params.n_estimators": rounds}
        for depth, rounds in itertools.product([1, 3], [2, 6, 9])
    ]
    for row in rows:
        overrides = [f"models.bdt.{name}={value}" for name, value in row["values"].items()]
        plain = run(folder / "recipe.yaml", folder / "plain", *overrides, "search=null")
        facts = {fact.key: fact for fact in read_all_facts(folder / "plain")}
        stored = facts[plain["models"]["bdt"]["evaluations"]["selection"]].payload["selection"]["roc_auc"]
        assert row["folds"] == stored["parts"]
        assert row["mean"] == pytest.approx(stored["value"], abs=1e-15)
        assert row["std"] == pytest.approx(statistics.stdev(row["folds"]))
        assert (row["low"], row["high"]) == (stored["low"], stored["high"])


def test_the_best_candidate_and_nothing_else_is_tested(done: tuple[Path, dict[str, Any]], folder: Path) -> None:
    store, result = done
    rows = table_of(store, result)
    best = max(rows, key=lambda row: row["mean"])
    entry = result["models"]["bdt"]
    assert entry["search"]["best"] == best["number"]
    assert {f"params.{name}": entry["params"][name] for name in ("max_depth", "n_estimators")} == best["values"]
    overrides = [f"models.bdt.{name}={value}" for name, value in best["values"].items()]
    plain = run(folder / "recipe.yaml", folder / "plain", *overrides, "search=null")["models"]["bdt"]
    assert {part: entry[part] for part in ("selection", "test", "train")} == {
        part: plain[part] for part in ("selection", "test", "train")
    }
    tested = [fact for fact in read_all_facts(store) if fact.kind == "predict" and fact.payload["part"] == "test"]
    assert len(tested) == 1


def test_candidates_that_differ_in_rounds_share_a_fit(done: tuple[Path, dict[str, Any]]) -> None:
    store, result = done
    scores = Counter(bool(fact.payload["trained"]) for fact in read_all_facts(store) if fact.kind == "score")
    assert scores == {True: 2 * N_FOLDS, False: 4 * N_FOLDS}
    assert result["models"]["bdt"]["search"]["collapsed"] == 4 * N_FOLDS
    assert result["fits"]["failed"] == 0


def test_an_unchanged_search_computes_nothing(recipe: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "store")
    before = len(read_all_facts(tmp_path / "store"))
    again = run(recipe, tmp_path / "store")
    assert (again["run"], again["computed"]) == (first["run"], False)
    assert len(read_all_facts(tmp_path / "store")) == before


def test_a_value_more_is_all_that_is_fitted(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(recipe, store)
    before = count_trained(store)
    edit = "models.bdt.params.max_depth={any: [1, 2, 3]}"
    planned = describe_plan(plan(recipe, store, edit))["search"]["bdt"]
    assert {name: planned[name] for name in ("candidates", "stored", "to_fit", "stored_fits", "collapsed")} == {
        "candidates": 9,
        "stored": 6,
        "to_fit": N_FOLDS,
        "stored_fits": 6 * N_FOLDS,
        "collapsed": 2 * N_FOLDS,
    }
    result = run(recipe, store, edit)
    search = result["models"]["bdt"]["search"]
    assert (search["fits"], search["stored"], search["candidates"]) == (N_FOLDS, 6 * N_FOLDS, 9)
    assert search["from_other_runs"] == 6
    assert count_trained(store) - before <= N_FOLDS + N_FOLDS + 1  # the chosen one's, if its models were not kept
    fresh = run(recipe, tmp_path / "fresh", edit)
    assert [row["folds"] for row in table_of(store, result)] == [
        row["folds"] for row in table_of(tmp_path / "fresh", fresh)
    ]


@pytest.mark.slow
def test_longer_fits_go_on_from_the_stored_ones(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(recipe, store)
    longer = run(recipe, store, "models.bdt.params.n_estimators={any: [2, 6, 9, 14]}")
    fresh = run(recipe, tmp_path / "fresh", "models.bdt.params.n_estimators={any: [2, 6, 9, 14]}")
    assert [row["folds"] for row in table_of(store, longer)] == [
        row["folds"] for row in table_of(tmp_path / "fresh", fresh)
    ]


@pytest.mark.slow
def test_another_metric_needs_no_fit(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(recipe, store)
    before = count_trained(store)
    edit = "evaluate={rank_by: accuracy}"
    planned = describe_plan(plan(recipe, store, edit))["search"]["bdt"]
    assert (planned["to_fit"], planned["to_score"]) == (0, 6 * N_FOLDS)
    result = run(recipe, store, edit)
    assert result["models"]["bdt"]["search"]["metric"] == "accuracy"
    rows = table_of(store, result)
    assert result["models"]["bdt"]["search"]["best"] == max(rows, key=lambda row: row["mean"])["number"]
    assert count_trained(store) - before <= N_FOLDS + 1
    again = run(recipe, store, "evaluate={rank_by: roc_auc}")  # the old metrics are still known
    assert again["models"]["bdt"]["search"]["fits"] == 0


@pytest.mark.slow
def test_fits_of_a_run_without_ranges_are_used(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(recipe, store, "models.bdt.params.max_depth=3", "models.bdt.params.n_estimators=9", "search=null")
    planned = describe_plan(plan(recipe, store, "models.bdt.params.n_estimators=9"))["search"]["bdt"]
    assert (planned["to_fit"], planned["to_score"]) == (N_FOLDS, N_FOLDS)


RANDOM = "search={method: random, candidates: %d}"
RANGES = ["models.bdt.params={max_depth: {between: [1, 4]}, learning_rate: {log: [0.01, 0.5]}, n_estimators: 9}"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_longer_search_goes_on_from_the_shorter_one(recipe: Path, tmp_path: Path, method: str) -> None:
    store = tmp_path / "store"
    short = run(recipe, store, *RANGES, f"search={{method: {method}, candidates: 4}}")
    longer = run(recipe, store, *RANGES, f"search={{method: {method}, candidates: 7}}")
    search = longer["models"]["bdt"]["search"]
    assert (search["candidates"], search["from_other_runs"], search["fits"]) == (7, 4, 3 * N_FOLDS)
    old = [row["values"] for row in table_of(store, short)]
    assert all(values in [row["values"] for row in table_of(store, longer)] for values in old)


@pytest.mark.slow
def test_candidates_keep_their_numbers_when_an_interrupted_search_goes_on(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, look = tmp_path / "store", Proposals._look
    short = run(recipe, store, *RANGES, "search={method: tpe, candidates: 4}")

    def look_once(self: Proposals, candidate: Any, steps: Any) -> bool:
        if candidate.number == 5:
            raise KeyboardInterrupt
        return look(self, candidate, steps)

    monkeypatch.setattr(Proposals, "_look", look_once)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, store, *RANGES, "search={method: tpe, candidates: 7}")
    monkeypatch.undo()
    longer = run(recipe, store, *RANGES, "search={method: tpe, candidates: 7}")
    old, new = table_of(store, short), table_of(store, longer)
    assert [row["number"] for row in new] == list(range(7))
    assert {json.dumps(row["values"]) for row in new[:4]} == {json.dumps(row["values"]) for row in old}


@pytest.mark.slow
def test_reuse_false_refuses_the_scores_of_other_runs_as_guides(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(recipe, store, *RANGES, RANDOM % 3)
    result = run(recipe, store, *RANGES, "search={method: tpe, candidates: 4, reuse: false}")
    alone = run(recipe, tmp_path / "alone", *RANGES, "search={method: tpe, candidates: 4, reuse: false}")
    assert [row["values"] for row in table_of(store, result)] == [
        row["values"] for row in table_of(tmp_path / "alone", alone)
    ]


@pytest.mark.slow
def test_an_edited_range_keeps_what_is_inside_it(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = run(recipe, store, *RANGES, "search={method: tpe, candidates: 5}")
    inside = [row for row in table_of(store, first) if row["values"]["params.max_depth"] <= 2]
    edit = "models.bdt.params.max_depth={between: [1, 2]}"
    second = run(recipe, store, *RANGES, edit, "search={method: tpe, candidates: 6}")
    assert second["models"]["bdt"]["search"]["from_other_runs"] == len(inside)


@pytest.mark.slow
def test_hyperband_stops_candidates_and_keeps_the_best(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ranges = ["models.bdt.params={max_depth: {between: [1, 4]}, learning_rate: {log: [0.001, 0.5]}, n_estimators: 27}"]
    result = run(recipe, store, *ranges, "search={method: hyperband, candidates: 9}")
    rows = table_of(store, result)
    states = Counter(row["state"] for row in rows)
    assert len(rows) == 9
    assert states["pruned"] >= 3
    assert states["done"] >= 3
    journal = (store / "runs" / result["run"] / JOURNAL).read_text().splitlines()
    told = {json.dumps(entry["values"]): entry.get("pruned") for entry in map(json.loads, journal)}
    assert sum(map(bool, told.values())) == states["pruned"] == result["fits"]["pruned"]
    again = run(recipe, store, *ranges, "search={method: hyperband, candidates: 9}")
    assert again["computed"] is False
    stopped = [row for row in rows if row["state"] == "pruned"]
    assert {(row["reached"]["rounds"], row["reached"]["folds"]) for row in stopped} <= {(9, 1), (27, 1)}
    assert all(0.4 < row["mean"] < 1 for row in stopped)
    late = [row["folds"] for row in stopped if row["reached"]["rounds"] == 27]  # on the first fold alone
    assert all(first is not None and others == [None, None] for first, *others in late)
    best = max((row for row in rows if row["state"] == "done"), key=lambda row: row["mean"])
    plain = ", ".join(f"{name.removeprefix('params.')}: {value}" for name, value in best["values"].items())
    whole = run(recipe, tmp_path / "plain", f"models.bdt.params={{{plain}, n_estimators: 27}}", "search=null")
    assert best["mean"] == pytest.approx(whole["models"]["bdt"]["selection"]["roc_auc"]["value"], abs=1e-15)


RATES = "models.bdt.params={max_depth: {between: [1, 6]}, learning_rate: {log: [0.001, 0.5]}, n_estimators: 27}"


@pytest.mark.slow
def test_an_interrupted_hyperband_goes_on_where_it_was(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, search = tmp_path / "store", "search={method: hyperband, candidates: 12}"
    looks, look = [], Proposals._look

    def look_often(self: Proposals, candidate: Any, steps: Any) -> bool:
        looks.append(candidate.number)
        if len(looks) == 9:
            raise KeyboardInterrupt
        return look(self, candidate, steps)

    monkeypatch.setattr(Proposals, "_look", look_often)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, store, RATES, search)
    monkeypatch.undo()
    result = run(recipe, store, RATES, search)
    rows = table_of(store, result)
    states = Counter(row["state"] for row in rows)
    assert states["done"] >= 3
    assert states["done"] + states["pruned"] == 12
    assert all(row["mean"] is not None and row["reached"] for row in rows if row["state"] == "pruned")


@pytest.mark.slow
def test_a_fit_that_fails_at_a_rung_is_a_failed_candidate(recipe: Path, tmp_path: Path) -> None:
    result = run(recipe, tmp_path / "store", RATES, "search={method: hyperband, candidates: 3, memory_limit: 1MB}")
    rows = table_of(tmp_path / "store", result)
    assert Counter(row["state"] for row in rows) == {"failed": 3}
    assert all("memory" in row["error"] for row in rows)
    assert (result["state"], len(result["errors"])) == ("failed", 3)


@pytest.mark.slow
def test_candidates_that_another_run_has_stopped_are_not_taken_over(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = run(recipe, store, RATES, "search={method: hyperband, candidates: 9}")
    done = sum(row["state"] == "done" for row in table_of(store, first))
    second = run(recipe, store, RATES, "search={method: tpe, candidates: 9}")
    assert second["models"]["bdt"]["search"]["from_other_runs"] >= done
    assert {row["state"] for row in table_of(store, second)} == {"done"}
    assert second["fits"]["trained"] >= (9 - done) * (N_FOLDS - 1)


def make_race(folder: Path, ranges: str) -> Path:
    write_csv(folder / "events.csv", make_events(1500))
    text = f"{HEAD.replace('folds: 3', 'folds: 6')}models:\n  bdt: {{type: xgboost, params: {{{ranges}}}}}\n"
    return write(folder / "race.yaml", text + "search: {method: grid, race: true}\n")


@pytest.mark.slow
def test_a_race_leaves_out_folds_of_those_clearly_behind(tmp_path: Path) -> None:
    recipe = make_race(tmp_path, "max_depth: 1, n_estimators: 20, reg_lambda: {any: [1.0, 1000000.0]}")
    raced = run(recipe, tmp_path / "raced")
    whole = run(recipe, tmp_path / "whole", "search.race=false")
    assert raced["models"]["bdt"]["params"] == whole["models"]["bdt"]["params"]
    rows = table_of(tmp_path / "raced", raced)
    assert [row["state"] for row in rows] == ["done", "pruned"]
    assert raced["models"]["bdt"]["search"]["fits"] == 12 - rows[1]["folds"].count(None) < 12
    assert raced["fits"]["pruned"] == 1
    assert run(recipe, tmp_path / "raced")["computed"] is False


@pytest.mark.slow
def test_ties_of_a_race_are_scored_on_folds_drawn_again(tmp_path: Path) -> None:
    recipe = make_race(tmp_path, "max_depth: {any: [1, 2]}, n_estimators: {any: [19, 20]}")
    raced = run(recipe, tmp_path / "store")
    rows = table_of(tmp_path / "store", raced)
    repeated = [row for row in rows if row["repeated"] is not None]
    assert len(repeated) >= 2
    assert {row["repeated"]["folds"] for row in repeated} <= {12, 18}
    best = max(repeated, key=lambda row: row["repeated"]["mean"])
    assert raced["models"]["bdt"]["search"]["best"] == best["number"]
    again = [fact for fact in read_all_facts(tmp_path / "store") if fact.kind == "score"]
    parts = Counter(fact.payload["part"] for fact in again)
    assert set(parts) == {f"fold:{fold}" for fold in range(6)}
    scores = [fact.payload["metrics"]["roc_auc"] for fact in again]
    assert len(set(scores)) > 0.9 * len(scores)  # other folds, other scores
    assert run(recipe, tmp_path / "store")["computed"] is False


@pytest.mark.slow
def test_time_ends_proposals_and_the_next_run_goes_on(recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    late = run(recipe, store, *RANGES, "search={method: random, candidates: 400, time: 0.5s}")
    search = late["models"]["bdt"]["search"]
    assert 1 <= search["candidates"] < 400
    assert search["unfinished"] == 400 - search["candidates"]
    assert late["models"]["bdt"]["test"] is not None
    on = run(recipe, store, *RANGES, "search={method: random, candidates: 400, time: 1s}")
    assert on["run"] == late["run"]
    assert on["models"]["bdt"]["search"]["candidates"] > search["candidates"]


@pytest.mark.slow
def test_models_that_are_only_as_good_as_the_best_so_far_are_not_kept(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", make_events(300))
    entry = "{type: sklearn.naive_bayes.GaussianNB, params: {var_smoothing: {log: [1e-15, 1e-14], points: 160}}}"
    recipe = write(tmp_path / "recipe.yaml", HEAD + f"models: {{bayes: {entry}}}\nsearch: {{method: grid}}\n")
    result = run(recipe, tmp_path / "store")
    assert len({row["mean"] for row in table_of(tmp_path / "store", result, "bayes")}) == 1
    kept = list((tmp_path / "store" / "objects" / "models").glob("*/*/model.skops"))
    assert 1 <= len(kept) < 160 * N_FOLDS / 2


@pytest.mark.slow
def test_forbidden_combinations_are_no_candidates(recipe: Path, tmp_path: Path) -> None:
    result = run(recipe, tmp_path / "store", "search={method: grid, forbid: [max_depth == 3 and n_estimators > 2]}")
    values = [tuple(row["values"].values()) for row in table_of(tmp_path / "store", result)]
    assert values == [(1, 2), (1, 6), (1, 9), (3, 2)]


@pytest.mark.slow
def test_several_models_share_a_total(recipe: Path, tmp_path: Path) -> None:
    forest = "models.forest={type: sklearn.ensemble.RandomForestClassifier, params: {n_estimators: {any: [3, 5, 7]}}}"
    result = run(recipe, tmp_path / "store", forest, "search={method: grid, candidates: {total: 5}}")
    counts = {name: entry["search"]["candidates"] for name, entry in result["models"].items()}
    assert counts == {"bdt": 3, "forest": 2}
    assert result["models"]["forest"]["search"]["collapsed"] == N_FOLDS
    assert sum(entry["chosen"] for entry in result["models"].values()) == 1


@pytest.mark.slow
def test_ranges_of_preparation_steps(recipe: Path, tmp_path: Path) -> None:
    model = (
        "models={line: {type: sklearn.linear_model.LogisticRegression, "
        "prepare: [{impute: {any: [median, mean]}}, standardize], params: {C: {any: [0.01, 1.0]}}}}"
    )
    result = run(recipe, tmp_path / "store", model)
    rows = table_of(tmp_path / "store", result, "line")
    assert [tuple(row["values"].values()) for row in rows] == [
        (0.01, "median"),
        (0.01, "mean"),
        (1.0, "median"),
        (1.0, "mean"),
    ]


@pytest.mark.slow
def test_what_ties_were_told_by_is_not_collected(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        before = {key for kind, key, _ in store.objects.list_all() if kind == "predictions"}
        store.gc(now=time.time() + 30 * 24 * 3600)
        after = {key for kind, key, _ in store.objects.list_all() if kind == "predictions"}
    assert len(before) >= 6 * N_FOLDS
    assert after == before
    assert describe_plan(plan(recipe, tmp_path / "store"))["search"]["bdt"]["to_fit"] == 0


def test_optimism_ties_and_edges_are_told(done: tuple[Path, dict[str, Any]]) -> None:
    store, result = done
    search = result["models"]["bdt"]["search"]
    rows = {row["number"]: row for row in table_of(store, result)}
    assert search["tied"][0] == search["best"]
    assert all(rows[number]["tied"] for number in search["tied"])
    assert search["cheapest"] == min(search["tied"], key=lambda number: (rows[number]["seconds"], number))
    assert search["optimism"]["value"] >= 0
    assert search["optimism"]["corrected"] <= rows[search["best"]]["mean"]
    for edge in search["edges"]:
        assert edge["override"].startswith("models.bdt.params.")
