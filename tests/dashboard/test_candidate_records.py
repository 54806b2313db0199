"""Candidates as records of a table, as columns of plots, and where their values stand on axes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rapidml.dashboard.candidate_records import (
    MOST_LISTED,
    list_scored,
    make_best_line,
    make_candidate_columns,
    make_candidate_records,
    make_cells,
    make_line_data,
    make_source_data,
)
from rapidml.dashboard.search_axes import RangeAxis, make_axes
from rapidml.execution.candidate_table import CandidateTable
from tests.execution.searched import DEPTH, RATE, make_content, make_row


def make_table(*rows: dict[str, Any], **changes: Any) -> CandidateTable:
    return CandidateTable.from_json(make_content(rows or None, **changes)["models"]["bdt"])


def test_the_table_lists_candidates_best_first() -> None:
    records = make_candidate_records(make_table(), [])
    assert [record["key"] for record in records] == ["6", "2", "10", "5", "7", "1", "3", "9", "4", "11", "8", "0"]
    cells = {record["key"]: record["cells"] for record in records}
    assert cells["6"]["number"] == {"text": "#6", "tags": ["best"], "sort": 6}
    assert cells["2"]["number"]["tags"] == ["cheapest of the tied"]
    assert cells["2"]["state"]["small"] == "from 20261121-0719-aaaa"
    assert cells["6"]["score"]["beside"] == "[0.895, 0.905]"
    assert [cells[key]["state"]["text"] for key in ("6", "2", "7", "5")] == [
        "done",
        "tied with the best",
        "worse",
        "done",
    ]
    assert [cells[key]["state"]["text"] for key in ("11", "8", "0")] == [
        "1 of 3 folds",
        "stopped after 4 rounds of 1 fold",
        "failed",
    ]
    assert [cells[key]["state"]["tone"] for key in ("11", "8", "0")] == ["running", "interrupted", "failed"]
    assert cells["0"]["state"]["title"] == "ModelError: no good"
    assert cells["5"][f"range:{RATE}"] == {"text": "0.03", "sort": 0.03}


def test_every_cell_has_its_column() -> None:
    table = make_table()
    keys = [entry["key"] for entry in make_candidate_columns(table, "out-of-fold roc_auc")]
    assert all(set(record["cells"]) == set(keys) for record in make_candidate_records(table, []))
    labels = [entry["label"] for entry in make_candidate_columns(table, "out-of-fold roc_auc")]
    assert labels[:4] == ["Candidate", "max_depth", "learning_rate", "out-of-fold roc_auc"]


def test_a_long_table_lists_the_best_and_what_is_chosen() -> None:
    rows = [{**make_row(number % 12, mean=0.9 - 0.001 * number), "number": number} for number in range(300)]
    table = make_table(*rows)
    assert len(make_candidate_records(table, [])) == MOST_LISTED
    records = make_candidate_records(table, [5, 250])
    assert [record["key"] for record in records[-2:]] == ["99", "250"]
    assert [record["key"] for record in make_candidate_records(table, [5, 250], only_chosen=True)] == ["5", "250"]


def test_plots_show_what_has_a_score_the_best_on_top() -> None:
    table = make_table()
    assert [row.number for row in list_scored(table)] == [4, 9, 3, 1, 7, 5, 10, 2, 6]
    assert [row.number for row in list_scored(table, 0.3)] == [10, 2, 6]
    assert [row.number for row in list_scored(make_table(make_row(0)), 0.1)] == [0]


def test_the_best_so_far_is_a_stair() -> None:
    rows = [make_row(number, mean=mean) for number, mean in enumerate([0.5, 0.4, 0.7, 0.6])]
    assert make_best_line(make_table(*rows)) == {"number": [0, 1, 2, 3], "best": [0.5, 0.5, 0.7, 0.7]}
    falling = make_best_line(make_table(*rows, greater_is_better=False))
    assert falling["best"] == [0.5, 0.4, 0.4, 0.4]
    assert make_best_line(make_table(make_row(0, mean=None))) == {"number": [], "best": []}


def test_all_columns_of_the_plots_are_of_one_length() -> None:
    table = make_table()
    axes = make_axes(table)
    data = make_source_data(list_scored(table), axes)
    assert {len(column) for column in data.values()} == {9}
    assert data["score_share"][0] == 0
    assert data["score_share"][-1] == 1
    lines = make_line_data(data, len(axes), 4)
    assert {tuple(xs) for xs in lines["xs"]} == {(0, 1, 2)}
    assert lines["number"] == [5, 10, 2, 6]
    assert lines["ys"][-1] == [data["share0"][-1], data["share1"][-1], 1]
    assert {len(column) for column in make_source_data([], axes).values()} == {0}


def test_candidates_of_one_choice_stand_beside_each_other() -> None:
    axis = RangeAxis("a", "a", choices=(4, 6, 8))
    places = [axis.scatter(6, number, 0) for number in range(50)]
    assert all(abs(place - 1) <= 0.25 for place in places)
    assert len({round(place, 6) for place in places}) > 40
    assert places == [axis.scatter(6, number, 0) for number in range(50)]


def test_choices_stand_in_the_order_of_the_recipe() -> None:
    axis = RangeAxis("a", "a", choices=(6, "auto", None, True, 1))
    assert [axis.place(value) for value in (6, "auto", None, True, 1)] == [0, 1, 2, 3, 4]
    assert [axis.share(value) for value in (6, None, 1)] == [0, 0.5, 1]
    assert math.isnan(axis.place("absent"))
    assert [text for _, text in axis.list_ticks()] == ["6", "auto", "null", "true", "1"]
    assert RangeAxis("a", "a", choices=(3,)).share(3) == 0.5


def test_numbers_stand_where_they_or_their_logarithms_are() -> None:
    linear = RangeAxis("a", "a", low=0.0, high=4.0)
    assert (linear.share(1), linear.scatter(1, 17, 0)) == (0.25, 1)
    axis = RangeAxis("a", "a", low=-3.0, high=1.0, is_log=True)
    assert axis.share(0.1) == pytest.approx(0.5)
    assert axis.list_ticks() == [(-3.0, "0.001"), (-2.0, "0.01"), (-1.0, "0.1"), (0.0, "1"), (1.0, "10")]
    assert math.isnan(axis.place(0))
    assert math.isnan(axis.place("x"))


@pytest.mark.parametrize(
    ("bounds", "texts"),
    [
        ((0.02, 0.3), ["0.02", "0.05", "0.1", "0.2"]),
        ((0.3, 0.4), ["0.3", "0.4"]),
        ((1, 1000), ["1", "10", "100", "1e+03"]),
    ],
)
def test_logarithmic_axes_have_round_ticks(bounds: tuple[float, float], texts: list[str]) -> None:
    low, high = map(math.log10, bounds)
    assert [text for _, text in RangeAxis("a", "a", low=low, high=high, is_log=True).list_ticks()] == texts


def test_axes_are_those_of_the_ranges() -> None:
    first, second = make_axes(make_table())
    assert (first.name, first.label, first.choices) == (DEPTH, "max_depth", (4, 6, 8))
    assert (second.label, second.is_log) == ("learning_rate", True)
    assert [10**second.low, 10**second.high] == pytest.approx([0.01, 0.3])
    other = make_row(0, values={DEPTH: 12, RATE: 0.1})
    assert make_axes(make_table(make_row(1), other))[0].choices == (4, 6, 8, 12)


def test_a_cell_holds_the_best_of_its_candidates() -> None:
    depth, rate = make_axes(make_table())
    rows = [make_row(0, mean=0.5), make_row(1, mean=0.7), make_row(4, mean=0.6)]
    cells = make_cells(list_scored(make_table(*rows)), depth, rate, greater_is_better=True)
    assert sorted(zip(cells["left"], cells["score"], strict=True)) == [(-0.5, 0.5), (-0.5, 0.7), (0.5, 0.6)]
    both = make_cells(list_scored(make_table(*rows)), depth, depth, greater_is_better=False)
    assert sorted(zip(both["score"], both["count"], both["numbers"], strict=True)) == [(0.5, 2, [0, 1]), (0.6, 1, [4])]
    assert all(left < right for left, right in zip(cells["bottom"], cells["top"], strict=True))


def test_every_number_falls_in_one_cell() -> None:
    axis = RangeAxis("a", "a", low=0.0, high=1.0)
    for value in (0.0, 0.05, 0.1, 0.55, 0.999, 1.0):
        low, high = axis.find_cell(value)
        assert low <= value <= high
        assert high - low == pytest.approx(0.1)
    assert axis.find_cell(None)[0] == 0.0
