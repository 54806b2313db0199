"""What the tests of the store share: a fresh store, keys, and processes to kill."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rapidml.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rapidml.store import Store

SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with open_store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def key() -> Callable[[object], str]:
    """A key made from anything."""
    return lambda seed: hashlib.sha256(repr(seed).encode()).hexdigest()


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python processes with some source text and arguments; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        command = [sys.executable, "-c", source, *map(str, arguments)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
