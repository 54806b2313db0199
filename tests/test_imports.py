"""What starting up imports, and names that must not be taken by submodules."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rapidml
from tests.execution.small_runs import make_events, run, write, write_csv

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"distributed", "dask", "sklearn", "xgboost", "scipy", "pandas", "skops", "lightgbm", "tensorflow", "panel"}
NOT_FOR_LISTINGS = HEAVY | {"numpy", "pydantic", "pyarrow", "ruamel", "fsspec", "rich"}

PROGRAM = """
import json, sys
from rapidml.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    write_csv(folder / "events.csv", make_events(60))
    text = """
dataset: {path: events.csv, target: label, positive: s, features: [pt, eta]}
split: {test: 0.25, folds: 2}
models: {bdt: {type: xgboost, params: {n_estimators: 2}}}
"""
    run(write(folder / "recipe.yaml", text), folder / "rapidml-store")
    return folder


def list_imports(folder: Path, *arguments: str) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "RAPIDML"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in (0, None), done.stdout + done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("ls",), ("show",), ("ls", "--json"), ("show", "@last", "--json")],
    ids=" ".join,
)
def test_listings_import_nothing_heavy(folder: Path, arguments: tuple[str, ...]) -> None:
    assert not list_imports(folder, *arguments) & NOT_FOR_LISTINGS


@pytest.mark.parametrize(
    "arguments", [("check", "recipe.yaml"), ("run", "recipe.yaml"), ("plan", "recipe.yaml")], ids=" ".join
)
def test_what_computes_nothing_imports_no_library_that_computes(folder: Path, arguments: tuple[str, ...]) -> None:
    assert not list_imports(folder, *arguments) & HEAVY


def test_a_first_look_loads_no_pandas(tmp_path: Path) -> None:
    """What Arrow does not need for numbers without nulls, and takes a third of a second."""
    events = make_events(60)
    pq.write_table(pa.table({name: events[name] for name in ("pt", "eta", "label")}), tmp_path / "events.parquet")
    text = """
dataset: {path: events.parquet, target: label, positive: s}
models: {bdt: {type: xgboost}}
"""
    write(tmp_path / "recipe.yaml", text)
    found = list_imports(tmp_path, "plan", "recipe.yaml")
    assert "pyarrow" in found
    assert "pandas" not in found


def test_importing_the_package_is_free() -> None:
    program = "import sys, typing, rapidml; print(*(name for name in sys.modules if name.startswith('rapidml')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["rapidml"]


def test_no_submodule_carries_a_public_name() -> None:
    names = {module.name for module in pkgutil.iter_modules(rapidml.__path__)}
    assert {"cli", "api", "execution"} <= names
    assert not names & set(rapidml.__all__)


def test_public_names_are_sorted_and_exist() -> None:
    assert rapidml.__all__ == sorted(rapidml.__all__)
    for name in rapidml.__all__:
        assert callable(getattr(rapidml, name))
    assert set(rapidml.__all__) < set(dir(rapidml))
    with pytest.raises(AttributeError):
        rapidml.absent  # noqa: B018


def test_run_works_twice(folder: Path) -> None:
    program = """
import rapidml
first = rapidml.run("recipe.yaml")
second = rapidml.run("recipe.yaml")
assert first.id == second.id
assert callable(rapidml.run)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
