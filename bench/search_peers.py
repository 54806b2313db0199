"""The environment of the searches that rapidml is compared with: a folder with dask-ml and Ray, made once.

It has the versions of the numerical libraries that are installed beside rapidml, so that both sides make the same fits.
scikit-learn itself is the one beside rapidml.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PEERS = {"dask_ml": "dask-ml==2025.1.0", "ray": "ray[tune]==2.60.0"}
"""What is installed, by the module that it brings."""
MODULES = {
    "scikit-learn": None,
    "dask-ml, threads": "dask_ml",
    "dask-ml, LocalCluster": "dask_ml",
    "Ray Tune": "ray",
}
"""The module of each peer; None for what comes with rapidml."""
SHARED = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "dask", "distributed")


@dataclass(frozen=True)
class Peers:
    """Interpreters that can run the peers.

    Attributes:
        pythons: Interpreter of each peer that can be run.
        missing: Why another one cannot.
    """

    pythons: Mapping[str, str]
    missing: Mapping[str, str]


def default_folder() -> Path:
    """Where environments are kept between runs of the bench."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "rapidml-bench"


def find_peers(names: Iterable[str], folder: Path) -> Peers:
    """Some of the peers, installed below a folder where they are not installed here."""
    pythons, missing = {}, {}
    for name in sorted(set(names)):
        module = MODULES[name]
        python, problem = (sys.executable, "") if module is None else _find_python(module, folder)
        if problem:
            missing[name] = problem
        else:
            pythons[name] = python
    return Peers(pythons, missing)


def _find_python(module: str, folder: Path) -> tuple[str, str]:
    """An interpreter that can import a module, or what stands against it."""
    if importlib.util.find_spec(module) is not None:
        return sys.executable, ""
    pins = _list_pins()
    mark = hashlib.sha256(" ".join([sys.version, *pins, *PEERS.values()]).encode()).hexdigest()[:12]
    place = folder / mark
    python = place / "bin" / "python"
    done = place / f"{module}.installed"
    if done.exists():
        return str(python), ""
    place.mkdir(parents=True, exist_ok=True)
    print(f"installing {PEERS[module]} in {place}", file=sys.stderr, flush=True)
    steps = [] if python.exists() else [[sys.executable, "-m", "venv", str(place)]]
    steps.append([str(python), "-m", "pip", "install", "--quiet", *pins, PEERS[module]])
    steps.append([str(python), "-c", f"import {module}"])
    for step in steps:
        finished = subprocess.run(step, capture_output=True, text=True, check=False)
        if finished.returncode:
            lines = finished.stderr.strip().splitlines() or [f"{step[0]} ended with {finished.returncode}"]
            return "", f"{PEERS[module]} could not be installed: {lines[-1]}"
    done.touch()
    return str(python), ""


def _list_pins() -> list[str]:
    """The libraries that both sides use, as they are installed here."""
    pins = []
    for name in SHARED:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:  # an optional one: the peers bring theirs
            continue
    return pins
