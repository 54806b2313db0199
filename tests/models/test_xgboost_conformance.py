"""The conformance suite for XGBoost, without and with random rows and columns."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.models.conformance import RoundsConformance, WeightConformance
from tests.models.prefix_conformance import PrefixConformance


class TestXGBoost(WeightConformance, RoundsConformance, PrefixConformance):
    type = "xgboost"
    params: ClassVar[dict[str, Any]] = {"n_estimators": 20, "max_depth": 3, "max_bin": 1000}
    weight_tolerance = 1e-5


class TestXGBoostSampling(WeightConformance, RoundsConformance, PrefixConformance):
    type = "xgboost"
    params: ClassVar[dict[str, Any]] = {"n_estimators": 30, "max_depth": 3, "subsample": 0.7, "colsample_bynode": 0.6}
    lengths = (60, 50, 51, 49, 7)  # around the end of a block of random numbers
    weight_tolerance = None  # rows are drawn one by one
