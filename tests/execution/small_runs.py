"""What the end-to-end tests share: small generated tables, runs of recipes in this process, and a look into stores."""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rapidml.execution.options import RunOptions
from rapidml.execution.running import Prepared, prepare, rows_request_of, run_recipe
from rapidml.recipe.document import load_document
from rapidml.store.facts import Fact, read_facts
from rapidml.store.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rapidml.events import Event
    from rapidml.execution.rows import Rows

Columns = dict[str, list[Any]]


def make_events(n_rows: int = 160, seed: int = 1) -> Columns:
    """Columns of a table that can be learned a little; the same text on every platform.

    Returns:
        ``event`` (a number of its own for each row), features ``pt``, ``eta``, ``mass`` and ``jets`` (text), weight
        ``w``, targets ``label`` (s or b), ``kind`` (three classes) and ``energy`` (a number).
    """
    draw = random.Random(seed)

    def normal() -> float:
        return sum(draw.random() for _ in range(12)) - 6

    columns: Columns = defaultdict(list)
    for row in range(n_rows):
        is_signal = draw.random() < 0.5
        pt, eta, mass = normal() + is_signal, normal(), normal() - 0.5 * is_signal
        kind = draw.randrange(3)
        columns["event"].append(1000 + 7 * row)
        columns["pt"].append(round(pt, 4))
        columns["eta"].append(round(eta + (kind == 1), 4))
        columns["mass"].append(round(mass + (kind == 2), 4))
        columns["jets"].append(draw.choice(["none", "one", "many"]))
        columns["w"].append(round(0.2 + draw.random() + 2 * is_signal, 4))
        columns["label"].append("s" if is_signal else "b")
        columns["kind"].append(["ee", "mumu", "tautau"][kind])
        columns["energy"].append(round(2 * pt - mass + normal(), 4))
    return dict(columns)


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write a table as CSV; equal columns give equal bytes."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode())
    return path


def write(path: Path, text: str) -> Path:
    """Write a recipe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def run(
    recipe: Path,
    store: Path,
    *overrides: str,
    options: RunOptions | None = None,
    watch: Callable[[Event], None] | None = None,
) -> dict[str, Any]:
    """Run a recipe in this process; its result as ``show --json`` prints it."""
    with open_store(store) as opened:
        document = load_document(recipe, overrides)
        return run_recipe(document, opened, options or RunOptions(), watch or (lambda event: None))


def plan(recipe: Path, store: Path, *overrides: str) -> Prepared:
    """The plan of a recipe against a store."""
    with open_store(store) as opened:
        return prepare(load_document(recipe, overrides), opened)


def to_fit(prepared: Prepared) -> dict[str, int]:
    """Number of fits to do by model, without those that have none."""
    assert prepared.plan is not None
    counts: dict[str, int] = defaultdict(int)
    for fit in prepared.plan.fits:
        counts[fit.model] += fit.state == "to_do"
    return {model: count for model, count in counts.items() if count}


def copy_store(store: Path, target: Path) -> Path:
    """A store of its own with the same content."""
    shutil.copytree(store, target)
    return target


def read_all_facts(store: Path) -> list[Fact]:
    """Every line of every facts file, oldest file first."""
    return [fact for path in sorted((store / "facts").glob("*.jsonl")) for fact in read_facts(path)]


def find_facts(store: Path, keys: Sequence[str]) -> dict[str, Fact]:
    """The best fact of some keys."""
    with open_store(store, create=False) as opened:
        return opened.find_facts(keys)


def list_model_files(store: Path, result: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, tuple[int, str]]]:
    """Size and SHA-256 of the files of every model object, by name of the model and part it was trained on."""
    keys = {(name, part): key for name, entry in result["models"].items() for part, key in entry["keys"].items()}
    facts = find_facts(store, list(keys.values()))
    return {place: dict(facts[key].objects[0].files) for place, key in keys.items()}


def list_prediction_files(store: Path, prepared: Prepared) -> dict[tuple[str, str, str], dict[str, tuple[int, str]]]:
    """Size and SHA-256 of all predictions, by model, part trained on and part predicted."""
    assert prepared.plan is not None
    places = {(f.model, f.part, p.part): p.key for f in prepared.plan.fits for p in f.predictions}
    facts = find_facts(store, list(places.values()))
    return {place: dict(facts[key].objects[0].files) for place, key in places.items()}


def open_run_rows(store: Path, prepared: Prepared) -> Rows:
    """The rows of a recipe that has been run, with their parts."""
    from types import SimpleNamespace

    from rapidml.execution.rows import load_rows

    session: Any = SimpleNamespace(store=open_store(store))
    with session.store:
        return load_rows(rows_request_of(session, prepared))


def scores_of(result: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Scores of all models and of the baseline on one part."""
    entries = {**result["models"], "dummy": result["baseline"]}
    return {name: entry[part] for name, entry in entries.items()}


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def open_for(store: Path) -> Store:
    """The store, opened."""
    return open_store(store, create=False)


def assert_nothing_computed_twice(facts: Sequence[Fact]) -> None:
    """Every step was finished once; a line may stand there again if it was made from the object alone."""
    finished: dict[str, Fact] = {}
    for fact in facts:
        if fact.is_finished:
            first = finished.setdefault(fact.key, fact)
            is_adopted = (fact.seconds, fact.payload, fact.objects) == (first.seconds, first.payload, first.objects)
            assert is_adopted, f"{fact.kind} {fact.key} by attempts {first.attempt} and {fact.attempt}"
