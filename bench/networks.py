"""Networks and their trainers: speed against scripts written by hand, and how good they become.

Rows are those of MNIST and of the ATLAS challenge in ``../shared/data``; what needs a file that is absent is skipped,
and said.

- ``single-mlp``, ``single-cnn``: samples a second of a fit in one process: 1.0 times ``Model.fit``.
- ``multiworker``: two ranks: 0.95 times two workers with TF_CONFIG and a loop of their own, started by hand.
- ``start``: the second command on a warm cluster: 5 s to the end of its first step.
- ``exchange``: exchanges a second of a centre of 1,000,000 weights with two replicas on this host: 0.5 times plain
  copies of the same bytes over loopback, by rules of a few sums; shown besides: ``adag_staleness``, whose rule goes
  seven times over all weights, and a Dask actor.
- ``quality-cnn``: test accuracy of 0.992 on MNIST.
- ``quality-trainers``: dist-keras' network 784-1000-250-10: ``adag`` reaches 0.975, and every trainer is within 0.005
  of one process at as many samples, as a mean over seeds.
- ``atlas``: a two-layer network beside boosted trees, with intervals.

A warm cluster of yours is neither used nor ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from bench_cluster_start import call, make_folder
from measure import Figure, make_parser, open_scratch, report
from networks_atlas import EVENTS, measure_atlas
from networks_quality import measure_cnn, measure_trainers
from networks_rates import measure_single, measure_together
from networks_sides import MNIST, Place, say
from networks_start import measure_start

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from networks_sides import Measured

HALF = 0.5
CLIENTS, VALUES, SECONDS = 2, 1_000_000, 2.0
SUMS = ("downpour", "aeasgd")
"""Trainers whose rule is a few sums; that of adag is downpour's at the centre."""
RULES = (*SUMS, "adag_staleness")


def measure_exchange(place: Place) -> Measured:
    """The centre, plain copies and a Dask actor in turn."""
    from networks_actor import measure_actor
    from networks_exchange import measure_copies, measure_exchanges

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in workers of Dask; the processes to come heed it
    size = (CLIENTS, VALUES, max(0.3, SECONDS * place.scale))
    rates: dict[str, list[float]] = {name: [] for name in ("plain copy", *RULES, "Dask actor")}
    for _ in range(place.repeat):
        rates["plain copy"].append(measure_copies(*size))
        for name in RULES:
            rates[name].append(measure_exchanges(name, *size))
        rates["Dask actor"].append(measure_actor(*size))
        say("exchanges a second: " + ", ".join(f"{name} {found[-1]:.1f}" for name, found in rates.items()))
    times = {f"an exchange of {VALUES:,} weights, {name}": [1 / one for one in found] for name, found in rates.items()}
    figures = []
    for name, found in rates.items():
        shares = tuple(one / copy for one, copy in zip(found, rates["plain copy"], strict=True))
        if name != "plain copy":
            what = f"exchanges a second, {name}, against plain copies over loopback"
            figures.append(Figure(what, shares, "x", floor=HALF if name in SUMS else None))
    return times, figures


CASES: dict[str, Callable[[Place], Measured]] = {
    "single-mlp": partial(measure_single, "mlp"),
    "single-cnn": partial(measure_single, "cnn"),
    "multiworker": partial(measure_together, "mlp"),
    "start": measure_start,
    "exchange": measure_exchange,
    "quality-cnn": measure_cnn,
    "quality-trainers": measure_trainers,
    "atlas": measure_atlas,
}
NEEDED: dict[str, Path] = {**dict.fromkeys(CASES, MNIST), "atlas": EVENTS}
del NEEDED["exchange"]


def parse_options() -> argparse.Namespace:
    """What the command line says."""
    parser = make_parser(__doc__, repeat=3)
    parser.add_argument("--only", choices=list(CASES), action="append", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="share of rows and epochs, to try the bench out")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the scores; default: 3")
    return parser.parse_args()


def main() -> int:
    """Print times and figures; exit code 1 if one misses its target."""
    options = parse_options()
    times: dict[str, list[float]] = {}
    figures: list[Figure] = []
    for name in options.only or list(CASES):
        if name in NEEDED and not NEEDED[name].exists():
            print(f"skipped: {name}: {NEEDED[name]} is absent", file=sys.stderr if options.json else sys.stdout)
            continue
        with open_scratch() as folder:
            cold, warm = (make_folder(folder / kind) for kind in ("cold", "warm"))
            try:
                timed, found = CASES[name](Place(folder, cold, warm, options.repeat, options.scale, options.seeds))
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
