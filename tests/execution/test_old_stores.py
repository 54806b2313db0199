"""A store that a released version wrote is opened, shown, reused and built upon by this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rapidml

STORES = sorted(path.name for path in (Path(__file__).parent / "stores").iterdir())


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a kept store with its recipe and data."""
    folder = tmp_path / "kept"
    shutil.copytree(Path(__file__).parent / "stores" / request.param, folder)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    return folder


def test_it_is_shown(kept: Path) -> None:
    run = rapidml.open_run("kept", store=kept / "store")
    assert run.result["fits"]["trained"] == 8
    assert set(run.result["models"]) == {"bdt", "logistic"}
    assert "roc_auc" in str(run)


def test_nothing_is_computed_again(kept: Path) -> None:
    before = rapidml.open_run("kept", store=kept / "store")
    run = rapidml.run(kept / "recipe.yaml", store=kept / "store")
    assert run.id == before.id
    assert run.result["fits"] == {"trained": 0, "stored": 8, "failed": 0, "pruned": 0, "collapsed": 0}
    assert run.scores == before.scores


def test_a_new_metric_needs_no_fit(kept: Path) -> None:
    document = rapidml.load_recipe(kept / "recipe.yaml", ["evaluate.also=[accuracy]"])
    run = rapidml.run(document, store=kept / "store")
    assert run.result["fits"]["trained"] == 0
    assert run.best.result["selection"]["accuracy"]["value"] > 0.5


def test_stored_trees_are_continued_exactly(kept: Path, tmp_path: Path) -> None:
    document = rapidml.load_recipe(kept / "recipe.yaml", ["models.bdt.params.n_estimators=9"])
    continued = rapidml.run(document, store=kept / "store")
    assert continued.result["fits"]["trained"] == 4
    fresh = rapidml.run(document, store=tmp_path / "fresh")
    assert continued.model("bdt").result["selection"] == fresh.model("bdt").result["selection"]
