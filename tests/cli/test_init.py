"""The command that writes a recipe: files, what it says, and what it never overwrites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from tests.execution.small_runs import make_events, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "events.csv", make_events())
    return tmp_path


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def test_a_recipe_is_written_checked_and_run(here: Path) -> None:
    outcome = init("data/events.csv")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.splitlines()[0] == "wrote events.yaml; 160 rows, 9 columns; target label; weight w"
    assert outcome.stdout.splitlines()[-1] == "Next:  rapidml check events.yaml    then    rapidml run events.yaml"
    text = (here / "events.yaml").read_text()
    assert "path: data/events.csv" in text
    assert CliRunner().invoke(main, ["check", "events.yaml"]).exit_code == 0
    quick = ["models.bdt.params.n_estimators=2", "models.logistic=null", "split={test: 0.2, folds: 2}"]
    ran = CliRunner().invoke(main, ["run", "events.yaml", *quick])
    assert ran.exit_code == 0, ran.output


def test_paths_start_at_the_recipe(here: Path) -> None:
    (here / "recipes").mkdir()
    assert init("data/events.csv", "-o", "recipes/mine.yaml").exit_code == 0
    assert "path: ../data/events.csv" in (here / "recipes" / "mine.yaml").read_text()
    assert CliRunner().invoke(main, ["check", "recipes/mine.yaml"]).exit_code == 0


def test_nothing_is_overwritten(here: Path) -> None:
    assert init("data/events.csv").exit_code == 0
    assert init("data/events.csv").exit_code == 0  # the same text is there
    (here / "events.yaml").write_text("name: mine\n")
    outcome = init("data/events.csv")
    assert outcome.exit_code == 2
    assert (
        "events.yaml exists and differs; nothing was written. Move it away, or add  -o events-2.yaml" in outcome.stderr
    )
    assert (here / "events.yaml").read_text() == "name: mine\n"


def test_without_a_target_the_place_is_named(here: Path) -> None:
    (here / "a.csv").write_text("pt,charge,mass\n" + "".join(f"{n / 3},{n % 2},{n / 7}\n" for n in range(50)))
    outcome = init("a.csv")
    assert outcome.exit_code == 2
    assert "3 columns; no target" in outcome.stdout
    line = next(n for n, text in enumerate((here / "a.yaml").read_text().splitlines(), 1) if "CHOOSE_A_COLUMN" in text)
    assert f"write its name at a.yaml:{line}, or  rapidml init a.csv --target charge -o a-2.yaml" in outcome.stderr
    checked = CliRunner().invoke(main, ["check", "a.yaml"])
    assert checked.exit_code == 2
    assert f"a.yaml:{line}:" in checked.stderr
    assert init("a.csv", "--target", "charge", "-o", "a-2.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "expected a file; there is no nowhere.csv"),
        (["data/event.csv"], "to fix: write data/events.csv"),
        (["data/events.csv", "--target", "lable"], "to fix: --target label"),
        (["data/events.csv", "-o", "nowhere/a.yaml"], "there is no folder nowhere"),
        ([], "Missing argument 'FILE...'"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    outcome = init(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
