"""Every command on a small store with a few runs, called within this process."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from tests.execution.small_runs import make_events, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RECIPE = """
name: small
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 4, max_depth: 2}}
  bayes: sklearn.naive_bayes.GaussianNB
evaluate: {also: [log_loss]}
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and a store with two runs."""
    folder = tmp_path_factory.mktemp("commands")
    write_csv(folder / "events.csv", make_events(120))
    write(folder / "recipe.yaml", RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call("run", "recipe.yaml").exit_code == 0
        assert call("run", "recipe.yaml", "models.bdt.params.max_depth=3", "-n", "deeper").exit_code == 0
    return folder


@pytest.fixture
def here(template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In that folder; nothing is to be changed."""
    monkeypatch.chdir(template)
    monkeypatch.delenv("RAPIDML_STORE", raising=False)
    return template


@pytest.fixture
def own(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a copy of that folder."""
    shutil.copytree(template, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.delenv("RAPIDML_STORE", raising=False)
    return tmp_path / "own"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def succeed(*arguments: str) -> str:
    outcome = call(*arguments)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def load(*arguments: str) -> Any:
    return json.loads(succeed(*arguments, "--json"))


def fail(code: int, *arguments: str) -> str:
    outcome = call(*arguments)
    assert outcome.exit_code == code, outcome.output
    return outcome.stderr


SCORES = {"value", "low", "high"}


def assert_result(result: dict[str, Any]) -> None:
    """The object that the documentation promises."""
    assert {"run", "name", "state", "fits", "seconds", "models"} <= set(result)
    assert set(result["fits"]) == {"trained", "stored", "failed", "pruned", "collapsed"}
    assert set(result["models"]) == {"bdt", "bayes"}
    assert sum(entry["chosen"] for entry in result["models"].values()) == 1
    for entry in result["models"].values():
        assert {"params", "chosen", "selection", "test", "train"} <= set(entry)
        for part in ("selection", "test", "train"):
            assert set(entry[part]) == {"roc_auc", "log_loss"}
            assert all(set(score) >= SCORES for score in entry[part].values())


def test_run_json(here: Path) -> None:
    result = load("run", "recipe.yaml")
    assert_result(result)
    assert result["fits"] == {"trained": 0, "stored": 6, "failed": 0, "pruned": 0, "collapsed": 0}
    assert (result["name"], result["state"]) == ("small", "finished")
    assert isinstance(result["seconds"], float)


def test_show_json(here: Path) -> None:
    assert_result(load("show", "small"))
    assert load("show")["name"] == "deeper"
    assert load("show")["models"]["bdt"]["params"] == {"n_estimators": 4, "max_depth": 3}


def test_plan_json(here: Path) -> None:
    planned = load("plan", "recipe.yaml", "models.bdt.params.max_depth=5")
    assert planned["fits"] == {"to_train": 3, "stored": 3, "collapsed": 0}
    (reason,) = planned["reasons"]
    assert reason | {"old": 2, "was": "recipe.yaml:6"} == {
        "code": "field_changed",
        "models": ["bdt"],
        "field": "models.bdt.params.max_depth",
        "old": 2,
        "new": 5,
        "origin": "command line",
        "was": "recipe.yaml:6",
        "count": 3,
    }


def test_check_json(here: Path) -> None:
    checked = load("check", "recipe.yaml")
    assert checked["errors"] == []
    values = {entry["field"]: (entry["value"], entry["origin"]) for entry in checked["resolved"]}
    assert values["models.bdt.params.max_depth"] == (2, "recipe.yaml:6")
    assert values["seed"] == (0, "default")


def test_check_resolved(here: Path) -> None:
    text = succeed("check", "recipe.yaml", "seed=4", "--resolved")
    assert re.search(r"(?m)^seed +4 +command line$", text)
    assert re.search(r'(?m)^name +"small" +recipe.yaml:2$', text)
    assert "recipe.yaml is fine: 2 models" in succeed("check", "recipe.yaml")


def test_check_needs_no_store(here: Path, tmp_path: Path) -> None:
    succeed("check", "recipe.yaml", "--store", str(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()


def test_ls(here: Path) -> None:
    lines = succeed("ls").splitlines()
    assert lines[0].split()[:3] == ["run", "name", "state"]
    assert [line.split()[1] for line in lines[1:]] == ["deeper", "small"]


def test_ls_filter(here: Path) -> None:
    assert [entry["name"] for entry in load("ls", "name == 'small'")] == ["small"]
    assert [entry["name"] for entry in load("ls", "scores.roc_auc > 0.1 and state == 'finished'")] == [
        "deeper",
        "small",
    ]
    assert load("ls", "scores.roc_auc > 1") == []
    assert "no runs here" in succeed("ls", "name == 'absent'")


def test_ls_shows_the_newest_30(own: Path) -> None:
    (run_id,) = [entry["id"] for entry in load("ls", "name == 'small'")]
    folder = own / "rapidml-store" / "runs"
    for number in range(33):
        shutil.copytree(folder / run_id, folder / f"20300101-00{number:02d}-aaaa")
    assert len(load("ls")) == 30
    assert len(load("ls", "--all")) == 35
    assert [entry["id"] for entry in load("ls")] == [entry["id"] for entry in load("ls", "--all")][:30]


def test_a_wrong_filter_is_explained(here: Path) -> None:
    assert "and" in fail(1, "ls", "seconds > 1 && seconds < 2")


def test_show(here: Path) -> None:
    text = succeed("show", "small")
    assert re.search(r"(?m)^ +metric +out-of-fold +train +test$", text)
    assert re.search(r"(?m)^  bdt: xgboost, 3 fits in .* s, 4 rounds in the final fit$", text)
    only = succeed("show", "small/bayes")
    assert "bayes: sklearn.naive_bayes.GaussianNB" in only
    assert "bdt: xgboost" not in only
    assert "has no model absent; it has bdt, bayes" in fail(1, "show", "small/absent")
    assert fail(1, "show", "absent").startswith("error: no run 'absent' in ")


def test_compare(here: Path) -> None:
    compared = load("compare", "small/bdt", "deeper/bdt")
    assert [set(entry) >= {"run", "name", "model", "value", "against", "difference"} for entry in compared["entries"]]
    assert {entry["name"] for entry in compared["entries"]} == {"small", "deeper"}
    text = succeed("compare", "small", "@last", "small/bayes", "--metric", "log_loss")
    assert len(text.splitlines()) == 4
    assert "log_loss" in text


def test_best(here: Path) -> None:
    found = load("best")
    runs = load("ls")
    assert found["score"]["value"] == max(entry["score"]["value"] for entry in runs)
    assert load("best", "small")["name"] == "small"
    assert load("best", "name == 'small'")["name"] == "small"
    assert "no finished run" in fail(1, "best", "name == 'absent'")


def test_tag_and_note(own: Path) -> None:
    assert succeed("tag", "small", "good", "paper").split()[1:] == ["good", "paper"]
    assert succeed("tag", "small", "--", "-good").split()[1:] == ["paper"]
    succeed("note", "small", "the one to keep")
    assert [entry["name"] for entry in load("ls", "tags == 'paper'")] == ["small"]
    assert re.search(r"(?m) small .* paper$", succeed("ls"))
    assert load("run", "recipe.yaml")["fits"]["trained"] == 0


def test_rm_and_gc(own: Path) -> None:
    succeed("rm", "deeper")
    assert [entry["name"] for entry in load("ls")] == ["small"]
    assert "would remove 0 items" in succeed("gc", "--dry-run")
    again = load("run", "recipe.yaml", "models.bdt.params.max_depth=3")
    assert (again["fits"]["trained"], again["fits"]["stored"]) == (0, 6)


def test_gc_removes_what_is_old_and_reached_by_no_run(own: Path) -> None:
    import os

    succeed("rm", "deeper", "small")
    for path in (own / "rapidml-store").rglob("*"):
        os.utime(path, (1, 1))
    dry = succeed("gc", "--dry-run")
    assert re.search(r"(?m)^would remove [1-9]\d* items, ", dry)
    assert list((own / "rapidml-store" / "objects").rglob("prediction.npy"))
    assert succeed("gc").replace("removed", "would remove") == dry
    assert not list((own / "rapidml-store" / "objects").rglob("prediction.npy"))


def test_doctor(here: Path) -> None:
    text = succeed("doctor")
    assert "2 runs, nothing wrong" in text
    assert all(line.startswith("ok  ") for line in text.splitlines())


def test_doctor_finds_damage(own: Path) -> None:
    model = next((own / "rapidml-store" / "objects" / "models").rglob("model.json"))
    model.chmod(0o644)
    model.write_text("{}")
    assert any(line.startswith("BAD ") for line in call("doctor").stdout.splitlines())


def test_only(own: Path) -> None:
    result = load("run", "recipe.yaml", "--only", "bayes")
    assert list(result["models"]) == ["bayes"]
    assert (result["fits"]["trained"], result["fits"]["stored"]) == (0, 3)
    assert "the recipe has no model absent; it has bdt, bayes" in fail(2, "run", "recipe.yaml", "--only", "absent")


def test_an_example_never_overwrites_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.yaml").write_text("mine: true\n")
    assert "quickstart.yaml exists and differs" in fail(1, "run", "--example", "quickstart")
    assert (tmp_path / "quickstart.yaml").read_text() == "mine: true\n"
    assert "did you mean quickstart" in fail(1, "run", "--example", "quickstrat")


def test_schema_accepts_every_example(recipes: Path) -> None:
    import jsonschema

    from rapidml.recipe.document import load_document

    schema = json.loads(succeed("schema"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    examples = sorted(recipes.glob("*.yaml"))
    assert len(examples) >= 4
    for path in examples:
        validator(schema).validate(load_document(path).tree)
    assert list(validator(schema).iter_errors({"dataset": {"builtin": "iris"}, "modles": {}}))


def test_every_example_is_fine(recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(recipes.glob("*.yaml")):
        if "HIGGS_CSV" not in path.read_text():
            assert "is fine" in succeed("check", str(path), "--store", str(tmp_path))


def test_run_without_a_recipe_is_a_usage_error(here: Path) -> None:
    assert "name a recipe file, or --example NAME" in fail(2, "run")
    assert "No such command" in fail(2, "rnu")


def test_a_recipe_that_is_not_there(here: Path) -> None:
    assert "absent.yaml" in fail(2, "run", "absent.yaml")


def test_all_problems_of_all_parts_at_once(here: Path) -> None:
    text = RECIPE.replace("target: label", "target: lable").replace("max_depth: 2", "max_dept: 2")
    text = text.replace("also: [log_loss]", "also: [log_los]").replace("split:", "splits: 3\nsplit:")
    write(here / "wrong.yaml", text.replace("GaussianNB", "GausianNB"))
    errors = fail(2, "run", "wrong.yaml", "seed=-1")
    assert errors.startswith("wrong.yaml has 6 problems; nothing was started.\n\n")
    fields = ["dataset.target", "splits", "models.bdt.params.max_dept", "models.bayes", "evaluate.also"]
    positions = [errors.index(f"  {field}") for field in fields]
    assert positions == sorted(positions)
    for fix in ("label", "split", "max_depth", "sklearn.naive_bayes.GaussianNB", "log_loss"):
        assert f"write '{fix}'" in errors
    assert errors.rindex("command line, argument") > positions[-1]
