"""The page of a search in Chromium, over a real search: its plots, brushing, and a search that works meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.browser.test_dashboard_in_browser import picture
from tests.dashboard.started import Dashboard, clean_environment
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

RECIPE = """
name: {name}
dataset: {{path: events.csv, target: label, weight: w, positive: s, features: [pt, eta, mass]}}
split: {{test: 0.25, folds: 3}}
models:
  bdt:
    type: xgboost
    params:
      n_estimators: {rounds}
      max_depth: {{any: [1, 2, 3]}}
      learning_rate: {{log: [0.02, 0.5], points: 4}}
  bayes: {{type: sklearn.naive_bayes.GaussianNB, params: {{var_smoothing: {{any: [1.0e-9, 0.1, 1.0]}}}}}}
search: {{method: grid}}
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a store with a searched run."""
    folder = tmp_path_factory.mktemp("searched")
    write_csv(folder / "events.csv", make_events(400))
    recipe = write(folder / "grid.yaml", RECIPE.format(name="grid", rounds="{any: [3, 6, 12]}"))
    run(recipe, folder / "rapidml-store")
    return folder


@pytest.fixture
def started(searched: Path) -> Iterator[Dashboard]:
    dashboard = Dashboard(searched)
    yield dashboard
    assert dashboard.close() == 0


@pytest.fixture
def watched(browser: Any, started: Dashboard) -> Iterator[Watched]:
    seen = Watched(browser, started)
    seen.page.set_viewport_size({"width": 1400, "height": 2100})
    seen.page.goto(started.opening)
    seen.page.get_by_role("link", name="grid / bdt").click()
    expect(seen.cells("Candidates")).to_have_count(36)
    yield seen
    seen.context.close()
    assert seen.complaints == []
    assert seen.strangers == []


def chosen(watched: Watched) -> Any:
    return watched.page.locator("tr.selected")


def figure(watched: Watched, number: int) -> Any:
    """A figure, once it is drawn."""
    found = watched.page.locator(".bk-Figure").nth(number)
    expect(found.locator("canvas").first).to_be_visible()
    return found


def brush(watched: Watched, number: int, left: float, right: float) -> None:
    """Draw a box over the full height of a figure; its sides are shares of the width."""
    plot, mouse = figure(watched, number), watched.page.mouse
    box = plot.bounding_box()
    plot.hover(position={"x": left * box["width"], "y": 45})  # waits until nothing covers it any more
    mouse.down()
    mouse.move(box["x"] + right * box["width"], box["y"] + box["height"] - 60, steps=8)
    mouse.up()


def test_the_page_of_runs_leads_to_the_search_and_back(watched: Watched) -> None:
    assert re.search(r"/search\?run=0%3A[\w-]+&model=bdt$", watched.page.url)
    expect(watched.cells("Candidates").first).to_contain_text("best")
    expect(watched.page.get_by_role("status")).to_contain_text("36 candidates, 36 done")
    expect(watched.page.get_by_role("note")).to_contain_text("best of 36 candidates")
    figure(watched, 0)
    assert watched.page.locator(".bk-Figure").count() == 6
    picture(watched, "search")
    watched.page.get_by_role("link", name="bayes").click()
    expect(watched.cells("Candidates")).to_have_count(3)
    picture(watched, "search-one-range")
    watched.page.get_by_role("link", name="all runs").click()
    expect(watched.run_row("grid")).to_be_visible()


def test_what_is_brushed_in_a_plot_is_chosen_in_the_table(watched: Watched) -> None:
    brush(watched, 0, 0.15, 0.5)
    expect(chosen(watched).first).to_be_visible()
    count = chosen(watched).count()
    assert 1 < count < 36
    expect(watched.page.get_by_text(f"{count} candidates chosen")).to_be_visible()
    picture(watched, "search-brushed")
    watched.page.get_by_label("List only the chosen").check()
    expect(watched.cells("Candidates")).to_have_count(count)
    watched.page.get_by_role("button", name="Choose none").click()
    expect(chosen(watched)).to_have_count(0)


def test_an_address_that_names_no_run_says_so(watched: Watched, started: Dashboard) -> None:
    watched.page.goto(f"{started.address}search?run=0%3A20261122-0719-k3f9")
    expect(watched.page.get_by_role("alert")).to_contain_text("no run 20261122-0719-k3f9")
    watched.page.goto(f"{started.address}search?run=%3Cb%3E")
    expect(watched.page.get_by_role("alert")).to_contain_text("is gone")


def test_what_is_chosen_in_the_table_is_kept_on_a_dark_page(watched: Watched) -> None:
    box = watched.cells("Candidates").nth(3).locator("input")
    box.focus()
    watched.page.keyboard.press("Space")
    expect(chosen(watched)).to_have_count(1)
    for _ in range(3):
        watched.page.get_by_label("Toggle theme").first.click()
    dark = "() => getComputedStyle(document.querySelector('main') ?? document.body).backgroundColor"
    watched.page.wait_for_function(f"({dark})() === 'rgb(18, 18, 18)'")
    expect(chosen(watched)).to_have_count(1)
    picture(watched, "search-dark")


def test_a_narrow_search_page_cuts_nothing(watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 800, "height": 2600})
    figure(watched, 5)
    watched.page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
    picture(watched, "search-narrow")


def test_a_search_appears_works_and_ends_while_its_page_is_open(
    browser: Any, searched: Path, started: Dashboard
) -> None:
    watched = Watched(browser, started)
    try:
        watched.page.goto(started.opening)
        expect(watched.run_row("grid")).to_be_visible(timeout=30_000)
        recipe = write(searched / "live.yaml", RECIPE.format(name="live", rounds="{any: [1000, 2000, 4000]}"))
        with subprocess.Popen(
            [sys.executable, "-m", "rapidml", "run", recipe.name],
            cwd=searched,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
        ) as working:
            row = watched.run_row("live")
            expect(row).to_be_visible(timeout=60_000)
            expect(row).to_contain_text(re.compile(r"searching b\w+: \d+ of \d+ candidates"), timeout=60_000)
            row.locator("input").check()
            watched.page.get_by_role("link", name="live / bdt").click(timeout=60_000)
            expect(watched.page.get_by_role("status")).to_contain_text("running", timeout=60_000)
            expect(watched.page.get_by_role("status")).to_contain_text(re.compile(r", \d+ done"), timeout=60_000)
            picture(watched, "search-running")
            assert working.wait(timeout=120) == 0
        expect(watched.page.get_by_role("status")).to_contain_text("out-of-fold roc_auc", timeout=60_000)
        expect(watched.page.get_by_role("status")).to_contain_text("36 candidates, 36 done")
        expect(watched.page.get_by_role("note")).to_contain_text("best of 36 candidates")
        picture(watched, "search-ended")
    finally:
        watched.context.close()
    assert watched.complaints == []
    assert watched.strangers == []
