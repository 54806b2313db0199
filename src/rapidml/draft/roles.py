"""What each column is for, guessed from its name and its first rows; every guess keeps its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rapidml.draft import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.draft.looking import ColumnLook, Look

MOST_LABELS = 20
LEAST_TARGET = 30
LEAST_IDS = 10
TaskName = Literal["classification", "regression"]


@dataclass(frozen=True)
class Choice:
    """A column that was chosen for something, and what else could have been.

    Attributes:
        name: The column; None if there is none.
        why: Why it was chosen.
        others: Further candidates, with what they hold.
    """

    name: str | None
    why: str = ""
    others: tuple[tuple[str, str], ...] = ()


def choose_target(look: Look, wanted: str | None, *, is_table: bool) -> Choice:
    """The column to learn.

    Args:
        look: What the file holds.
        wanted: The column that the user names.
        is_table: Whether the place of a column counts: the first or last of a text table often is the target.
    """
    columns = list(look.columns.values())
    rated = sorted(((_rate_target(column, columns, is_table=is_table), column) for column in columns), key=_by_rate)
    able = [(rate, column) for rate, column in rated if rate > 0]
    if wanted is not None:
        return Choice(wanted, "as you said", _describe_others(able, wanted))
    if not able or able[0][0] < LEAST_TARGET:
        return Choice(None, "", _describe_others(able, ""))
    column = able[0][1]
    is_named = names.rate_target(column.name) > 0
    place = "the last column" if column is columns[-1] else "the first column"
    why = f"by its name; {column.describe()}" if is_named else f"{place}, {column.describe()}"
    return Choice(column.name, why, _describe_others(able[1:], column.name))


def _by_rate(rated: tuple[int, ColumnLook]) -> int:
    return -rated[0]


def _rate_target(column: ColumnLook, columns: list[ColumnLook], *, is_table: bool) -> int:
    """How likely a column is the target; 0 if it cannot be."""
    if column.kind in ("date", "array", "null") or column.is_constant or not column.is_finite or column.stray:
        return 0
    if names.is_number_of_events(column.name) or names.is_id(column.name):
        return 0
    has_few = column.n_distinct <= MOST_LABELS and (column.kind != "number" or column.is_whole)
    named = names.rate_target(column.name)
    if column.kind == "text" and not (has_few or (named and column.n_distinct <= 100)):
        return 0
    if not has_few and not named:
        return 0
    if column.is_unique and (column.is_whole or column.kind == "text"):
        return 0
    place = 0
    if is_table and has_few and column is columns[-1]:
        place = 30 if column.n_distinct <= 10 else 10
    elif is_table and has_few and column is columns[0]:
        place = 30 if column.n_distinct == 2 else 10
    return named + place + (5 if column.n_distinct == 2 else 1)


def _describe_others(rated: list[tuple[int, ColumnLook]], chosen: str) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.describe()) for _, column in rated if column.name != chosen)


def choose_task(column: ColumnLook) -> tuple[TaskName | None, str]:
    """The kind of task, where the recipe must say it, and why."""
    if column.kind in ("text", "boolean") or column.n_distinct == 2 or not column.is_number:
        return None, ""
    if column.is_whole and column.n_distinct <= MOST_LABELS and names.rate_target(column.name) != 40:
        return "classification", f"{column.n_distinct} different whole numbers are taken for classes"
    if column.kind == "integer":
        return "regression", f"{column.n_distinct:,} different whole numbers are taken for quantities"
    return None, ""


def choose_positive(column: ColumnLook) -> tuple[str | None, str]:
    """The positive label of two, where the recipe must say it, and why."""
    if column.n_distinct != 2 or {*column.labels} in ({"0", "1"}, {"-1", "1"}, {"false", "true"}):
        return None, ""
    found = [label for label in column.labels if names.squeeze(label) in names.POSITIVE]
    if len(found) == 1:
        return found[0], "the class that a score near 1 stands for; by its name"
    return column.labels[-1], f"the rarer of {' and '.join(column.labels)}; write the other if a score near 1 means it"


def choose_weight(look: Look, target: str | None) -> Choice:
    """The column with the weight of each row."""
    if names.is_about_bodies(list(look.columns)):
        return Choice(None)
    rated = [
        (names.rate_weight(column.name), column)
        for column in look.columns.values()
        if column.is_number and column.name != target and not column.is_constant and not column.n_nulls
    ]
    able = [(rate, column) for rate, column in sorted(rated, key=_by_rate) if rate and column.is_finite]
    if not able:
        return Choice(None)
    name = able[0][1].name
    return Choice(name, "by its name", tuple((column.name, "another weight") for _, column in able[1:]))


def choose_id(look: Look, used: set[str]) -> tuple[list[str], str]:
    """Columns that name a row, and why; none if there are none."""
    able = {
        name: column
        for name, column in look.columns.items()
        if name not in used and column.kind in ("integer", "text") and not column.n_nulls
    }
    event = [name for name in names.find_event_columns(list(able)) if not able[name].is_constant]
    if event and max(able[name].n_distinct for name in event) >= LEAST_IDS:
        return event, "rows of one event always share a part; by the name"
    unique = [name for name, column in able.items() if column.is_unique and names.is_id(name)]
    if unique:
        return unique[:1], "the split follows it, not the place in the file; by its name, every row has its own"
    return [], ""


def list_bookkeeping(look: Look, used: set[str]) -> dict[str, str]:
    """Columns that tell of the row's place or origin, with the reason to leave them out."""
    found: dict[str, str] = {}
    for name, column in look.columns.items():
        if name in used or column.kind in ("array", "date"):
            continue
        if names.is_origin(name) and column.n_distinct <= 1000:
            found[name] = "tells where a row comes from, by its name"
        elif names.is_index(name) and column.is_unique:
            found[name] = "a row number, by its name"
        elif names.is_id(name) and column.is_unique:
            found[name] = "another id: every row has its own"
        elif names.is_number_of_events(name):
            found[name] = "the number of a run or event, by its name"
    return found


def list_unusable(look: Look, used: set[str]) -> dict[str, str]:
    """Columns whose values cannot be learned from, with the reason."""
    found = {}
    for name, column in look.columns.items():
        if name in used:
            continue
        if column.stray:
            found[name] = f"stray text among numbers: {column.stray}"
        elif not column.is_finite:
            found[name] = "has infinite values"
    return found


def list_sentinels(looks: Sequence[Look], used: set[str]) -> tuple[list[float], list[str]]:
    """Numbers that stand for missing values, and the columns that have them."""
    values: dict[float, None] = {}
    columns: dict[str, None] = {}
    for look in looks:
        for name, column in look.columns.items():
            if column.sentinel is not None and name not in used:
                values[column.sentinel] = None
                columns[name] = None
    return list(values), list(columns)
