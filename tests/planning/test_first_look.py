"""The first look at the data is remembered as long as what it depends on stays, and no longer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rapidml.errors import RecipeError
from rapidml.planning.checking import Checked, check_document
from rapidml.recipe.document import parse_document
from rapidml.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
dataset: {path: data.csv, target: label, positive: s, weight: w}
split: {test: 0.3, folds: 2}
models:
  bdt: {type: xgboost}
"""


def write_rows(path: Path, *, has_leak: bool) -> None:
    """200 rows of two classes; the feature ``x`` is noise, or follows the weight within each class."""
    lines = ["x,w,label"]
    for number in range(200):
        weight = 1 + (number * 7919) % 101 / 101
        noise = (number * 104_729) % 97
        lines.append(f"{weight * 3 if has_leak else noise},{weight:.6f},{'s' if number % 3 else 'b'}")
    path.write_text("\n".join([*lines, ""]))


def check(folder: Path, *overrides: str) -> Checked:
    document = parse_document(RECIPE, "recipe.yaml", overrides, base=folder)
    with open_store(folder / "store") as store:
        return check_document(document, store.index, look=True)


def test_a_second_look_reads_no_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "data.csv", has_leak=False)
    first = check(tmp_path)
    mode = (tmp_path / "data.csv").stat()
    (tmp_path / "data.csv").write_bytes(b"#" * mode.st_size)  # not a table any more; only size and time are looked at
    os.utime(tmp_path / "data.csv", ns=(mode.st_atime_ns, mode.st_mtime_ns))
    assert first.profile is not None
    assert check(tmp_path, "models.bdt.params.max_depth=3").profile == first.profile


def test_changed_data_are_looked_at_again(tmp_path: Path) -> None:
    write_rows(tmp_path / "data.csv", has_leak=False)
    check(tmp_path)
    write_rows(tmp_path / "data.csv", has_leak=True)
    with pytest.raises(RecipeError, match="'x' alone follows the weight"):
        check(tmp_path)


def test_another_split_is_looked_at_again(tmp_path: Path) -> None:
    write_rows(tmp_path / "data.csv", has_leak=False)
    first, second = check(tmp_path), check(tmp_path, "split.test=0.5")
    assert first.profile is not None
    assert second.profile is not None
    assert first.profile.n_training != second.profile.n_training
