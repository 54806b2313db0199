"""Records of the tables: runs, scores. Data in, what is shown out."""

from __future__ import annotations

import pytest

from rapidml.dashboard.line_styles import make_styles
from rapidml.dashboard.numbers import age_text, number_text
from rapidml.dashboard.runs_table import COLUMNS, make_run_records
from rapidml.dashboard.score_table import TEST, make_score_columns, make_score_records
from rapidml.execution.overview import Progress
from tests.dashboard.shown import NOW, make_row, make_score_row, make_selected, score


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.992341, "0.9923"),
        (1.0, "1.000"),
        (0.0, "0"),
        (12.345, "12.35"),
        (47731.8, "47,730"),
        (0.0001234, "0.0001234"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "just now"), (59, "just now"), (60, "1 min ago"), (3599, "59 min ago"), (7200, "2 h ago")),
        *((86400, "1 day ago"), (5 * 86400, "5 days ago"), (31 * 86400, "1 month ago"), (200 * 86400, "6 months ago")),
    ],
)
def test_ages_are_words(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


def test_a_finished_run() -> None:
    (record,) = make_run_records([make_row("higgs", tags="paper good", note="the one")], NOW)
    cells = record["cells"]
    assert set(cells) == {column["key"] for column in COLUMNS}
    assert cells["run"] == {"text": "higgs", "small": "higgs-id", "title": "the one"}
    assert (cells["score"]["text"], cells["score"]["beside"]) == ("0.993", "[0.989, 0.997]")
    assert (cells["score"]["small"], cells["score"]["sort"]) == ("roc_auc", 0.9932)
    assert (cells["rows"]["text"], cells["seconds"]["text"], cells["age"]["text"]) == ("22,889", "12 s", "3 min ago")
    assert cells["tags"]["tags"] == ["paper", "good"]


def test_a_running_run_shows_how_far_it_is_and_the_best_so_far() -> None:
    progress = Progress("bdt, fold 1", 5, 20, NOW - 34, "logistic", score(0.9))
    row = make_row("higgs", state="running", seconds=None, score=None, chosen=None, fits=None, progress=progress)
    (record,) = make_run_records([row], NOW)
    state = record["cells"]["state"]
    assert (state["text"], state["bar"], state["small"]) == ("running", 0.25, "5 of 20 fits, 34 s, bdt, fold 1")
    assert record["cells"]["chosen"] == {"text": "logistic", "small": "best so far"}
    assert record["cells"]["score"]["small"] == "best so far"
    assert record["cells"]["score"]["sort"] is None


def test_a_run_that_reads_has_no_bar_yet() -> None:
    row = make_row("higgs", state="running", progress=Progress("reading", started=NOW - 2))
    (record,) = make_run_records([row], NOW)
    assert (record["cells"]["state"]["bar"], record["cells"]["state"]["small"]) == (None, "2.0 s, reading")


def test_a_failure_says_why_and_a_long_reason_is_cut() -> None:
    why = "bdt: " + "x" * 300
    (record,) = make_run_records([make_row("higgs", state="failed", message=why)], NOW)
    state = record["cells"]["state"]
    assert (state["tone"], state["title"]) == ("failed", why)
    assert len(state["small"]) <= 140


def test_the_store_is_named_where_there_are_several() -> None:
    rows = [make_row("a"), make_row("b", store="/other")]
    assert [record["cells"]["run"]["small"] for record in make_run_records(rows, NOW)] == [
        "a-id in /data/store",
        "b-id in /other",
    ]


def test_scores_stand_beside_each_other() -> None:
    selected = make_selected()
    columns = make_score_columns(selected)
    assert [column["label"] for column in columns] == [
        *("Model", "Run", "roc_auc", "Against the best", "log_loss (classes balanced)", "Fits took"),
        "Test score, chosen model only",
    ]
    records = make_score_records(selected, {("0:first", "bdt"): make_styles(1)[0]})
    assert [record["key"] for record in records] == ["0:first/bdt", "0:first/logistic", "0:first/dummy"]
    first = records[0]["cells"]
    assert (first["model"]["tags"], first["model"]["sample"]["color"]) == (["chosen"], "#0072b2")
    assert (first["against"], first["metric:roc_auc"]["text"]) == ("best", "0.990")
    assert (records[2]["look"], records[2]["cells"]["model"]["tags"]) == ("baseline", ["baseline"])


def test_the_test_score_is_of_the_chosen_model_and_never_sorts() -> None:
    selected = make_selected()
    (column,) = [column for column in make_score_columns(selected) if column["key"] == TEST]
    assert column["sort"] is False
    cells = [record["cells"][TEST] for record in make_score_records(selected, {})]
    assert (cells[0]["text"], cells[0]["small"]) == ("0.985", "roc_auc")
    assert cells[1:] == ["", ""]


def test_a_model_without_a_score_is_shown() -> None:
    rows = (make_score_row("first", "bdt", 0.9), make_score_row("first", "broken", 0.0, scores={}, against="no score"))
    record = make_score_records(make_selected(scores=rows), {})[1]
    assert (record["cells"]["metric:roc_auc"]["text"], record["cells"]["against"]) == ("", "no score")


def test_groups_are_divided_by_a_line() -> None:
    rows = (make_score_row("a", "bdt", 0.9), make_score_row("b", "bdt", 0.9, group=1))
    selected = make_selected(scores=rows, rank_by=("roc_auc", "log_loss"))
    assert [record["look"] for record in make_score_records(selected, {})] == ["", "group"]


def test_styles_differ_in_colour_and_dash() -> None:
    styles = make_styles(35)
    assert len(set(styles)) == 35
    assert len({style.color for style in styles[:5]}) == len({style.dash for style in styles[:5]}) == 5
