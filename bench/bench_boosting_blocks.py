"""What training in blocks of rounds costs, against plain XGBoost on the same rows with the same sampling."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import xgboost

from rapidml.models.boosting import BLOCK, Boosting, History

ROWS, COLUMNS, ROUNDS = 100_000, 28, 200
N_REPEATS = 3
LIMIT = 1.08
"""Times a plain fit."""
PARAMS = {"objective": "binary:logistic", "tree_method": "hist", "subsample": 0.8, "max_depth": 6, "nthread": 1}


def make_rows() -> Any:
    """Rows with two informative columns."""
    random = np.random.default_rng(0)
    columns = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    target = columns[:, 0] * columns[:, 1] + columns[:, 2] + random.normal(size=ROWS) > 0
    return xgboost.QuantileDMatrix(columns, target.astype(np.float32))


def fit_plain(rows: Any) -> None:
    """One booster from the first round to the last."""
    booster = xgboost.Booster({**PARAMS, "seed": 1}, [rows])
    for index in range(ROUNDS):
        booster.update(rows, index)


def fit_in_blocks(rows: Any) -> None:
    """As a fit with sampling is trained."""
    Boosting(PARAMS, ROUNDS, sampling=True, seed=1).run(rows, None, None, History())


def fit_fresh(rows: Any) -> None:
    """What the blocks stand for: a new booster from the last block's bytes."""
    raw = None
    for begin in range(0, ROUNDS, BLOCK):
        booster = xgboost.Booster({**PARAMS, "seed": begin}, [rows], model_file=raw)
        for index in range(begin, min(begin + BLOCK, ROUNDS)):
            booster.update(rows, index)
        raw = booster.save_raw("ubj")


def main() -> int:
    """Print one line a way; exit code 1 if blocks cost more than the limit."""
    rows = make_rows()
    seconds: dict[str, list[float]] = {}
    for _ in range(N_REPEATS):
        for fit in (fit_plain, fit_in_blocks, fit_fresh):
            start = time.perf_counter()
            fit(rows)
            seconds.setdefault(fit.__name__, []).append(time.perf_counter() - start)
    plain = min(seconds["fit_plain"])
    for name, times in seconds.items():
        print(f"{name:15s} {min(times):6.2f} s  {min(times) / plain:5.2f} x")
    return int(min(seconds["fit_in_blocks"]) > LIMIT * plain)


if __name__ == "__main__":
    raise SystemExit(main())
