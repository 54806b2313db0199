"""The text of a recipe file, with a sentence for every reason why it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.recipe.reading import MOST_CHARACTERS, SHORTER, TOO_LONG
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".yaml", ".yml")


class RecipeUnreadable(Exception):
    """A recipe file that gives no text.

    Args:
        expected: What would have been right.
        fix: What to do.
        line: Line of the place, from 1, if it is known.
    """

    def __init__(self, expected: str, fix: str, line: int | None = None) -> None:
        self.expected = expected
        self.fix = fix
        self.line = line
        super().__init__(expected)


def read_recipe_text(path: Path, name: str) -> str:
    """Text of a recipe file.

    Args:
        path: File to read.
        name: What a person calls it.

    Raises:
        RecipeUnreadable: It is absent, a folder, too large, not text, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise RecipeUnreadable("a file; there is none of this name", _find_name_fix(path, name)) from None
    except IsADirectoryError:
        raise RecipeUnreadable("a file; this is a folder", _find_folder_fix(path, name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name cannot be one of a file"
        raise RecipeUnreadable(
            f"a file that can be opened; {reason.lower()}", "check the path and its permissions"
        ) from None
    return decode_recipe(content)


def decode_recipe(content: bytes) -> str:
    """Text of a recipe's bytes, without a byte order mark.

    Raises:
        RecipeUnreadable: They are too many, or not UTF-8.
    """
    if len(content) > MOST_CHARACTERS:
        raise RecipeUnreadable(TOO_LONG, SHORTER)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeUnreadable("text in UTF-8; this is UTF-16", "save the file as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeUnreadable(
            f"text in UTF-8; line {line} has the byte 0x{content[error.start]:02x}, which is not",
            "save the file as UTF-8, or check that it is a recipe",
            line,
        ) from None
    return text


def _find_name_fix(path: Path, name: str) -> str:
    try:
        names = sorted(item.name for item in path.parent.iterdir() if item.suffix in SUFFIXES)[:1000]
    except OSError:
        return f"check the path; there is no folder {path.parent}"
    close = suggest(path.stem, [name.rpartition(".")[0] for name in names])
    if close:
        match = next(name for name in names if name.rpartition(".")[0] == close)
        return f"write {name[: len(name) - len(path.name)]}{match}"
    return f"check the path; recipes in this folder: {', '.join(names[:5])}" if names else "check the path"


def _find_folder_fix(path: Path, name: str) -> str:
    names = sorted(item.name for item in path.iterdir() if item.suffix in SUFFIXES)[:5]
    return (
        f"write a recipe within it: {', '.join(names)}"
        if names
        else f"write the path of a recipe, such as {name.rstrip('/')}/recipe.yaml"
    )
