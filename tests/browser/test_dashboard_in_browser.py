"""`rapidml dashboard` in Chromium, as a user sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from rapidml.dashboard.serving import find_app, find_port
from tests.browser.conftest import Watched, make_recipe
from tests.dashboard.started import Dashboard, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SCORES = "Scores of the models of the chosen runs"
LEGEND = "ROC curves in numbers"


@pytest.fixture
def watched(browser: Any, dashboard: Dashboard) -> Iterator[Watched]:
    seen = Watched(browser, dashboard)
    seen.page.goto(dashboard.opening)
    expect(seen.run_row("first")).to_be_visible()
    yield seen
    seen.context.close()
    assert seen.complaints == []
    assert seen.strangers == []


def picture(watched: Watched, name: str) -> None:
    """Keep a picture where RAPIDML_PICTURES says so, for people to look at."""
    folder = os.environ.get("RAPIDML_PICTURES")
    if folder:
        watched.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_without_the_token_there_is_no_page(browser: Any, dashboard: Dashboard) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(dashboard.address)
    assert answer.status == 403
    assert "rapidml dashboard" in page.inner_text("body")
    assert page.locator("table").count() == 0
    context.close()


def test_the_token_leaves_the_address_and_a_cookie_that_scripts_cannot_read(
    watched: Watched, dashboard: Dashboard
) -> None:
    assert watched.page.url == dashboard.address
    (cookie,) = watched.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert watched.page.evaluate("document.cookie") == ""
    watched.page.reload()
    expect(watched.run_row("first")).to_be_visible()


def test_the_newest_run_with_scores_is_shown_first(watched: Watched) -> None:
    expect(watched.run_row("kinds").locator("input")).to_be_checked()
    expect(watched.cells(SCORES)).to_have_count(3)
    expect(watched.cells(LEGEND)).to_have_count(2)
    watched.page.get_by_label("Class").first.wait_for()
    picture(watched, "classes")


def test_two_runs_are_shown_beside_each_other(watched: Watched) -> None:
    watched.choose("first", "second")
    expect(watched.cells(SCORES)).to_have_count(6)
    expect(watched.cells(LEGEND)).to_have_count(4)
    names = [text.split("\n")[0] for text in watched.cells(LEGEND).locator("th").all_inner_texts()]
    assert sorted(names) == ["first / bdt", "first / logistic", "second / bdt", "second / logistic"]
    verdicts = watched.cells(SCORES).locator("td").all_inner_texts()
    assert verdicts.count("best") == 1
    heading = watched.page.get_by_role("columnheader", name="Test score, chosen model only")
    assert heading.get_attribute("aria-sort") is None
    assert watched.page.locator(".bk-Figure canvas").count() > 0
    picture(watched, "two")


def test_the_plot_can_be_logarithmic(watched: Watched) -> None:
    watched.choose("first")
    expect(watched.cells(LEGEND).first).to_contain_text("first /")
    watched.page.get_by_role("button", name="logarithmic").click()
    expect(watched.page.get_by_role("button", name="logarithmic")).to_have_attribute("aria-pressed", "true")
    picture(watched, "logarithmic")


def test_regression_has_a_sentence_in_place_of_curves(watched: Watched) -> None:
    watched.choose("energies")
    expect(watched.page.get_by_text("There are no ROC curves for regression")).to_be_visible()
    expect(watched.cells(SCORES).first).to_contain_text("energies")
    picture(watched, "regression")


def test_runs_are_filtered_as_by_ls(watched: Watched) -> None:
    field = watched.page.get_by_label("Filter, as in rapidml ls")
    field.fill("name == 'first' or name == 'second'")
    field.press("Enter")
    expect(watched.page.locator("tr.selectable")).to_have_count(2)
    field.fill("nmae == 'first'")
    field.press("Enter")
    expect(watched.page.get_by_role("alert")).to_contain_text("did you mean name?")
    expect(watched.page.locator("tr.selectable")).to_have_count(2)
    picture(watched, "filter")


def test_the_table_is_used_with_the_keyboard_alone(watched: Watched) -> None:
    watched.choose()
    box = watched.run_row("second").locator("input")
    box.focus()
    watched.page.keyboard.press("Space")
    expect(watched.cells(SCORES)).to_have_count(3)
    assert box.evaluate("node => node.getRootNode().activeElement === node")
    sort = watched.page.get_by_role("button", name="Run").first
    sort.focus()
    watched.page.keyboard.press("Enter")
    names = [text.split("\n")[0] for text in watched.page.locator("tr.selectable th").all_inner_texts()]
    assert names == sorted(names)


def test_the_page_can_be_dark(watched: Watched) -> None:
    watched.choose("first")
    expect(watched.cells(LEGEND).first).to_contain_text("first /")
    watched.page.get_by_label("Toggle theme").first.click()
    dark = "() => getComputedStyle(document.querySelector('main') ?? document.body).backgroundColor"
    watched.page.wait_for_function(f"({dark})() === 'rgb(18, 18, 18)'")
    picture(watched, "dark")


def test_a_narrow_window_cuts_nothing(browser: Any, dashboard: Dashboard) -> None:
    watched = Watched(browser, dashboard, width=800)
    watched.page.goto(dashboard.opening)
    expect(watched.run_row("first")).to_be_visible()
    watched.choose("first", "second")
    expect(watched.cells(LEGEND)).to_have_count(4)
    regions = watched.page.locator(".region")
    for number in range(regions.count()):
        hidden = regions.nth(number).evaluate("node => node.scrollWidth - node.clientWidth")
        assert hidden <= 1, regions.nth(number).get_attribute("aria-label")
    picture(watched, "narrow")
    watched.context.close()
    assert watched.complaints == []


def test_a_run_appears_works_and_ends_while_the_page_is_open(browser: Any, own: Path) -> None:
    started = Dashboard(own)
    watched = Watched(browser, started)
    try:
        watched.page.goto(started.opening)
        expect(watched.run_row("first")).to_be_visible()
        recipe = make_recipe(own, "fresh", 4000)
        with subprocess.Popen(
            [sys.executable, "-m", "rapidml", "run", recipe.name],
            cwd=own,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
        ) as working:
            row = watched.run_row("fresh")
            expect(row).to_be_visible(timeout=60_000)
            expect(row).to_contain_text("running")
            expect(row).to_contain_text(re.compile(r"\d of 6 fits, .* s"), timeout=60_000)
            picture(watched, "running")
            assert working.wait(timeout=120) == 0
        expect(row).to_contain_text("finished")
        expect(row.locator("input")).to_be_checked()
        expect(watched.cells(SCORES)).to_have_count(3)
        expect(watched.cells(LEGEND)).to_have_count(2)
        expect(watched.cells(LEGEND).first).to_contain_text("fresh")
        picture(watched, "finished")
    finally:
        watched.context.close()
        started.close()
    assert watched.complaints == []
    assert watched.strangers == []


def test_names_are_text_and_damage_is_shown_in_its_row(browser: Any, own: Path) -> None:
    runs = sorted((own / "rapidml-store" / "runs").glob("2*"))
    (runs[0] / "run.json").write_text("{")
    (runs[1] / "marks.json").write_text('{"name": "<img src=x onerror=alert(1)>", "tags": ["<b>x</b>"]}')
    for path in (own / "rapidml-store").glob("index.sqlite*"):
        path.unlink()
    started = Dashboard(own, "--read-only")
    watched = Watched(browser, started)
    try:
        watched.page.goto(started.opening)
        expect(watched.run_row("<img src=x onerror=alert(1)>")).to_be_visible()
        damaged = watched.run_row(runs[0].name)
        expect(damaged).to_contain_text("damaged")
        damaged.locator("input").check()
        watched.run_row("<img src=x onerror=alert(1)>").locator("input").check()
        expect(watched.page.get_by_role("note")).to_contain_text("is damaged")
        expect(watched.cells(SCORES).filter(has_text="<img src=x")).to_have_count(3)
        assert watched.page.locator("img[src=x]").count() == 0
        picture(watched, "damaged")
    finally:
        watched.context.close()
        started.close()
    assert watched.complaints == []


def test_tags_and_a_note_are_written_into_the_store(browser: Any, own: Path) -> None:
    started = Dashboard(own)
    watched = Watched(browser, started)
    try:
        watched.page.goto(started.opening)
        expect(watched.run_row("first")).to_be_visible()
        watched.choose("first")
        watched.page.get_by_label("Tags of the chosen run").fill("paper good")
        watched.page.get_by_label("Note").fill("the first one")
        watched.page.get_by_role("button", name="Save").click()
        expect(watched.run_row("first")).to_contain_text("paper")
        picture(watched, "marks")
    finally:
        watched.context.close()
        started.close()
    listed = subprocess.run(
        [sys.executable, "-m", "rapidml", "ls", "tag.paper and tag.good and note == 'the first one'"],
        cwd=own,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "first" in listed


def test_an_empty_store_shows_how_to_start(browser: Any, tmp_path: Path) -> None:
    started = Dashboard(tmp_path)
    watched = Watched(browser, started)
    try:
        watched.page.goto(started.opening)
        expect(watched.page.get_by_text("rapidml run --example quickstart")).to_be_visible()
        picture(watched, "empty")
    finally:
        watched.context.close()
        started.close()
    assert watched.complaints == []


def test_panels_own_server_shows_only_how_to_start(browser: Any, events: Path, tmp_path: Path) -> None:
    port = find_port(0)
    command = [sys.executable, "-m", "panel", "serve", str(find_app("runs")), "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        served = subprocess.Popen(
            command, cwd=events, env=clean_environment(), stdout=log, stderr=subprocess.PIPE, text=True
        )
    page = browser.new_page()
    try:
        assert served.stderr is not None
        next(line for line in served.stderr if "http://localhost" in line)  # it answers
        page.goto(f"http://localhost:{port}/runs")
        expect(page.get_by_text("rapidml dashboard ./rapidml-store")).to_be_visible(timeout=30_000)
        assert page.locator("table").count() == 0
    finally:
        page.close()
        served.terminate()
        served.communicate(timeout=30)
