"""`show` on a small store: a real run, and the trainings of networks made by hand beside its model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.store.store import open_store
from tests.execution.small_runs import make_events, run, write, write_csv
from tests.execution.trained import make_training

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
name: small
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models: {bayes: sklearn.naive_bayes.GaussianNB}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one run, to which two networks were added."""
    folder = tmp_path_factory.mktemp("trainings")
    write_csv(folder / "events.csv", make_events(120))
    result = run(write(folder / "recipe.yaml", RECIPE), folder / "rapidml-store")
    bayes = result["models"]["bayes"]
    nets = {
        name: {**bayes, "chosen": False, "type": "mlp", "training": make_training(name)} for name in ("adag", "net")
    }
    with open_store(folder / "rapidml-store") as opened:
        opened.runs.update(result["run"], {"result": {**result, "models": {"bayes": bayes, **nets}}})
    return folder


@pytest.fixture(autouse=True)
def inside(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.delenv("RAPIDML_STORE", raising=False)


def call(*arguments: str) -> str:
    outcome = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_a_run_is_shown_with_all_its_trainers() -> None:
    lines = [" ".join(line.split()) for line in call("show").splitlines()]
    assert "adag adag 2 4.0 s 1,000 40 10 8.0 MB 0.60 [3] 1" in lines
    assert not any(line.startswith("training of") for line in lines)


def test_a_model_is_shown_with_the_course_of_its_training() -> None:
    shown = call("show", "@last/adag")
    assert "\ntraining of adag, final fit: adag, 2 replicas, 4 epochs\n" in shown
    assert "staleness: updates of the centre by others" in shown
    assert "training of" not in call("show", "@last/bayes")
    assert "training of net, final fit: one process, 4 epochs" in call("show", "@last/net")


def test_json_has_the_training_of_each_network() -> None:
    models = json.loads(call("show", "--json"))["models"]
    assert models["adag"]["training"] == make_training("adag")
    assert "training" not in models["bayes"]
