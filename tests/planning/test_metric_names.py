"""Metrics with a number in their name, from recipe to key: one metric has one name, however its number is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rapidml.errors import RecipeError
from rapidml.planning.checking import NoMemory, check_document
from rapidml.recipe.document import load_document
from tests.execution.small_runs import make_events, write, write_csv
from tests.planning.plans import Planned, plan_recipe

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta]}
split: {folds: 2}
models: {bayes: sklearn.naive_bayes.GaussianNB}
"""


def plan(folder: Path, scratch: str, evaluate: str) -> Planned:
    recipe = write(folder / "recipe.yaml", RECIPE + f"evaluate: {evaluate}\n")
    return plan_recipe(recipe, folder / scratch)


def test_a_metric_has_one_name_and_one_key_however_its_number_is_written(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", make_events(100))
    first = plan(tmp_path, "first", "{rank_by: signal_efficiency@background=0.01}")
    repeated = "{rank_by: signal_efficiency@background=1e-2, also: [signal_efficiency@background=0.010]}"
    second = plan(tmp_path, "second", repeated)
    other = plan(tmp_path, "other", "{rank_by: signal_efficiency@background=0.02}")
    assert second.plan.resolved.rank_by == "signal_efficiency@background=0.01"
    assert second.plan.resolved.metrics == first.plan.resolved.metrics == ("signal_efficiency@background=0.01",)
    assert second.list_keys() == first.list_keys()
    evaluations = [{step.key for step in planned.plan.evaluations} for planned in (first, other)]
    assert evaluations[0].isdisjoint(evaluations[1])
    assert other.fit_keys("bayes") == first.fit_keys("bayes")


def test_mistakes_stand_at_their_place(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", make_events(100))
    evaluate = "{rank_by: signal_efficiency@background=1%, also: [roc_auc, background_rejection, f1]}"
    recipe = write(tmp_path / "recipe.yaml", RECIPE + f"evaluate: {evaluate}\n")
    with pytest.raises(RecipeError) as caught:
        check_document(load_document(recipe), NoMemory())
    found = {problem.field: (problem.expected, problem.fix) for problem in caught.value.problems}
    assert list(found) == ["evaluate.rank_by", "evaluate.also.1", "evaluate.also.2"]
    assert found["evaluate.rank_by"][1] == "write 'signal_efficiency@background=0.01'"
    assert found["evaluate.also.1"] == (
        "a signal efficiency above 0 and below 1 in the metric's name, as in background_rejection@signal=0.5",
        "write 'background_rejection@signal=0.5'",
    )
    assert "signal_efficiency@background=0.01, background_rejection@signal=0.5" in found["evaluate.also.2"][0]
