"""Whatever is in the file or on the command line: a recipe, or a list of problems, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rapidml.errors import RecipeError
from rapidml.recipe.document import load_document, parse_document
from rapidml.recipe.resolved import dump_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
WHOLE = """\
name: hh
dataset:
  classes:
    signal: {path: hh.parquet, weight: 2}
    background:
      - tt.parquet
      - path: w.parquet
  weight: genWeight * xsec
  columns: {m: a / b}
  features: [m_*, "x"]
  missing: -999
training: {balance: classes}
split: {test: 0.2, folds: {by: event % 5}}
models:
  bdt:
    {type: xgboost, params: {max_depth: 6, eta: {log: [0.01, 0.3], points: 3}}, prepare: [impute: median, standardize]}
  log: {type: sklearn.X, prepare: [impute: {any: [median, mean]}]}
search: {method: grid, time: 20m, forbid: [eta > 0.2]}
evaluate: {rank_by: roc_auc, also: [log_loss]}
"""
PIECES = [
    *"\t\n\r :-?,[]{}#&*!|>'\"%@`~0=", ": ", "  ", "- ", "? ", " #", "&a ", "*a", "!x ", "!!str ", "|-", "---", "...",
    "%YAML 1.1\n", "<<: ", "null", ".nan", "1e999", "\\", "\0", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "${X}",
    "extends: r.yaml\n", "any", "\x1b",
]  # fmt: skip
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def check(text: str, *overrides: str) -> None:
    """Either it is a recipe that survives writing, or every problem can be shown."""
    try:
        recipe = parse_document(text, "r.yaml", overrides).finish()
    except RecipeError as error:
        problems = error.problems
    else:
        assert parse_document(dump_recipe(recipe), "d.yaml").finish() == recipe
        return
    assert problems
    for problem in problems:
        assert problem.expected
        assert problem.fix
        assert str(problem)
        assert json.dumps(problem.to_json())
        place = problem.place
        assert place is None or 1 <= place.column <= len(place.text) + 2


@FEW
@given(st.text(max_size=60))
@example("%TAG ! x\n---\n!a b")
@example("? |\n  a\n: b")
@example('"\\ud800"')
@example("a: !<x> b")
@example("- - - a\n - b")
@example('{"a":1}')
def test_any_text(text: str) -> None:
    check(text)


@FEW
@given(st.lists(st.sampled_from([*PIECES, "a", "dataset", "models", "bdt", "type"]), max_size=30).map("".join))
def test_any_pieces_of_yaml(text: str) -> None:
    check(text)


@FEW
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(["", *PIECES])), max_size=3))
def test_a_valid_recipe_with_some_damage(damage: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for start, length, piece in damage:
        text = text[:start] + piece + text[start + length :]
    check(text)


@FEW
@given(st.permutations(WHOLE.splitlines(keepends=True)), st.integers(0, 19))
def test_lines_in_any_order(lines: list[str], count: int) -> None:
    check("".join(lines[:count]))


names = st.sampled_from(
    ["dataset", "models", "bdt", "params", "prepare", "0", "1", "classes", "background", "path", "", "x", "eta", "log"]
)


@FEW
@given(
    st.lists(names, max_size=5).map(".".join),
    st.sampled_from(["=", "", "=="]),
    st.text(max_size=12) | st.sampled_from(["null", "[", "{a: b}", "[1, 2]", "'x'", "1", "*a", "{a: max(1, 2)}", "!x"]),
)
def test_any_override(path: str, equals: str, value: str) -> None:
    check(WHOLE, f"{path}{equals}{value}", f"split.folds{equals}{value}")


json_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_names = st.sampled_from(["a", "path", "any", "name", "log", "points"])
json_values = st.recursive(
    json_scalars | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_names, inner, max_size=3),
    max_leaves=5,
)


@FEW
@given(st.data(), json_values)
def test_any_value_in_any_field(data: st.DataObject, value: object) -> None:
    tree = parse_document(WHOLE, "r.yaml").tree
    node = tree
    while True:
        name = data.draw(st.sampled_from(list(node)))
        if not isinstance(node[name], dict) or data.draw(st.booleans()):
            node[name] = value
            break
        node = node[name]
    text = json.dumps(tree, ensure_ascii=False)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        check(text)


@FEW
@given(content=st.binary(max_size=60))
@example(content=b"\xff")
@example(content=b"a: \x00")
@example(content=b"\xef\xbb\xbf\xef\xbb\xbfa")
def test_any_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_document(path).finish()
