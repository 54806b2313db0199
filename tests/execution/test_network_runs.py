"""Recipes with networks, end to end: searches that share epochs, continuation, and every trainer in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.execution.small_runs import write
from tests.faults.test_kills import finish, start

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("tensorflow", reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

N_TRAINING = 1294
"""Digits that train with these parts: neither tested nor held out to select."""
DIGITS = """
dataset: {builtin: digits}
split: {test: 0.1, valid: 0.2}
models:
MODELS
evaluate: {rank_by: log_loss, also: [accuracy]}
"""
NET = "{type: mlp, prepare: [standardize], params: {hidden: [48], epochs: 6, batch_size: 16, learning_rate: 0.003}"
TRAINERS = {
    "single": "",
    "multiworker": "trainer: multiworker",
    "downpour": "trainer: {downpour: {window: 2}}",
    "adag": "trainer: {adag: {window: 2}}",
    "adag_staleness": "trainer: {adag_staleness: {window: 2}}",
    "dynsgd": "trainer: {dynsgd: {window: 2}}",
    "aeasgd": "trainer: {aeasgd: {window: 4}}",
    "easgd": "trainer: {easgd: {rho: 5.0, learning_rate: 0.1, window: 4}}",
    "averaging": "trainer: averaging",
    "ensemble": "trainer: ensemble",
}
OWN = "{type: mlp, prepare: [standardize], params: {hidden: [48], epochs: 6, batch_size: 16}, trainer: "
EAMSGD = f"{OWN}{{eamsgd: {{window: 4, learning_rate: 0.05}}}}}}"


def run(folder: Path, models: dict[str, str], *overrides: str, search: str = "") -> dict[str, Any]:
    lines = "".join(f"  {name}: {entry}\n" for name, entry in models.items())
    recipe = write(folder / "recipe.yaml", DIGITS.replace("MODELS\n", lines) + search)
    return finish(start(recipe, folder / "store", *overrides))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    models = {name: f"{NET}, {trainer}}}".replace(", }", "}") for name, trainer in TRAINERS.items()}
    return run(tmp_path_factory.mktemp("trainers"), {**models, "eamsgd": EAMSGD})


def test_every_trainer_learns(table: dict[str, Any]) -> None:
    assert table["fits"] == {"trained": 11, "stored": 0, "failed": 0, "pruned": 0, "collapsed": 0}
    accuracy = {name: model["selection"]["accuracy"]["value"] for name, model in table["models"].items()}
    assert min(accuracy.values()) > 0.85, accuracy
    assert abs(accuracy["multiworker"] - accuracy["single"]) < 0.04


def test_what_is_told_of_a_training_adds_up(table: dict[str, Any]) -> None:
    told = {name: model["training"] for name, model in table["models"].items()}
    assert {name: training["samples"] for name, training in told.items()} == dict.fromkeys(told, 6 * N_TRAINING)
    for name, training in told.items():
        if name in ("single", "multiworker"):
            continue
        assert training["replicas"] == 2
        assert training["exchanges"] > 0
        assert training["staleness"] is None or sum(training["staleness"].values()) == training["exchanges"]
        assert training["lost"] == 0


def test_early_stopping_with_replicas(tmp_path: Path) -> None:
    entry = "{type: mlp, params: {hidden: [48], epochs: 60, batch_size: 16, learning_rate: 0.03}, early_stopping: 2, "
    models = {name: f"{entry}trainer: {name}}}" for name in ("multiworker", "adag")}
    result = run(tmp_path, models)
    for name in models:
        assert result["models"][name]["selection"]["accuracy"]["value"] > 0.85


def test_a_search_over_epochs_shares_fits_and_layers_are_ranges(tmp_path: Path) -> None:
    entry = (
        "{type: keras, prepare: [standardize], layers: [{Dense: {units: {any: [8, 32]}, activation: relu}}],"
        " params: {epochs: {any: [2, 4, 8]}, batch_size: 32}}"
    )
    result = run(tmp_path, {"net": entry}, search="search: {method: grid}\n")
    assert result["fits"]["collapsed"] == 4
    assert result["fits"]["failed"] == 0
    assert result["models"]["net"]["selection"]["accuracy"]["value"] > 0.8


def test_more_epochs_continue_the_stored_network(tmp_path: Path) -> None:
    recipe_models = {"net": NET + "}"}
    run(tmp_path, recipe_models)
    longer = run(tmp_path, recipe_models, "models.net.params.epochs=9")
    alone = run(tmp_path / "alone", recipe_models, "models.net.params.epochs=9")
    assert longer["models"]["net"]["selection"] == alone["models"]["net"]["selection"]
