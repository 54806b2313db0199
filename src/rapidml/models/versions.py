"""Versions of the libraries that adapters stand on, read from the installation without importing them."""

from __future__ import annotations

from functools import lru_cache


def find_versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Version of each distribution that is installed, by its name."""
    return {name: version for name in distributions if (version := _find_version(name)) is not None}


@lru_cache(maxsize=128)
def _find_version(distribution: str) -> str | None:
    """Read once a process: that takes a millisecond, and every model notes it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
