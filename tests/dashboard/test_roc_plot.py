"""The plot of ROC curves and the table beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rapidml.dashboard.roc_plot import (
    MOST_LINES,
    describe_curves,
    legend_columns,
    list_classes,
    make_legend,
    make_lines,
    make_roc_figure,
)
from tests.dashboard.shown import make_curve

CURVES = [make_curve("first", "bdt"), make_curve("first", "logistic", seed=1), make_curve("second", "bdt", seed=2)]


def test_every_curve_is_drawn_from_corner_to_corner() -> None:
    lines = make_lines(CURVES, None)
    figure: Any = make_roc_figure(lines)
    drawn = {glyph.name: glyph for glyph in figure.renderers if glyph.name != "guessing"}
    assert list(drawn) == ["first / bdt", "first / logistic", "second / bdt"]
    for line in lines:
        data = drawn[line.label].data_source.data
        assert (data["false"][0], data["true"][0], data["false"][-1], data["true"][-1]) == (0, 0, 1, 1)
        assert np.array_equal(data["true"], line.curve.curve.true_positive_rate)
        assert drawn[line.label].glyph.line_color == line.style.color
    assert len({(glyph.glyph.line_color, str(glyph.glyph.line_dash)) for glyph in drawn.values()}) == 3


def test_no_legend_lies_in_the_axes() -> None:
    assert make_roc_figure(make_lines(CURVES, None)).legend == []


def test_a_logarithmic_axis_begins_above_zero() -> None:
    figure: Any = make_roc_figure(make_lines(CURVES, None), logarithmic=True)
    assert figure.x_range.start > 0
    for glyph in figure.renderers[1:]:
        assert glyph.data_source.data["false"].min() > 0


def test_negative_weights_stay_in_sight() -> None:
    from dataclasses import replace

    key, name, curve = CURVES[0]
    rates = np.array([0.0, -0.08, 0.5, 1.0])
    shape = replace(curve.curve, false_positive_rate=rates, true_positive_rate=rates[::-1] * 1.1, threshold=rates)
    figure: Any = make_roc_figure(make_lines([(key, name, replace(curve, curve=shape))], None))
    assert figure.x_range.start < -0.08
    assert figure.y_range.end > 1.1


def test_the_table_says_the_same_in_numbers() -> None:
    lines = make_lines(CURVES, None)
    records = make_legend(lines)
    assert [record["cells"]["line"]["text"] for record in records] == [line.label for line in lines]
    for line, record in zip(lines, records, strict=True):
        assert float(record["cells"]["area"]["text"]) == pytest.approx(line.curve.area, abs=5e-5)
        assert 0 <= record["cells"]["at:0.01"]["sort"] <= record["cells"]["at:0.1"]["sort"] <= 1
    assert {column["key"] for column in legend_columns("signal")} == set(records[0]["cells"])


def test_classes_are_drawn_one_at_a_time() -> None:
    curves = [make_curve("a", "bdt", name, seed) for seed, name in enumerate(("ee", "mumu"))]
    assert list_classes(curves) == ["ee", "mumu"]
    assert [line.curve.class_name for line in make_lines(curves, "mumu")] == ["mumu"]
    assert [line.curve.class_name for line in make_lines(curves, None)] == ["ee"]
    assert make_lines([], None) == []


def test_no_more_are_drawn_than_can_be_told_apart() -> None:
    many = [make_curve("a", f"model{i}") for i in range(20)]
    assert len(make_lines(many, None)) == MOST_LINES


def test_a_sentence_says_what_the_curves_are_made_from() -> None:
    text = describe_curves(make_lines(CURVES, None))
    assert text.startswith("signal against the rest, on rows that did not train the model.")
    assert "folds" in text
    assert "weights" in text
    assert describe_curves([]) == ""


def test_colours_fit_a_dark_page() -> None:
    light, dark = (make_roc_figure(make_lines(CURVES, None), dark=is_dark) for is_dark in (False, True))
    assert light.xaxis[0].axis_label_text_color != dark.xaxis[0].axis_label_text_color
    assert dark.background_fill_alpha == 0
