"""Frozen keys: the format of stores, held by a file that only an explicit script writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.planning.golden import GOLDEN, LIBRARIES, RECIPES, has_library, make_golden_keys
from tests.planning.plans import plan_recipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden") / "here"


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, Any]:
    return make_golden_keys(folder)


@pytest.mark.parametrize("name", RECIPES)
def test_keys_are_the_frozen_ones(name: str, keys: dict[str, Any]) -> None:
    if name not in keys:
        pytest.skip(f"needs {LIBRARIES[name]}")
    assert keys[name] == json.loads(GOLDEN.read_text())[name]


def test_every_frozen_recipe_is_still_made(keys: dict[str, Any]) -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(RECIPES)
    assert set(keys) == set(filter(has_library, RECIPES))


def test_no_two_steps_share_a_key(keys: dict[str, Any]) -> None:
    for content in keys.values():
        listed = [content["read"], content["profile"]]
        listed += [key for steps in content.values() if isinstance(steps, dict) for key in steps.values()]
        assert len(listed) == len(set(listed))


def test_keys_do_not_know_where_the_folder_is(folder: Path, keys: dict[str, Any], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    folder.rename(moved)
    try:
        again = plan_recipe(moved / "physics.yaml", tmp_path / "scratch")
    finally:
        moved.rename(folder)
    assert again.list_keys() == keys["physics"]
