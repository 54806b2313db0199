"""What a terminal says of a search: its result, its candidates, what is tied with the best, its plan and progress."""

from __future__ import annotations

import io
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.events import Event
from rapidml.execution.candidate_table import CandidateTable
from rapidml.execution.planned import start_lines
from rapidml.live import _suggest_edit
from rapidml.progress import Display
from rapidml.search_text import (
    candidate_lines,
    find_values,
    one_candidate_lines,
    plan_line,
    progress_text,
    shorten_names,
    tied_lines,
    value_text,
    values_text,
)
from rapidml.terminal import result_lines, show_lines
from tests.execution.searched import BEST, DEPTH, RATE, make_content, make_row, make_search
from tests.test_terminal import entry, make_result, score

if TYPE_CHECKING:
    from collections.abc import Mapping

STOPPED = "1 of them stopped early"
UNLIKE = "1 failed; 1 stopped early; 1 unfinished; 1 known from other runs"
PARAMS = {"n_estimators": 50, "max_depth": 6, "learning_rate": 0.1}


def searched(**changes: Any) -> dict[str, Any]:
    """A result with a searched model and one that has no ranges."""
    bdt = entry(chosen=True, against_best="best", params=PARAMS, search=make_search(**changes))
    return make_result({"bdt": bdt, "forest": entry()})


def listed(**changes: Any) -> dict[str, Any]:
    return CandidateTable.from_json({**make_content()["models"]["bdt"], **changes}).to_json()


def of_bdt(lines: list[str]) -> list[str]:
    """The lines about the search of the model."""
    first = next(i for i, line in enumerate(lines) if line.startswith("bdt: "))
    last = next(i for i, line in enumerate(lines) if line.startswith("test rows"))
    return lines[first:last]


def test_a_result_tells_what_its_search_came_to() -> None:
    assert of_bdt(result_lines(searched())) == [
        f"bdt: best of 10 candidates, {STOPPED} (grid, roc_auc, greater is better): max_depth=6, learning_rate=0.1",
        "    being the best of 9 makes it look about 0.002 better than it is; without that luck: 0.898 [0.893, 0.903]",
        f"    27 fits trained in 81 s, 3 stored; candidates: {UNLIKE}",
        "    tied with 2 others; the cheapest is #2:  rapidml best 20261122-0719-k3f9 --within-noise",
        "    max_depth=6 is the highest of its range; one step further (12 to fit, 24 stored):",
        "      'models.bdt.params.max_depth={any: [4, 6, 8]}'",
    ]


def test_a_result_without_ranges_says_nothing_of_searches() -> None:
    lines = result_lines(make_result({"bdt": entry(chosen=True)}))
    assert not any("candidate" in line for line in lines)


@pytest.mark.parametrize("width", [70, 80, 130])
def test_a_searched_result_fits_and_what_is_to_be_copied_stays_whole(width: int) -> None:
    result = searched()
    for lines in (result_lines(result, width), show_lines(result, None, width)):
        assert max(map(len, lines)) <= width
        assert "      'models.bdt.params.max_depth={any: [4, 6, 8]}'" in lines
        assert any(line.endswith("rapidml best 20261122-0719-k3f9 --within-noise") for line in lines)


def test_an_edge_is_an_argument_of_a_shell() -> None:
    (line,) = [line for line in result_lines(searched()) if "models.bdt" in line]
    assert shlex.split(line) == [make_search()["edges"][0]["override"]]


def test_luck_that_is_smaller_than_the_digits_shown_is_said_to_be_small() -> None:
    optimism = {"value": 0.00003, "corrected": 0.9, "low": 0.895, "high": 0.905}
    lines = of_bdt(result_lines(searched(optimism=optimism)))
    assert "being the best of 9 makes it look less than 0.001 better than it is" in lines[1]
    assert not any("luck" in line for line in result_lines(searched(optimism=None)))
    assert not any("luck" in line for line in result_lines(searched(candidates=1)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tied": [BEST], "cheapest": BEST}, "    no other candidate is tied with it"),
        ({"tied": [BEST, 2], "cheapest": BEST}, "    tied with 1 other, and cheaper than they are:"),
        ({"tied": [BEST, 2], "cheapest": None}, "    tied with 1 other:"),
    ],
)
def test_how_many_are_tied(changes: dict[str, Any], text: str) -> None:
    assert any(line.startswith(text) for line in result_lines(searched(**changes)))


def test_a_search_without_any_score_is_said_to_have_none() -> None:
    changes: dict[str, Any] = {
        "best": None,
        "candidates": 0,
        "tied": [],
        "cheapest": None,
        "optimism": None,
        "edges": [],
    }
    assert of_bdt(result_lines(searched(**changes)))[0] == (
        "bdt: no candidate has a score yet (grid, roc_auc, greater is better)"
    )


def test_metrics_where_less_is_better_say_so() -> None:
    lines = of_bdt(result_lines(searched(metric="log_loss", greater_is_better=False)))
    assert "(grid, log_loss, lower is better)" in lines[0]
    table = listed(metric="log_loss", greater_is_better=False)
    lines = candidate_lines(table, "bdt", heading="out-of-fold log_loss")
    assert lines[0] == "12 candidates of bdt by out-of-fold log_loss (lower is better), grid"
    assert lines[2].split()[0] == "4"  # the lowest mean comes first


def test_candidates_are_a_table_best_first() -> None:
    lines = candidate_lines(listed(), "bdt", heading="out-of-fold roc_auc")
    assert lines == [
        "12 candidates of bdt by out-of-fold roc_auc (greater is better), grid",
        "   #  max_depth  learning_rate  score                 spread   cost  state",
        "   6          6            0.1  0.900 [0.895, 0.905]  0.012   3.0 s  best",
        "   2          4            0.1  0.892 [0.887, 0.897]  0.012   2.0 s  tied, cheapest, from 20261121-0719-aaaa",
        "  10          8            0.1  0.892 [0.886, 0.896]  0.012   4.0 s  tied",
        "   5          6           0.03  0.880                 0.012   3.0 s  done",
        "   7          6            0.3  0.880 [0.875, 0.885]  0.012   3.0 s  worse",
        "   1          4           0.03  0.872                 0.012   2.0 s  done",
        "   3          4            0.3  0.872                 0.012   2.0 s  done",
        "   9          8           0.03  0.872                 0.012   4.0 s  done",
        "   4          6           0.01  0.860                 0.012   3.0 s  done",
        "  11          8            0.3                                       1 of 3 folds",
        "   8          8           0.01                                4.0 s  stopped after 4 rounds of 1 fold",
        "   0          4           0.01                                2.0 s  failed",
        "  #0 failed: ModelError: no good",
    ]


@pytest.mark.parametrize("width", [60, 72, 100])
def test_a_table_of_candidates_fits(width: int) -> None:
    lines = candidate_lines(listed(), "bdt", heading="out-of-fold roc_auc (classes balanced)", width=width)
    assert max(map(len, lines)) <= width
    assert any("0.900 [0.895, 0.905]" in line for line in lines)


def test_more_than_20_candidates_are_shown_on_request() -> None:
    rows = [{**make_row(number % 12), "number": number} for number in range(30)]
    table = listed(rows=rows)
    lines = candidate_lines(table, "bdt", heading="roc_auc")
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "  the first 20 are shown; --all shows all"
    assert len(candidate_lines(table, "bdt", heading="roc_auc", every=True)) == 2 + 30


def test_failures_in_the_same_words_are_one_line() -> None:
    rows = [make_row(number, state="failed", mean=None, std=None, error="ModelError: no\ngood") for number in range(5)]
    lines = candidate_lines(listed(rows=rows), "bdt", heading="roc_auc")
    assert lines[-1] == "  #0, #1, #2 and 2 more failed: ModelError: no good"


def test_everything_about_one_candidate() -> None:
    row = {**listed()["rows"][1], "folds": [0.88, None, 0.9]}
    assert one_candidate_lines(row, "run/bdt#2", "out-of-fold roc_auc") == [
        "run/bdt#2  done",
        "  max_depth=4, learning_rate=0.1",
        "  out-of-fold roc_auc 0.892 [0.887, 0.897]",
        "  fold  score",
        "  0     0.880",
        "  1     none",
        "  2     0.900",
        "  its fits took 2.0 s",
        "  from run 20261121-0719-aaaa",
    ]
    failed = one_candidate_lines(listed()["rows"][-1], "run/bdt#0", "roc_auc")
    assert failed[-1] == "  failed: ModelError: no good"


def member(number: int | None, model: str = "bdt", run: str = "one", **changes: Any) -> dict[str, Any]:
    plain = {"run": run, "model": model, "candidate": number, "seconds": 2.0, "best": False, "cheapest": False}
    values = {} if number is None else {DEPTH: number, RATE: 0.1}
    return {**plain, **score(0.9), "values": values, **changes}


def test_what_is_tied_with_the_best() -> None:
    lines = tied_lines([member(6, best=True), member(4, cheapest=True), member(None, "forest")], "roc_auc")
    assert lines == [
        "3 are tied, the best first: these rows cannot tell them apart",
        "                  #  values                          roc_auc                cost",
        "  bdt (best)      6  max_depth=6, learning_rate=0.1  0.900 [0.898, 0.902]  2.0 s",
        "  bdt (cheapest)  4  max_depth=4, learning_rate=0.1  0.900 [0.898, 0.902]  2.0 s",
        "  forest                                             0.900 [0.898, 0.902]  2.0 s",
    ]
    assert "every other is worse" in tied_lines([member(6, best=True)], "roc_auc")[0]


def test_columns_of_what_is_tied_are_those_that_hold_something() -> None:
    lines = tied_lines([member(None, best=True), member(None, run="two")], "roc_auc")
    assert lines[1].split() == ["run", "roc_auc", "cost"]
    assert max(map(len, tied_lines([member(6), member(4)], "roc_auc", 60))) <= 60


def test_short_names_are_short_only_where_they_are_clear() -> None:
    names = ["params.max_depth", "prepare.0.pca.n_components", "prepare.1.impute", "params.estimator.C"]
    assert list(shorten_names(names).values()) == ["max_depth", "pca.n_components", "impute", "estimator.C"]
    network = ["layers.1.Dense.units", "layers.2.Dropout", "trainer.adag.window", "params.optimizer.sgd.momentum"]
    short = ["Dense.units", "Dropout", "adag.window", "optimizer.sgd.momentum"]
    assert list(shorten_names(network).values()) == short
    twice = ["prepare.0.impute", "prepare.1.impute", "params.alpha"]
    assert list(shorten_names(twice).values()) == ["prepare.0.impute", "prepare.1.impute", "alpha"]


def test_values_are_written_as_a_recipe_writes_them() -> None:
    values = [0.1, 1e-05, 3, True, None, "gini", [64, 32]]
    assert [value_text(value) for value in values] == ["0.1", "1e-05", "3", "true", "null", "gini", "[64, 32]"]
    assert value_text(0.0316227766017, 4) == "0.03162"
    assert values_text({DEPTH: 6, "prepare.0.pca.n_components": 5}) == "max_depth=6, pca.n_components=5"


def test_values_of_the_chosen_are_found_in_the_result() -> None:
    assert find_values({"params": PARAMS, "search": make_search()}) == {DEPTH: 6, RATE: 0.1}
    values = {"prepare.0.pca.n_components": 5}
    assert find_values({"params": PARAMS, "search": make_search(values=values)}) == values


PLANNED = {"method": "grid", "candidates": 18, "stored": 12, "to_fit": 12, "stored_fits": 36, "collapsed": 6}
KNOWN = {**PLANNED, "unknown": False, "seconds_left": None}


OF_54 = "18 candidates x 3 folds"
THEN = ", then 4 for the chosen one"
GUIDED = {"method": "tpe", "unknown": True, "seconds_left": 700.0}
PROPOSED = "tpe proposes them while it runs; new ones for 11 min 40 s more"


@pytest.mark.parametrize(
    ("changes", "then", "text"),
    [
        ({}, 4, f"12 to fit of 54 ({OF_54}; 36 stored; 6 saved by collapsed rounds){THEN}"),
        ({"to_fit": 0, "stored_fits": 54, "collapsed": 0}, 0, f"54 stored ({OF_54})"),
        ({"stored_fits": 0, "collapsed": 0, "to_fit": 54}, 4, f"54 to fit of 54 ({OF_54}){THEN}"),
        (GUIDED, 4, f"at most 12 to fit of 54 ({OF_54}; 36 stored; 6 saved by collapsed rounds; {PROPOSED}){THEN}"),
    ],
)
def test_a_plan_says_what_a_search_would_fit(changes: dict[str, Any], then: int, text: str) -> None:
    assert plan_line({**KNOWN, **changes}, folds=3, then=then) == text


def planned(models: Mapping[str, Any], to_train: int, stored: int) -> dict[str, Any]:
    plan = {
        "description": "569 rows",
        "folds": 3,
        "models": models,
        "reasons": [],
        "notes": [],
        "estimate": "about 5 s",
    }
    return {**plan, "fits": {"to_train": to_train, "stored": stored, "collapsed": 0}, "search": {"bdt": KNOWN}}


def test_a_run_begins_with_what_it_will_search() -> None:
    line = "bdt  12 to fit of 54 (18 candidates x 3 folds; 36 stored; 6 saved by collapsed rounds), "
    assert start_lines("higgs", planned({}, 0, 0))[1:] == [f"{line}then 4 for the chosen one"]
    lines = start_lines("higgs", planned({"forest": {"to_train": 4, "stored": 0}}, 4, 0))
    assert lines[1:] == [f"{line}then 4 for the chosen one", "4 fits (1 model x (3 folds + 1)), 0 stored, about 5 s"]


PROGRESS = {"done": 12, "total": 54, "running": 2, "failed": 1, "pruned": 0, "best": score(0.871), "left": 20.0}


def test_progress_of_a_search_is_a_line() -> None:
    data = {**PROGRESS, "values": {DEPTH: 6, RATE: 0.1}}
    assert progress_text("bdt", data) == (
        "bdt  12 of 54 candidates, 2 running, 1 failed, about 20 s left, "
        "best 0.871 [0.869, 0.873] with max_depth=6, learning_rate=0.1"
    )
    first = {
        "done": 0,
        "total": None,
        "running": 2,
        "failed": 0,
        "pruned": 0,
        "best": None,
        "values": None,
        "left": None,
    }
    assert progress_text("bdt", first) == "bdt  0 candidates, 2 running"


def test_a_display_has_a_line_for_each_search(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display("higgs", "higgs.csv", quiet=False)
    for name, done in (("bdt", 3), ("forest", 1), ("bdt", 4)):
        display.watch(Event("progress", step="search", name=name, data={**PROGRESS, "done": done}))
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    lines = str(display._text()).splitlines()
    assert [line.split(",")[0] for line in lines[:2]] == ["bdt  4 of 54 candidates", "forest  1 of 54 candidates"]
    assert max(map(len, lines)) <= 60


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_hint_goes_on_where_the_best_stands_at_the_end_of_its_range() -> None:
    assert _suggest_edit(searched()) == "models.bdt.params.max_depth={any: [4, 6, 8]}"
    result = searched(edges=[])
    assert _suggest_edit(result) == "models.forest.params.max_depth=3"
    del result["models"]["forest"]
    assert _suggest_edit(result) is None
