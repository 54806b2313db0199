"""Writes the store that a released version leaves behind: run once for each release, then never touched again.

python -m tests.execution.make_store tests/execution/stores/v0.2
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np

RECIPE = """\
name: kept
dataset:
  path: events.csv
  target: label
  positive: s
  weight: w
  id: event
  spectators: [mass]
split: {test: 0.25, folds: 3}
models:
  bdt: {type: xgboost, params: {n_estimators: 6, max_depth: 2, subsample: 0.8}}
  logistic:
    type: sklearn.linear_model.LogisticRegression
    prepare: [impute: median, standardize, one_hot]
evaluate: {rank_by: roc_auc, also: [log_loss]}
"""


def write_events(path: Path) -> None:
    """160 weighted events with a category, a missing value now and then, and a spectator."""
    random = np.random.default_rng(7)
    signal = random.random(160) < 0.4
    pt = random.exponential(1 + signal)
    eta = random.normal(0.4 * signal, 1)
    lines = ["event,pt,eta,channel,mass,w,label"]
    for i in range(160):
        shown = "" if i % 17 == 0 else f"{eta[i]:.4f}"
        channel = "mu" if random.random() < 0.3 + 0.3 * signal[i] else "e"
        weight = random.uniform(0.5, 1.5)
        lines.append(f"{i},{pt[i]:.4f},{shown},{channel},{random.normal(91, 2):.3f},{weight:.4f},{'sb'[1 - signal[i]]}")
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run the recipe in the folder given, and leave only what belongs to the store."""
    import rapidml

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE)
    write_events(folder / "events.csv")
    os.chdir(folder)
    rapidml.run("recipe.yaml", store="store")
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm", ".index.sqlite.lock"):
        Path("store", name).unlink(missing_ok=True)
    shutil.rmtree(Path("store", "work"), ignore_errors=True)


if __name__ == "__main__":
    main()
