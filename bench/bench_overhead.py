"""What a fit costs beside training: ``rapidml run`` against a bare script that does the same fits.

1,000 fits of a tiny model: 200 models x (4 folds + 1) on scikit-learn's iris, once of ``GaussianNB`` and once of
XGBoost with one round. The peer (``peer.py``) reads the same rows, takes the same split, trains and predicts the same
and computes the same scores with 200 bootstrap replicas, on as many threads as rapidml has workers, and stores nothing.

    overhead per fit = (time of the whole process ``rapidml run`` - time of the whole process of the peer) / fits

of wall-clock time, and beside it of processor time, which other work on the machine disturbs less. It holds the imports
of Dask, the plan, the scheduling, and every model, prediction, score and fact put durably on disk (fsync): ``$TMPDIR``
should be on a local disk. Target: 10 ms. With ``--full`` also for 3,000 and 10,000 fits, where the overhead of a fit is
to stay within 1.5 times that of 1,000.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from measure import (
    Figure,
    bare,
    count_cores,
    empty,
    export_split,
    largest_difference,
    load_result,
    make_parser,
    measure,
    open_scratch,
    rapidml,
    report,
    run_once,
    seconds_of,
)

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_MS = 10.0
LIMIT_GROWTH = 1.5
FITS_PER_MODEL = 5
TOLERANCE = 1e-3
"""Two libraries' routes to the same probabilities differ by rounding to float32."""


def make_models(kind: str, n_models: int) -> dict[str, dict[str, Any]]:
    """Models of one kind that differ in one parameter."""
    if kind == "xgboost":
        return {
            f"m{i:04d}": {"type": "xgboost", "params": {"n_estimators": 1, "reg_lambda": round(1 + i / 1000, 3)}}
            for i in range(n_models)
        }
    params = [{"var_smoothing": round(1e-4 * (1 + i), 4)} for i in range(n_models)]
    return {f"m{i:04d}": {"type": "sklearn.naive_bayes.GaussianNB", "params": each} for i, each in enumerate(params)}


def write_recipe(path: Path, models: dict[str, dict[str, Any]]) -> None:
    lines = ["name: tiny", "dataset:", "  builtin: iris", "split:", "  test: 0.2", "  folds: 4", "models:"]
    for name, model in models.items():
        lines += [f"  {name}:", f"    type: {model['type']}", "    params:"]
        lines += [f"      {key}: {value}" for key, value in model["params"].items()]
    path.write_text("\n".join([*lines, ""]))


def measure_kind(folder: Path, kind: str, fits: int, repeat: int) -> tuple[dict[str, list[float]], Figure, Figure]:
    """Times of rapidml and the peer, and the overhead of a fit in wall-clock time and in processor time."""
    models = make_models(kind, fits // FITS_PER_MODEL)
    recipe, store, split = folder / f"{kind}-{fits}.yaml", folder / "store", folder / "split.npy"
    write_recipe(recipe, models)
    small = folder / "small.yaml"
    write_recipe(small, dict(list(models.items())[:1]))
    run_once(rapidml("split", folder, "run", str(small), "--store", str(store), before=empty(store)))
    export_split(small, store, split)
    job = {
        "builtin": "iris",
        "classes": load_result(store)["task"]["classes"],
        "metrics": load_result(store)["metrics"],
        "models": models,
        "split": str(split),
        "workers": count_cores(),
    }
    ours = rapidml(
        f"rapidml, {fits:,} fits of {kind}", folder, "run", str(recipe), "--store", str(store), before=empty(store)
    )
    peer = bare(f"bare script, {fits:,} fits of {kind}", folder, job)
    found = measure([ours, peer], repeat)
    difference = largest_difference(load_result(store), found[peer.name][-1])
    if difference > TOLERANCE:
        raise RuntimeError(
            f"the scores of rapidml and of the peer differ by {difference}: they did not do the same work"
        )
    times = {name: seconds_of(runs) for name, runs in found.items()}
    overhead = tuple(1000 * (a - b) / fits for a, b in zip(times[ours.name], times[peer.name], strict=True))
    pairs = zip(found[ours.name], found[peer.name], strict=True)
    processor = tuple(1000 * (a.processor - b.processor) / fits for a, b in pairs)
    what = f"{fits:,} fits of {kind}"
    return (
        times,
        Figure(f"overhead per fit, {what}", overhead, "ms", LIMIT_MS),
        Figure(f"the same in processor time, {what}", processor, "ms"),
    )


def main() -> int:
    """Print the overhead of a fit; exit code 1 if it is over its target."""
    parser = make_parser(__doc__, repeat=3)
    parser.add_argument("--full", action="store_true", help="also 3,000 and 10,000 fits, to see whether it is linear")
    parser.add_argument("--fits", type=int, default=1000, help="number of fits; default: 1000")
    parser.add_argument("--kind", choices=["naive_bayes", "xgboost"], action="append", help="only this kind of model")
    options = parser.parse_args()
    sizes = [options.fits, *((3 * options.fits, 10 * options.fits) if options.full else ())]
    times: dict[str, list[float]] = {}
    figures: list[Figure] = []
    with open_scratch() as folder:
        for kind in options.kind or ["naive_bayes", "xgboost"]:
            found = []
            for fits in sizes:
                timed, figure, processor = measure_kind(folder, kind, fits, options.repeat)
                times |= timed
                found.append(figure)
                figures += [figure, processor]
            if options.full:
                growth = tuple(a / b for a, b in zip(found[-1].values, found[0].values, strict=True))
                figures.append(
                    Figure(
                        f"overhead per fit, {sizes[-1]:,} fits against {sizes[0]:,}, {kind}", growth, "x", LIMIT_GROWTH
                    )
                )
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
