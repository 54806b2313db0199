"""A two-layer network beside boosted trees on the events of the ATLAS challenge. For ``networks.py``.

The recipe is ``recipes/higgs-net.yaml``, the table what ``rapidml run`` prints of it; its events are the first 22,889
of the file. Intervals are those of rapidml: 95%, from bootstrap replicas of the events.
"""

from __future__ import annotations

from pathlib import Path

from measure import Figure, load_result, run_once
from networks_sides import DATA, Measured, Place, ours, say

EVENTS = DATA / "atlas-higgs-2014-v2-first22889.csv.gz"
RECIPE = Path(__file__).parents[1] / "recipes" / "higgs-net.yaml"
METRIC = "roc_auc"


def measure_atlas(place: Place) -> Measured:
    """Both models in one run: test scores of each with their intervals."""
    words = [f"models.net.params.epochs={place.scaled(60, 1)}"] if place.scale < 1 else []
    command = ours(place, "rapidml", {**place.cold, "HIGGS_CSV": str(EVENTS)}, str(RECIPE), *words)
    finished = run_once(command)
    for _, line in finished.lines:
        say(line)
    result = load_result(place.store)
    figures = []
    for part in ("selection", "test"):
        for name, found in result["models"].items():
            score = found[part][METRIC]
            values = (score["low"], score["value"], score["high"])
            what = f"ATLAS, weighted ROC AUC and its 95% interval, {_NAMES[part]}, {name}"
            figures.append(Figure(what, values, "score"))
    return {f"fits of {name}": [float(found["seconds"])] for name, found in result["models"].items()}, figures


_NAMES = {"selection": "folds", "test": "test events"}
