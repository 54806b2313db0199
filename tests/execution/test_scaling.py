"""Measuring how a fit scales: times to a score, speed-ups, what is stored, what is printed and drawn."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from docs.make_scaling_figure import SHOWN, load_reports, make_page
from rapidml.cli import main
from rapidml.errors import RunIsAlive, StoreError
from rapidml.execution.scaling import Wanted, measure_scaling
from rapidml.execution.scaling_figure import draw_scaling
from rapidml.execution.scaling_report import GIVEN, NONE, Target, make_report
from rapidml.execution.scaling_subject import Subject, find_default_target, find_subject
from rapidml.execution.scaling_text import number_text, scaling_lines
from rapidml.execution.timings import Timing, find_rounds, find_scores, seconds_at, speed_up, thin_out
from rapidml.recipe.document import load_document
from rapidml.store.facts import Fact
from rapidml.store.store import Store, open_store
from tests.execution.small_runs import copy_store, list_model_files, make_events, read_all_facts, run, write, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rapidml.execution.timings import Over

RECIPE = """
name: small
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}
split: {test: 0.2, valid: 0.3}
models:
  bdt: {type: xgboost, params: {n_estimators: 30, max_depth: 2, subsample: 0.8, learning_rate: 0.1}}
  bayes: sklearn.naive_bayes.GaussianNB
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that has been run, with a validation part and with folds."""
    folder = tmp_path_factory.mktemp("scaling")
    write_csv(folder / "events.csv", make_events(400))
    write(folder / "recipe.yaml", RECIPE)
    run(folder / "recipe.yaml", folder / "rapidml-store")
    run(folder / "recipe.yaml", folder / "rapidml-store", "split={test: 0.2, folds: 3}")
    return folder


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Iterator[Store]:
    with open_store(copy_store(folder / "rapidml-store", tmp_path / "store")) as opened:
        yield opened


def load(folder: Path, *overrides: str) -> Any:
    return load_document(folder / "recipe.yaml", overrides)


def find(folder: Path, store: Store, wanted: Wanted, *overrides: str) -> Subject:
    """What would be measured on four cores."""
    found = find_subject(load(folder, *overrides), store, wanted)
    return replace(found, machine={**found.machine, "cores": 4, "cpu": "Test & Co"})


def make_timings(subject: Subject, times: dict[int, list[float]], **changes: Any) -> list[Timing]:
    """Made-up times of all repetitions; each round takes the same."""
    made = [
        Timing(
            over=subject.wanted.over,
            number=number,
            threads=subject.threads(number),
            session="a",
            repetition=repetition,
            seconds=seconds,
            load_seconds=0.5,
            rounds=30,
            curve=tuple((done, seconds * done / 30) for done in range(1, 31)),
            files={"model.ubj": "0" * 64},
            is_as_stored=True,
            scores=((1, 0.6), (14, 0.7), (15, 0.71), (30, 0.8)),
            score=0.8,
            others=0.0,
            fit=subject.at(number).key,
            model="bdt",
            part=subject.step.part,
            metric="roc_auc",
            target=0.71,
            source=GIVEN,
            machine=subject.machine,
            versions=subject.versions,
        )
        for number, own in times.items()
        for repetition, seconds in enumerate(own, 1)
    ]
    return [replace(timing, **changes) for timing in made]


TIMES = {n: [f * (1.0 + 8.0 / n) for f in (0.9, 1.0, 1.2)] for n in (1, 2, 4, 8)}


def test_a_curve_is_thinned_and_read_between_its_points() -> None:
    curve = tuple((done, 0.25 * done) for done in range(1, 2001))
    thin = thin_out(curve)
    assert (len(thin), thin[0], thin[-1]) == (200, curve[0], curve[-1])
    assert all(seconds_at(thin, done) == pytest.approx(0.25 * done) for done in range(1, 2001, 37))
    assert seconds_at(thin, 2001) is None
    assert seconds_at((), 1) is None
    assert seconds_at(((10, 3.0), (20, 5.0)), 4) == 3.0


@given(total=st.integers(1, 3000), needed=st.integers(1, 3000))
def test_bisection_finds_the_first_round_of_a_rising_score(total: int, needed: int) -> None:
    asked: list[int] = []

    def score(rounds: int) -> float:
        asked.append(rounds)
        return float(rounds)

    scores = find_scores(score, total, lambda value: value >= needed)
    assert len(asked) == len(set(asked)) <= 2 + math.ceil(math.log2(total + 1))
    assert find_rounds(scores, total, lambda value: value >= needed) == (needed if needed <= total else 0)


def test_scores_that_do_not_tell_say_so() -> None:
    assert find_rounds({30: 0.8, 20: 0.7}, 30, lambda score: score >= 0.75) is None
    assert find_rounds({}, 30, lambda score: score >= 0.75) is None


def test_speed_ups_are_ratios_within_repetitions(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("threads", (1, 2), "bdt", 0))
    drift = make_timings(subject, {1: [10.0, 20.0, 40.0], 2: [6.0, 12.0, 24.0]})
    assert speed_up(drift, 2, 1) == speed_up(drift[:-1], 2, 1)
    found = speed_up(drift, 2, 1)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((10 / 6,) * 3)
    assert speed_up(make_timings(subject, {2: [1.0]}), 2, 1) is None


def test_a_timing_comes_back_from_its_fact(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("threads", (1, 2), "bdt", 0))
    for timing in make_timings(subject, TIMES, score=None, others=None, is_as_stored=None):
        fact = Fact(subject.key, "scaling", payload=timing.to_payload(), versions=timing.versions)
        assert Timing.from_fact(Fact.from_json(fact.to_json())) == timing
    later = Fact(subject.key, "scaling", payload={**timing.to_payload(), "format": 2})
    assert Timing.from_fact(later) is None


def test_the_report_of_known_times(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("threads", (1, 2, 4, 8), "bdt", 3))
    report = make_report(subject, make_timings(subject, TIMES), 12, Target(0.705, GIVEN))
    json.dumps(report, allow_nan=False)
    by_number = {entry["number"]: entry for entry in report["numbers"]}
    assert by_number[2]["seconds"] == pytest.approx({"value": 5.0, "low": 4.5, "high": 6.0})
    assert by_number[2]["target_rounds"] == 15
    assert by_number[2]["target_seconds"]["value"] == pytest.approx(2.5)
    assert by_number[4]["speed_up"]["value"] == pytest.approx(3.0)
    assert by_number[4]["efficiency"]["value"] == pytest.approx(0.75)
    assert [entry["is_beyond_cores"] for entry in report["numbers"]] == [False, False, False, True]
    model = report["cost_model"]
    assert model["numbers"] == [1, 2, 4]
    mean = (0.9 + 1.0 + 1.2) / 3
    assert model["terms"]["serial"]["value"] == pytest.approx(1.0 * mean)
    assert model["terms"]["parallel"]["value"] == pytest.approx(8.0 * mean)
    assert model["limit"]["value"] == pytest.approx(9.0)
    assert [point["number"] for point in model["extrapolated"]] == [8, 16, 32]
    assert model["extrapolated"][2]["seconds"]["value"] == pytest.approx(1.25 * mean)


def test_times_that_grow_are_not_extrapolated(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("shards", (1, 2), "bdt", 1))
    report = make_report(subject, make_timings(subject, {1: [1.0], 2: [2.0]}), 2, Target(None, NONE))
    assert report["cost_model"]["extrapolated"] == []
    text = " ".join(scaling_lines(report))
    assert "nothing is extrapolated" in text
    assert "not drawn" in draw_scaling(report)


def test_an_exchange_is_fitted_for_shards(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("shards", (1, 2, 4), "bdt", 1))
    times = {n: [1.0 + 8.0 / n + 0.3 * (n - 1)] for n in (1, 2, 4)}
    report = make_report(subject, make_timings(subject, times), 3, Target(None, NONE))
    terms = {name: term["value"] for name, term in report["cost_model"]["terms"].items()}
    assert terms == pytest.approx({"serial": 1.0, "parallel": 8.0, "exchange": 0.3})
    assert report["threads_each"] == 1


def test_the_text_fits_a_terminal_and_says_what_is_not_measured(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("threads", (1, 2, 4, 8), "bdt", 3))
    timings = make_timings(subject, TIMES, others=1.5)
    timings[3] = replace(timings[3], is_as_stored=False, files={"model.ubj": "1" * 64})
    lines = scaling_lines(make_report(subject, timings, 6, Target(0.705, GIVEN)), 80)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "threads  seconds, extrapolated  speed-up, extrapolated" in text
    assert "2        5.00 [4.50, 6.00]   2.50 [2.25, 3.00]  1.80 [1.80, 1.80]  90 [90, 90]" in text
    assert "12 fits timed, 6 of them earlier" in text
    assert "the model of 2 threads does not have the bytes of the stored one" in text
    assert "the repetitions with 2 threads gave different models" in text
    assert "the cost model leaves out 8" in text
    assert "other programs used 1.5 cores" in text
    assert "target reached after 15" in text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((281.4, 279.0, 290.0), "281 [279, 290]"),
        ((2.81, 2.794, 2.9), "2.81 [2.79, 2.90]"),
        ((0.0942, 0.0913, 0.123), "0.094 [0.091, 0.123]"),
        ((0.0, 0.0, 0.1), "0.00 [0.00, 0.10]"),
        ((None, 3.0, None), "unlimited [3.00, unlimited]"),
    ],
)
def test_numbers_as_text(interval: tuple[Any, Any, Any], text: str) -> None:
    assert number_text(dict(zip(("value", "low", "high"), interval, strict=True))) == text


def test_the_figure_is_svg_with_every_point(folder: Path, store: Store) -> None:
    subject = find(folder, store, Wanted("threads", (1, 2, 4), "bdt", 3))
    times = {number: TIMES[number] for number in (1, 2, 4)}
    root = ET.fromstring(draw_scaling(make_report(subject, make_timings(subject, times), 9, Target(0.705, GIVEN))))
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 3 + 3 + 3 + 2, "completion, target, speed-up, legend"
    words = {element.text for element in root.iter(f"{SVG}text")}
    assert {"seconds", "number of threads", "speed-up against 1 thread", "ideal", "to roc_auc 0.705"} <= words
    assert any("4 cores of Test & Co" in (word or "") for word in words)
    assert any("extrapolated, not measured" in (word or "") for word in words)
    places = [float(circle.get("cx", "nan")) for circle in circles]
    assert all(0 < place < 900 for place in places)


def test_the_default_target_is_the_worse_end_of_the_selection_score(folder: Path, store: Store) -> None:
    stored = run(folder / "recipe.yaml", store.path)["models"]["bdt"]["selection"]["roc_auc"]
    wanted = Wanted("threads", (1,), "bdt", 0)
    assert find_default_target(find(folder, store, wanted)) == pytest.approx(stored["low"])
    by_loss = ("evaluate.rank_by=log_loss", "split={test: 0.2, folds: 3}")
    run(folder / "recipe.yaml", store.path, *by_loss)
    loss = find(folder, store, wanted, *by_loss)
    assert loss.step.part == "fold:0"
    target = find_default_target(loss)
    assert target is not None
    assert not loss.make_scoring(target).reaches(target + 0.01)
    assert loss.make_scoring(target).reaches(target - 0.01)


def call(folder: Path, *arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(main, ["scaling", str(folder / "recipe.yaml"), *arguments], catch_exceptions=False)
    return outcome.exit_code, " ".join(outcome.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give one of --threads 1,2,4, --shards 1,2 and --replicas 1,2"),
        (["--threads", "1", "--shards", "1"], "give one of --threads 1,2,4, --shards 1,2 and --replicas 1,2"),
        (["--threads", "0,a"], "expected numbers from 1 to 1024 with commas, such as 1,2,4, not '0'"),
        (["--threads", "1,a"], "not 'a'"),
        (["--shards", ""], "not ''"),
        (["--shards", "1,2000"], "not '2000'"),
        (["--threads", "1,2", "--model", "bdtt"], "the recipe has no model bdtt; it has bdt, bayes"),
        (["--shards", "1,2", "--model", "bayes"], "as models.bayes is, cannot be spread; use --threads 1,2"),
        (["--shards", "1,2", "models.bdt.device=cuda"], "xgboost with device: cuda"),
        (["--threads", "1,2", "models.bdt.shards=2"], "add models.bdt.shards=1, or use --shards 1,2"),
        (["--threads", "1,2", "--plot", "figure.png"], "--plot draws SVG; write --plot figure.svg"),
        (["--threads", "1,2", "--plot", "nowhere/figure.svg"], "there is no folder nowhere"),
        (["--threads", "1,2", "--repeat", "-1"], "-1"),
    ],
)
def test_what_is_wrong_on_the_command_line(folder: Path, tmp_path: Path, arguments: list[str], text: str) -> None:
    code, output = call(folder, *arguments, "--store", str(tmp_path / "store"))
    assert (code, text in output) == (2, True), output
    assert not (tmp_path / "store").exists()


def test_a_mistake_of_the_recipe_comes_first(folder: Path, tmp_path: Path) -> None:
    code, output = call(folder, "--threads", "1,2", "models.bdt.type=xgbost", "--store", str(tmp_path / "store"))
    assert code == 2
    assert "write 'xgboost'" in output


def test_nothing_measured_is_said(folder: Path, store: Store) -> None:
    with pytest.raises(StoreError, match="leave out --repeat 0"):
        measure_scaling(load(folder), store, Wanted("threads", (1,), "bdt", 0), lambda event: None)
    with pytest.raises(StoreError, match="leave out --repeat 0"):
        measure_scaling(load(folder, "seed=5"), store, Wanted("threads", (1,), "bdt", 0), lambda event: None)


def measure(folder: Path, store: Store, over: Over, numbers: tuple[int, ...], repeat: int, **more: Any) -> Any:
    wanted = Wanted(over, numbers, more.pop("model", "bdt"), repeat, more.pop("target", None))
    overrides = more.pop("overrides", ())
    return measure_scaling(load(folder, *overrides), store, wanted, lambda event: None, **more)


@pytest.mark.cluster
def test_threads_are_measured_stored_and_added_to(folder: Path, store: Store) -> None:
    result = run(folder / "recipe.yaml", store.path)
    models, n_facts = list_model_files(store.path, result), len(read_all_facts(store.path))
    order: list[tuple[int, int]] = []
    report = measure(
        folder, store, "threads", (1, 2), 2, on_timed=lambda timing: order.append((timing.repetition, timing.number))
    )
    assert order == [(1, 1), (1, 2), (2, 1), (2, 2)], "in turn"
    assert report["measured"] == {"added": 4, "before": 0}
    assert all(entry["is_as_stored"] and entry["is_repeated"] for entry in report["numbers"])
    assert all(len(timing["curve"]) == 30 for timing in report["timings"])
    stored = result["models"]["bdt"]["selection"]["roc_auc"]
    assert report["target"] == {"metric": "roc_auc", "value": pytest.approx(stored["low"]), "source": "interval"}
    assert report["numbers"][0]["score"] == pytest.approx(stored["value"])
    for entry in report["numbers"]:
        assert 1 <= entry["target_rounds"] <= 30
        assert 0 < entry["target_seconds"]["value"] <= entry["seconds"]["value"]

    facts = read_all_facts(store.path)
    assert len(facts) == n_facts + 4
    assert [fact.run for fact in facts if fact.kind == "scaling"] == [result["run"]] * 4
    assert list_model_files(store.path, result) == models
    assert store.get_run(result["run"]).state == "finished"
    assert not store.is_alive(result["run"])
    again = run(folder / "recipe.yaml", store.path)
    assert not again["computed"]

    shown = measure(folder, store, "threads", (1, 2), 0)
    assert shown["measured"] == {"added": 0, "before": 4}
    assert shown["numbers"] == report["numbers"]
    assert shown["timings"] == report["timings"]
    more = measure(folder, store, "threads", (2,), 1)
    assert more["measured"] == {"added": 1, "before": 2}
    assert more["cost_model"] is None


@pytest.mark.cluster
def test_every_number_of_shards_is_its_own_model(folder: Path, store: Store) -> None:
    report = measure(folder, store, "shards", (1, 2), 2)
    one, two = report["numbers"]
    assert one["is_as_stored"] is True
    assert two["is_as_stored"] is None, "nobody has stored it"
    assert one["is_repeated"]
    assert two["is_repeated"]
    assert one["score"] != two["score"]
    sharded = run(folder / "recipe.yaml", store.path, "models.bdt.shards=2")
    assert two["score"] == pytest.approx(sharded["models"]["bdt"]["selection"]["roc_auc"]["value"])
    after = measure(folder, store, "shards", (1, 2), 1, overrides=["models.bdt.shards=2"])
    assert after["measured"] == {"added": 2, "before": 4}, "the recipe's own number changes nothing"
    assert [timing["is_as_stored"] for timing in after["timings"]] == [True, None, True, None, True, True]


@pytest.mark.cluster
def test_folds_and_models_without_rounds(folder: Path, store: Store) -> None:
    folds = ["split={test: 0.2, folds: 3}"]
    report = measure(folder, store, "threads", (1,), 1, model="bayes", overrides=folds, target=0.5)
    (entry,) = report["numbers"]
    assert report["part"] == "fold:0"
    assert entry["rounds"] is None
    assert entry["is_as_stored"]
    assert entry["target_seconds"] == entry["seconds"]
    assert "no rounds" in " ".join(scaling_lines(report))
    unreachable = measure(folder, store, "threads", (1,), 1, model="bayes", overrides=folds, target=1.0)
    assert unreachable["numbers"][0]["target_seconds"] is None
    assert "not reached" in " ".join(scaling_lines(unreachable))


@pytest.mark.cluster
def test_the_command_prints_and_draws(folder: Path, store: Store, tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    code, output = call(folder, "--threads", "1,2", "--repeat", "1", "--store", str(store.path), "--plot", str(figure))
    assert code == 0, output
    assert "every fit gave the bytes of the stored model" in output
    assert ET.parse(figure).getroot().tag == f"{SVG}svg"
    code, output = call(folder, "--threads", "1,2", "--repeat", "0", "--store", str(store.path), "--json")
    assert (code, json.loads(output)["measured"]) == (0, {"added": 0, "before": 2})


def test_a_run_that_is_driven_is_not_measured(folder: Path, store: Store) -> None:
    run_id = run(folder / "recipe.yaml", store.path)["run"]
    with store.attempts.add_facts(run_id), pytest.raises(RunIsAlive):
        measure(folder, store, "threads", (1,), 1)


def test_the_page_shows_the_measurements_that_lie_beside_it(root: Path) -> None:
    docs, reports = root / "docs", load_reports()
    page = (docs / "scaling.md").read_text(encoding="utf-8")
    written = "run `python docs/make_scaling_figure.py` and look at the figure"
    for name, report in reports.items():
        assert (docs / f"{name}.svg").read_text(encoding="utf-8") == SHOWN[name].draw(report), written
    assert make_page(page, reports) == page, written
