"""Places, origins, valid parts and the order of problems."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from rapidml.errors import RecipeError
from rapidml.recipe.document import Document, load_document, parse_document
from rapidml.recipe.schema import Split, Training

TEXT = """\
name: higgs
dataset:
  classes:
    signal: hh.parquet
    background:
      - tt.parquet
      - path: w.parquet
        weight: 1.5
  select: n_jets >= 4 and
    met > 150
  weight: 'genWeight * "x"'
  columns: {m: a / b}
  labels:
    pt.lead: text
models:
  bdt: xgboost
  log.v2:
    type: sklearn.X
    params: {C: 1}
    prepare: [impute: median, pca: {n: 3}, standardize]
"""


@pytest.fixture
def document() -> Document:
    return parse_document(TEXT, "r.yaml")


def find(document: Document, *path: Any, **options: Any) -> tuple[int | None, str]:
    place = document.place(path, **options)
    assert place is not None
    return place.line, place.text[place.column - 1 : place.column - 1 + place.length]


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        (["name"], 1, "higgs"),
        (["dataset"], 2, "dataset"),
        (["dataset", "classes", "signal"], 4, "hh.parquet"),
        (["dataset", "classes", "signal", 0, "path"], 4, "hh.parquet"),
        (["dataset", "classes", "background", 0, "path"], 6, "tt.parquet"),
        (["dataset", "classes", "background", 1, "weight"], 8, "1.5"),
        (["dataset", "classes", "background", 1, "select"], 7, "path: w.parquet"),
        (["dataset", "classes", "background", 7], 5, "background"),
        (["dataset", "columns"], 12, "{m: a / b}"),
        (["dataset", "labels", "pt.lead"], 14, "text"),
        (["dataset", "test"], 2, "dataset"),
        (["models", "bdt", "type"], 16, "xgboost"),
        (["models", "bdt", "params", "max_depth"], 16, "bdt"),
        (["models", "log.v2", "prepare", 0, "name"], 20, "impute"),
        (["models", "log.v2", "prepare", 0, "options", "value"], 20, "median"),
        (["models", "log.v2", "prepare", 0, "impute"], 20, "median"),
        (["models", "log.v2", "prepare", 1, "options", "n"], 20, "3"),
        (["models", "log.v2", "prepare", 2, "name"], 20, "standardize"),
    ],
)
def test_places(document: Document, path: list[Any], line: int, text: str) -> None:
    assert find(document, *path) == (line, text)


def test_places_of_names(document: Document) -> None:
    assert find(document, "models", "bdt", on_key=True) == (16, "bdt")
    assert find(document, "models", "log.v2", "params", "C", on_key=True) == (19, "C")


@pytest.mark.parametrize(
    ("path", "offset", "length", "found"),
    [
        (["select"], 0, 6, (9, "n_jets")),
        (["select"], 7, 2, (9, ">=")),
        (["select"], 16, 3, (10, "met")),
        (["select"], 22, None, (10, "150")),
        (["weight"], 0, 9, (11, "genWeight")),
        (["weight"], 12, 3, (11, '"x"')),
        (["columns", "m"], 4, 1, (12, "b")),
        (["columns", "m"], 5, 1, (12, "}")),
        (["columns", "m"], 99, 1, (12, "}")),
    ],
)
def test_places_within_texts(
    document: Document, path: list[str], offset: int, length: int | None, found: tuple[int, str]
) -> None:
    assert find(document, "dataset", *path, offset=offset, length=length) == found


def test_places_within_block_texts() -> None:
    document = parse_document("dataset:\n  select: |  # why\n    a > 1 and\n    bb < 2\n", "r.yaml")
    assert find(document, "dataset", "select", offset=0, length=1) == (3, "a")
    assert find(document, "dataset", "select", offset=10, length=2) == (4, "bb")


def test_origins(document: Document) -> None:
    assert document.origin(["models", "bdt", "type"]) == "r.yaml:16"
    assert document.origin(["models", "bdt", "params"]) == "default"
    assert document.origin(["split", "folds"]) == "default"
    assert document.origin(["dataset", "classes", "background", "1", "weight"]) == "r.yaml:8"
    assert document.origin(["models", "log", "v2", "params", "C"]) == "r.yaml:19"
    assert document.origin(["dataset", "labels", "pt", "lead"]) == "r.yaml:14"


def test_problems_stand_in_file_order_and_those_of_the_command_line_last() -> None:
    text = "evaluate: {rank_by: 1}\nmodels: {bdt: {typ: x}}\ndataset: {path: a, target: y}\nseed: x\n"
    document = parse_document(text, "r.yaml", ["split.folds=1", "split.test=2"])
    document.add(["dataset", "path"], "a file", "write one")
    assert [problem.field for problem in document.problems] == [
        "evaluate.rank_by",
        "models.bdt.typ",
        "dataset.path",
        "seed",
        "split.folds",
        "split.test",
    ]


def test_valid_parts_are_there_beside_broken_ones() -> None:
    document = parse_document(
        "dataset: {path: a, target: y}\nmodels: {a: xgboost, b: {typ: x}}\nsplit: {folds: 1}\n", "r.yaml"
    )
    assert document.recipe is None
    assert document.dataset is not None
    assert document.dataset.target == "y"
    assert list(document.models) == ["a"]
    assert document.split is None
    assert document.training == Training()


def test_finish_raises_all_problems() -> None:
    document = parse_document("dataset: {path: a, target: y}\nmodels: {bdt: xgboost}\n", "r.yaml")
    assert document.finish() is document.recipe
    document.add(["dataset", "target"], "a column", "write z")
    document.add(["dataset", "target"], "a column", "write z")
    with pytest.raises(RecipeError, match=r"r.yaml has 1 problem; nothing was started"):
        document.finish()


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("", Split(test=0.2, folds=5)),
        ("split: null", Split(test=0.2, folds=5)),
        ("split: {}", Split(folds=5)),
        ("split: {seed: 3}", Split(seed=3, folds=5)),
        ("split: {test: 0.1}", Split(test=0.1, folds=5)),
        ("split: {valid: 0.1}", Split(valid=0.1)),
        ("split: {folds: 3}", Split(folds=3)),
    ],
)
def test_default_split(split: str, expected: Split) -> None:
    document = parse_document(f"dataset: {{path: a, target: y}}\nmodels: {{bdt: xgboost}}\n{split}\n", "r.yaml")
    assert document.finish().split == document.split == expected


def test_default_split_with_a_test_sample_draws_no_test_rows() -> None:
    document = parse_document("dataset: {path: a, target: y, test: b}\nmodels: {bdt: xgboost}\n", "r.yaml")
    assert document.finish().split == document.split == Split(folds=5)


def test_null_is_as_if_not_written_but_a_value_in_params() -> None:
    document = parse_document(
        "dataset: {path: a, target: y, weight: null}\nseed:\nmodels: {m: {type: t, params: {x: null}}}\n", "r.yaml"
    )
    recipe = document.finish()
    assert (recipe.seed, recipe.dataset.weight) == (0, None)
    assert recipe.models["m"].params == {"x": None}


def test_variables_are_checked_where_files_are_loaded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("dataset: {path: '${HIGGS_CSV}/a.csv', target: y}\nmodels: {bdt: xgboost}\n")
    monkeypatch.delenv("HIGGS_CSV", raising=False)
    with pytest.raises(RecipeError, match=r"a variable that is set; HIGGS_CSV is not\n    to fix:   export HIGGS_CSV="):
        load_document(path).finish()
    monkeypatch.setenv("HIGGS_CSV", "/secret place")
    document = load_document(path)
    assert document.finish().dataset.path == "${HIGGS_CSV}/a.csv"
    assert document.base == tmp_path
    parse_document(path.read_text(), "r.yaml").finish()


def test_reading_a_recipe_imports_nothing_heavy() -> None:
    code = (
        "import sys; from rapidml.recipe.document import parse_document as p;"
        "p('dataset: {path: a, target: y}\\nmodels: {b: xgboost}', 'r').finish();"
        "print([m for m in ('numpy', 'pandas', 'sklearn', 'xgboost', 'distributed', 'pyarrow') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
