"""What the page of a search is told: read again only when something changed, and never lost to a damaged file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rapidml.errors import RapidmlError, StoreError
from rapidml.execution.overview import Overview
from rapidml.execution.search_state import SearchLook
from rapidml.store.store import open_store
from tests.execution.searched import make_content, make_row, write_candidates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one run."""
    with open_store(tmp_path / "store") as opened:
        opened.create_run({"name": "higgs", "digest": "", "keys": []}, "models: {}\n")
    return tmp_path / "store"


@pytest.fixture
def overview(store: Path) -> Iterator[Overview]:
    made = Overview([store])
    yield made
    made.close()


def find_run(store: Path) -> str:
    with open_store(store) as opened:
        return opened.runs.find("@last")


def test_it_is_read_again_only_when_something_changed(store: Path, overview: Overview) -> None:
    run = find_run(store)
    look = SearchLook(overview, f"0:{run}")
    before = look.look()
    assert (before.name, before.run, before.tables, before.result) == ("higgs", run, {}, None)
    assert look.look() is before
    write_candidates(store, run)
    first = look.look()
    assert len(first.tables["bdt"].rows) == 12
    assert first.heading("bdt") == "roc_auc"
    assert look.look() is first
    write_candidates(store, run, make_content([make_row(0)]))
    assert len(look.look().tables["bdt"].rows) == 1


def test_a_damaged_file_leaves_what_was_there(store: Path, overview: Overview) -> None:
    run = find_run(store)
    look = SearchLook(overview, f"0:{run}")
    path = write_candidates(store, run)
    tables = look.look().tables
    path.write_text("{")
    damaged = look.look()
    assert damaged.tables == tables
    assert "is damaged" in damaged.problem


def test_the_heading_says_what_the_scores_are(store: Path, overview: Overview) -> None:
    run = find_run(store)
    write_candidates(store, run)
    with open_store(store) as opened:
        result = {"selection": "out-of-fold", "balanced": False, "models": {}}
        opened.runs.update(run, {"result": result, "state": "finished", "seconds": 3.0})
    assert SearchLook(overview, f"0:{run}").look().heading("bdt") == "out-of-fold roc_auc"


@pytest.mark.parametrize(
    "key", ["", "0", "0:", "0:../..", "1:20261122-0719-k3f9", "-1:x", "x:y", "0:20261122-0719-k3f9"]
)
def test_a_key_that_names_nothing_is_an_error(overview: Overview, key: str) -> None:
    with pytest.raises((RapidmlError, StoreError)):
        SearchLook(overview, key).look()
