"""What the runs of a recipe are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapidml.recipe.document import Document


def run_name(document: Document) -> str:
    """Name of a recipe's runs: its own, else its file's."""
    name = document.tree.get("name")
    return name if isinstance(name, str) else Path(document.file).stem
