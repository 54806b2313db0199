"""Small plain data that the views are tested with."""

from __future__ import annotations

from typing import Any

import numpy as np

from rapidml.evaluate.curves import roc_curve
from rapidml.execution.curves import ModelCurve
from rapidml.execution.overview import RunRow
from rapidml.execution.selected import ScoreRow, Selected

NOW = 1_800_000_000.0


def score(value: float, width: float = 0.004) -> dict[str, Any]:
    return {"value": value, "low": value - width, "high": value + width, "std": width}


def make_row(name: str, **changes: Any) -> RunRow:
    known: dict[str, Any] = {
        "key": f"0:{name}-id",
        "store": "/data/store",
        "id": f"{name}-id",
        "name": name,
        "state": "finished",
        "created": NOW - 200,
        "seconds": 12.3,
        "chosen": "bdt",
        "metric": "roc_auc",
        "score": score(0.9932),
        "rows": 22_889,
        "fits": 18,
    }
    return RunRow(**{**known, **changes})


def make_score_row(run: str, model: str, value: float, **changes: Any) -> ScoreRow:
    known: dict[str, Any] = {
        "run": f"0:{run}",
        "run_name": run,
        "model": model,
        "group": 0,
        "is_chosen": False,
        "is_baseline": False,
        "scores": {"roc_auc": score(value), "log_loss": score(0.2)},
        "against": "tied",
        "test": None,
        "seconds": 1.5,
        "fits": 6,
    }
    return ScoreRow(**{**known, **changes})


def make_curve(run: str, model: str, class_name: str = "signal", seed: int = 0) -> tuple[str, str, ModelCurve]:
    draw = np.random.default_rng(seed)
    truth = draw.random(400) < 0.4
    curve = roc_curve(truth, draw.normal(1.5 * truth), max_points=None)
    return f"0:{run}", run, ModelCurve(run, model, class_name, curve.area, curve, 400, is_weighted=True, is_pooled=True)


def make_selected(**changes: Any) -> Selected:
    rows = (
        make_score_row("first", "bdt", 0.99, is_chosen=True, against="best", test=score(0.985)),
        make_score_row("first", "logistic", 0.98, against="worse (97%)"),
        make_score_row("first", "dummy", 0.5, is_baseline=True, against="worse (>99%)", seconds=None),
    )
    known: dict[str, Any] = {
        "scores": rows,
        "metrics": (("roc_auc", "roc_auc"), ("log_loss", "log_loss (classes balanced)")),
        "rank_by": ("roc_auc",),
        "selection": "out-of-fold",
        "curves": (make_curve("first", "bdt"), make_curve("first", "logistic", seed=1)),
        "task_kinds": ("binary",),
    }
    return Selected(**{**known, **changes})
