"""A real dashboard over real small runs, and a real browser; skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard.started import Dashboard
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
RECIPE = """
name: {name}
dataset: {{path: events.csv, target: {target}, weight: w, features: [pt, eta, mass]{more}}}
split: {{test: 0.25, folds: 2}}
models:
  bdt: {{type: xgboost, params: {{n_estimators: {rounds}, max_depth: 2}}}}
  logistic: sklearn.linear_model.LogisticRegression
"""


def make_recipe(folder: Path, name: str, rounds: int, target: str = "label", more: str = ", positive: s") -> Path:
    text = RECIPE.format(name=name, rounds=rounds, target=target, more=more)
    return write(folder / f"{name}.yaml", text)


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a store of three runs."""
    folder = tmp_path_factory.mktemp("dashboard")
    write_csv(folder / "events.csv", make_events(400))
    for name, rounds in (("first", 3), ("second", 8)):
        run(make_recipe(folder, name, rounds), folder / "rapidml-store")
    text = RECIPE.format(name="energies", rounds=3, target="energy", more="").replace(
        "linear_model.LogisticRegression", "linear_model.Ridge"
    )
    run(write(folder / "energies.yaml", text), folder / "rapidml-store")
    run(make_recipe(folder, "kinds", 3, "kind", ""), folder / "rapidml-store")
    return folder


@pytest.fixture
def own(events: Path, tmp_path: Path) -> Path:
    """The same for one test alone."""
    return Path(shutil.copytree(events, tmp_path / "own"))


@pytest.fixture(scope="session")
def dashboard(events: Path) -> Iterator[Dashboard]:
    started = Dashboard(events)
    yield started
    assert started.close() == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.skip("needs Chromium: there is no /usr/bin/chromium and no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


class Watched:
    """A page, with every complaint of the browser and every request that leaves this server."""

    def __init__(self, browser: Any, dashboard: Dashboard, width: int = 1400) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda asked: self._note(asked.url, dashboard.address))

    def _note(self, url: str, address: str) -> None:
        host = address.removeprefix("http://")
        if not url.startswith((address, f"ws://{host}", "data:", "blob:")):
            self.strangers.append(url)

    def run_row(self, name: str) -> Any:
        """Row of a run in the table of runs."""
        return self.page.locator("tr.selectable", has=self.page.get_by_text(name, exact=True))

    def choose(self, *names: str) -> None:
        """Choose these runs and no other."""
        boxes = self.page.locator("tr.selectable input")
        for number in range(boxes.count()):
            boxes.nth(number).uncheck()
        for name in names:
            self.run_row(name).locator("input").check()

    def cells(self, caption: str) -> Any:
        """Rows of a table by its caption."""
        return self.page.locator("table", has=self.page.locator(f"caption:text-is('{caption}')")).locator("tbody tr")
