"""Candidates of a search as records of a table, and as columns that its plots share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dashboard.numbers import number_text, score_cell
from rapidml.dashboard.record_table import column
from rapidml.layout import cost_text
from rapidml.search_text import direction_text, shorten_names, state_text, value_text, values_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rapidml.dashboard.search_axes import RangeAxis
    from rapidml.execution.candidate_table import Candidate, CandidateTable

MOST_LISTED = 100
"""Candidates that the table lists, besides those that are chosen."""
_DIGITS = 4
_TONES = {"running": "running", "failed": "failed", "pruned": "interrupted"}
_SPREAD = "Standard deviation over folds: it holds the spread of training with other rows too"


def make_candidate_columns(table: CandidateTable, heading: str) -> list[dict[str, Any]]:
    """Columns of the table of candidates.

    Args:
        table: The candidates.
        heading: What the scores are: rows and metric.
    """
    names = [known.name for known in table.ranges]
    labels = shorten_names(names)
    direction = direction_text(table.greater_is_better)
    title = f"{heading}, {direction}: mean over folds; of a stopped candidate, over those that it was fitted on"
    return [
        column("number", "Candidate", heading=True),
        *(column(f"range:{name}", labels[name], align="right", title=name) for name in names),
        column("score", heading, align="nowrap", title=title),
        column("spread", "Spread", align="right", title=_SPREAD),
        column("seconds", "Fits took", align="right"),
        column("state", "State", align="nowrap"),
    ]


def make_candidate_records(
    table: CandidateTable, chosen: Collection[int], *, only_chosen: bool = False
) -> list[dict[str, Any]]:
    """Records of the table of candidates, best first: the first ones, and all that are chosen.

    Args:
        table: The candidates.
        chosen: Numbers of those that the user has chosen.
        only_chosen: List no others.
    """
    limit = 0 if only_chosen else MOST_LISTED
    rows = [row for place, row in enumerate(table.rows) if place < limit or row.number in chosen]
    best, cheapest = table.best, table.cheapest
    tags = {} if best is None else {best.number: ["best"]}
    if cheapest is not None:
        tags[cheapest.number] = [*tags.get(cheapest.number, []), "cheapest of the tied"]
    return [_make_record(row, table, tags.get(row.number, [])) for row in rows]


def _make_record(row: Candidate, table: CandidateTable, tags: Sequence[str]) -> dict[str, Any]:
    names = [known.name for known in table.ranges]
    cells: dict[str, Any] = {
        "number": {"text": f"#{row.number}", "tags": list(tags), "sort": row.number},
        "score": _score_cell(row),
        "spread": "" if row.std is None else {"text": f"{row.std:.2g}", "sort": row.std},
        "seconds": {"text": cost_text(row.seconds), "sort": row.seconds},
        "state": _state_cell(row, is_best=table.best is row),
    }
    for name in names:
        value = row.values.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = value_text(value, _DIGITS)
        cells[f"range:{name}"] = {"text": text, "sort": value if is_number else text}
    return {"key": str(row.number), "label": f"Choose candidate {row.number}", "cells": cells}


def _score_cell(row: Candidate) -> dict[str, Any]:
    if row.mean is None:
        return {"text": "", "sort": None}
    if row.low is None or row.high is None:
        return {"text": number_text(row.mean), "sort": row.mean}
    return score_cell({"value": row.mean, "low": row.low, "high": row.high})


def _state_cell(row: Candidate, *, is_best: bool) -> dict[str, Any]:
    text = state_text(row.to_json())
    if row.state == "done" and row.tied is not None and not is_best:
        text = "tied with the best" if row.tied else "worse"
    small = f"from {row.source}" if row.source else ""
    error = " ".join((row.error or "").split())
    cell = {"text": text, "small": small or error[:80], "title": error, "sort": text}
    return {**cell, "tone": _TONES[row.state]} if row.state in _TONES else cell


def list_scored(table: CandidateTable, share: float = 1.0) -> list[Candidate]:
    """Candidates that plots can show: those with a score, the worst first, so that the best are drawn on top.

    Args:
        table: The candidates.
        share: Only this share of them, the best ones.
    """
    scored = [row for row in table.rows if row.mean is not None]
    return scored[: max(1, round(share * len(scored)))][::-1]


def make_line_data(data: Mapping[str, list[Any]], axes: int, most: int) -> dict[str, list[Any]]:
    """The columns of parallel coordinates: those of the other plots, and the places ``xs, ys`` of a line for each.

    Args:
        data: What ``make_source_data`` made.
        axes: Number of axes.
        most: Number of lines at most: those of the best candidates.
    """
    lines = {name: column[-most:] for name, column in data.items()}
    count = len(lines["number"])
    shares = [lines[f"share{i}"] for i in range(axes)] + [lines["score_share"]]
    lines["xs"] = [list(range(axes + 1)) for _ in range(count)]
    lines["ys"] = [[share[j] for share in shares] for j in range(count)]
    return lines


def make_source_data(rows: Sequence[Candidate], axes: Sequence[RangeAxis]) -> dict[str, list[Any]]:
    """The columns that all plots of a search share, one entry a candidate.

    Args:
        rows: Candidates with a score.
        axes: The axes of their ranges.

    Returns:
        ``number``, ``score``, ``text`` (values), ``interval``, ``took``; ``at0`` ... coordinates on the axes,
        ``share0`` ... shares of them, ``score_share``.
    """
    scores = [float(row.mean or 0.0) for row in rows]
    data: dict[str, list[Any]] = {
        "number": [row.number for row in rows],
        "score": scores,
        "text": [values_text(row.values) for row in rows],
        "interval": ["" if row.low is None else f"[{row.low:.4g}, {row.high:.4g}]" for row in rows],
        "took": [cost_text(row.seconds) for row in rows],
        "score_share": _find_shares(scores),
    }
    for i, axis in enumerate(axes):
        data[f"at{i}"] = [axis.scatter(row.values.get(axis.name), row.number, i) for row in rows]
        data[f"share{i}"] = [axis.scatter_share(row.values.get(axis.name), row.number, i) for row in rows]
    return data


def _find_shares(scores: Sequence[float]) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    return [0.5 if not high > low else (score - low) / (high - low) for score in scores]


def make_best_line(table: CandidateTable) -> dict[str, list[float]]:
    """The best score so far against the number of the candidate, as the corners of a stair."""
    pick = max if table.greater_is_better else min
    done = sorted((row for row in table.rows if row.state == "done" and row.mean is not None), key=lambda r: r.number)
    line: dict[str, list[float]] = {"number": [], "best": []}
    for row in done:
        mean = float(row.mean or 0.0)
        line["best"].append(pick(line["best"][-1], mean) if line["best"] else mean)
        line["number"].append(row.number)
    return line


def make_cells(
    rows: Sequence[Candidate], across: RangeAxis, up: RangeAxis, *, greater_is_better: bool
) -> dict[str, list[Any]]:
    """Cells of a heat map: the best score among the candidates of each.

    Args:
        rows: Candidates with a score.
        across: Axis from left to right.
        up: Axis from bottom to top.
        greater_is_better: Direction of the score.

    Returns:
        ``left, right, bottom, top, score, count, numbers`` (the candidates of the cell) and ``text``.
    """
    cells: dict[tuple[float, ...], list[Candidate]] = {}
    for row in rows:
        place = (*across.find_cell(row.values.get(across.name)), *up.find_cell(row.values.get(up.name)))
        cells.setdefault(place, []).append(row)
    pick = max if greater_is_better else min
    whole = [[row for row in held if row.state == "done"] or held for held in cells.values()]  # not of fewer folds
    bests = [pick(held, key=lambda row: row.mean or 0.0) for held in whole]
    places = list(cells)
    data: dict[str, list[Any]] = {
        side: [place[i] for place in places] for i, side in enumerate(("left", "right", "bottom", "top"))
    }
    data["score"] = [best.mean for best in bests]
    data["count"] = [len(held) for held in cells.values()]
    data["numbers"] = [sorted(row.number for row in held) for held in cells.values()]
    data["text"] = [f"#{best.number}: {values_text(best.values)}" for best in bests]
    return data
