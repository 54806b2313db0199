"""Every error that rapidml raises on purpose, and the form in which problems of a recipe are shown.

    RapidmlError
    ├── RecipeError          the recipe or an override is wrong; carries every problem found
    ├── DatasetError         the data are not what the recipe says
    ├── ModelError           a model cannot be fitted, saved or loaded
    │   └── ExtraNotInstalled    a library that the recipe needs is absent
    ├── ClusterError         workers cannot be started or reached
    ├── WorkersLost          workers were there, and are gone while a run needs them
    └── StoreError           the store is damaged, foreign or newer
        ├── RunNotFound          no run, or more than one, has this name
        └── RunIsAlive           another process drives the run

Programming mistakes stay ``ValueError`` and ``TypeError``. Texts here are plain; colour belongs to the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

DISTRIBUTION = "iml-rapidml"
"""Name on the package index: every install hint is made from it."""


WIDEST_LINE = 160
"""Longer lines of a recipe are shown in part."""


class RapidmlError(Exception):
    """Something that a user can mend; its text says what and how."""


@dataclass(frozen=True)
class Place:
    """Where a value was written.

    Attributes:
        file: Recipe file as the user named it, or ``command line, argument 3``.
        line: Line in the file, from 1; None on the command line.
        column: Column in the line, from 1; on the command line the column within the argument.
        text: The whole line, or the argument.
        length: Number of characters to underline, at least 1.
    """

    file: str
    line: int | None
    column: int
    text: str
    length: int = 1

    def shorten(self) -> tuple[str, int, int]:
        """The line, or the part of a long line that holds the place.

        Returns:
            The text to show, how many of its characters are before the place, and how many are in it.
        """
        first = 0 if len(self.text) <= WIDEST_LINE else max(0, self.column - 1 - WIDEST_LINE // 4)
        text = self.text[first : first + WIDEST_LINE]
        left, right = "…" * (first > 0), "…" * (first + WIDEST_LINE < len(self.text))
        before = self.column - 1 - first
        return f"{left}{text}{right}", before + len(left), max(1, min(self.length, len(text) - before))

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe: where, what was expected, what to write instead.

    Attributes:
        field: Dotted path, such as ``models.bdt.type``; empty for the file as a whole.
        expected: What would have been right; one sentence without a full stop.
        fix: What to do; one sentence without a full stop.
        place: Where it was written; None if nowhere (a missing field of the command line, say).
    """

    field: str
    expected: str
    fix: str
    place: Place | None = None

    def __str__(self) -> str:
        head = "  " + "  ".join(part for part in (str(self.place or ""), self.field) if part)
        lines = [head.rstrip()]
        if self.place is not None and self.place.text:
            number = "" if self.place.line is None else str(self.place.line)
            text, before, length = self.place.shorten()
            lines.append(f"    {number} | {text}")
            lines.append(f"    {' ' * len(number)} | {' ' * before}{'^' * length}")
        lines.append(f"    expected: {self.expected}")
        lines.append(f"    to fix:   {self.fix}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """One entry of the ``errors`` list that exit code 2 prints with ``--json``."""
        place = self.place
        return {
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "field": self.field,
            "message": f"expected: {self.expected}",
            "fix": self.fix,
        }


class RecipeError(RapidmlError):
    """A recipe that cannot be run, with all its problems in file order.

    Args:
        file: Recipe file as the user named it.
        problems: Every problem found; at least one.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{file} has {count}; nothing was started.\n\n" + "\n\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.file, self.problems)


class DatasetError(RapidmlError):
    """The data are not what the recipe says, or cannot be read."""


class ModelError(RapidmlError):
    """A model cannot be fitted, saved or loaded."""


class ExtraNotInstalled(ModelError):
    """A library that the recipe needs is not installed.

    Args:
        needs: What asked for it, such as ``models.net.type: mlp``.
        extra: Extra of the distribution that brings it, such as ``tensorflow``.
    """

    def __init__(self, needs: str, extra: str) -> None:
        self.needs = needs
        self.extra = extra
        super().__init__(f"{needs} needs a library that is not installed: pip install '{DISTRIBUTION}[{extra}]'")

    def __reduce__(self) -> tuple[type[ExtraNotInstalled], tuple[str, str]]:
        return type(self), (self.needs, self.extra)


class ClusterError(RapidmlError):
    """Dask workers cannot be started or reached."""


class WorkersLost(RapidmlError):
    """The workers of a run are gone, all at once; what they finished is stored."""


class StoreError(RapidmlError):
    """The store is damaged, not a store, or of a newer format."""


class RunNotFound(StoreError):
    """No run, or more than one, answers to a name."""


class RunIsAlive(StoreError):
    """Another process drives the run.

    Args:
        run: Id of the run.
        driver: Who drives it, such as ``process 4711 on login3``.
    """

    def __init__(self, run: str, driver: str) -> None:
        self.run = run
        self.driver = driver
        super().__init__(f"run {run} is being driven by {driver}; wait for it, or stop it there")

    def __reduce__(self) -> tuple[type[RunIsAlive], tuple[str, str]]:
        return type(self), (self.run, self.driver)
