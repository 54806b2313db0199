"""Where a run came from: versions of the libraries, the machine, the state of the git repository of its recipe."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from typing import TYPE_CHECKING, Any

from rapidml.errors import DISTRIBUTION

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_DIFF = 100_000
"""Characters of a diff that are kept."""


def list_versions() -> dict[str, str]:
    """Versions of the libraries that make results, without importing them."""
    found = {}
    for name in (DISTRIBUTION, "numpy", "scikit-learn", "xgboost", "xgboost-cpu", "distributed", "pyarrow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_machine() -> dict[str, str]:
    """Host, operating system and Python."""
    return {"host": platform.node(), "system": platform.platform(), "python": platform.python_version()}


def find_git(folder: Path) -> dict[str, Any] | None:
    """Commit and uncommitted changes of the repository that a folder belongs to; None if it is in none."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff") or ""
    return {"commit": commit.strip(), "diff": diff[:LONGEST_DIFF], "is_diff_whole": len(diff) <= LONGEST_DIFF}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, check=True)  # noqa: S603  own arguments
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", errors="replace")
