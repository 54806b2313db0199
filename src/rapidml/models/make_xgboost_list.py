"""XGBoost's parameters as the library itself tells them: names, aliases, types and bounds, by asking and by trying."""

from __future__ import annotations

import json
import re
from typing import Any

from rapidml.models.boosted_trees import OBJECTIVES, SAMPLING

OFFERED = (
    "base_score",
    "colsample_bylevel",
    "colsample_bynode",
    "colsample_bytree",
    "gamma",
    "grow_policy",
    "huber_slope",
    "interaction_constraints",
    "learning_rate",
    "max_bin",
    "max_cat_threshold",
    "max_cat_to_onehot",
    "max_delta_step",
    "max_depth",
    "max_leaves",
    "min_child_weight",
    "monotone_constraints",
    "num_parallel_tree",
    "quantile_alpha",
    "reg_alpha",
    "reg_lambda",
    "scale_pos_weight",
    "subsample",
    "tweedie_variance_power",
)
"""Canonical names of what recipes may set, reviewed: all that shapes trees and loss, nothing that names code, files,
devices or threads. Where XGBoost has two names the one of its scikit-learn interface is taken."""

OURS: dict[str, dict[str, Any]] = {
    "n_estimators": {
        "kinds": [{"form": "integer", "low": 1}],
        "aliases": ["num_boost_round", "num_round", "num_rounds", "n_rounds"],
    },
    "objective": {"kinds": [{"form": "choice", "choices": sorted(OBJECTIVES)}]},
    "interaction_constraints": {"kinds": [{"form": "list"}]},
    "monotone_constraints": {"kinds": [{"form": "mapping"}]},
    "base_score": {"kinds": [{"form": "number"}]},
    "quantile_alpha": {"kinds": [{"form": "number", "low": 0, "high": 1, "closed": "neither"}]},
}
"""What the library cannot be asked about: rounds are an argument, the rest is parsed from text."""

STRICTER: dict[str, dict[str, Any]] = {
    **{name: {"closed": "right"} for name in SAMPLING},
    "tweedie_variance_power": {"closed": "left"},
    "learning_rate": {"closed": "right"},
    "huber_slope": {"low": 0, "closed": "right"},
    "max_cat_to_onehot": {"low": 1},
}
"""Bounds that the library's text tells but its check does not: no rows, no columns, no step."""

HUGE = 10**9


def make_parameters() -> dict[str, dict[str, Any]]:
    """Every offered parameter with its kinds and aliases.

    Raises:
        ValueError: The library no longer knows an offered name.
    """
    parameters = dict(OURS)
    for name in OFFERED:
        if name not in parameters:
            parameters[name] = {"kinds": [_find_kind(name)], "aliases": _find_aliases(name)}
    return {
        name: {"kinds": [_tidy(kind) for kind in entry["kinds"]], "aliases": sorted(entry.get("aliases", []))}
        for name, entry in sorted(parameters.items())
    }


def _find_kind(name: str) -> dict[str, Any]:
    refusal = _try(name, "no such value")
    if isinstance(refusal, dict):
        raise ValueError(f"xgboost does not know '{name}'")  # noqa: TRY004
    choices = re.search(r"valid values are: \{(.*?)\}", refusal)
    if choices:
        return {"form": "choice", "choices": sorted(re.findall(r"'(\w+)'", choices[1]))}
    found = re.search(r"expect (int|float|double)", refusal)
    if not found:
        raise ValueError(f"xgboost says about '{name}': {refusal}")
    kind: dict[str, Any] = {"form": "integer" if found[1] == "int" else "number"}
    for value in (-HUGE, HUGE):
        kind |= _read_bounds(_try(name, value))
    return kind | STRICTER.get(name, {})


def _read_bounds(refusal: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(refusal, dict):
        return {}
    both = re.search(r"exceed bound \[([^,]+),([^\]]+)\]", refusal)
    if both:
        return {"low": float(both[1]), "high": float(both[2])}
    low = re.search(r"should be greater equal to (\S+)", refusal)
    return {"low": float(low[1])} if low else {}


def _find_aliases(name: str) -> list[str]:
    """Names in the library's configuration whose value moves together with this one."""
    before, after = (_flatten(_try(name, value)) for value in _two_values(name))
    return [other for other in after if other != name and before.get(other) != after[other]]


def _two_values(name: str) -> tuple[Any, Any]:
    if name == "grow_policy":
        return "depthwise", "lossguide"
    return (1.25, 1.5) if name == "tweedie_variance_power" else (1, 0.5) if "sample" in name else (2, 3)


def _try(name: str, value: Any) -> str | dict[str, Any]:
    """The library's configuration after setting a parameter, or its refusal."""
    import numpy as np
    import xgboost

    objective = {"huber_slope": "reg:pseudohubererror", "tweedie_variance_power": "reg:tweedie"}.get(
        name, "binary:logistic"
    )
    rows = xgboost.DMatrix(np.zeros((4, 2)), [0.0, 1.0, 0.0, 1.0])
    params = {"objective": objective, "tree_method": "hist", "verbosity": 0, name: value}
    try:
        booster = xgboost.Booster(params, [rows])
        config: dict[str, Any] = json.loads(booster.save_config())
    except xgboost.core.XGBoostError as error:
        return str(error)
    return config


def _flatten(tree: Any) -> dict[str, str]:
    if isinstance(tree, str):
        raise ValueError(tree)  # noqa: TRY004
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value)
        elif isinstance(value, str):
            flat[name] = value
    return flat


def _tidy(kind: dict[str, Any]) -> dict[str, Any]:
    """Without fields at their default; whole bounds as integers."""
    tidy = {name: value for name, value in kind.items() if value is not None and (name, value) != ("closed", "both")}
    return {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in tidy.items()}
