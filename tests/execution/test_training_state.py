"""What the page of a training is told: facts of what is finished, events of what goes on, nothing read twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.errors import RapidmlError, StoreError
from rapidml.execution.training_state import TrainingLook, list_networks
from tests.execution.trained import KEYS, VALUES, Driven, make_event, make_fact, make_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    made = Driven(tmp_path / "store")
    yield made
    made.close()


def make_result(*models: str) -> dict[str, Any]:
    return {"models": {name: {"keys": {"fit": KEYS[name]}} for name in models}}


def test_networks_of_a_recipe_with_their_trainers() -> None:
    assert list_networks(VALUES) == {"net": "single", "adag": "adag", "mw": "multiworker"}
    assert list_networks({}) == {}
    assert list_networks({"models.a.params.type": "mlp", "models.b.type": "xgboost"}) == {}


def test_a_run_that_has_begun_nothing_has_models_without_fits(driven: Driven) -> None:
    found = driven.look()
    assert (found.name, found.state, found.models) == ("digits", "running", {"net": (), "adag": (), "mw": ()})
    assert driven.look() is found


def test_a_training_with_a_centre_is_followed(driven: Driven) -> None:
    driven.tell(make_event("step_started", "adag"))
    (begun,) = driven.look().models["adag"]
    assert (begun.state, begun.done, begun.told["trainer"], begun.has_trainer) == ("running", 0, "adag", True)
    driven.tell(make_progress("adag", 2))
    (going,) = driven.look().models["adag"]
    assert (going.done, going.total, going.told["exchanges"], going.told["late_staleness"]) == (2, 4, 20, 3)
    assert going.told["history"] == {"round": [1, 2], "train": [2.0, 1.0], "watch": [1.8, 0.9]}
    assert list(going.curves["replicas"]) == ["0", "1"]
    driven.tell(make_event("step_finished", "adag", seconds=2.0))
    driven.store_fact(make_fact("adag"))
    (ended,) = driven.look().models["adag"]
    assert (ended.state, ended.done, ended.told["best_epoch"]) == ("finished", 4, 3)
    assert ended.told["history"]["train"] == [2.0, 1.0, 2 / 3, 0.5]


def test_losses_of_one_process_are_collected_epoch_by_epoch(driven: Driven) -> None:
    driven.tell(make_event("step_started", "net"), make_progress("net", 1), make_progress("net", 3))
    (going,) = driven.look().models["net"]
    assert (going.done, going.told["trainer"], going.has_trainer) == (3, "single", False)
    assert going.told["history"] == {"round": [1, 3], "train": [2.0, 2 / 3]}
    driven.tell(make_progress("net", 2))  # it was begun again from a checkpoint
    (again,) = driven.look().models["net"]
    assert again.told["history"] == {"round": [1, 2], "train": [2.0, 1.0]}


def test_a_loss_that_is_told_late_stands_beside_its_epoch(driven: Driven) -> None:
    late = make_progress("net", 3)
    late.data["scores"]["watch"] = 0.7
    driven.tell(make_event("step_started", "net"), make_progress("net", 1), late)
    (going,) = driven.look().models["net"]
    assert going.told["history"] == {"round": [1, 3], "train": [2.0, 2 / 3], "watch": [None, 0.7]}


def test_what_was_stored_before_is_shown_once_there_is_a_result(driven: Driven) -> None:
    for model in KEYS:
        driven.store_fact(make_fact(model))
    driven.end(result=make_result(*KEYS))
    found = driven.look()
    assert (found.state, [len(fits) for fits in found.models.values()]) == ("finished", [1, 1, 1])
    assert [fits[0].state for fits in found.models.values()] == ["finished"] * 3
    assert [fits[0].title for fits in found.models.values()] == ["final fit"] * 3
    assert driven.look() is found


def test_a_failed_fit_says_why_and_may_be_tried_again(driven: Driven) -> None:
    driven.tell(make_event("step_started", "net"), make_event("step_failed", "net", error="ModelError: no <good>"))
    driven.store_fact(make_fact("net", state="failed"))
    (failed,) = driven.look().models["net"]
    assert (failed.state, failed.error) == ("failed", "ModelError: no <good>")
    driven.tell(make_event("step_started", "net"))
    assert driven.look().models["net"][0].state == "running"
    driven.tell(make_event("step_finished", "net"))
    driven.store_fact(replace(make_fact("net"), time=make_fact("net").time + 1))
    assert driven.look().models["net"][0].state == "finished"


def test_a_fit_of_a_run_that_was_broken_off_is_stopped(driven: Driven) -> None:
    driven.tell(make_event("step_started", "adag"), make_progress("adag", 2))
    driven.end("interrupted")
    (stopped,) = driven.look().models["adag"]
    assert (stopped.state, stopped.done) == ("stopped", 2)


def test_models_that_are_no_networks_are_left_out(driven: Driven) -> None:
    event = make_event("step_started", "net")
    driven.tell(replace(event, key="9" * 64, name="bdt, final fit"))
    assert set(driven.look().models) == {"net", "adag", "mw"}


@pytest.mark.parametrize("key", ["", "0", "1:20261122-0719-k3f9", "0:20261122-0719-k3f9"])
def test_a_key_that_names_nothing_is_an_error(driven: Driven, key: str) -> None:
    with pytest.raises((RapidmlError, StoreError)):
        TrainingLook(driven.overview, key).look()
