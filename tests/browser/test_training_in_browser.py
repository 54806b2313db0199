"""The page of a training in Chromium, over real networks: a finished training, and one that goes on meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.browser.test_dashboard_in_browser import picture
from tests.dashboard.started import Dashboard, clean_environment
from tests.execution.small_runs import write
from tests.execution.trained import Driven, make_event, make_fact, make_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    *(pytest.mark.browser, pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(400)),
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'"
    ),
]

RECIPE = """
name: {name}
dataset: {{builtin: digits}}
split: {{test: 0.2, valid: 0.2}}
models:
  bdt: {{type: xgboost, params: {{n_estimators: 5}}}}
  net: {{type: mlp, prepare: [standardize], params: {{hidden: [16], epochs: 8, batch_size: 32}}, early_stopping: 3}}
  adag:
    type: mlp
    prepare: [standardize]
    params: {{hidden: [16], epochs: {epochs}, batch_size: 32}}
    trainer: {{adag: {{replicas: 2, window: 2}}}}
evaluate: {{rank_by: log_loss}}
"""
TRAININGS = "Trainings of the run"
PATIENCE = 180_000
"""Milliseconds: the first replica of a worker imports TensorFlow, which takes a minute where others work too."""


def start_run(folder: Path, name: str, epochs: int) -> subprocess.Popen[bytes]:
    recipe = write(folder / f"{name}.yaml", RECIPE.format(name=name, epochs=epochs))
    command = [sys.executable, "-m", "rapidml", "run", recipe.name]
    return subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of a run of two networks."""
    folder = tmp_path_factory.mktemp("trained")
    with start_run(folder, "short", 8) as working:
        assert working.wait(timeout=300) == 0
    return folder


@pytest.fixture
def started(trained: Path) -> Iterator[Dashboard]:
    dashboard = Dashboard(trained)
    yield dashboard
    assert dashboard.close() == 0


@pytest.fixture
def watched(browser: Any, started: Dashboard) -> Iterator[Watched]:
    seen = Watched(browser, started)
    seen.page.set_viewport_size({"width": 1400, "height": 1200})
    seen.page.goto(started.opening)
    expect(seen.run_row("short")).to_be_visible()
    seen.choose("short")
    seen.page.get_by_role("link", name="short / adag").click()
    expect(seen.cells(TRAININGS)).to_have_count(2)
    yield seen
    seen.context.close()
    assert seen.complaints == []
    assert seen.strangers == []


def expect_figures(watched: Watched, count: int) -> None:
    """So many figures are there, and drawn."""
    expect(watched.page.locator(".bk-Figure")).to_have_count(count)
    expect(watched.page.locator(".bk-Figure").nth(count - 1).locator("canvas").first).to_be_visible()


def test_the_page_of_runs_leads_to_a_finished_training_and_back(watched: Watched) -> None:
    assert re.search(r"/training\?run=0%3A[\w-]+&model=adag$", watched.page.url)
    status = watched.page.get_by_role("status")
    expect(status).to_contain_text(
        re.compile(r"adag, 2 replicas, finished after 8 epochs, .* samples/s, .* exchanges/s")
    )
    expect(watched.cells(TRAININGS).nth(1)).to_contain_text("shown below")
    expect_figures(watched, 4)
    expect(watched.page.get_by_text("Staleness: updates of the centre by others")).to_be_visible()
    picture(watched, "training")
    watched.page.get_by_role("link", name="all runs").click()
    expect(watched.run_row("short")).to_be_visible()


def test_losses_are_shown_over_samples_too(watched: Watched) -> None:
    expect_figures(watched, 4)
    button = watched.page.get_by_role("button", name="samples", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    axes = "() => Bokeh.documents.flatMap(d => [...d._all_models.values()]).map(m => m.axis_label).filter(Boolean)"
    watched.page.wait_for_function(f"({axes})().some(text => text.startsWith('Samples that all'))")
    picture(watched, "training-samples")


def test_a_plain_network_has_its_losses_by_epoch(watched: Watched) -> None:
    watched.page.get_by_role("link", name="net", exact=True).click()
    expect(watched.page.get_by_role("status")).to_contain_text(re.compile(r"net, final fit: one process, finished"))
    expect_figures(watched, 1)
    expect(watched.page.get_by_text("One process trains")).to_be_visible()
    picture(watched, "training-plain")


def test_a_dark_narrow_page_cuts_nothing(watched: Watched) -> None:
    expect_figures(watched, 4)
    watched.page.get_by_label("Toggle theme").first.click()
    dark = "() => getComputedStyle(document.querySelector('main') ?? document.body).backgroundColor"
    watched.page.wait_for_function(f"({dark})() === 'rgb(18, 18, 18)'")
    watched.page.set_viewport_size({"width": 800, "height": 1900})
    watched.page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
    expect_figures(watched, 4)
    region = watched.page.locator(".region")
    assert region.evaluate("node => node.scrollWidth - node.clientWidth") <= 1
    picture(watched, "training-dark")


def test_an_address_that_names_no_run_says_so(watched: Watched, started: Dashboard) -> None:
    watched.page.goto(f"{started.address}training?run=0%3A20261122-0719-k3f9")
    expect(watched.page.get_by_role("alert")).to_contain_text("no run 20261122-0719-k3f9")
    watched.page.goto(f"{started.address}training?run=%3Cb%3E")
    expect(watched.page.get_by_role("alert")).to_contain_text("is gone")


def test_whatever_comes_to_be_drawn_appears_and_nothing_breaks(browser: Any, tmp_path: Path) -> None:
    driven = Driven(tmp_path / "rapidml-store")
    dashboard = Dashboard(tmp_path)
    watched = Watched(browser, dashboard)
    try:
        watched.page.goto(dashboard.opening)
        expect(watched.run_row("digits")).to_be_visible()
        watched.page.goto(f"{dashboard.address}training?run=0%3A{driven.run}&model=adag")
        status = watched.page.get_by_role("status")
        expect(status).to_contain_text("Its training has not begun yet.")
        expect(watched.cells(TRAININGS)).to_have_count(3)
        driven.tell(make_event("step_started", "adag"))
        expect(status).to_contain_text("adag, starting")
        first = make_progress("adag", 1)
        first.data["training"] |= {"staleness": {}, "curves": {**first.data["training"]["curves"], "centre": {}}}
        first.data["history"] = {"round": [], "train": []}
        driven.tell(first)
        expect_figures(watched, 2)
        driven.tell(make_progress("adag", 1))
        expect_figures(watched, 4)
        driven.tell(make_progress("adag", 3))
        expect(status).to_contain_text("running: 3 of 4 epochs")
        driven.tell(make_event("step_finished", "adag"))
        driven.store_fact(make_fact("adag"))
        expect(status).to_contain_text("finished after 4 epochs, best epoch 3")
        expect_figures(watched, 4)
        picture(watched, "training-replayed")
    finally:
        watched.context.close()
        driven.close()
        dashboard.close()
    assert watched.complaints == []
    assert watched.strangers == []


def test_a_training_begins_goes_on_and_ends_while_its_page_is_open(
    browser: Any, trained: Path, started: Dashboard
) -> None:
    watched = Watched(browser, started)
    try:
        watched.page.set_viewport_size({"width": 1400, "height": 1200})
        watched.page.goto(started.opening)
        expect(watched.run_row("short")).to_be_visible()
        with start_run(trained, "long", 150) as working:
            row = watched.run_row("long")
            expect(row).to_be_visible(timeout=60_000)
            watched.choose("long")
            watched.page.get_by_role("link", name="long / adag").click(timeout=60_000)
            status = watched.page.get_by_role("status")
            expect(status).to_contain_text("Its training has not begun yet.")
            picture(watched, "training-waiting")
            expect(status).to_contain_text(re.compile(r"running: [1-9]\d* of 150 epochs"), timeout=PATIENCE)
            expect(watched.cells(TRAININGS).nth(1)).to_contain_text("running")
            expect_figures(watched, 4)
            picture(watched, "training-running")
            assert working.wait(timeout=200) == 0
        expect(status).to_contain_text("finished after 150 epochs", timeout=60_000)
        expect_figures(watched, 4)
        picture(watched, "training-ended")
    finally:
        watched.context.close()
    assert watched.complaints == []
    assert watched.strangers == []
