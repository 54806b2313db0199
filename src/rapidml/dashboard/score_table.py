"""Scores of the models of chosen runs beside each other. Pure: rows in, columns and records out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.dashboard.numbers import score_cell, seconds_cell
from rapidml.dashboard.record_table import column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.dashboard.line_styles import LineStyle
    from rapidml.execution.selected import ScoreRow, Selected

TEST = "test"
"""Key of the column of test scores. It can never be sorted by: choosing by it would make it no test score any more."""


def make_score_columns(selected: Selected) -> list[dict[str, Any]]:
    """Columns of the table of scores: those that rank first, the test score last.

    Args:
        selected: What is shown.
    """
    where = f"on {selected.selection} rows: none of them trained the model that scores them, none is a test row"
    ranking = set(selected.rank_by)
    metrics = [
        column(f"metric:{name}", heading, align="nowrap", title=f"{heading} {where}")
        for name, heading in selected.metrics
    ]
    first = [entry for entry, (name, _) in zip(metrics, selected.metrics, strict=True) if name in ranking]
    rest = [entry for entry, (name, _) in zip(metrics, selected.metrics, strict=True) if name not in ranking]
    against = column("against", "Against the best", align="nowrap", sort=False)
    title = "On rows that nothing was chosen on. It is no reason to choose a model"
    test = column(TEST, "Test score, chosen model only", align="nowrap", sort=False, title=title)
    seconds = column("seconds", "Fits took", align="right")
    return [column("model", "Model", heading=True), column("run", "Run"), *first, against, *rest, seconds, test]


def make_score_records(selected: Selected, styles: Mapping[tuple[str, str], LineStyle]) -> list[dict[str, Any]]:
    """Records of the table of scores.

    Args:
        selected: What is shown.
        styles: Style of the curve of a run and model, where there is one.
    """
    groups = [row.group for row in selected.scores]
    return [
        _make_record(row, selected, styles.get((row.run, row.model)), begins=i > 0 and groups[i - 1] != row.group)
        for i, row in enumerate(selected.scores)
    ]


def _make_record(row: ScoreRow, selected: Selected, style: LineStyle | None, *, begins: bool) -> dict[str, Any]:
    tags = ["chosen"] if row.is_chosen else ["baseline"] if row.is_baseline else []
    model: dict[str, Any] = {"text": row.model, "tags": tags}
    if row.is_baseline:
        model["title"] = "Has learned nothing: it always answers with the shares of the classes, or the mean"
    if style is not None:
        model["sample"] = style.sample()
    ranked = selected.rank_by[row.group]
    cells: dict[str, Any] = {
        "model": model,
        "run": row.run_name,
        "against": row.against,
        "seconds": seconds_cell(row.seconds),
        TEST: score_cell(row.test, small=dict(selected.metrics)[ranked]) if row.test is not None else "",
    }
    cells |= {f"metric:{name}": score_cell(row.scores.get(name)) for name, _ in selected.metrics}
    look = " ".join(name for name, holds in (("baseline", row.is_baseline), ("group", begins)) if holds)
    return {"key": f"{row.run}/{row.model}", "look": look, "cells": cells}
