"""Measuring how trainers scale: which fits, with which seeds, what follows from their times, what is shown of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.execution.running import prepare
from rapidml.execution.scaling import Wanted, measure_scaling
from rapidml.execution.scaling_report import GIVEN, INTERVAL, NONE, Target
from rapidml.execution.scaling_subject import Subject, make_subject
from rapidml.execution.timed_replica import ReplicaClock, read_begin, read_epochs
from rapidml.execution.timings import Timing, find_first
from rapidml.execution.trainer_subjects import list_trained, with_singles
from rapidml.execution.trainers_figure import draw_trainers
from rapidml.execution.trainers_report import Failure, Series, make_trainers_report
from rapidml.execution.trainers_text import trainer_lines
from rapidml.recipe.document import load_document
from rapidml.store.facts import Fact
from rapidml.store.store import Store, open_store
from tests.execution.small_runs import list_model_files, make_events, read_all_facts, run, write, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="networks need TensorFlow: pip install 'iml-rapidml[tensorflow]'"
)
HEAD = """
name: small
dataset: {path: events.csv, target: label, positive: s, weight: w, features: [pt, eta, mass]}
split: {test: 0.2, valid: 0.3}
evaluate: {rank_by: log_loss}
models:
"""
BAYES = "  bayes: sklearn.naive_bayes.GaussianNB\n"
NET = "type: mlp, params: {hidden: [4], epochs: 3, batch_size: 16%s}"
TRAINERS = f"""
  adag: {{{NET % ""}, trainer: {{adag: {{window: 2}}}}}}
  eamsgd: {{{NET % ""}, trainer: eamsgd}}
  rate: {{{NET % ", learning_rate: 0.01"}, trainer: {{multiworker: {{replicas: 4}}}}}}
  net: {{{NET % ""}}}
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose rows are known to the store, so that recipes with networks can be planned without fits."""
    folder = tmp_path_factory.mktemp("trainers")
    write_csv(folder / "events.csv", make_events(400))
    run(write(folder / "bayes.yaml", HEAD + BAYES), folder / "rapidml-store")
    write(folder / "recipe.yaml", HEAD + BAYES + TRAINERS)
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with open_store(folder / "rapidml-store") as opened:
        yield opened


def find(folder: Path, store: Store, *overrides: str, model: str = "", numbers: tuple[int, ...] = (1, 2, 4)) -> Any:
    """What would be measured on four cores."""
    document = load_document(folder / "recipe.yaml", overrides)
    names = [model] if model else list_trained(document)
    wanted = Wanted("replicas", numbers, names[0], 3)
    first = make_subject(store, "run", prepare(document, store), wanted)
    first = replace(first, machine={**first.machine, "cores": 2, "cpu": "Test & Co"})
    return with_singles([first, *(first.of(name) for name in names[1:])])


def test_every_trainer_is_held_against_the_same_network_without_one(folder: Path, store: Store) -> None:
    subjects = find(folder, store)
    assert [subject.label for subject in subjects] == ["adag", "eamsgd", "rate", "single"]
    assert subjects[-1].step.model == "net", "that of the recipe"
    assert [subject.numbers for subject in subjects] == [(1, 2, 4)] * 3 + [(1,)]
    assert {subject.threads(1) for subject in subjects} == {1}, "a single has the threads of one replica"
    (alone, single) = find(folder, store, model="rate")
    assert (alone.label, single.step.model) == ("rate", "net"), "how it learns may differ"
    made = find(folder, store, "models.net=null")
    assert made[-1].step.model == "adag", "none in the recipe"
    assert (made[-1].step.spec.trainer, made[-1].step.key) == (None, subjects[-1].step.key)
    of_eamsgd = find(folder, store, "models.net=null", model="eamsgd")
    assert of_eamsgd[-1].step.key == subjects[-1].step.key


def test_other_networks_have_singles_of_their_own(folder: Path, store: Store) -> None:
    subjects = find(folder, store, "models.adag.params.batch_size=32", "models.eamsgd.params.hidden=[4, 4]")
    labels = [subject.label for subject in subjects if subject.trainer is None]
    assert labels == ["single, as adag", "single, as eamsgd", "single, as net"]


def test_keys_of_timings_do_not_depend_on_the_replicas_of_the_recipe(folder: Path, store: Store) -> None:
    adag, _, rate, single = find(folder, store)
    assert adag.at(2).key == adag.step.key, "2 is the default"
    assert rate.at(4).key == rate.step.key
    assert len({subject.at(n).key for subject in (adag, rate) for n in (1, 2, 4)} | {single.at(1).key}) == 7
    other = find(folder, store, "models.adag.trainer={adag: {window: 2, replicas: 8}}")[0]
    assert other.key == adag.key
    assert other.at(2).key == adag.at(2).key
    assert len({subject.key for subject in (adag, rate, single)}) == 3


def test_repetitions_have_seeds_of_their_own_the_same_for_all_trainers(folder: Path, store: Store) -> None:
    subjects = find(folder, store)
    seeds = [
        {subject.make_job(n, draw).step.seed for subject in subjects for n in subject.numbers} for draw in range(4)
    ]
    assert [len(found) for found in seeds] == [1] * 4
    assert len(set.union(*seeds)) == 4
    assert seeds[0] == {subjects[0].step.seed}, "the first is that of the recipe"


def make_timings(subject: Subject, times: dict[int, list[float]], scores: dict[int, list[float]]) -> list[Timing]:
    """Made-up times of all repetitions: three epochs of equal length, and their scores."""
    return [
        Timing(
            over="replicas",
            number=number,
            threads=subject.threads(number),
            session="a",
            repetition=repetition,
            seconds=seconds,
            load_seconds=2.5,
            rounds=3,
            curve=tuple((epoch, seconds * epoch / 3) for epoch in (1, 2, 3)),
            files={"network.npz": "0" * 64},
            is_as_stored=None,
            scores=tuple(enumerate(scores[number], 1)),
            score=scores[number][-1] + repetition / 100,
            others=0.0,
            fit=subject.at(number).key,
            model=subject.step.model,
            part=subject.step.part,
            metric="log_loss",
            target=0.5,
            source=GIVEN,
            machine=subject.machine,
            versions=subject.versions,
            draw=repetition - 1,
            trainer="adag",
        )
        for number, own in times.items()
        for repetition, seconds in enumerate(own, 1)
    ]


def make_series(subjects: tuple[Subject, ...]) -> list[Series]:
    """Times of adag and of the single; nothing of the others."""
    times = {1: [12.0, 24.0, 12.0], 2: [6.0, 12.0, 8.0], 4: [4.0, 8.0, 4.0]}
    scores = {1: [0.6, 0.45, 0.55], 2: [0.7, 0.6, 0.5], 4: [0.8, 0.7, 0.6]}
    adag = Series(subjects[0], make_timings(subjects[0], times, scores))
    single = Series(subjects[-1], [], make_timings(subjects[-1], {1: [9.0, 18.0, 9.0]}, {1: [0.4, 0.3, 0.2]}))
    return [adag, *(Series(subject, []) for subject in subjects[1:-1]), single]


def test_the_report_of_known_times(folder: Path, store: Store) -> None:
    report = make_trainers_report(make_series(find(folder, store)), Target(0.5, GIVEN))
    json.dumps(report, allow_nan=False)
    assert [trainer["model"] for trainer in report["trainers"]] == ["adag", "single"], "what was measured"
    assert report["measured"] == {"added": 3, "before": 9}
    assert report["is_one_network"]
    one, two, four = report["trainers"][0]["numbers"]
    assert two["speed_up"] == pytest.approx({"value": 2.0, "low": 1.5, "high": 2.0}), "within repetitions"
    assert two["efficiency"] == pytest.approx({"value": 1.0, "low": 0.75, "high": 1.0})
    assert two["against_single"] == pytest.approx({"value": 1.5, "low": 1.125, "high": 1.5})
    assert two["seconds"] == {"value": 8.0, "low": 6.0, "high": 12.0}
    assert one["target_seconds"] == {"value": 8.0, "low": 8.0, "high": 16.0}, "the first epoch, whatever comes after"
    assert one["target_epochs"]["value"] == 2
    assert two["target_epochs"]["value"] == 3
    assert two["target_speed_up"] == pytest.approx({"value": 8 / 6, "low": 1.0, "high": 8 / 6})
    assert (four["reached"], four["target_seconds"], four["target_speed_up"]) == (0, None, None)
    assert one["score"] == pytest.approx({"value": 0.57, "low": 0.56, "high": 0.58})
    assert [entry["is_beyond_cores"] for entry in (one, two, four)] == [False, False, True]
    assert report["trainers"][0]["cost_model"]["numbers"] == [1, 2]
    assert report["trainers"][1]["cost_model"] is None


def test_the_text_fits_a_terminal_and_says_how_it_was_measured(folder: Path, store: Store) -> None:
    series = make_series(find(folder, store))
    series[0].failures.append(Failure(4, 3, "the loss is not a number in epoch 1"))
    series[0].before[0] = replace(series[0].before[0], scores=((1, 0.9),))
    report = make_trainers_report(series, Target(0.5, INTERVAL))
    narrow = trainer_lines(report, 80)
    assert max(map(len, narrow)) <= 80
    assert "against" not in " ".join(narrow)
    lines = trainer_lines(report, 110)
    assert max(map(len, lines)) <= 110
    text = " ".join(" ".join(lines).split())
    assert "2 8.00 [6.00, 12.00] 2.00 [1.50, 2.00] 100 [75, 100] 1.50 [1.12, 1.50]" in text
    assert "4 * 4.00 [4.00, 8.00] 3.00 [3.00, 3.00] 75 [75, 75]" in text
    assert "adag 1 12.0 [8.0, 16.0] (1 not) 2 [2, 2] 1 0.5700 [0.5600, 0.5800]" in text
    assert "adag 4 * not reached - -" in text
    assert "single 1 3.00 [3.00, 6.00] 1 [1, 1] 0.2200 [0.2100, 0.2300]" in text
    assert "every repetition has another seed, the same for all of them" in text
    assert "where replicas exchange each in its own time, two fits of one seed differ, too" in text
    assert "the worst end of the intervals of the stored selection scores" in text
    assert "starting the processes, loading the rows and compiling, 2.5 s a fit" in text
    assert "failed: adag with 4 replicas: the loss is not a number in epoch 1" in text
    assert "warning" not in text
    without = " ".join(trainer_lines(make_trainers_report(series, Target(None, NONE))))
    assert "to the target" not in without
    assert "target: none" in without


def test_networks_that_differ_are_said(folder: Path, store: Store) -> None:
    subjects = find(folder, store, "models.adag.params.batch_size=32")
    series = [Series(one, make_timings(one, {1: [2.0]}, {1: [0.4, 0.3, 0.2]})) for one in subjects]
    report = make_trainers_report(series, Target(0.5, GIVEN))
    assert {one["model"]: one["single"] for one in report["trainers"]}["adag"] == "single, as adag"
    assert not report["is_one_network"]
    assert "they are not trainers of one network" in " ".join(trainer_lines(report))
    ET.fromstring(draw_trainers(report))


def test_the_figure_is_svg_with_every_point(folder: Path, store: Store) -> None:
    root = ET.fromstring(draw_trainers(make_trainers_report(make_series(find(folder, store)), Target(0.5, GIVEN))))
    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 3 + 2 + 2 + 1, "to the end, to the target, speed-up, legend"
    words = {element.text for element in root.iter(f"{SVG}text")}
    assert {"seconds to the end", "seconds to log_loss 0.5", "speed-up against 1 replica", "adag", "single"} <= words
    assert any("2 cores of Test & Co" in (word or "") and "tensorflow" in (word or "") for word in words)
    assert all(0 < float(circle.get("cx", "nan")) < 900 for circle in circles)


def test_a_timing_comes_back_from_its_fact_and_old_ones_are_read(folder: Path, store: Store) -> None:
    (subject, *_) = find(folder, store)
    for timing in make_timings(subject, {2: [1.0, 2.0]}, {2: [0.3]}):
        fact = Fact(subject.key, "scaling", payload=timing.to_payload(), versions=timing.versions)
        assert Timing.from_fact(Fact.from_json(fact.to_json())) == timing
        old = {name: value for name, value in timing.to_payload().items() if name not in ("draw", "trainer")}
        found = Timing.from_fact(Fact(subject.key, "scaling", payload=old, versions=timing.versions))
        assert found == replace(timing, draw=None, trainer=None)


def test_the_first_score_that_is_good_enough_counts() -> None:
    assert find_first({3: 0.9, 1: 0.5, 2: 0.95}, lambda score: score >= 0.9) == 2
    assert find_first({3: 0.9, 1: 0.5}, lambda score: score >= 0.95) is None


def test_a_clock_keeps_what_epochs_came_to(tmp_path: Path) -> None:
    ReplicaClock(tmp_path, 1).begin()
    clock = ReplicaClock(tmp_path, 0)
    clock.begin()
    weights = [[np.full((2, 3), 10 * k + i, np.float32) for i in range(12)] for k in range(2)]
    clock.end_epoch(2, weights[:1])
    clock.end_epoch(1, weights)
    (first, second) = read_epochs(tmp_path)
    assert (first[0], second[0]) == (1, 2)
    assert read_begin(tmp_path) <= second[1] <= first[1], "by the clock of the host"
    assert [len(found) for found in first[2]] == [12, 12]
    assert all((mine == theirs).all() for mine, theirs in zip(first[2][1], weights[1], strict=True))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--replicas", "1,2", "--shards", "1"], "give one of --threads 1,2,4, --shards 1,2 and --replicas 1,2"),
        (["--replicas", "1,2", "--model", "net"], "models.net has none; write for example models.net.trainer=adag, or"),
        (["--replicas", "1,2", "--model", "net"], "or name one that has: adag, eamsgd, rate"),
        (["--replicas", "1,2", "--model", "nett"], "the recipe has no model nett"),
        (["--threads", "1,2", "--model", "adag"], "models.adag has a trainer; use --replicas 1,2"),
        (["--shards", "1,2", "--model", "rate"], "models.rate has a trainer; use --replicas 1,2"),
    ],
)
def test_what_is_wrong_on_the_command_line(folder: Path, tmp_path: Path, arguments: list[str], text: str) -> None:
    words = ["scaling", str(folder / "recipe.yaml"), *arguments, "--store", str(tmp_path / "store")]
    outcome = CliRunner().invoke(main, words, catch_exceptions=False)
    output = " ".join(outcome.output.replace("│", " ").split())
    assert (outcome.exit_code, text in output) == (2, True), output


def test_a_recipe_without_trainers_is_said(folder: Path, tmp_path: Path) -> None:
    words = ["scaling", str(folder / "bayes.yaml"), "--replicas", "1,2", "--store", str(tmp_path / "store")]
    outcome = CliRunner().invoke(main, words, catch_exceptions=False)
    assert outcome.exit_code == 2
    assert "no model of the recipe has one" in " ".join(outcome.output.replace("│", " ").split())


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trainers_are_measured_stored_and_added_to(folder: Path, tmp_path: Path) -> None:
    lines = TRAINERS.splitlines()
    recipe = write(
        folder / "measured.yaml", HEAD + "\n".join([lines[1], lines[3].replace("4}}", "2}}"), lines[4]]) + "\n"
    )
    result = run(recipe, tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        models, n_facts = list_model_files(store.path, result), len(read_all_facts(store.path))
        order: list[tuple[str | None, int]] = []

        def measure(repeat: int, model: str = "") -> Any:
            wanted = Wanted("replicas", (1, 2), model, repeat)
            document = load_document(recipe, ())
            order.clear()
            return measure_scaling(
                document,
                store,
                wanted,
                lambda event: None,
                on_timed=lambda timing: order.append((timing.trainer, timing.number)),
            )

        report = measure(1)
        assert order == [("adag", 1), ("adag", 2), ("multiworker", 1), ("multiworker", 2), ("single", 1)], "in turn"
        assert report["failures"] == []
        timings = {(timing["trainer"], timing["number"]): timing for timing in report["timings"]}
        for timing in timings.values():
            assert [epoch for epoch, _ in timing["curve"]] == [epoch for epoch, _ in timing["scores"]] == [1, 2, 3]
            seconds = [0.0, *(at for _, at in timing["curve"])]
            assert seconds == sorted(seconds)
            assert timing["seconds"] == seconds[-1]
            assert timing["load_seconds"] > 0
            assert timing["scores"][-1][1] == pytest.approx(timing["score"], abs=1e-9), "of the weights at the end"
        stored = result["models"]["rate"]["selection"]["log_loss"]["value"]
        assert timings["multiworker", 2]["score"] == pytest.approx(stored, abs=1e-4), "the fit of the recipe, draw 0"
        worst = max(result["models"][name]["selection"]["log_loss"]["high"] for name in ("adag", "rate", "net"))
        assert report["target"]["source"] == "interval"
        assert report["target"]["value"] == pytest.approx(worst)

        assert len(read_all_facts(store.path)) == n_facts + 5
        assert list_model_files(store.path, result) == models, "no model is stored"
        assert list(store.work.list_attempts()) == [], "and no checkpoint"
        shown = measure(0)
        assert shown["trainers"] == report["trainers"]
        more = measure(1, "rate")
        assert order == [("multiworker", 1), ("multiworker", 2), ("single", 1)]
        assert more["measured"] == {"added": 3, "before": 3}
        assert [timing["draw"] for timing in more["timings"]] == [0, 0, 1, 1, 0, 1], "another seed"
