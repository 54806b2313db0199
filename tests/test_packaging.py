"""What is shipped and said about it agrees: dependencies, locks, names, versions, examples."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from rapidml.errors import DISTRIBUTION, RapidmlError
from rapidml.recipe.examples import find_example, list_examples

if TYPE_CHECKING:
    from pathlib import Path

EXTRAS = ("cpu", "search", "app", "hep", "tensorflow", "dev")
"""Extras that environment.yml and constraints.txt hold; cpu and gpu exclude each other."""


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def requirements(pyproject: dict[str, Any]) -> list[Requirement]:
    extras = pyproject["project"]["optional-dependencies"]
    texts = pyproject["project"]["dependencies"] + [text for extra in EXTRAS for text in extras[extra]]
    return [Requirement(text) for text in texts]


def load_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def test_environment_lists_what_pyproject_lists(
    root: Path, pyproject: dict[str, Any], requirements: list[Requirement]
) -> None:
    names = pyproject["tool"]["rapidml"]["conda-names"]

    def conda_line(requirement: Requirement) -> str:
        name, ranges = names.get(requirement.name, requirement.name), str(requirement.specifier).split(",")
        return f"{name} {','.join(sorted(ranges, reverse=True))}"

    expected = [f"python {pyproject['project']['requires-python']}", "pip", *map(conda_line, requirements)]
    assert load_yaml(root / "environment.yml")["dependencies"] == expected


def test_conda_names_are_of_dependencies(pyproject: dict[str, Any], requirements: list[Requirement]) -> None:
    assert set(pyproject["tool"]["rapidml"]["conda-names"]) <= {requirement.name for requirement in requirements}


def test_environment_says_that_it_is_unverified(root: Path) -> None:
    assert "UNVERIFIED" in (root / "environment.yml").read_text()


def read_constraints(root: Path) -> list[Requirement]:
    lines = (root / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_constraints_lock_every_dependency_within_its_range(
    root: Path, requirements: list[Requirement], python: str, system: str
) -> None:
    place = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system}
    locked = {
        canonicalize_name(line.name): next(iter(line.specifier)).version
        for line in read_constraints(root)
        if line.marker is None or line.marker.evaluate(place)
    }
    for requirement in requirements:
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: run `make lock`"


def test_constraints_name_versions_only(root: Path) -> None:
    lines = read_constraints(root)
    assert all(line.url is None and [s.operator for s in line.specifier] == ["=="] for line in lines)
    assert "xgboost" not in {line.name for line in lines}


def test_cpu_and_gpu_ask_for_the_same_versions(pyproject: dict[str, Any]) -> None:
    extras = pyproject["project"]["optional-dependencies"]
    assert [text.replace("xgboost-cpu", "xgboost") for text in extras["cpu"]] == extras["gpu"]


def test_citation_agrees(root: Path, pyproject: dict[str, Any]) -> None:
    citation = load_yaml(root / "CITATION.cff")
    assert citation["version"] == pyproject["project"]["version"]
    assert citation["license"] == pyproject["project"]["license"]
    assert citation["authors"] == pyproject["project"]["authors"]


def test_changelog_has_a_place_for_what_comes(root: Path) -> None:
    assert re.search(r"^## \[Unreleased\]$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_distribution_has_one_name(pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["name"] == DISTRIBUTION


def list_texts(root: Path) -> list[Path]:
    folders = ("src", "docs", "recipes", "bench")
    found = [path for folder in folders for path in (root / folder).rglob("*")]
    return sorted(path for path in [*found, *root.glob("*.md")] if path.suffix in {".py", ".md", ".yaml"})


def test_install_hints_name_the_distribution(root: Path) -> None:
    hint = re.compile(r"(?:pip|uv pip|pipx) install[^\n`]*?(?<![-/\w])['\"]?rapidml\b")
    wrong = [str(path) for path in list_texts(root) if hint.search(path.read_text(encoding="utf-8"))]
    assert wrong == []


def test_hints_in_the_package_use_the_constant(root: Path) -> None:
    files = (root / "src").rglob("*.py")
    assert [path.name for path in files if DISTRIBUTION in path.read_text(encoding="utf-8")] == ["errors.py"]


def test_no_submodule_has_the_name_of_a_public_function(root: Path) -> None:
    package = importlib.import_module("rapidml")
    modules = {path.stem for path in (root / "src" / "rapidml").iterdir()}
    assert modules.isdisjoint(getattr(package, "__all__", ()))


def test_examples_are_found(recipes: Path) -> None:
    searches = ["search-compare", "search-grid", "search-hyperband"]
    networks = ["mnist-async", "mnist-cnn"]
    assert list_examples() == [
        *("digits-net", "events", "higgs", "higgs-net", *networks, "multiclass", "quickstart", "regression"),
        *searches,
    ]
    assert find_example("higgs") == recipes / "higgs.yaml"


def test_an_unknown_example_names_the_others() -> None:
    with pytest.raises(RapidmlError, match="no example is called quikstart; did you mean quickstart"):
        find_example("quikstart")


def test_ci_runs_every_test_once(root: Path) -> None:
    plan = subprocess.run(
        ["make", "-n", "check", "test", "test-all"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    runs = re.findall(r'-m pytest -m "([^"]+)"', plan)
    assert runs == [f"not ({runs[1]})", runs[1]]
    assert "exec make check test test-all" in (root / ".ci" / "run").read_text()


def test_make_says_what_to_do_without_a_usable_python(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "bin" / "python"
    done = subprocess.run(
        ["make", "PYTHON=false", f"VENV={tmp_path}", target], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no working Python 3.11, 3.12 or 3.13 with the venv module was found as false;" in done.stderr
    assert not target.exists()


def test_files_have_one_job(root: Path) -> None:
    long = {str(p): n for p in (root / "src").rglob("*.py") if (n := p.read_text(encoding="utf-8").count("\n")) > 400}
    assert long == {}
