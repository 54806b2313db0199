"""What YAML text means: the core schema of YAML 1.2 and nothing beyond it, each value with its place."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.errors import RecipeError
from rapidml.recipe.document import load_document, parse_document
from rapidml.recipe.nodes import MappingNode, to_plain
from rapidml.recipe.reading import MOST_CHARACTERS, read_nodes
from rapidml.recipe.scalars import resolve_plain, write_key, write_scalar
from rapidml.recipe.source import Source


def read(text: str) -> Any:
    root, problems = read_nodes(Source("r.yaml", text))
    assert problems == []
    assert root is not None
    return to_plain(root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1", 1), ("1.0", 1.0), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0x1F", 31),
        (".5", 0.5), ("5.", 5.0), ("1_000", "1_000"), ("1:30", "1:30"), ("no", "no"), ("yes", "yes"), ("on", "on"),
        ("true", True), ("TRUE", True), ("tRUE", "tRUE"), ("null", None), ("~", None), ("", None), ("NULL", None),
        ("2026-11-22", "2026-11-22"), ("'1'", "1"), ('"a\\nb"', "a\nb"), ("=", "="), ("<<", "<<"), ("0b1", "0b1"),
        ("1e5", 100000.0), ("e5", "e5"), ("١", "١"), ("a b # c", "a b"), ("max(a, b) > 1", "max(a, b) > 1"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    found = read(f"x: {text}")["x"]
    assert (type(found), found) == (type(value), value)


def test_names_are_text_as_written() -> None:
    assert list(read("1: a\ntrue: b\nno: c\n1.50: d")) == ["1", "true", "no", "1.50"]


def test_texts_over_several_lines() -> None:
    assert read("a: >\n  x\n  y\nb: |\n  x\n  y\nc: x\n  y") == {"a": "x y", "b": "x\ny", "c": "x y"}


@given(st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none())
def test_a_written_scalar_reads_as_itself(value: Any) -> None:
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return
    found = read(f"[{write_scalar(value)}, {{x: {write_scalar(value)}}}]")
    assert repr(found) == repr([value, {"x": value}])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_written_name_reads_as_itself(name: str) -> None:
    assert read(f"{{{write_key(name)}: 1}}") == {name: 1}


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 400])
def test_numbers_that_cannot_be_kept(text: str) -> None:
    with pytest.raises(ValueError, match=r"not finite|too large"):
        resolve_plain(text)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_places_do_not_depend_on_line_endings(ending: str) -> None:
    text = ending.join(["# é", "a: 1", "b:", "  c: [x, 'y z']", ""])
    root, _ = read_nodes(Source("r.yaml", text))
    assert isinstance(root, MappingNode)
    inner = root.entries["b"].value
    assert isinstance(inner, MappingNode)
    place = inner.entries["c"].value.items[1].find_place()  # type: ignore[attr-defined]
    assert (place.line, place.column, place.length, place.text) == (4, 10, 5, "  c: [x, 'y z']")


def test_byte_order_mark_is_passed_over(tmp_path: Any) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfdataset: {path: a, target: y}\nmodels: {b: xgboost}\n")
    assert load_document(path).finish().dataset.path == "a"


def test_large_files_are_refused_at_once(tmp_path: Any) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"a: 1\n" * 2_000_000)
    start = time.perf_counter()
    with pytest.raises(RecipeError, match=r"expected: a recipe of at most 256 kB; this is longer"):
        load_document(path)
    assert time.perf_counter() - start < 1


def test_long_texts_are_refused() -> None:
    with pytest.raises(RecipeError, match="at most 256 kB"):
        parse_document("#" * (MOST_CHARACTERS + 1), "r.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "? " * 50_000, "a: " * 50_000])
def test_deep_nesting_is_no_traceback(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_document(text, "r.yaml").finish()
    assert len(str(caught.value)) < 2000


def test_absent_files(tmp_path: Any) -> None:
    (tmp_path / "higgs.yaml").write_text("a: 1")
    with pytest.raises(RecipeError, match=r"a file; there is none of this name\n    to fix:   write .*/higgs.yaml"):
        load_document(tmp_path / "higs.yaml")
    with pytest.raises(RecipeError, match=r"check the path; there is no folder"):
        load_document(tmp_path / "no" / "higgs.yaml")
    with pytest.raises(RecipeError, match=r"a file; this is a folder\n.*write a recipe within it: higgs.yaml"):
        load_document(tmp_path)
    with pytest.raises(RecipeError, match=r"a file that can be opened"):
        load_document("a\0b")
