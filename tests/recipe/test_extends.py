"""Recipes that start from other recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rapidml.recipe.document import Document, load_document, parse_document

BASE = """\
name: base
dataset:
  path: data/a.csv
  target: y
  weight: w
  missing: [-1, -2]
models:
  bdt: {type: xgboost, params: {max_depth: 6, eta: 0.1}}
  log: sklearn.X
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, name: str = "r.yaml", *overrides: str, **options: Any) -> Document:
    Path(name).write_text(text)
    return load_document(name, overrides, **options)


@pytest.mark.usefixtures("folder")
def test_mappings_merge_and_lists_replace() -> None:
    document = load("extends: base.yaml\ndataset: {missing: [-9]}\nmodels: {bdt: {params: {max_depth: 8, x: null}}}\n")
    recipe = document.finish()
    assert recipe.name == "base"
    assert recipe.dataset.missing == (-9,)
    assert recipe.dataset.weight == "w"
    assert recipe.models["bdt"].params == {"max_depth": 8, "eta": 0.1, "x": None}
    assert "extends" not in document.tree
    assert document.origin(["models", "bdt", "params", "max_depth"]) == "r.yaml:3"
    assert document.origin(["models", "bdt", "params", "eta"]) == "base.yaml:8"


@pytest.mark.usefixtures("folder")
def test_null_removes_what_is_extended() -> None:
    document = load(
        "extends: base.yaml\nname: null\ndataset: {weight: null}\nmodels: {log: null, bdt: {params: null}}\n"
    )
    recipe = document.finish()
    assert (recipe.name, recipe.dataset.weight, list(recipe.models)) == (None, None, ["bdt"])
    assert recipe.models["bdt"].params == {}


@pytest.mark.usefixtures("folder")
def test_null_parameters_stay_values() -> None:
    recipe = load("extends: base.yaml\nmodels: {bdt: {params: {max_depth: null}}}\n").finish()
    assert recipe.models["bdt"].params == {"max_depth": None, "eta": 0.1}


NETWORK = """\
dataset: {builtin: digits}
models:
  net:
    type: keras
    layers: [Flatten, Dense: 64]
    trainer: {adag: {replicas: 4, window: 3}}
    params: {optimizer: {sgd: {momentum: 0.9}}, schedule: cosine}
"""


@pytest.mark.parametrize(
    ("child", "field", "expected"),
    [
        ("layers: [Dense: 8]", "layers", [{"Dense": 8}]),
        ("trainer: dynsgd", "trainer", "dynsgd"),
        ("trainer: {adag: {window: 5}}", "trainer", {"adag": {"replicas": 4, "window": 5}}),
        ("trainer: {adag: {window: {any: [5, 6]}}}", "trainer", {"adag": {"replicas": 4, "window": {"any": [5, 6]}}}),
        ("trainer: {dynsgd: {window: 5}}", "trainer", {"dynsgd": {"window": 5}}),
        ("trainer: null", "trainer", None),
        ("params: {optimizer: {sgd: {nesterov: true}}}", "optimizer", {"sgd": {"momentum": 0.9, "nesterov": True}}),
        ("params: {optimizer: {adam: {beta_1: 0.8}}}", "optimizer", {"adam": {"beta_1": 0.8}}),
        ("params: {schedule: {exponential: 0.9}}", "schedule", {"exponential": 0.9}),
    ],
)
def test_another_name_replaces_a_choice_and_the_same_merges(child: str, field: str, expected: object) -> None:
    text = f"extends: run:base\nmodels: {{net: {{{child}}}}}\n"
    found = parse_document(text, "r.yaml", stored_run=lambda _: NETWORK).tree["models"]["net"]
    assert (found | found["params"]).get(field) == expected


@pytest.mark.usefixtures("folder")
def test_overrides_come_last() -> None:
    document = load("extends: base.yaml\n", "r.yaml", "models.bdt.params.eta=1")
    assert document.finish().models["bdt"].params["eta"] == 1


@pytest.mark.usefixtures("folder")
def test_problems_name_the_file_they_are_in() -> None:
    Path("base.yaml").write_text(BASE.replace("weight: w", "wieght: w"))
    problems = load("extends: base.yaml\nsplit: {folds: 1}\n", "r.yaml", "split.test=7").problems
    assert [str(problem.place) for problem in problems] == ["r.yaml:2:16", "base.yaml:5:3", "command line, argument 2"]


def test_paths_hold_from_the_file_they_are_written_in(folder: Path) -> None:
    (folder / "sub").mkdir()
    Path("base.yaml").write_text(BASE.replace("missing:", "test: {path: '${X}/t.csv'}\n  missing:"))
    recipe = load("extends: ../base.yaml\nmodels: {log: null}\n", "sub/r.yaml").tree
    assert recipe["dataset"]["path"] == "../data/a.csv"
    assert recipe["dataset"]["test"]["path"] == "${X}/t.csv"


def test_paths_of_samples_hold_too(folder: Path) -> None:
    (folder / "sub").mkdir()
    Path("sub/base.yaml").write_text(
        "dataset: {classes: {s: a, b: [b, {path: /c}, {path: {features: d, target: s3://e}}]}}\nmodels: {b: xgboost}"
    )
    assert load("extends: sub/base.yaml").tree["dataset"]["classes"] == {
        "s": "sub/a",
        "b": ["sub/b", {"path": "/c"}, {"path": {"features": "sub/d", "target": "s3://e"}}],
    }


@pytest.mark.usefixtures("folder")
def test_circles_are_refused() -> None:
    Path("base.yaml").write_text("extends: r.yaml\n" + BASE)
    (problem,) = load("extends: base.yaml\n").problems
    assert str(problem) == (
        "  base.yaml:1:10  extends\n"
        "    1 | extends: r.yaml\n"
        "      |          ^^^^^^\n"
        "    expected: a recipe that does not lead back to this one\n"
        "    to fix:   remove one extends of the circle"
    )
    (problem,) = load("extends: me.yaml\n" + BASE, "me.yaml").problems
    assert "lead back" in problem.expected


@pytest.mark.usefixtures("folder")
def test_long_chains_are_refused() -> None:
    for number in range(30):
        Path(f"r{number}.yaml").write_text(f"extends: r{number + 1}.yaml\n")
    assert any("at most 20 recipes" in problem.expected for problem in load_document("r0.yaml").problems)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]", "the path of another recipe, or run:ID"),
        ("nowhere.yaml", "a recipe that can be read: a file; there is none of this name"),
        (".", "a recipe that can be read: a file; this is a folder"),
        ("run:abc", "the path of another recipe; runs cannot be looked up here"),
        ("broken.yaml", "a value, and the bracket that closes"),
        ("list.yaml", "a recipe; there is no mapping of fields in this file"),
    ],
)
def test_what_cannot_be_extended(text: str, expected: str) -> None:
    Path("broken.yaml").write_text("a: [")
    Path("list.yaml").write_text("[]")
    assert [problem.expected for problem in load(f"extends: {text}\n{BASE}").problems] == [expected]


def test_stored_runs() -> None:
    texts = {"20261122": BASE}

    def stored_run(name: str) -> str:
        if name not in texts:
            raise LookupError("write an id that is there")
        return texts[name]

    document = parse_document("extends: run:20261122\nseed: 4\n", "r.yaml", stored_run=stored_run)
    assert document.finish().seed == 4
    assert document.origin(["dataset", "path"]) == "run:20261122:3"
    (problem,) = parse_document("extends: run:x\n" + BASE, "r.yaml", stored_run=stored_run).problems
    assert (problem.expected, problem.fix) == ("the id of a stored run", "write an id that is there")


@pytest.mark.usefixtures("folder")
def test_null_extends_nothing() -> None:
    assert load("extends: null\n" + BASE).finish().name == "base"
