"""Generated events from recipe to result: the shortest recipe, the example, and the same bytes on any workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.execution.options import RunOptions
from tests.execution.small_runs import list_model_files, read_all_facts, run, write

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shortest_recipe(tmp_path: Path) -> None:
    recipe = write(tmp_path / "a.yaml", "dataset: {builtin: {toy_events: {rows: 1000}}}\nmodels: {bdt: xgboost}\n")
    result = run(recipe, tmp_path / "store", "models.bdt.params.n_estimators=10", "split.folds=2")
    assert result["state"] == "finished"
    assert 0.8 < result["models"]["bdt"]["selection"]["roc_auc"]["value"] < 0.95


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["dataset.builtin.toy_events.rows=4000", "models.bdt.params.n_estimators=5"]
    outcome = CliRunner().invoke(main, ["run", "--example", "events", *few])
    assert outcome.exit_code == 0, outcome.output
    assert "4,000 rows x 13 features" in outcome.output


@pytest.mark.cluster
def test_parts_are_read_on_workers_to_the_same_bytes(tmp_path: Path) -> None:
    """Three parts by threads, and by two processes: no part is kept beside the table."""
    recipe = write(
        tmp_path / "a.yaml",
        "dataset: {builtin: {toy_events: {rows: 300000}}}\nsplit: {test: 0.1, valid: 0.1}\n"
        "models: {bdt: {type: xgboost, params: {n_estimators: 3}}}\n",
    )
    here = run(recipe, tmp_path / "here")
    there = run(recipe, tmp_path / "there", options=RunOptions(workers=2))
    assert here["models"]["bdt"]["selection"] == there["models"]["bdt"]["selection"]
    assert list_model_files(tmp_path / "here", here) == list_model_files(tmp_path / "there", there)
    tables = [fact for store in ("here", "there") for fact in read_all_facts(tmp_path / store) if fact.kind == "read"]
    assert tables[0].objects[0].files == tables[1].objects[0].files
    assert not list(tmp_path.glob("*/objects/parts/*/*"))
