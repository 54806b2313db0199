"""A built wheel works in a fresh environment, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints, without anything of this environment that could lead it back to the source tree."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAPIDML", "VIRTUAL"))}
    done = subprocess.run(command, cwd=cwd, env=keep, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", folder, root, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    install: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-qq"]
    run(*install, "-c", root / "constraints.txt", f"{wheel}[cpu]", cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_package_the_examples_and_the_apps(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    files = [path for path in (root / "src" / "rapidml").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    sources = {f"rapidml/{path.relative_to(root / 'src' / 'rapidml').as_posix()}" for path in files}
    examples = {f"rapidml/recipes/{path.name}" for path in (root / "recipes").glob("*.yaml")}
    apps = {f"rapidml/apps/{path.name}" for path in (root / "apps").glob("*.py")}
    assert apps
    assert sources | examples | apps <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"rapidml", "iml_rapidml"}
    assert [name for name in names if "__pycache__" in name] == []


def test_the_version_is_printed(scripts: Path, wheel: Path, tmp_path: Path) -> None:
    assert wheel.name.split("-")[1] in run(scripts / "rapidml", "--version", cwd=tmp_path)


def test_nothing_comes_from_the_source_tree(scripts: Path, tmp_path: Path) -> None:
    code = "import rapidml; from rapidml.recipe.examples import find_example as f; "
    code += "from rapidml.dashboard.serving import find_app as a; print(rapidml.__file__, f('higgs'), a('runs'))"
    for path in run(scripts / "python", "-c", code, cwd=tmp_path).split():
        assert path.startswith(str(scripts.parent.resolve()))


def test_the_quickstart_runs_in_an_empty_folder(scripts: Path, tmp_path: Path) -> None:
    printed = run(scripts / "rapidml", "run", "--example", "quickstart", cwd=tmp_path)
    assert re.search(r"^ +logistic +\*? +0\.99\d \[", printed, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"quickstart.yaml", "rapidml-store"}
    again = json.loads(run(scripts / "rapidml", "run", "quickstart.yaml", "--json", cwd=tmp_path))
    assert again["fits"]["trained"] == 0
