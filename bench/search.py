"""Searches against those of other libraries: whole processes, from the command to the best candidate.

Both sides get the same Parquet file, whose column ``fold`` deals the rows to three folds, the same candidates and rows
of equal weight; every score has to agree within 1e-6 (of few trees 1e-5) and the best candidate has to be the same,
else the bench ends with an error. rapidml runs from an empty store, without a cluster (cold) and on a warm one that has
not seen the rows. Besides, it checks the recipe, looks for leaks, compares the best candidates by replicas and stores
everything. Rows are those of the UCI HIGGS set in ``../shared/data``, drawn with replacement and blurred where more are
wanted; without it they are made up.

- ``rounds``: XGBoost with a range of four numbers of rounds, which come from one fit: 0.5 times ``GridSearchCV``.
- ``plain``: XGBoost without such a range: 1.0 times.
- ``short-5``, ``short-20``: so many rounds on 240,000 x 28: 0.5 times; the quantised rows are made once a fold.
- ``logistic``, ``forest`` (with four numbers of trees): scikit-learn's classes: 0.9 times ``GridSearchCV``, 0.8 times
  dask-ml's and Ray Tune.
- ``forest-plain``: without a range of trees nothing can be shared, and both sides grow the same trees: 1.0 times.
- ``hyperband``: at a quarter of a grid's compute; the mean of the best scores over 20 seeds is not below the grid's by
  more than its standard error.
- ``many``: 10,000 candidates of naive Bayes: 5 ms each, end to end; the driver's memory beside that of 1,000.
- ``added``: one value added to a finished grid of 54 fits: 2 s beyond the new fits.

dask-ml and Ray come from an environment that is made on first use, below ``--peers``; a peer that cannot be installed
is skipped, and said. A warm cluster of yours is neither used nor ended.
"""

from __future__ import annotations

import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench_cluster_start import call, make_folder
from measure import make_parser, open_scratch, report
from search_adaptive import measure_hyperband
from search_added import measure_added
from search_grids import GRIDS, measure_grid
from search_many import measure_many
from search_peers import default_folder, find_peers
from search_sides import Place

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from measure import Figure
    from search_sides import Measured

CASES: dict[str, Callable[[Place], Measured]] = {
    **{name: partial(measure_grid, grid) for name, grid in GRIDS.items()},
    "hyperband": measure_hyperband,
    "many": measure_many,
    "added": measure_added,
}


def parse_options() -> argparse.Namespace:
    """What the command line says."""
    parser = make_parser(__doc__, repeat=3)
    parser.add_argument("--only", choices=list(CASES), action="append", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="share of rows and candidates, to try the bench out")
    parser.add_argument("--seeds", type=int, default=20, help="seeds of hyperband; default: 20")
    parser.add_argument("--peers", type=Path, default=default_folder(), help="where dask-ml and Ray are installed")
    return parser.parse_args()


def main() -> int:
    """Print times and ratios; exit code 1 if one is over its target."""
    options = parse_options()
    cases = options.only or list(CASES)
    wanted = {peer for name in cases if name in GRIDS for peer in GRIDS[name].limits}
    peers = find_peers({"scikit-learn", *wanted}, options.peers)
    for name, problem in peers.missing.items():
        print(f"skipped: {name}: {problem}", file=sys.stderr if options.json else sys.stdout, flush=True)
    times: dict[str, list[float]] = {}
    figures: list[Figure] = []
    for name in cases:
        with open_scratch() as folder:
            cold, warm = (make_folder(folder / kind) for kind in ("cold", "warm"))
            place = Place(folder, cold, warm, peers, options.repeat, options.scale, options.seeds)
            try:
                timed, found = CASES[name](place)
            finally:
                call(warm, "stop")
        times |= timed
        figures += found
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the warm cluster ends too
    began = time.perf_counter()
    code = main()
    print(f"the bench took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
