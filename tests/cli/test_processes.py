"""The command line as a process: exit codes, what goes to which stream, terminals and pipes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.execution.small_runs import make_events, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: events.csv, target: energy, features: [pt, eta, mass]}
split: {test: 0.25, folds: 2}
models:
  gamma: sklearn.linear_model.GammaRegressor
  ridge: sklearn.linear_model.Ridge
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    write_csv(folder / "events.csv", make_events(80))
    write(folder / "recipe.yaml", RECIPE)
    return folder


def call(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAPIDML")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "rapidml", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_failed_fits_give_3(folder: Path) -> None:
    done = call(folder, "run", "recipe.yaml", "--json")
    assert done.returncode == 3, done.stderr
    result = json.loads(done.stdout)
    assert (result["state"], result["fits"]["failed"]) == ("failed", 3)
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_failed_fits_of_all_models_give_1(folder: Path) -> None:
    done = call(folder, "run", "recipe.yaml", "models.ridge=null")
    assert done.returncode == 1, done.stderr
    assert len(re.findall(r"(?m)^gamma, 3 of 3 fits failed: ", done.stdout)) == 1
    assert done.stdout.splitlines()[-1].endswith("Next:  rapidml show")


def test_a_wrong_recipe_gives_2_and_its_errors(folder: Path) -> None:
    done = call(folder, "check", "recipe.yaml", "models.ridge.type=sklearn.linear_model.Rigde", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "errors": [
            {
                "file": "command line, argument 2",
                "line": None,
                "column": 19,
                "field": "models.ridge.type",
                "message": json.loads(done.stdout)["errors"][0]["message"],
                "fix": "write 'sklearn.linear_model.Ridge'",
            }
        ]
    }
    assert "nothing was started" in done.stderr


def test_the_typo_recipe_has_the_designed_form(root: Path) -> None:
    done = call(root, "check", "tests/errors/typo.yaml")
    assert done.returncode == 2
    expected = (root / "tests" / "errors" / "typo.txt").read_text()
    assert done.stderr.strip() == expected.replace("typo.yaml", "tests/errors/typo.yaml").strip()
    assert done.stdout == ""


def test_no_store_gives_1(folder: Path, tmp_path: Path) -> None:
    done = call(folder, "ls", "--store", str(tmp_path / "absent"))
    assert done.returncode == 1
    assert "there is no store at" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_store_can_be_named_by_the_environment(folder: Path, tmp_path: Path) -> None:
    assert call(folder, "run", "recipe.yaml", "models.gamma=null").returncode == 0
    done = call(tmp_path, "ls", RAPIDML_STORE=str(folder / "rapidml-store"))
    assert done.returncode == 0, done.stderr
    assert " recipe " in done.stdout


@pytest.mark.slow
def test_pipes_get_plain_text(folder: Path) -> None:
    done = call(folder, "run", "recipe.yaml", "models.gamma=null", FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_terminal_gets_a_status_line_that_fits(folder: Path) -> None:
    """With NO_COLOR there is no colour; the status line is cut to COLUMNS."""
    import pty

    main, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "40"}
    command = [sys.executable, "-m", "rapidml", "run", "recipe.yaml"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=terminal, stderr=terminal)
    os.close(terminal)
    text = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(main)
    assert process.wait(timeout=60) == 3
    shown = text.decode()
    assert not re.search(r"\x1b\[[0-9;]*m", shown)
    for status in re.findall(r"\r\x1b\[K([^\r\n\x1b]*)", shown):
        assert len(status) < 40
    assert "reading events.csv" in shown


def test_the_version(folder: Path) -> None:
    done = call(folder, "--version")
    assert re.fullmatch(r"rapidml, version \d+\.\d+.*\n", done.stdout)
