"""The example recipes that travel with the package. Only where they are; reading a recipe is elsewhere."""

from __future__ import annotations

from pathlib import Path

from rapidml.errors import RapidmlError
from rapidml.recipe.suggest import suggest


def list_examples() -> list[str]:
    """Names that ``find_example`` knows, sorted."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def find_example(name: str) -> Path:
    """File of an example recipe.

    Args:
        name: Name without folder and suffix, such as ``quickstart``.

    Raises:
        RapidmlError: No example has this name.
    """
    names = list_examples()
    if name in names:
        return _folder() / f"{name}.yaml"
    close = suggest(name, names)
    hint = f"did you mean {close}? " if close else ""
    raise RapidmlError(f"no example is called {name}; {hint}examples: {', '.join(names)}")


def _folder() -> Path:
    """``rapidml/recipes`` of an installed wheel, else ``recipes`` beside ``src`` in a source tree."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parents[1] / "recipes"
