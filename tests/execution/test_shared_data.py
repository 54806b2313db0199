"""The ATLAS challenge file: the leaking weight is found, and the known score is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from tests.execution.small_runs import run, write

if TYPE_CHECKING:
    from pathlib import Path

ATLAS = "atlas-higgs-2014-v2-first22889.csv.gz"


@pytest.fixture
def atlas(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIGGS_CSV", str(shared_data / ATLAS))
    return shared_data / ATLAS


@pytest.mark.parametrize("command", ["check", "run", "plan"])
def test_the_leaking_weight_stops_every_command(atlas: Path, tmp_path: Path, command: str) -> None:
    recipe = write(
        tmp_path / "leak.yaml",
        """
dataset:
  path: ${HIGGS_CSV}
  target: Label
  positive: s
  weight: Weight
  id: EventId
  missing: -999
  features: {exclude: [Weight, KaggleSet]}
models: {bdt: {type: xgboost, params: {n_estimators: 2}}}
""",
    )
    outcome = CliRunner().invoke(main, [command, str(recipe), "--store", str(tmp_path / "store")])
    assert outcome.exit_code == 2, outcome.output
    assert "'KaggleWeight' alone follows" in outcome.stderr
    assert "dataset.features" in outcome.stderr
    assert not list((tmp_path / "store").glob("objects/models/*"))


@pytest.mark.slow
def test_a_listed_feature_is_not_questioned(atlas: Path, tmp_path: Path) -> None:
    recipe = write(
        tmp_path / "listed.yaml",
        """
dataset:
  path: ${HIGGS_CSV}
  target: Label
  positive: s
  weight: Weight
  features: [KaggleWeight, DER_mass_MMC]
split: {test: 0.2, valid: 0.2}
models: {bdt: {type: xgboost, params: {n_estimators: 2}}}
""",
    )
    assert run(recipe, tmp_path / "store")["state"] == "finished"


@pytest.mark.slow
def test_the_known_score_is_reached(atlas: Path, recipes: Path, tmp_path: Path) -> None:
    """Weighted ROC AUC of boosted trees on these events, as the issue asks; without weights it is near 0.90."""
    result = run(recipes / "higgs.yaml", tmp_path / "store")
    score = result["models"]["bdt"]["selection"]["roc_auc"]
    assert 0.922 <= score["value"] <= 0.928
    assert score["low"] < score["value"] < score["high"]
    assert result["models"]["bdt"]["chosen"]
    plain = run(recipes / "higgs.yaml", tmp_path / "store", "dataset.weight=null", "models.logistic=null")
    assert plain["models"]["bdt"]["selection"]["roc_auc"]["value"] == pytest.approx(0.90, abs=0.01)
