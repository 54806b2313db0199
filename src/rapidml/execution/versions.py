"""Versions of the libraries that make results, read from the installation without importing them."""

from __future__ import annotations

from importlib import metadata

from rapidml.errors import DISTRIBUTION


def list_versions() -> dict[str, str]:
    """Versions of the libraries that make results, without importing them."""
    found = {}
    for name in (DISTRIBUTION, "numpy", "scikit-learn", "xgboost", "xgboost-cpu", "distributed", "pyarrow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
