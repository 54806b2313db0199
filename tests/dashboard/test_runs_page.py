"""The page of runs without a browser: what it asks its source for, and what it then shows."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import StoreError
from rapidml.execution.listing import FilterError
from tests.dashboard.shown import make_row, make_selected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.overview import RunRow
    from rapidml.execution.selected import Selected


class Told:
    """A source that says what it was told."""

    def __init__(self) -> None:
        self.rows = [make_row("second"), make_row("first")]
        self.selected = make_selected()
        self.loaded: list[list[str]] = []
        self.marked: list[Any] = []
        self.threads: set[int] = set()
        self.inside = 0

    def look(self, filter_text: str | None = None) -> list[RunRow]:
        self.threads.add(threading.get_ident())
        self.inside += 1
        assert self.inside == 1, "two looks at a time"
        self.inside -= 1
        if filter_text == "wrong":
            raise FilterError("runs have no field <wrong>")
        return self.rows

    def load(self, keys: Sequence[str]) -> Selected:
        self.loaded.append(list(keys))
        return self.selected

    def mark(self, key: str, tags: Sequence[str], note: str) -> None:
        if note == "refuse":
            raise StoreError("it is read-only")
        self.marked.append((key, list(tags), note))


@pytest.fixture
def source() -> Told:
    return Told()


def make_page(source: Told, *, read_only: bool = False) -> Any:
    from rapidml.dashboard.runs_page import RunsPage

    start = "rapidml run --example quickstart"
    page = RunsPage(source, "/data/<store>", start, lambda _: None, read_only=read_only)
    page.fill()
    return page


def tick(page: Any) -> None:
    asyncio.run(page.tick())


def test_the_newest_run_with_scores_is_chosen_until_the_user_chooses(source: Told) -> None:
    source.rows = [make_row("third", score=None, state="running"), *source.rows]
    page = make_page(source)
    assert page.table.selected == ["0:second-id"]
    source.rows = [make_row("third"), *source.rows[1:]]
    tick(page)
    assert page.table.selected == ["0:third-id"]
    page.table.selected = ["0:first-id", "0:second-id"]
    source.rows = [make_row("fourth"), *source.rows]
    tick(page)
    assert page.table.selected == ["0:first-id", "0:second-id"]
    assert source.loaded[-1] == ["0:first-id", "0:second-id"]


def test_scores_are_loaded_only_when_something_changed(source: Told) -> None:
    page = make_page(source)
    for _ in range(3):
        tick(page)
    assert len(source.loaded) == 1
    source.rows = [replace(source.rows[0], state="failed"), source.rows[1]]
    tick(page)
    assert len(source.loaded) == 2


def test_it_looks_in_a_thread_and_never_twice_at_a_time(source: Told) -> None:
    page = make_page(source)
    source.threads.clear()

    async def both() -> None:
        await asyncio.gather(page.tick(), page.tick(), page.tick())

    asyncio.run(both())
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


def test_scores_and_curves_are_shown(source: Told) -> None:
    page = make_page(source)
    shown = page.selected
    assert [record["key"] for record in shown.scores.records] == ["0:first/bdt", "0:first/logistic", "0:first/dummy"]
    assert [record["cells"]["line"]["text"] for record in shown.legend.records] == ["first / bdt", "first / logistic"]
    samples = [record["cells"]["model"].get("sample") for record in shown.scores.records]
    assert samples[:2] == [record["cells"]["line"]["sample"] for record in shown.legend.records]
    assert shown.curves.visible
    before = shown.plot.object
    shown.set_dark(dark=True)
    assert shown.plot.object is not before


def test_regression_gets_a_sentence(source: Told) -> None:
    source.selected = make_selected(curves=(), task_kinds=("regression",))
    shown = make_page(source).selected
    assert not shown.curves.visible
    assert "no ROC curves for regression" in shown.no_curves.object


def test_a_wrong_filter_is_answered_and_the_rows_stay(source: Told) -> None:
    page = make_page(source)
    page.filter.value = "wrong"
    tick(page)
    assert page.problem.visible
    assert "no field &lt;wrong&gt;" in page.problem.object
    assert len(page.table.records) == 2
    page.filter.value = " "
    tick(page)
    assert not page.problem.visible


def test_notes_and_the_place_are_text(source: Told) -> None:
    source.selected = make_selected(notes=("run <b>x</b> is damaged",))
    page = make_page(source)
    assert "&lt;b&gt;x&lt;/b&gt;" in page.selected.notes.object
    assert "/data/&lt;store&gt;" in page.page.header[0].object


def test_an_empty_store_says_how_to_start(source: Told) -> None:
    source.rows = []
    page = make_page(source)
    assert page.table.command == "rapidml run --example quickstart"
    assert not page.selected.view.visible
    source.rows = [make_row("first")]
    tick(page)
    assert page.selected.view.visible


def test_tags_are_for_one_run(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["0:first-id"]
    tick(page)
    assert page.marks.view.visible
    page.marks.tags.value, page.marks.note.value = "paper  good", " the one "
    page.marks.button.clicks += 1
    assert source.marked == [("0:first-id", ["paper", "good"], "the one")]
    page.marks.note.value = "refuse"
    page.marks.button.clicks += 1
    assert "it is read-only" in page.marks.answer.object
    page.table.selected = ["0:first-id", "0:second-id"]
    tick(page)
    assert not page.marks.view.visible


def test_what_is_being_written_is_not_overwritten(source: Told) -> None:
    page = make_page(source)
    page.marks.tags.value = "half a wo"
    tick(page)
    assert page.marks.tags.value == "half a wo"


def test_what_is_written_before_the_next_look_is_for_the_run_chosen_last(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["0:first-id"]
    page.marks.tags.value = "paper"
    tick(page)
    assert page.marks.tags.value == "paper"
    page.table.selected = ["0:second-id"]
    assert page.marks.tags.value == source.rows[0].tags
    page.marks.button.clicks += 1
    assert [key for key, _, _ in source.marked] == ["0:second-id"]


def test_read_only_means_no_tags(source: Told) -> None:
    page = make_page(source, read_only=True)
    assert page.marks.tags.disabled
    assert page.marks.note.disabled
    assert page.marks.button.disabled
