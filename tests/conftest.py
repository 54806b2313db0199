"""Fixtures for every test. Markers are only selected by ``-m``; nothing is skipped here because of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runtime folder of the tests' own: a warm cluster of whoever runs them is not used."""
    folder = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def recipes(root: Path) -> Path:
    """Folder of the example recipes."""
    return root / "recipes"


@pytest.fixture(scope="session")
def shared_data(root: Path) -> Path:
    """Folder of real datasets that are not part of the repository; its absence skips the test."""
    named = os.environ.get("RAPIDML_SHARED_DATA")
    folder = Path(named) if named else root.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the shared datasets: there is no folder {folder}; RAPIDML_SHARED_DATA may name another")
    return folder
