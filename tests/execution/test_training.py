"""What results say of trainings: sums over fits, rates, and the staleness in two numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rapidml.execution.training import add_up, describe_fit, describe_training, part_title, summarize_staleness
from tests.execution.trained import ROWS, make_fact, make_report, make_training


def test_a_training_with_a_centre_is_told_in_full() -> None:
    told = make_training("adag")
    assert (told["trainer"], told["replicas"], told["lost"]) == ("adag", 2, 1)
    assert (told["seconds"], told["samples"], told["exchanges"], told["bytes"]) == (4.0, 4 * ROWS, 40, 8_000_000)
    assert (told["samples_per_second"], told["exchanges_per_second"]) == (ROWS, 10.0)
    assert told["staleness"] == {"0": 24, "1": 12, "3": 4}
    fit = told["fits"]["fit"]
    assert (fit["epochs"], fit["best_epoch"]) == (4, 3)
    assert fit["history"]["watch"] == [1.8, 0.9, 0.6, 0.45]
    assert "curves" not in fit


def test_one_process_has_a_rate_and_no_exchanges() -> None:
    told = make_training("net")
    assert (told["trainer"], told["replicas"], told["exchanges"], told["staleness"]) == ("single", 1, None, None)
    assert told["samples_per_second"] == 4 * ROWS / 2.5


@pytest.mark.parametrize(
    "payload",
    [{"trained": False}, {"start": "0" * 64}, {"history": {"round": [1], "train": [1.0], "watch": [1.0]}}],
)
def test_what_one_process_trained_on_is_not_guessed(payload: dict[str, Any]) -> None:
    told = describe_fit(make_fact("net", **payload))
    assert told["samples"] is None
    assert told["samples_per_second"] is None


def test_ranks_that_step_together_have_a_rate_and_no_exchanges() -> None:
    told = make_training("mw")
    assert (told["trainer"], told["samples_per_second"], told["exchanges"]) == ("multiworker", 2 * ROWS, None)


def test_fits_of_a_model_are_added_up() -> None:
    facts = {"fold:0": make_fact("adag", epochs=2), "train": make_fact("adag", epochs=4)}
    told = describe_training("mlp", facts)
    assert told is not None
    assert list(told["fits"]) == ["fold:0", "train"]
    assert (told["seconds"], told["exchanges"], told["lost"]) == (6.0, 60, 2)
    assert told["staleness"] == {"0": 36, "1": 18, "3": 6}
    assert told["exchanges_per_second"] == 10.0


def test_what_one_fit_does_not_know_is_not_in_the_sum() -> None:
    assert add_up([make_report(), {"seconds": 1.0}])["exchanges"] is None
    assert add_up([make_report(), {"seconds": 1.0}])["seconds"] == 5.0


def test_only_fitted_networks_are_told_of() -> None:
    assert describe_training("xgboost", {"fit": make_fact("net")}) is None
    assert describe_training("mlp", {"fit": make_fact("net", state="failed")}) is None


def test_staleness_in_two_numbers_is_that_of_the_sorted_list() -> None:
    draw = np.random.default_rng(0).poisson(4, 200)
    counts = {str(late): int((draw == late).sum()) for late in sorted(set(draw.tolist()))}
    mean, late_end = summarize_staleness(counts)
    assert mean == pytest.approx(draw.mean())
    assert late_end == np.quantile(draw, 0.95, method="inverted_cdf")
    assert summarize_staleness({}) == (None, None)


def test_parts_have_names() -> None:
    assert [part_title(part) for part in ("fit", "train", "fold:3")] == ["final fit", "final fit", "fold 3"]
