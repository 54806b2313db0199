"""Checking the installation and the store: what ``rapidml doctor`` reports."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from rapidml.errors import DISTRIBUTION, StoreError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        is_fine: Nothing is wrong with it, or it was put right.
        text: What was found.
    """

    is_fine: bool
    text: str


def check_health(store: Path, *, repair: bool = False) -> list[Check]:
    """Look at the interpreter, the libraries and, if there is one, the store.

    Args:
        store: Folder of the store.
        repair: Mend what can be mended in the store.
    """
    return [_check_python(), *_check_boosted_trees(), *_check_libraries(), *_check_store(store, repair=repair)]


def _check_python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check((3, 11) <= sys.version_info[:2] <= (3, 13), f"Python {version} (supported: 3.11 to 3.13)")


def _check_boosted_trees() -> list[Check]:
    """Exactly one of the two builds of XGBoost: both install the same module and overwrite each other."""
    builds = [name for name in ("xgboost", "xgboost-cpu") if _version(name)]
    if len(builds) == 2:
        return [
            Check(
                False,
                "xgboost and xgboost-cpu are both installed and overwrite each other: uninstall both, install one",
            )
        ]
    if not builds:
        return [Check(False, f"no xgboost: pip install '{DISTRIBUTION}[cpu]', or [gpu]")]
    return [Check(True, f"{builds[0]} {_version(builds[0])}")]


def _check_libraries() -> list[Check]:
    found = []
    for name, module in (
        ("dask", "dask"),
        ("distributed", "distributed"),
        ("scikit-learn", "sklearn"),
        ("pyarrow", "pyarrow"),
        ("skops", "skops"),
    ):
        is_there = importlib.util.find_spec(module) is not None
        found.append(
            Check(is_there, f"{name} {_version(name)}" if is_there else f"{name} is missing: pip install {name}")
        )
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _check_store(path: Path, *, repair: bool) -> list[Check]:
    from rapidml.store.store import open_store

    if not path.exists():
        return [Check(True, f"no store at {path} yet")]
    try:
        store = open_store(path, create=False)
        findings = store.check(repair=repair)
    except StoreError as error:
        return [Check(False, str(error))]
    harmless = {"adoptable"}  # an object without its line: used when it is planned, else collected
    checks = [Check(f.is_repaired, f"{f.path}: {f.text}") for f in findings if f.code not in harmless]
    return checks or [Check(True, f"store {path}: {len(store.runs.list_ids())} runs, nothing wrong")]
