"""The page of a search without a browser: what it shows, and how a choice in one place is one everywhere."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from rapidml.errors import StoreError
from rapidml.execution.candidate_table import CandidateTable
from rapidml.execution.search_state import SearchState
from tests.execution.searched import DEPTH, RATE, make_content, make_row, make_rows, make_search
from tests.test_terminal import entry, make_result


def make_state(content: dict[str, Any] | None = None, **changes: Any) -> SearchState:
    models = (make_content() if content is None else content)["models"]
    tables = {name: CandidateTable.from_json(table) for name, table in models.items()}
    known: dict[str, Any] = {"run": "20261122-0719-k3f9", "name": "higgs", "state": "running", "tables": tables}
    return SearchState(**{**known, **changes})


class Told:
    """A source that says what it was told."""

    def __init__(self) -> None:
        self.state = make_state()
        self.error: StoreError | None = None
        self.threads: set[int] = set()

    def look(self) -> SearchState:
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        return self.state


@pytest.fixture
def source() -> Told:
    return Told()


def make_page(source: Told, model: str | None = None) -> Any:
    from rapidml.dashboard.search_page import SearchPage

    page = SearchPage(source, model, lambda name: f"search?model={name}")
    page.fill()
    return page


def tick(page: Any) -> None:
    asyncio.run(page.tick())


def test_candidates_are_listed_and_drawn(source: Told) -> None:
    page = make_page(source)
    assert [record["key"] for record in page.table.records][:3] == ["6", "2", "10"]
    assert "12 candidates, 9 done, 1 running, 1 stopped early, 1 failed" in page.status.object
    assert page.plots_view.visible
    assert len(page.plots.slices) == 2
    assert page.plots.heat_map is not None
    assert page.plots.source.data["number"][-1] == 6


def test_a_choice_in_the_table_is_one_in_the_plots(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["6", "2"]
    assert page.plots.chosen == [2, 6]
    lines = page.plots.line_source
    assert sorted(lines.data["number"][i] for i in lines.selected.indices) == [2, 6]
    assert "2 candidates chosen" in page.listed.object


def test_a_choice_in_a_plot_is_one_in_the_table(source: Told) -> None:
    page = make_page(source)
    numbers = page.plots.source.data["number"]
    page.plots.source.selected.indices = [numbers.index(10), numbers.index(5)]
    assert page.table.selected == ["5", "10"]
    lines = page.plots.line_source
    lines.selected.indices = [lines.data["number"].index(4)]
    assert page.table.selected == ["4"]
    assert page.plots.chosen == [4]
    page.plots.source.selected.indices = []
    assert page.table.selected == []


def test_a_cell_of_the_heat_map_chooses_its_candidates(source: Told) -> None:
    page = make_page(source)
    page.up.value = DEPTH
    page.plots.cells.selected.indices = [page.plots.cells.data["numbers"].index([1, 2, 3])]
    assert page.table.selected == ["1", "2", "3"]


def test_the_heat_map_takes_the_ranges_that_are_asked_for(source: Told) -> None:
    page = make_page(source)
    assert (page.across.value, page.up.value) == (DEPTH, RATE)
    before = page.drawn.object
    page.across.value, page.up.value = RATE, DEPTH
    plot = page.plots.heat_map
    assert (plot.xaxis[0].axis_label, plot.yaxis[0].axis_label) == ("learning_rate", "max_depth")
    assert list(plot.yaxis[0].major_label_overrides.values()) == ["4", "6", "8"]
    assert page.drawn.object is before


def test_new_scores_move_the_data_and_keep_the_choice(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["2"]
    before = page.drawn.object
    rows = [row if row["number"] != 11 else make_row(11, mean=0.95) for row in make_rows()]
    source.state = make_state(make_content(rows))
    tick(page)
    assert page.drawn.object is before
    assert page.plots.source.data["number"][-1] == 11
    assert page.plots.chosen == [2]
    assert page.table.selected == ["2"]
    assert page.table.records[0]["key"] == "11"


def test_the_best_part_alone_can_be_drawn(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["4", "6"]
    page.share.value = 0.1
    assert page.plots.source.data["number"] == [6]
    assert page.table.selected == ["4", "6"]
    page.share.value = 1.0
    assert page.plots.chosen == [4, 6]


def test_only_the_chosen_can_be_listed(source: Told) -> None:
    page = make_page(source)
    page.table.selected = ["4", "6"]
    page.only_chosen.value = True
    assert [record["key"] for record in page.table.records] == ["6", "4"]
    assert not page.none.disabled
    page.none.clicks += 1
    assert page.table.selected == []
    assert len(page.table.records) == 12
    assert page.none.disabled


def test_a_search_that_begins_while_the_page_is_open_appears(source: Told) -> None:
    begun = source.state
    source.state = make_state({"models": {}})
    page = make_page(source)
    assert "has not begun" in page.status.object
    assert not page.plots_view.visible
    source.state = begun
    tick(page)
    assert page.plots_view.visible
    source.state = make_state({"models": {}}, state="finished")
    assert "searched nothing" in make_page(source).status.object


def test_a_failed_look_keeps_what_was_there(source: Told) -> None:
    page = make_page(source)
    source.error = StoreError("the <disk> is gone")
    tick(page)
    assert "the &lt;disk&gt; is gone" in page.problem.object
    assert len(page.table.records) == 12
    source.error = None
    tick(page)
    assert not page.problem.visible
    assert threading.get_ident() in source.threads  # the first look alone
    assert len(source.threads) > 1


def test_the_model_is_that_of_the_address_and_others_are_links(source: Told) -> None:
    models = {name: make_content(model=name)["models"][name] for name in ("bdt", "<forest>")}
    source.state = make_state({"models": models})
    page = make_page(source, "<forest>")
    assert page.model == "<forest>"
    assert '<a href="search?model=bdt">bdt</a>' in page.models.object
    assert '<b aria-current="page">&lt;forest&gt;</b>' in page.models.object
    assert make_page(source, "absent").model == "bdt"


def test_one_range_has_no_heat_map(source: Told) -> None:
    ranges = make_content()["models"]["bdt"]["ranges"][:1]
    rows = [make_row(number, values={DEPTH: depth}) for number, depth in enumerate((4, 6, 8))]
    source.state = make_state(make_content(rows, ranges=ranges))
    page = make_page(source)
    assert page.plots.heat_map is None
    assert not page.pair.visible
    assert page.plots_view.visible


def test_values_that_no_axis_has_are_drawn_anew(source: Told) -> None:
    page = make_page(source)
    before = page.drawn.object
    deeper = {**make_row(6, values={DEPTH: 12, RATE: 0.1}), "number": 12}
    source.state = make_state(make_content([*make_rows(), deeper]))
    tick(page)
    assert page.drawn.object is not before
    assert page.plots.axes[0].choices == (4, 6, 8, 12)


def test_the_result_is_told_with_its_commands(source: Told) -> None:
    result = make_result({"bdt": entry(chosen=True, search=make_search())})
    source.state = make_state(result=result, state="finished")
    page = make_page(source)
    assert page.told.visible
    assert "being the best of 9 makes it look about 0.002 better" in page.told.object
    assert "<code>&#x27;models.bdt.params.max_depth={any: [4, 6, 8]}&#x27;</code>" in page.told.object
    assert page.table.columns[3]["label"] == "out-of-fold roc_auc"


def test_a_dark_page_changes_colours_in_place(source: Told) -> None:
    page = make_page(source)
    plot, palette = page.plots.history, page.plots.mapper.palette
    before = plot.xaxis[0].axis_label_text_color
    page._set_dark(dark=True)
    assert page.plots.history is plot
    assert plot.xaxis[0].axis_label_text_color != before
    assert page.plots.mapper.palette != palette
    page._set_dark(dark=False)
    assert (plot.xaxis[0].axis_label_text_color, page.plots.mapper.palette) == (before, palette)


def test_the_best_has_the_colour_that_stands_out_in_either_direction(source: Told) -> None:
    rising = make_page(source).plots.mapper.palette
    source.state = make_state(make_content(greater_is_better=False))
    assert make_page(source).plots.mapper.palette == rising[::-1]
