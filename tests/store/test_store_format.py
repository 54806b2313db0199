from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rapidml.store
from rapidml.errors import StoreError
from rapidml.store import Fact, Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(rapidml.store.__file__).parents[2]


def test_a_new_store_says_its_format(store: Store) -> None:
    assert json.loads((store.path / "format.json").read_text()) == {"format": 1}
    assert {path.name for path in store.path.iterdir()} == {"format.json", "facts", "objects", "runs", "work"}


def test_a_newer_format_is_refused_by_name(store: Store) -> None:
    (store.path / "format.json").write_text('{"format": 2, "later": true}')
    with pytest.raises(StoreError) as caught:
        open_store(store.path)
    assert str(caught.value) == (
        f"{store.path} has store format 2, and this version of rapidml reads formats up to 1: "
        "pip install -U iml-rapidml"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "1"}', '{"format": true}', '{"format": 0}', "{}"])
def test_a_damaged_format_is_said(store: Store, text: str) -> None:
    (store.path / "format.json").write_text(text)
    with pytest.raises(StoreError, match=r"format\.json is damaged"):
        open_store(store.path)


def test_a_store_is_made_only_in_a_new_or_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"is not a store: it holds 'thesis\.tex'"):
        open_store(tmp_path)
    (tmp_path / "half" / "objects").mkdir(parents=True)
    assert open_store(tmp_path / "half").path.name == "half"


def test_a_store_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        open_store(tmp_path / "x", create=False)
    assert not (tmp_path / "x").exists()
    with pytest.raises(StoreError, match="no store can be made"):
        open_store("/proc/nowhere/x")


def test_a_read_only_store_refuses_changes(store: Store) -> None:
    run = store.create_run({}, "")
    with open_store(store.path, read_only=True) as other:
        with pytest.raises(StoreError, match="is read-only"):
            other.create_run({}, "")
        with pytest.raises(StoreError, match="is read-only"):
            other.start_attempt(run)
        with pytest.raises(StoreError, match="is read-only"):
            other.remove_run(run)
        with pytest.raises(StoreError, match="is read-only"):
            other.gc()
        assert other.gc(dry_run=True).items == ()


def test_importing_the_store_loads_nothing_heavy() -> None:
    source = "import rapidml.store, sys; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    loaded = subprocess.run(
        [sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pydantic", "numpy", "sqlite3", "hashlib", "shutil", "asyncio", "socket", "distributed"} & set(loaded)


def test_only_the_standard_library_and_lower_parts_are_imported() -> None:
    allowed = {"rapidml.errors", "rapidml.events", "rapidml.keys"}
    for path in Path(rapidml.store.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                assert name in allowed or name.startswith("rapidml.store") or top in sys.stdlib_module_names, path


def test_all_is_sorted_and_complete() -> None:
    assert sorted(rapidml.store.__all__) == rapidml.store.__all__
    assert all(hasattr(rapidml.store, name) for name in rapidml.store.__all__)


OPEN = """
import sys
from rapidml.store import open_store
sys.stdin.readline()
store = open_store(sys.argv[1])
store.create_run({"name": sys.argv[2]}, "")
print(len(store.list_runs()))
"""


def test_many_processes_make_one_store(tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    processes = [spawn(OPEN, tmp_path / "new", number) for number in range(5)]
    outputs = [process.communicate("go\n", timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 5
    assert max(int(output) for output in outputs) == 5
    with open_store(tmp_path / "new") as store:
        assert {run.name for run in store.list_runs()} == set("01234")


def test_a_store_written_by_a_later_minor_version_is_read(store: Store, key: Callable[[object], str]) -> None:
    """Fields that this version does not know do no harm."""
    run = store.create_run({"later": {"x": 1}}, "")
    attempt = store.start_attempt(run)
    attempt.facts.append(Fact(key(1), "later-step"))
    attempt.finish("finished")
    path = store.path / "facts" / f"{run}.1.jsonl"
    path.write_text(path.read_text().replace('"family":null', '"family":null,"later":[1]'))
    store.index.rebuild()
    assert key(1) in store.find_facts([key(1)])
