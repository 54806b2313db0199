"""Every command on a small store with a few runs, called within this process."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.recipe.examples import list_examples
from rapidml.store.store import open_store
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
    assert "`and` between two conditions" in fail(2, "ls", "seconds > 1 && seconds < 2")
    assert fail(2, "ls", "seconds >").startswith("error: in the expression 'seconds >'")
    assert fail(2, "best", "seconds + 1").startswith("error: ")


def test_a_filter_names_fields_that_runs_have(here: Path) -> None:
    text = fail(2, "ls", "nme == 3")
    assert text.startswith("error: runs have no field nme; did you mean name? a filter knows id, name, state, ")
    assert "scores.METRIC, tag.TAG" in text
    assert "no field scores.rocauc" in fail(2, "best", "scores.rocauc > 0")
    assert len(load("ls", "score > 0.1 and scores.log_loss > 0 and rank_by == 'roc_auc' and rows == 120")) == 2


def test_a_filter_on_tags(own: Path) -> None:
    succeed("tag", "small", "good", "paper", "to-do")
    succeed("tag", "deeper", "papers")
    assert [entry["name"] for entry in load("ls", "tag.paper")] == ["small"]
    assert [entry["name"] for entry in load("ls", "`tag.to-do` and not tag.bad")] == ["small"]
    assert [entry["name"] for entry in load("ls", "not tag.paper")] == ["deeper"]
    assert load("best", "tag.paper")["name"] == "small"
    assert fail(2, "ls", "'paper' in tags") == "error: for 'paper' in tags write tag.paper\n"
    assert fail(2, "ls", 'name == "a" and "to-do" in tags') == 'error: for "to-do" in tags write `tag.to-do`\n'


def test_wrong_names_of_runs_give_2(here: Path) -> None:
    for command in (
        ("show", "absent"),
        ("compare", "absent"),
        ("best", "absent"),
        ("rm", "absent"),
        ("show", "@last~9"),
    ):
        assert fail(2, *command).startswith("error: ")
    assert "there are roc_auc" in fail(2, "compare", "small", "--metric", "rocauc")
    assert fail(1, "ls", "--store", "nowhere").startswith("error: there is no store at ")


def test_show(here: Path) -> None:
    text = succeed("show", "small")
    assert re.search(r"(?m)^ +metric +out-of-fold +train +test$", text)
    assert re.search(r"(?m)^  bdt: xgboost, 3 fits in .* s, 4 rounds in the final fit$", text)
    only = succeed("show", "small/bayes")
    assert "bayes: sklearn.naive_bayes.GaussianNB" in only
    assert "bdt: xgboost" not in only
    assert "has no model absent; it has bdt, bayes" in fail(2, "show", "small/absent")
    assert fail(2, "show", "absent").startswith("error: no run 'absent' in ")


def test_show_of_a_run_without_result_says_why(own: Path) -> None:
    run = load("ls", "name == 'small'")[0]["id"]
    runs = open_store(own / "rapidml-store").runs
    runs.update(run, {"result": None, "state": "interrupted"})
    (own / "rapidml-store" / "index.sqlite").unlink()  # it looks again only at runs that have not ended
    assert fail(1, "show", run) == (
        f"error: run {run} has no result yet: it is interrupted; run its recipe again to go on\n"
    )
    runs.update(run, {"state": "failed", "error": "the disk is full"})
    (own / "rapidml-store" / "index.sqlite").unlink()
    assert fail(1, "show", run) == f"error: run {run} has no result: it failed: the disk is full\n"


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


def test_best_over_unlike_runs_says_how_to_narrow_down(own: Path) -> None:
    assert call("run", "recipe.yaml", "evaluate.rank_by=accuracy", "-n", "acc", "--only", "bayes").exit_code == 0
    assert call("run", "recipe.yaml", "split.folds=3", "-n", "other", "--only", "bayes").exit_code == 0
    text = fail(1, "best")
    assert text.splitlines() == [
        "error: these runs rank by different metrics; narrow them down, for example",
        "  rapidml best \"rank_by == 'roc_auc'\"",
        "  rapidml best \"rank_by == 'accuracy'\"",
    ]
    assert load("best", "rank_by == 'accuracy'")["name"] == "acc"
    lines = fail(1, "best", "rank_by == 'roc_auc'").splitlines()
    assert lines[:2] == [
        "error: these runs score different rows or weights; narrow them down, for example",
        "  rapidml best \"rank_by == 'roc_auc' and name == 'other'\"",
    ]
    for line in lines[1:]:
        assert load(*shlex.split(line)[1:])["metric"] == "roc_auc"


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
    assert "did you mean quickstart" in fail(2, "run", "--example", "quickstrat")


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
        if "${" not in path.read_text():
            assert "is fine" in succeed("check", str(path), "--store", str(tmp_path))


def test_run_without_a_recipe_is_a_usage_error(here: Path) -> None:
    assert "name a recipe file, or --example NAME" in fail(2, "run")
    assert "No such command" in fail(2, "rnu")


def test_a_recipe_that_is_not_there(here: Path) -> None:
    assert "absent.yaml" in fail(2, "run", "absent.yaml")


def test_run_prints_one_json_object_also_for_a_wrong_recipe(here: Path) -> None:
    for arguments, field in (
        (("recipe.yaml", "sed=1"), "sed"),
        (("recipe.yaml", "dataset.target=absent"), "dataset.target"),
        (("absent.yaml",), ""),
    ):
        outcome = call("run", *arguments, "--json")
        assert outcome.exit_code == 2
        (error,) = json.loads(outcome.stdout)["errors"]
        assert set(error) == {"file", "line", "column", "field", "message", "fix"}
        assert error["field"] == field
        assert "nothing was started" in outcome.stderr


@pytest.mark.parametrize("override", ["dataset.path=${NOT_SET}/a.csv", "dataset.test=${NOT_SET}/a.csv"])
def test_a_variable_that_is_not_set_is_told_once(here: Path, override: str) -> None:
    for command in ("check", "plan", "run"):
        text = fail(2, command, "recipe.yaml", override, "split={folds: 2}")
        assert text.startswith("recipe.yaml has 1 problem; nothing was started.")
        assert "expected: a variable that is set; NOT_SET is not" in text


def test_other_failures_are_json_too(here: Path) -> None:
    outcome = call("show", "absent", "--json")
    (error,) = json.loads(outcome.stdout)["errors"]
    assert error["message"].startswith("no run 'absent'")
    assert outcome.exit_code == 2
    assert call("show", "absent").stdout == ""


def test_a_plan_before_the_rows_are_read(here: Path, tmp_path: Path) -> None:
    def counts(split: str) -> list[str]:
        lines = succeed("plan", "recipe.yaml", f"split={split}", "--store", str(tmp_path / "empty")).splitlines()
        assert re.fullmatch(r"read      to do    1 file    first run", lines[0])
        return [line.split(None, 1)[1] for line in lines[1:3]]

    assert counts("{test: 0.2, folds: 3}") == ["4 to fit", "4 to fit"]
    assert counts("{valid: 0.3}") == ["1 to fit", "1 to fit"]
    assert (
        counts("{folds: {by: int(pt) % 3}}")
        == ["to fit, one for each value of int(pt) % 3 and one on all training rows"] * 2
    )


def test_one_fit_of_one_model(own: Path) -> None:
    lines = succeed("run", "recipe.yaml", "split={test: 0.2, valid: 0.3}", "name=one", "--only", "bayes").splitlines()
    assert lines[2].startswith("1 of 1 fit to do: ")
    lines = succeed("run", "recipe.yaml", "split={valid: 0.3}", "--only", "bayes", "--store", "new").splitlines()
    assert lines[2] == "1 fit (1 model), 0 stored"
    assert "bayes: sklearn.naive_bayes.GaussianNB, 1 fit in" in succeed("show", "--store", "new")


def test_columns_left_out_are_named(own: Path) -> None:
    rows = (own / "events.csv").read_text().splitlines()
    (own / "more.csv").write_text("\n".join([f"{rows[0]},one,two", *(f"{row},1,2" for row in rows[1:])]))
    arguments = ("recipe.yaml", "dataset.path=more.csv", "dataset.features={exclude: [w]}", "--only", "bayes")
    expected = re.compile(r"(?m)^left out: .*one, two \(constant\)")
    assert expected.search(succeed("run", *arguments))
    assert expected.search(succeed("show"))
    assert expected.search(succeed("plan", *arguments[:-2]))
    assert expected.search(succeed("check", *arguments[:-2]))
    assert ["one", "is constant"] in load("check", *arguments[:-2])["left_out"]
    assert ["one", "is constant"] in load("plan", *arguments[:-2])["left_out"]
    assert ["one", "is constant"] in load("show")["dataset"]["left_out"]


def test_the_next_command_repeats_what_was_typed(own: Path) -> None:
    (own / "my folder").mkdir()
    shutil.copy(own / "recipe.yaml", own / "my folder" / "recipe.yaml")
    arguments = ("dataset.path=../events.csv", "models.bdt.params.max_depth=8", "--workers", "1", "--only", "bdt")
    text = succeed("run", "my folder/recipe.yaml", *arguments, "--store", "new store")
    show, _, edit = text.splitlines()[-1].partition("Next:  ")[2].partition("    or    ")
    assert shlex.split(show) == ["rapidml", "dashboard", "new store"]
    assert shlex.split(edit)[1:] == [
        *("run", "my folder/recipe.yaml", "dataset.path=../events.csv", "models.bdt.params.max_depth=4"),
        *("--only", "bdt", "--workers", "1", "--store", "new store"),
    ]


def test_a_hint_is_not_longer_than_useful(own: Path) -> None:
    text = succeed("run", "recipe.yaml", f"notes={'n' * 200}", "models.bdt.params.max_depth=5", "--only", "bdt")
    assert text.splitlines()[-1].endswith("Next:  rapidml dashboard")


def test_help_fits_80_columns_and_tells_all() -> None:
    commands = main.commands
    for arguments in ((), *((name,) for name in commands)):
        text = CliRunner().invoke(main, [*arguments, "--help"], terminal_width=80).stdout
        assert max(map(len, text.splitlines())) <= 80
        assert "..." not in re.sub(r"\]?\.\.\.", "", text.partition("\n")[0]) + text.partition("Commands:")[2]
    for command in commands.values():
        assert command.help
        assert all(getattr(option, "help", "") for option in command.params if option.param_type_name == "option")


def test_help_names_the_examples() -> None:
    text = re.sub(r"-\s+", "-", " ".join(succeed("run", "--help").split()))  # lines may break after a hyphen
    assert all(re.search(rf"to this folder and run it: .*\b{name}\b", text) for name in list_examples())


def complete(*words: str, **variables: str) -> list[str]:
    environment = {"COMP_WORDS": " ".join(("rapidml", *words)), "COMP_CWORD": str(len(words)), **variables}
    done = subprocess.run(
        [sys.executable, "-c", "from rapidml.cli import main; main(prog_name='rapidml')"],
        env={**os.environ, "_RAPIDML_COMPLETE": "bash_complete", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_the_shell_completes(here: Path) -> None:
    assert complete("sh") == ["show"]
    assert complete("run", "--exam") == ["--example"]
    assert complete("run", "--example", "quick") == ["quickstart"]
    assert {"@last", "small", "deeper"} <= set(complete("show", ""))
    assert complete("show", "dee") == ["deeper"]
    assert complete("show", "", RAPIDML_STORE="absent") == []


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
