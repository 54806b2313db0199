"""Text about trainings: one table of all trainers, losses by epoch, a histogram of bars."""

from __future__ import annotations

from typing import Any

import pytest

from rapidml.terminal import result_lines, show_lines
from rapidml.training_text import bar_lines, choose_epochs, join_bins, loss_table, rate_text, training_lines
from tests.execution.trained import make_training
from tests.test_terminal import entry, make_result

MODELS = ("adag", "mw", "net")


def make_trained(*names: str) -> dict[str, Any]:
    models = {name: entry(training=make_training(name), type="mlp") for name in names}
    return make_result({"bdt": entry(chosen=True), **models})


def test_the_table_stands_below_the_scores() -> None:
    lines = result_lines(make_trained(*MODELS))
    heading = (
        "training trainer replicas took samples/s exchanges exchanges/s exchanged mean staleness [95%] replicas lost"
    )
    assert [" ".join(line.split()) for line in lines[6:10]] == [
        heading,
        "adag adag 2 4.0 s 1,000 40 10 8.0 MB 0.60 [3] 1",
        "mw multiworker 2 2.0 s 2,000",
        "net single 1 2.5 s 1,600",
    ]
    assert len(lines[6]) == len(lines[7])


def test_recipes_without_trainers_have_no_table() -> None:
    assert not any("training" in line for line in result_lines(make_trained("net")))
    assert not any("training" in line for line in result_lines(make_result({"bdt": entry(chosen=True)})))


def test_columns_that_nobody_fills_are_left_out() -> None:
    lines = result_lines(make_trained("mw", "net"))
    assert "  training  trainer      replicas   took  samples/s" in lines


@pytest.mark.parametrize("width", [60, 80, 100, 130])
def test_everything_fits(width: int) -> None:
    lines = result_lines(make_trained(*MODELS), width)
    lines += [line for name in MODELS for line in training_lines(name, make_training(name), width)]
    assert max(map(len, lines)) <= width


def test_a_model_is_shown_with_its_training() -> None:
    assert training_lines("adag", make_training("adag")) == [
        "training of adag, final fit: adag, 2 replicas, 4 epochs",
        "  4.0 s, 1,000 samples/s, 40 exchanges (10/s), 8.0 MB exchanged, mean staleness 0.60, 95% at most 3",
        "  replicas were lost 1 time; the others went on with their rows",
        "    epoch  train loss  watched loss",
        "    1      2           1.8",
        "    2      1           0.9",
        "    3 *    0.6667      0.6",
        "    4      0.5         0.45",
        "    * the best epoch, whose network is kept",
        "",
        "  staleness: updates of the centre by others between the last exchange of a replica and this one",
        "    0  ########################################  24",
        "    1  ####################                      12",
        "    2                                             0",
        "    3  #######                                    4",
    ]


def test_one_process_has_losses_alone() -> None:
    lines = training_lines("net", make_training("net", epochs=1))
    assert lines == [
        "training of net, final fit: one process, 1 epoch",
        "  2.5 s, 400 samples/s",
        "    epoch  train loss",
        "    1      2",
    ]


def test_networks_count_epochs() -> None:
    assert any("epochs in the final fit" in line or "1 epoch in" in line for line in show_lines(make_trained("net")))


def test_many_epochs_are_thinned_and_the_best_stays() -> None:
    assert choose_epochs(range(1, 17)) == list(range(1, 17))
    assert choose_epochs(range(1, 18)) == [1, 2, 4, 6, 8, 10, 12, 14, 16, 17]
    assert choose_epochs(range(1, 1001), best=333)[-3:] == [800, 900, 1000]
    assert 333 in choose_epochs(range(1, 1001), best=333)
    assert choose_epochs([]) == []
    assert all(len(choose_epochs(range(1, n))) <= 19 for n in range(2, 3000, 7))


def test_losses_that_were_not_told_are_empty() -> None:
    fit = {"history": {"round": [1, 2], "train": [1.0, None], "watch": [0.5]}, "best_epoch": None}
    assert loss_table(fit)[2:] == ["    2"]
    assert loss_table({"history": {}, "best_epoch": None}) == []


def test_wide_histograms_are_joined() -> None:
    bins = join_bins({0: 5, 1: 1, 29: 2}, 10)
    assert bins[0] == (0, 2, 6)
    assert bins[-1] == (27, 29, 2)
    assert sum(count for _, _, count in bins) == 8
    assert join_bins({0: 7}) == [(0, 0, 7)]
    assert bar_lines({"0": 7}, 40)[0].endswith("#  7")


def test_rates() -> None:
    assert [rate_text(rate) for rate in (None, 0.5, 2.24, 9.96, 15.04, 1730.2)] == [
        "",
        "0.5",
        "2.2",
        "10",
        "15",
        "1,730",
    ]
