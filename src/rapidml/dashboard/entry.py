"""What the files in ``apps/`` call: makes the page of a session from what the server was started with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapidml.execution.overview import Overview

PERIOD = 1000
"""Milliseconds between two looks of the pages about a run."""
METADATA = "rapidml"
"""Where the server leaves its settings: in the metadata of the Bokeh application, which no command line can set."""

HOW_TO_START = """
# rapidml

This page is started by `rapidml dashboard`, in the folder of the store or with its path:

```
rapidml dashboard ./rapidml-store
```

It then prints an address with a token. Panel's own server asks nobody for one, so nothing is shown here.
"""


@dataclass(frozen=True)
class Settings:
    """What the dashboard was started with.

    Attributes:
        stores: Folders of stores.
        read_only: Whether nothing can be changed.
    """

    stores: tuple[str, ...]
    read_only: bool = False

    def to_metadata(self) -> dict[str, Any]:
        """Metadata of the Bokeh application."""
        return {METADATA: asdict(self)}


def find_settings(document: Any) -> Settings | None:
    """The settings of the server that a session belongs to; None if it is not ours.

    Args:
        document: The Bokeh document of the session.
    """
    context = getattr(document.session_context, "server_context", None)
    application = getattr(getattr(context, "application_context", None), "application", None)
    found = (getattr(application, "metadata", None) or {}).get(METADATA)
    return None if found is None else Settings(tuple(found["stores"]), found["read_only"])


def search_address(run: str, model: str) -> str:
    """Where the page of a search is, as seen from the other pages.

    Args:
        run: Key of the run on the page of runs.
        model: Name of the model.
    """
    return f"search?{urlencode({'run': run, 'model': model})}"


def training_address(run: str, model: str) -> str:
    """Where the page of the training of a model is, as seen from the other pages.

    Args:
        run: Key of the run on the page of runs.
        model: Name of the model.
    """
    return f"training?{urlencode({'run': run, 'model': model})}"


def open_runs() -> None:
    """Make the page of runs for the session that asks for it."""
    import panel as pn

    pn.extension(reconnect=True, notifications=True)
    settings = find_settings(pn.state.curdoc)
    if settings is None:
        pn.pane.Markdown(HOW_TO_START, width=640).servable(title="rapidml")
        return
    from rapidml.dashboard.runs_page import PERIOD, RunsPage
    from rapidml.execution.overview import Overview
    from rapidml.layout import command_text, store_words

    overview = Overview([Path(store) for store in settings.stores], read_only=settings.read_only)
    start = command_text(["rapidml", "run", "--example", "quickstart", *store_words(settings.stores[0])])
    place = ", ".join(settings.stores)
    page = RunsPage(overview, place, start, pn.state.execute, read_only=settings.read_only)
    page.fill()
    pn.state.on_session_destroyed(lambda _: overview.close())
    look: Any = page.tick  # Panel takes coroutine functions, its annotation does not
    pn.state.add_periodic_callback(look, period=PERIOD)
    page.page.servable(title="rapidml")


def open_search() -> None:
    """Make the page of a search for the session that asks for it: ``?run=KEY&model=NAME``."""

    def make(overview: Overview, run: str, model: str | None) -> _Page:
        from rapidml.dashboard.search_page import SearchPage
        from rapidml.execution.search_state import SearchLook

        return SearchPage(SearchLook(overview, run), model, lambda other: search_address(run, other))

    _open_of_run("rapidml: search", make)


def open_training() -> None:
    """Make the page of a training for the session that asks for it: ``?run=KEY&model=NAME``."""

    def make(overview: Overview, run: str, model: str | None) -> _Page:
        from rapidml.dashboard.training_page import TrainingPage
        from rapidml.execution.training_state import TrainingLook

        return TrainingPage(TrainingLook(overview, run), model, lambda other: training_address(run, other))

    _open_of_run("rapidml: training", make)


class _Page(Protocol):
    """A page about a model of a run."""

    page: Any

    def fill(self) -> None:
        """The first look."""

    async def tick(self) -> None:
        """Look again."""


def _open_of_run(title: str, make: Callable[[Overview, str, str | None], _Page]) -> None:
    """Make a page about a model of a run for the session that asks for it."""
    import panel as pn

    pn.extension(reconnect=True, notifications=True)
    settings = find_settings(pn.state.curdoc)
    if settings is None:
        pn.pane.Markdown(HOW_TO_START, width=640).servable(title="rapidml")
        return
    from rapidml.execution.overview import Overview

    overview = Overview([Path(store) for store in settings.stores], read_only=settings.read_only)
    asked = pn.state.session_args or {}
    run, model = (asked.get(name, [b""])[-1].decode("utf-8", "replace") for name in ("run", "model"))
    page = make(overview, run, model or None)
    page.fill()
    pn.state.on_session_destroyed(lambda _: overview.close())
    look: Any = page.tick  # Panel takes coroutine functions, its annotation does not
    pn.state.add_periodic_callback(look, period=PERIOD)
    page.page.servable(title=title)
