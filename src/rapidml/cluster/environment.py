"""What two processes must share to run each other's tasks: interpreter, libraries, and the sources of rapidml."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from rapidml.errors import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARIES = (
    DISTRIBUTION,
    "cloudpickle",
    "dask",
    "distributed",
    "numpy",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
    "xgboost",
    "xgboost-cpu",
)
ADAPTERS = "rapidml.models"
"""Entry points of other distributions that bring models."""

_SOURCES = "sources"


def describe_environment() -> dict[str, str]:
    """Environment of this process, without importing a library: equal where tasks can be exchanged."""
    package = Path(__file__).resolve().parents[1]
    found = {"environment": sys.prefix, "python": platform.python_version(), "package": str(package)}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for point in metadata.entry_points(group=ADAPTERS):
        if point.dist is not None:
            found[point.dist.name] = point.dist.version
    found[_SOURCES] = str(max(path.stat().st_mtime_ns for path in package.rglob("*.py")))
    return found


def find_difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str | None:
    """The first difference in words, such as ``it has xgboost 3.2.0, this process 3.3.0``; None if there is none."""
    for name in dict.fromkeys([*ours, *theirs]):
        if theirs.get(name) == ours.get(name):
            continue
        if name == _SOURCES:
            return "rapidml's source files changed after it started"
        return f"it has {_say(name, theirs)}, this process {_say(name, ours)}"
    return None


def _say(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    return f"no {name}" if value is None else f"{name} {value}"
