"""Names of metrics that hold a number: how they are read, and what mistaken ones are told."""

from __future__ import annotations

import pytest

from rapidml.evaluate.cut_names import Cut, correct_cut, format_cut, parse_cut
from rapidml.evaluate.metrics import METRICS, find_metric, find_mistake, get_metric, list_metrics, suggest_metric

EFFICIENCY = "signal_efficiency@background=0.01"
REJECTION = "background_rejection@signal=0.5"


@pytest.mark.parametrize("text", ["0.01", "0.010", ".01", "1e-2", "1E-02", "0.0100"])
def test_a_number_has_one_name_however_it_is_written(text: str) -> None:
    metric = get_metric(f"signal_efficiency@background={text}")
    assert metric.name == EFFICIENCY
    assert metric.cut == Cut("background", 0.01)
    assert metric == find_metric(EFFICIENCY)
    assert metric.kind == "cut"
    assert metric.greater_is_better
    assert metric.tasks == {"binary"}


@pytest.mark.parametrize("at", [0.5, 1e-5, 0.123456789, 0.999])
def test_names_are_read_as_written(at: float) -> None:
    for fixed in ("background", "signal"):
        cut = Cut(fixed, at)
        assert parse_cut(format_cut(cut)) == cut


@pytest.mark.parametrize(
    "name",
    [
        "signal_efficiency@background",
        "signal_efficiency@background=",
        "signal_efficiency@background=0",
        "signal_efficiency@background=1",
        "signal_efficiency@background=-0.1",
        "signal_efficiency@background=nan",
        "signal_efficiency@background=1_0e-2",
        "signal_efficiency@signal=0.01",
        "roc_auc=0.01",
        "=0.5",
        "",
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert parse_cut(name) is None
    assert find_metric(name) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("signal_efficiency", EFFICIENCY),
        ("background_rejection", REJECTION),
        ("signal_efficiency@background=1%", EFFICIENCY),
        ("signal_efficiency@background=1", EFFICIENCY),
        ("signal_efficiency @ background = 0.02", "signal_efficiency@background=0.02"),
        ("signal_eff@background=0.001", "signal_efficiency@background=0.001"),
        ("signal_efficiency@bkg=0.05", "signal_efficiency@background=0.05"),
        ("Background_Rejection@signal=70%", "background_rejection@signal=0.7"),
        ("signal_efficiency@background=200", EFFICIENCY),
        ("f1", None),
        ("roc_auc", None),
    ],
)
def test_what_was_meant(name: str, meant: str | None) -> None:
    assert correct_cut(name) == meant
    if name not in METRICS:
        assert suggest_metric(name) == meant
        assert suggest_metric(name, "multiclass") is None


def test_mistakes_in_a_recipe() -> None:
    number = "a background efficiency above 0 and below 1 in the metric's name, as in " + EFFICIENCY
    assert find_mistake("signal_efficiency@background=1%", None) == (number, f"write '{EFFICIENCY}'")
    assert find_mistake("signal_efficiency", "binary") == (number, f"write '{EFFICIENCY}'")
    expected = f"a metric for a binary task: {', '.join(list_metrics('binary'))}"
    assert find_mistake("sig_efficiency@bkg=0.2", "binary") == (
        expected,
        "write 'signal_efficiency@background=0.2'",
    )
    assert find_mistake("f1", "binary") == (expected, "choose one of these")
    assert find_mistake("logloss", "binary") == (expected, "write 'log_loss'")
    several = "a metric for a multiclass task: roc_auc, log_loss, accuracy, average_precision"
    assert find_mistake(EFFICIENCY, "multiclass") == (several, "choose one of these")
    assert find_mistake("signal_efficiency", "multiclass") == (several, "choose one of these")
    assert find_mistake("mse", "regression") == ("a metric for a regression task: rmse, mae, r2", "write 'rmse'")


@pytest.mark.parametrize("task", ["binary", None])
def test_right_names_are_no_mistakes(task: str | None) -> None:
    for name in (*list_metrics("binary"), "background_rejection@signal=.30"):
        assert find_mistake(name, task) is None
