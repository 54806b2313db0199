"""Models handed over: their own libraries read them, and nothing that exists is overwritten."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.errors import RapidmlError, RunNotFound
from rapidml.execution.exporting import export_model
from rapidml.store.store import open_store
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}
split: {test: 0.3, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 5, max_depth: 2}}
  bayes: {type: sklearn.naive_bayes.GaussianNB, prepare: [standardize]}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("export")
    write_csv(folder / "events.csv", make_events(300))
    return folder / "store", run(write(folder / "recipe.yaml", RECIPE), folder / "store")


def test_xgboost_reads_what_it_wrote(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    import xgboost

    store, result = done
    target = tmp_path / "deep" / "bdt"
    names = export_model(open_store(store), f"{result['run']}/bdt", target)
    about = json.loads((target / "model.json").read_text())
    assert [feature["name"] for feature in about["features"]] == ["pt", "eta", "mass"]
    assert "model.ubj" in names
    booster = xgboost.Booster(model_file=target / "model.ubj")
    assert booster.num_boosted_rounds() == 5
    assert list(tmp_path.joinpath("deep").iterdir()) == [target]


def test_scikit_learn_is_read_with_skops(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from skops.io import load

    store, result = done
    assert export_model(open_store(store), f"{result['run']}/bayes", tmp_path / "bayes") == [
        "model.json",
        "model.skops",
    ]
    estimator = load(tmp_path / "bayes" / "model.skops")
    assert estimator.predict_proba(np.zeros((2, 3))).shape == (2, 2)
    assert json.loads((tmp_path / "bayes" / "model.json").read_text())["preparation"]


def test_the_command_exports_the_chosen_model(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    store, result = done
    chosen = next(name for name, entry in result["models"].items() if entry["chosen"])
    arguments = ["export", result["run"], "-o", str(tmp_path / "out"), "--store", str(store)]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    assert "model.json" in ended.output
    kind = json.loads((tmp_path / "out" / "model.json").read_text())["spec"]["type"]
    assert kind == result["models"][chosen]["type"]


def test_what_exists_is_not_overwritten(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    store, result = done
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(RapidmlError, match="exists already; name a folder that does not"):
        export_model(open_store(store), f"{result['run']}/bdt", tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "precious"
    with pytest.raises(RapidmlError, match="cannot be written"):
        export_model(open_store(store), f"{result['run']}/bdt", tmp_path / "mine" / "below")


def test_what_cannot_be_exported_is_said(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    store, result = done
    with pytest.raises(RunNotFound, match="has no model forest; it has bdt, bayes"):
        export_model(open_store(store), f"{result['run']}/forest", tmp_path / "out")
    with pytest.raises(RapidmlError, match="the baseline is none; write RUN/MODEL"):
        export_model(open_store(store), f"{result['run']}/dummy", tmp_path / "out")
    copied = tmp_path / "store"
    shutil.copytree(store, copied)
    shutil.rmtree(copied / "objects" / "models")
    with pytest.raises(RapidmlError, match="are not in the store; run its recipe again"):
        export_model(open_store(copied), f"{result['run']}/bdt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
