"""Canonical JSON, keys and seeds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.keys import canonical_json, make_key, make_seed

scalars = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


@given(trees)
def test_canonical_json_is_json_of_the_same_tree(tree: Any) -> None:
    assert repr(json.loads(canonical_json(tree))) == repr(json.loads(json.dumps(tree, sort_keys=True)))


@given(trees, trees)
def test_trees_differ_exactly_when_their_json_does(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (sort(one) == sort(other))


def sort(tree: Any) -> str:
    """The tree as text that keeps types and forgets the order of keys."""
    if isinstance(tree, dict):
        return f"mapping {sorted((name, sort(item)) for name, item in tree.items())!r}"
    return repr([sort(item) for item in tree]) if isinstance(tree, list) else repr(tree)


@given(st.dictionaries(st.text(), scalars))
def test_the_order_of_names_does_not_matter(tree: dict[str, Any]) -> None:
    assert make_key(tree) == make_key(dict(reversed(tree.items())))


def test_the_form_of_canonical_json() -> None:
    tree = {"b": (1, 1.0, True, None), "a": {"é": 1e-05, "x": -0.0}}
    assert canonical_json(tree) == '{"a":{"x":-0.0,"\\u00e9":1e-05},"b":[1,1.0,true,null]}'
    assert make_key(tree) == hashlib.sha256(canonical_json(tree).encode()).hexdigest()


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), ("1", 1), (None, "null"), ([], {}), (0.0, -0.0), ([1, 2], [2, 1])]
)
def test_what_differs_has_another_key(one: Any, other: Any) -> None:
    assert make_key({"x": one}) != make_key({"x": other})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"cannot be part of a key"):
        make_key({"x": [value]})


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, 1j, {1: 2}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"in a key|of a key"):
        make_key({"x": value})


@given(st.integers(0, 2**63), st.text(max_size=8), st.integers(0, 99), st.none() | st.integers(0, 99))
def test_seeds_are_in_the_range_that_every_library_takes(
    seed: int, purpose: str, repetition: int, fold: int | None
) -> None:
    made = make_seed(seed, purpose, repetition, fold)
    assert 0 <= made < 2**31
    assert made == make_seed(seed, purpose, repetition, fold)


def test_seeds_differ_by_everything_they_are_made_from() -> None:
    made = [
        make_seed(seed, purpose, repetition, fold)
        for seed in (0, 1)
        for purpose in ("fit", "search")
        for repetition in (0, 1)
        for fold in (None, 0, 1)
    ]
    assert len(set(made)) == len(made)


def test_seeds_stay_what_they_were() -> None:
    digest = hashlib.sha256(b'[0,"fit",0,3]').digest()
    assert make_seed(0, "fit", 0, 3) == int.from_bytes(digest[:4], "big") // 2
