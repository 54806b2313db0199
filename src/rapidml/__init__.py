"""Prototype machine-learning models rapidly on Dask: one YAML recipe in, compared models with uncertainties out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rapidml.api import Comparison, Model, Run, compare, load_recipe, open_run, run

__all__ = ["Comparison", "Model", "Run", "compare", "load_recipe", "open_run", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("rapidml.api"), name)
    if name == "__version__":
        from importlib import metadata

        from rapidml.errors import DISTRIBUTION

        return metadata.version(DISTRIBUTION)
    raise AttributeError(f"module 'rapidml' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
