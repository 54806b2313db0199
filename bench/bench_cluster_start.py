"""``rapidml cluster start`` to ready against importing the libraries once, and what a run gains from it.

*Start*: the whole command, until it says that scheduler and workers are ready (target: 1.2 times a fresh Python that
imports the same modules and ends). *Run*: the quickstart recipe's linear model and boosted trees from nothing, whole
process: on the warm cluster, without it, and by the bare script of ``peer.py``, which makes the same fits and scores.
Bytecode is cached. Every command has a runtime folder of its own: a warm cluster of yours is neither used nor ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from measure import (
    Command,
    bare,
    count_cores,
    empty,
    export_split,
    load_result,
    make_parser,
    measure,
    open_scratch,
    rapidml,
    ratio,
    report,
    run_once,
    seconds_of,
)

from rapidml.execution.preloaded import PRELOAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

READY = 1.2
RECIPE = """
dataset: {builtin: breast_cancer, positive: malignant}
models:
  logistic: {type: sklearn.linear_model.LogisticRegression, prepare: [standardize]}
  bdt: {type: xgboost, params: {n_estimators: 100, max_depth: 6}}
"""
MODELS = {
    "logistic": {"type": "sklearn.linear_model.LogisticRegression", "params": {}, "standardize": True},
    "bdt": {"type": "xgboost", "params": {"n_estimators": 100, "max_depth": 6}},
}


def call(environment: Mapping[str, str], *arguments: str) -> None:
    """A command of the cluster, outside the time."""
    command = [sys.executable, "-m", "rapidml", "cluster", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)


@contextmanager
def keep_warm(environment: Mapping[str, str]) -> Iterator[None]:
    """A warm cluster for the runs."""
    try:
        call(environment, "start")
        yield
    finally:
        call(environment, "stop")


def make_folder(path: Path) -> dict[str, str]:
    """A runtime folder, as a variable."""
    path.mkdir(mode=0o700)
    return {"XDG_RUNTIME_DIR": str(path)}


def main() -> int:
    """Print the times; exit code 1 if the start is over its target."""
    options = make_parser(__doc__, repeat=5).parse_args()
    with open_scratch() as scratch:
        starting, warm, cold = (make_folder(scratch / name) for name in ("starting", "warm", "cold"))
        start = Command(
            "cluster start",
            (sys.executable, "-m", "rapidml", "cluster", "start"),
            scratch,
            lambda: call(starting, "stop"),
            starting,
        )
        modules = ", ".join(("distributed", *(name for name in PRELOAD if not name.startswith("rapidml"))))
        imports = Command("imports, once", (sys.executable, "-c", f"import {modules}"), scratch)
        try:
            started = measure([start, imports], options.repeat)
        finally:
            call(starting, "stop")

        recipe = scratch / "small.yaml"
        recipe.write_text(RECIPE)
        store = scratch / "store"
        runs = {}
        for name, environment in (("warm", warm), ("cold", cold)):
            plain = rapidml(f"run, {name}", scratch, "run", str(recipe), "--store", str(store), before=empty(store))
            runs[name] = Command(plain.name, plain.arguments, plain.folder, plain.before, environment)
        run_once(runs["cold"])
        export_split(recipe, store, scratch / "split.npy")
        result = load_result(store)
        job = {
            "builtin": "breast_cancer",
            "classes": result["task"]["classes"],
            "metrics": result["metrics"],
            "models": MODELS,
            "split": str(scratch / "split.npy"),
            "workers": count_cores(),
        }
        peer = bare("bare script", scratch, job)
        with keep_warm(warm):
            found = measure([runs["warm"], runs["cold"], peer], options.repeat)
    times = {name: seconds_of(finished) for name, finished in {**started, **found}.items()}
    figures = [
        ratio("cluster start, against the imports", times["cluster start"], times["imports, once"], READY),
        ratio("run, warm against cold", times["run, warm"], times["run, cold"]),
        ratio("run, warm against the bare script", times["run, warm"], times["bare script"]),
        ratio("run, cold against the bare script", times["run, cold"], times["bare script"]),
    ]
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
