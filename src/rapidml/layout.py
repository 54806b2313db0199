"""Layout of plain text: columns that line up, tables and sentences that fit a terminal. Knows nothing of runs."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SHORT, _SHORTEST = 16, 8
"""Texts are cut to the first before columns are left out, to the second before the last of several."""


def print_lines(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """Write lines to standard output (or error), at once."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def print_json(tree: Any) -> None:
    """Write one JSON value on a line of standard output; numbers that JSON does not have are null."""
    print_lines([json.dumps(_without_nan(tree), allow_nan=False)])


def _without_nan(tree: Any) -> Any:
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else None
    if isinstance(tree, dict):
        return {name: _without_nan(value) for name, value in tree.items()}
    return [_without_nan(value) for value in tree] if isinstance(tree, list | tuple) else tree


def terminal_width(*, of_stderr: bool = False) -> int | None:
    """Columns of the terminal, or what COLUMNS says of it; None if standard output (or error) is a file or a pipe."""
    stream = sys.stderr if of_stderr else sys.stdout
    return max(20, shutil.get_terminal_size().columns) if stream.isatty() else None


def columns(rows: Sequence[Sequence[str]], indent: str = "  ", right: Iterable[int] = ()) -> list[str]:
    """Rows aligned in columns, two spaces or more between them."""
    if not rows:
        return []
    rights = set(right)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return [
        (
            indent
            + "  ".join(cell.rjust(widths[i]) if i in rights else cell.ljust(widths[i]) for i, cell in enumerate(row))
        ).rstrip()
        for row in rows
    ]


def table(
    rows: Sequence[Sequence[str]],
    indent: str = "  ",
    right: Iterable[int] = (),
    *,
    width: int | None = None,
    drop: Sequence[int] = (),
    cut: Sequence[int] = (),
) -> list[str]:
    """A heading and the rows below it, aligned in columns, within the width of a terminal.

    Where there is no room, headings take several lines; then long texts are cut and columns left out, as few as
    need be. Numbers are never cut: a table that is still too wide stays so.

    Args:
        rows: The heading, then the rows; all of one length.
        indent: Before each line.
        right: Columns that end on one line.
        width: Characters of a line; None for no limit.
        drop: Columns that may be left out, the least important first.
        cut: Columns of texts that may be cut.
    """
    lines = columns(rows, indent, right)
    if width is None or max(map(len, lines)) <= width:
        return lines
    least = [0 if i in cut else max((len(row[i]) for row in rows[1:]), default=0) for i in range(len(rows[0]))]
    heads = [_stack(head, wide) for head, wide in zip(rows[0], least, strict=True)]
    tall = max(map(len, heads))
    stacked = zip_longest(*([""] * (tall - len(lines)) + lines for lines in heads), fillvalue="")
    rows = [*stacked, *rows[1:]]
    kept = _choose([max(len(row[i]) for row in rows) for i in range(len(heads))], width - len(indent), drop, cut)
    rights = {place for place, i in enumerate(kept) if i in set(right)}
    return columns([[shorten(row[i], size) for i, size in kept.items()] for row in rows], indent, rights)


def _stack(head: str, width: int) -> list[str]:
    """A heading in lines as narrow as its column, or as its longest word."""
    return textwrap.wrap(head, max([1, width, *map(len, head.split())])) or [""]


def _choose(widths: Sequence[int], room: int, drop: Sequence[int], cut: Sequence[int]) -> dict[int, int]:
    """The columns that stay, with their widths."""
    kept: dict[int, int] = {}
    steps = [(_SHORT, n) for n in range(len(drop))]
    steps += [(_SHORTEST, len(drop) - 1)] if len(drop) > 1 else []
    for least, n_dropped in [*steps, (_SHORT, len(drop)), (_SHORTEST, len(drop))]:
        kept = {i: width for i, width in enumerate(widths) if i not in drop[:n_dropped]}
        while _surplus(kept, room) > 0:
            widest = max((i for i in cut if kept.get(i, 0) > least), key=lambda i: kept[i], default=None)
            if widest is None:
                break
            kept[widest] -= 1
        else:
            return kept
    return kept


def _surplus(kept: Mapping[int, int], room: int) -> int:
    return sum(kept.values()) + 2 * (len(kept) - 1) - room


def shorten(text: str, width: int | None) -> str:
    """The text, or its beginning and three dots."""
    return text if width is None or len(text) <= width else f"{text[: max(0, width - 3)].rstrip()}..."


def wrap(text: str, width: int | None, indent: str = "") -> list[str]:
    """A sentence in lines broken at spaces.

    Args:
        text: The sentence, one line.
        width: Characters of a line; None for no limit.
        indent: Before every line but the first.
    """
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def count_text(number: int, thing: str) -> str:
    """Such as ``1 fit`` or ``1,200 fits``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def seconds_text(seconds: float | None) -> str:
    """Such as ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def cost_text(seconds: float | None) -> str:
    """As ``seconds_text``, but what takes less than a tenth of a second in milliseconds: ``35 ms``."""
    return f"{1000 * seconds:.0f} ms" if seconds is not None and seconds < 0.095 else seconds_text(seconds)


def bytes_text(size: float) -> str:
    """Such as ``3 MB``: powers of 1000, as disks are sold."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit in ("bytes", "kB") or size >= 9.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def score_text(score: Mapping[str, Any] | None) -> str:
    """Such as ``0.995 [0.993, 0.997]``; empty without a score."""
    from rapidml.evaluate.formatting import format_score

    if score is None:
        return ""
    value, low, high = (float("nan") if score[part] is None else score[part] for part in ("value", "low", "high"))
    return format_score(value, low, high)


def score_cells(scores: Sequence[Mapping[str, Any] | None], metrics: Sequence[str] | None = None) -> list[str]:
    """Scores of a column such as ``0.995 [0.993, 0.997]``, decimal points and brackets below each other.

    Args:
        scores: ``value``, ``low``, ``high``, with None for NaN; None for no score, which gives an empty cell.
        metrics: What each is a score in: those of one metric have the same decimals. All the same if None.
    """
    from rapidml.evaluate.formatting import align_decimals, format_score
    from rapidml.evaluate.scores import Score

    names = [""] * len(scores) if metrics is None else metrics
    rest: dict[str, Any] = {"std": None, "replicas": [], "parts": []}
    known = {i: Score.from_json({**score, **rest}) for i, score in enumerate(scores) if score is not None}
    decimals = {name: align_decimals([score for i, score in known.items() if names[i] == name]) for name in set(names)}
    texts = {i: format_score(score.value, score.low, score.high, decimals[names[i]]) for i, score in known.items()}
    pieces = {i: text.partition(" ") for i, text in texts.items()}
    values = dict(zip(pieces, align_points([piece[0] for piece in pieces.values()]), strict=True))
    return [f"{values[i]} {pieces[i][2]}".rstrip() if i in pieces else "" for i in range(len(scores))]


def align_points(numbers: Sequence[str]) -> list[str]:
    """Numbers padded so that their decimal points stand below each other; words are left as they are."""
    parts = [text.partition(".") for text in numbers]
    is_number = [text[-1:].isdigit() for text in numbers]
    left = max((len(part[0]) for part, is_it in zip(parts, is_number, strict=True) if is_it), default=0)
    right = max((len(part[1] + part[2]) for part, is_it in zip(parts, is_number, strict=True) if is_it), default=0)
    aligned = [
        part[0].rjust(left) + (part[1] + part[2]).ljust(right) if is_it else "".join(part)
        for part, is_it in zip(parts, is_number, strict=True)
    ]
    widest = max(map(len, aligned), default=0)
    return [text.ljust(widest) for text in aligned]


def quote(word: str) -> str:
    """A word as a POSIX shell takes it; in double quotes where it holds single ones."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def default_store() -> str:
    """The store that commands use without ``--store``."""
    return os.environ.get("RAPIDML_STORE") or "rapidml-store"


def store_words(path: str | Path) -> list[str]:
    """What names a store on a command line: nothing for the one that is used anyway."""
    is_default = os.path.abspath(path) == os.path.abspath(default_store())  # noqa: PTH100  (no link is followed)
    return [] if is_default else ["--store", str(path)]


def command_text(words: Sequence[str]) -> str:
    """A command as it is typed."""
    return " ".join(map(quote, words))


def command_lines(words: Sequence[str], width: int | None) -> list[str]:
    r"""A command as it is typed; where one line is too narrow, in several that end in ``\\``."""
    lines = [quote(words[0])]
    for word in map(quote, words[1:]):
        if width is not None and len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    return lines
