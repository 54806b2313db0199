"""Runs as records of a table. Pure: rows in, records out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dashboard.numbers import age_text, score_cell, seconds_cell
from rapidml.dashboard.record_table import column
from rapidml.layout import count_text, seconds_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.execution.overview import Progress, RunRow

COLUMNS = (
    column("run", "Run", heading=True),
    column("state", "State", align="wide"),
    column("chosen", "Chosen model"),
    column(
        "score", "Selection score", align="nowrap", title="Score on rows that did not train the model: never test rows"
    ),
    column("rows", "Rows", align="right"),
    column("fits", "Fits", align="right"),
    column("seconds", "Took", align="right"),
    column("age", "Started", align="nowrap"),
    column("tags", "Tags"),
)
"""Columns of the table of runs."""

_LONGEST_MESSAGE = 140


def make_run_records(rows: Sequence[RunRow], now: float) -> list[dict[str, Any]]:
    """Records of the table of runs.

    Args:
        rows: The runs.
        now: Seconds since 1970.
    """
    many = len({row.store for row in rows}) > 1
    return [_make_record(row, now, show_store=many) for row in rows]


def _make_record(row: RunRow, now: float, *, show_store: bool) -> dict[str, Any]:
    age = {"text": "", "sort": None} if row.created is None else _age_cell(row.created, now)
    small = f"{row.id} in {row.store}" if show_store else row.id
    cells: dict[str, Any] = {
        "run": {"text": row.name or row.id, "small": small if row.name or show_store else "", "title": row.note},
        "state": _state_cell(row, now),
        "chosen": row.chosen or "",
        "score": score_cell(row.score, small=row.metric),
        "rows": {"text": f"{row.rows:,}" if row.rows else "", "sort": row.rows},
        "fits": {"text": "" if row.fits is None else f"{row.fits:,}", "sort": row.fits},
        "seconds": seconds_cell(row.seconds),
        "age": age,
        "tags": {"tags": row.tags.split(), "sort": row.tags},
    }
    if row.progress is not None:
        cells |= _progress_cells(row.progress)
    return {"key": row.key, "label": f"Show {row.name} {row.id}", "cells": cells}


def _age_cell(created: float, now: float) -> dict[str, Any]:
    return {"text": age_text(now - created), "sort": -created}


def _state_cell(row: RunRow, now: float) -> dict[str, Any]:
    if row.progress is not None:
        return _running_cell(row.progress, now)
    message = row.message if len(row.message) <= _LONGEST_MESSAGE else f"{row.message[: _LONGEST_MESSAGE - 1]}…"
    return {"text": row.state, "tone": row.state, "small": message, "title": row.message, "sort": row.state}


def _running_cell(progress: Progress, now: float) -> dict[str, Any]:
    """What a run does, how far it is and for how long it has run."""
    share = progress.done / progress.total if progress.total else None
    pieces = [f"{progress.done:,} of {count_text(progress.total, 'fit')}"] if progress.total else []
    pieces += [seconds_text(float(int(max(0.0, now - progress.started))))] if progress.started is not None else []
    small = ", ".join([*pieces, progress.stage])
    return {"text": "running", "tone": "running", "bar": share, "small": small, "sort": "running"}


def _progress_cells(progress: Progress) -> dict[str, Any]:
    """The best so far in the place of the result, said to be that."""
    cells: dict[str, Any] = {"seconds": "", "fits": ""}
    if progress.best_model is not None:
        cells["chosen"] = {"text": progress.best_model, "small": "best so far"}
        cells["score"] = {**score_cell(progress.best_score), "small": "best so far", "sort": None}
    return cells
