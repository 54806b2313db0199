"""The page of a training without a browser: what it shows, and what it draws while a training goes on."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rapidml.dashboard.training_records import make_throughput
from rapidml.errors import StoreError
from rapidml.execution.training import add_up, describe_fit
from rapidml.execution.training_state import Training, TrainingState
from tests.execution.trained import ROWS, make_curve, make_fact, make_report


def make_fit(model: str, **changes: Any) -> Training:
    fact = make_fact(model)
    curves = (fact.payload.get("training") or {}).get("curves", {})
    told = describe_fit(fact)
    return replace(Training(model, "final fit", "finished", 4, 4, told, curves), **changes)


def make_running(epochs: int, total: int = 4) -> Training:
    report = make_report(epochs)
    history = {"round": list(range(1, epochs + 1)), "watch": [1.8 / epoch for epoch in range(1, epochs + 1)]}
    told = {"trainer": "adag", "replicas": 2, **add_up([report]), "history": history, "best_epoch": None}
    return Training("adag", "final fit", "running", epochs, total, told, report["curves"])


def make_state(*fits: Training, state: str = "finished", **models: tuple[Training, ...]) -> TrainingState:
    found: dict[str, tuple[Training, ...]] = {fit.model: (fit,) for fit in fits}
    return TrainingState("20261122-0719-k3f9", "digits", state, {**found, **models})


class Told:
    """A source that says what it was told."""

    def __init__(self) -> None:
        self.state = make_state(make_fit("adag"), make_fit("net"), make_fit("mw"))
        self.error: StoreError | None = None
        self.threads: set[int] = set()

    def look(self) -> TrainingState:
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        return self.state


@pytest.fixture
def source() -> Told:
    return Told()


def make_page(source: Told, model: str | None = None) -> Any:
    from rapidml.dashboard.training_page import TrainingPage

    page = TrainingPage(source, model, lambda name: f"training?model={name}")
    page.fill()
    return page


def tick(page: Any) -> None:
    asyncio.run(page.tick())


def cells(page: Any, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = page.table.records[number]["cells"]
    return found


def titles(page: Any) -> list[str]:
    shown = [page.drawn[name].object for name, place in page.places.items() if place.visible]
    return [plot.title.text for plot in shown]


def test_all_trainers_stand_in_one_table(source: Told) -> None:
    page = make_page(source)
    assert [record["key"] for record in page.table.records] == ["adag/final fit", "net/final fit", "mw/final fit"]
    adag = cells(page)
    assert (adag["trainer"]["text"], adag["trainer"]["small"], adag["samples"]["text"]) == (
        "adag",
        "2 replicas",
        "1,000",
    )
    assert (adag["exchanges"]["text"], adag["exchanges"]["small"]) == ("40", "10/s, 8.0 MB")
    assert (adag["staleness"]["text"], adag["staleness"]["small"], adag["lost"]["text"]) == ("0.60", "95% ≤ 3", "1")
    assert (adag["held"]["text"], adag["held"]["small"]) == ("0.6000", "watched")  # of the best epoch
    assert adag["model"]["tags"] == ["shown below"]
    assert (cells(page, 1)["exchanges"]["text"], "staleness" in cells(page, 1)) == ("", False)


def test_a_training_with_a_centre_is_drawn_in_full(source: Told) -> None:
    page = make_page(source)
    assert titles(page) == [
        "Loss of replicas and centre",
        "Loss by epoch",
        "Staleness of the exchanges",
        "Throughput of all replicas together",
    ]
    assert [name for _, name in page.plots.curves] == ["0", "1", "watch"]
    assert page.plots.staleness.data["count"] == [24, 12, 0, 4]
    assert page.plots.best.data == {"epoch": [3], "loss": [0.6]}
    assert "mean 0.60, 95% at most 3" in page.told.object
    assert "replicas were lost 1 time" in page.status.object


def test_losses_are_drawn_over_time_or_samples(source: Told) -> None:
    page = make_page(source)
    before = page.drawn["losses"].object
    page.across.value = "samples"
    assert {glyph.x for glyph in page.plots.lines} == {"samples"}
    assert page.plots.over[0].xaxis.axis_label == "Samples that all replicas together have trained on"
    assert page.drawn["losses"].object is before
    assert page.plots.curves["replicas", "0"].data["samples"] == [500, 1500, 2500, 3500]


@pytest.mark.parametrize(
    ("model", "words"), [("net", "One process trains"), ("mw", "All replicas take every step together")]
)
def test_without_a_centre_there_are_the_losses_by_epoch(source: Told, model: str, words: str) -> None:
    page = make_page(source, model)
    assert titles(page) == ["Loss by epoch"]
    assert words in page.told.object
    assert not page.switch.visible
    assert page.plots.losses["train"].data["loss"] == [2.0, 1.0, 2 / 3, 0.5]


def test_a_training_goes_on_in_place(source: Told) -> None:
    source.state = make_state(make_running(1), state="running")
    page = make_page(source)
    before, plots = page.drawn["losses"].object, page.plots
    assert "1 of 4 epochs" in page.status.object
    assert cells(page)["state"]["bar"] == 0.25
    source.state = make_state(make_running(3), state="running")
    tick(page)
    assert page.drawn["losses"].object is before
    assert plots.losses["watch"].data["epoch"] == [1, 2, 3]
    assert len(plots.curves["replicas", "1"].data["loss"]) == 3
    assert plots.staleness.data["count"] == [18, 9, 0, 3]
    source.state = make_state(make_fit("adag"))
    tick(page)
    assert page.drawn["losses"].object is not before  # losses of the training rows, and a best epoch, have come
    assert list(page.plots.losses) == ["train", "watch"]
    assert "finished after 4 epochs, best epoch 3" in page.status.object


def test_a_training_that_begins_while_the_page_is_open_appears(source: Told) -> None:
    source.state = make_state(state="running", adag=())
    page = make_page(source)
    assert "has not begun" in page.status.object
    assert (cells(page)["state"], page.plots_view.visible) == ("waiting", False)
    begun = Training("adag", "final fit", told={"trainer": "adag"})
    source.state = make_state(begun, state="running")
    tick(page)
    assert "adag, starting" in page.status.object
    assert "No epoch has ended yet." in page.told.object
    assert "No replica has finished its first window yet." in page.told.object
    source.state = make_state(make_running(2), state="running")
    tick(page)
    assert len(titles(page)) == 4


def test_runs_without_networks_and_untrained_ones_say_so(source: Told) -> None:
    source.state = make_state()
    page = make_page(source)
    assert "This run trains no network." in page.status.object
    assert not page.table.visible
    source.state = make_state(adag=())
    page = make_page(source)
    assert "Nothing of it was trained." in page.status.object
    assert cells(page)["state"] == "not trained"


def test_exchanges_that_were_never_stale_are_said_not_drawn(source: Told) -> None:
    fit = make_fit("adag")
    told = {**fit.told, "staleness": {"0": 20}, "mean_staleness": 0.0, "late_staleness": 0}
    source.state = make_state(replace(fit, told=told))
    page = make_page(source)
    assert "Staleness of the exchanges" not in titles(page)
    assert "Nothing was stale in 20 exchanges" in page.told.object


def test_a_failed_fit_says_why(source: Told) -> None:
    source.state = make_state(make_fit("net", state="failed", done=0, told={}, error="ModelError: <nan>"))
    page = make_page(source)
    assert "It failed: ModelError: &lt;nan&gt;" in page.told.object
    assert cells(page)["state"]["small"] == "ModelError: <nan>"


def test_the_newest_fit_under_way_is_shown_until_one_is_chosen(source: Told) -> None:
    folds = [make_fit("net", title=f"fold {i}") for i in range(2)]
    source.state = make_state(net=(*folds, make_fit("net")))
    page = make_page(source)
    assert (page.fit.options, page.fit.value, page.fit.visible) == (
        ["fold 0", "fold 1", "final fit"],
        "final fit",
        True,
    )
    page.fit.value = "fold 1"
    assert "net, fold 1" in page.status.object
    source.state = make_state(net=(folds[0], folds[1], replace(make_fit("net"), state="running")))
    tick(page)
    assert page.fit.value == "fold 1"
    assert make_page(source).fit.value == "final fit"


def test_a_failed_look_keeps_what_was_there(source: Told) -> None:
    page = make_page(source)
    source.error = StoreError("the <disk> is gone")
    tick(page)
    assert "the &lt;disk&gt; is gone" in page.problem.object
    assert len(page.table.records) == 3
    source.error = None
    tick(page)
    assert not page.problem.visible
    assert len(source.threads) > 1


def test_the_model_is_that_of_the_address_and_others_are_links(source: Told) -> None:
    source.state = make_state(make_fit("net"), replace(make_fit("net"), model="<mean>"))
    page = make_page(source, "<mean>")
    assert '<a href="training?model=net">net</a>' in page.models.object
    assert '<b aria-current="page">&lt;mean&gt;</b>' in page.models.object
    assert make_page(source, "absent").model == "net"


def test_of_many_replicas_the_first_are_drawn(source: Told) -> None:
    fit = make_fit("adag")
    curve = fit.curves["replicas"]["0"]
    curves = {**fit.curves, "replicas": {str(number): curve for number in range(30)}}
    source.state = make_state(replace(fit, curves=curves))
    page = make_page(source)
    assert len(page.plots.curves) == 13
    assert "The first 12 of 30 replicas are drawn." in page.told.object


def test_a_dark_page_changes_colours_in_place(source: Told) -> None:
    page = make_page(source)
    plot = page.plots.over[0]
    before = plot.xaxis[0].axis_label_text_color
    page._set_dark(dark=True)
    assert page.plots.over[0] is plot
    assert plot.xaxis[0].axis_label_text_color != before


def test_the_throughput_holds_all_samples() -> None:
    draw = np.random.default_rng(1)
    seconds = np.cumsum(draw.exponential(0.1, 300))
    samples = np.cumsum(draw.integers(1, 200, 300))
    points = [(float(t), int(n), 1.0) for t, n in zip(seconds, samples, strict=True)]
    steps = make_throughput({"0": make_curve(points[::2]), "1": make_curve(points[1::2])})
    assert 20 < len(steps) <= 40
    assert sum((until - begin) * rate for begin, until, rate in steps) == pytest.approx(samples[-1])
    assert steps[0][0] == 0.0
    assert steps[-1][1] == pytest.approx(seconds[-1])
    assert all(until == begin for (_, until, _), (begin, _, _) in pairwise(steps))
    assert make_throughput({}) == []
    assert make_throughput({"0": make_curve([(2.0, ROWS, 1.0)])}) == [(0.0, 2.0, ROWS / 2)]
