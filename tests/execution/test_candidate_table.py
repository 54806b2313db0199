"""The table of candidates that a run keeps: read whole or not at all, ordered, and what is tied with the best."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import StoreError
from rapidml.execution.candidate_table import CandidateTable, read_candidates
from tests.execution.searched import BEST, make_content, make_row

if TYPE_CHECKING:
    from pathlib import Path


def make_table(*rows: dict[str, Any], **changes: Any) -> CandidateTable:
    return CandidateTable.from_json(make_content(rows or None, **changes)["models"]["bdt"])


def numbers(table: CandidateTable) -> list[int]:
    return [row.number for row in table.rows]


def test_the_best_comes_first_and_what_has_no_score_last() -> None:
    table = make_table()
    assert numbers(table) == [6, 2, 10, 5, 7, 1, 3, 9, 4, 11, 8, 0]
    assert table.best is table.find(BEST)
    assert [table.count(state) for state in ("done", "running", "pruned", "failed")] == [9, 1, 1, 1]
    assert table.find(99) is None


def test_where_less_is_better_the_lowest_comes_first() -> None:
    assert numbers(make_table(greater_is_better=False))[:3] == [4, 1, 3]


def test_equal_scores_are_ordered_by_number() -> None:
    rows = [make_row(number, mean=0.5) for number in (7, 3, 5)]
    assert numbers(make_table(*rows)) == [3, 5, 7]
    assert numbers(make_table(*rows, greater_is_better=False)) == [3, 5, 7]


def test_a_stopped_candidate_is_never_the_best() -> None:
    table = make_table(make_row(0, state="pruned", mean=0.99), make_row(1, mean=0.5))
    assert table.best is not None
    assert table.best.number == 1
    assert make_table(make_row(0, state="pruned", mean=0.99)).best is None
    assert make_table(make_row(0, mean=float("nan"))).best is None


def test_the_cheapest_is_one_of_the_tied() -> None:
    table = make_table()
    assert [row.number for row in table.tied] == [6, 2, 10]
    assert table.cheapest is table.find(2)
    assert make_table(make_row(0), make_row(1)).tied == ()
    assert make_table(make_row(0, tied=False), make_row(1, tied=True)).cheapest is None


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "candidates.json"
    assert read_candidates(path) == {}
    path.write_text(json.dumps(make_content()))
    table = read_candidates(path)["bdt"]
    assert table == make_table()
    listed = table.to_json()
    assert (listed["best"], listed["cheapest"]) == (6, 2)
    assert sorted(listed["rows"], key=lambda row: row["number"]) == make_content()["models"]["bdt"]["rows"]
    assert CandidateTable.from_json(listed) == table


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"models": {"bdt": {"rows": 3}}}', '{"models": {"bdt": []}}'])
def test_damage_is_told_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "candidates.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"candidates\.json is damaged; running the recipe again writes it anew"):
        read_candidates(path)
