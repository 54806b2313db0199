"""How trainers do with more replicas and longer windows than one machine has room for: a discrete-event simulation.

The replicas, rules and centre are the real ones (``trainers/``), gradients are real ones of a network of dense layers
on MNIST, in NumPy; the clock alone is simulated, from measured times (``staleness_simulation.py``). The network's steps
are held against TensorFlow's, and whole trainings against real ones with one and two replicas. Rows are those of
``../shared/data/mnist``; without them the bench is skipped.

- ``check``: one and two replicas, simulated and real: mean accuracies over seeds within 3 standard errors.
- ``windows``: 1 to 50 mini-batches between exchanges, of 20 replicas.
- ``replicas``: 1 to 256 replicas with the default window.
- ``published``: dist-keras' own network, 784-1000-250-10, where its tables say that trainings diverge: long.

Mini-batches of 4 rows, Adam with a rate of 0.001 and one epoch, as in dist-keras' notebook. A training has *diverged*
whose centre has a larger log loss on the test images than one that says nothing (ln 10); it is *slow* if it has not and
is right about fewer than nine tenths. What dist-keras published (Hermans 2016): downpour diverges from windows of 15
(20 workers), and from 12 workers; adag is stable; aeasgd is at 0.098 up to windows of 30.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from measure import Figure, make_parser, print_table, report
from networks_sides import MNIST, ROWS, say
from staleness_real import TOLERANCE, RealReplicas, compare_steps
from staleness_settings import Setting, simulate_all

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from staleness_simulation import Times, Trained

ERRORS = 3.0
LEAST_ERROR = 0.001
"""Accuracies that differ by less are not told apart: ten of the test images."""
SILENT = math.log(10)
"""Log loss of giving each class the same chance."""
SLOW = 0.9
TRAINERS = ("downpour", "adag", "adag_staleness", "dynsgd", "aeasgd", "eamsgd", "easgd", "averaging")
WITH_WINDOW = TRAINERS[:-1]
PUBLISHED = ("downpour", "adag", "aeasgd")
WINDOWS = (1, 5, 10, 15, 20, 30, 35, 50)
REPLICAS = (1, 2, 4, 8, 12, 16, 20, 32, 64, 128, 256)
MANY = 20
SMALL, LARGE = (64,), (1000, 250)
BATCH = 4


@dataclass(frozen=True)
class Sweep:
    """Trainings that differ in one thing.

    Attributes:
        what: Name of what is varied, a field of ``Setting``.
        values: Its values.
        trainers: The trainers.
        base: The rest.
        seeds: Seeds of each.
    """

    what: str
    values: tuple[int, ...]
    trainers: tuple[str, ...]
    base: Setting
    seeds: int

    def list_settings(self, trainer: str, value: int) -> list[Setting]:
        """One a seed."""
        return [
            replace(self.base, trainer=trainer, seed=seed, **{self.what: value})  # type: ignore[arg-type]
            for seed in range(self.seeds)
        ]

    @property
    def title(self) -> str:
        """What is varied, and what is not."""
        fixed = f"{self.base.replicas} replicas" if self.what == "window" else "default windows"
        return f"{'-'.join(map(str, (784, *self.base.hidden, 10)))}, {fixed}, by {self.what}"

    @property
    def settings(self) -> list[Setting]:
        """All of them, the longest first."""
        found = [
            one for value in self.values for trainer in self.trainers for one in self.list_settings(trainer, value)
        ]
        return sorted(found, key=lambda one: -one.replicas)


def measure_times(base: Setting) -> tuple[Times, list[Figure]]:
    """Times of a short real training, and how far NumPy's steps are from TensorFlow's."""
    setting = replace(base, trainer="downpour", replicas=1, window=5, rows=min(base.rows, 4_000), epochs=1)
    with RealReplicas(1) as real:
        _, times = real.train(setting.make_task())
    steps, exchanges = (1e3 * statistics.median(found) for found in (times.steps, times.exchanges))
    say(f"measured: a step {steps:.3f} ms, an exchange {exchanges:.3f} ms")
    figures = []
    for name in ("downpour", "eamsgd"):
        task = replace(setting, trainer=name, batch_size=32).make_task()
        largest = max(difference for _, difference in compare_steps(task))
        what = (
            f"largest difference of a weight after 20 steps in NumPy and TensorFlow, {name}, in units of {TOLERANCE:g}"
        )
        figures.append(Figure(what, (largest / TOLERANCE,), "", 1.0))
    return times, figures


def check(base: Setting, seeds: int) -> list[Figure]:
    """Simulated against real trainings, with the times of the real ones."""
    names = [(name, count, seed) for count in (1, 2) for name in TRAINERS for seed in range(seeds)]
    settings = [replace(base, trainer=name, replicas=count, seed=seed) for name, count, seed in names]
    found: dict[Setting, tuple[Trained, Times]] = {}
    for count in (1, 2):
        with RealReplicas(count) as real:
            for setting in settings:
                if setting.replicas == count:
                    found[setting] = real.train(setting.make_task())
    made = simulate_all({setting: times for setting, (_, times) in found.items()})
    groups: dict[tuple[str, int], list[Setting]] = {}
    for setting in settings:
        groups.setdefault((setting.trainer, setting.replicas), []).append(setting)
    return [
        _compare(key, [found[one][0] for one in group], [made[one] for one in group]) for key, group in groups.items()
    ]


def _compare(key: tuple[str, int], real: Sequence[Trained], made: Sequence[Trained]) -> Figure:
    sides = [[one.accuracy for one in found] for found in (made, real)]
    means = [statistics.fmean(found) for found in sides]
    spread = [statistics.variance(found) / len(found) if len(found) > 1 else 0.0 for found in sides]
    error = max(math.sqrt(sum(spread)), LEAST_ERROR)
    late = [statistics.fmean(one.staleness for one in found) for found in (made, real)]
    name, count = key
    what = f"{name}, {count} replica{'s' * (count > 1)}: simulated {means[0]:.4f}, real {means[1]:.4f}"
    say(f"{what}, staleness {late[0]:.2f} and {late[1]:.2f}")
    return Figure(f"{what}, apart by", (abs(means[0] - means[1]) / error,), "errors", ERRORS)


def run_sweep(sweep: Sweep, times: Times, *, as_json: bool) -> list[Figure]:
    """Train, print a table, and say from where on trainers diverge."""
    found = simulate_all(dict.fromkeys(sweep.settings, times))
    cells = {
        (name, value): [found[one] for one in sweep.list_settings(name, value)]
        for name in sweep.trainers
        for value in sweep.values
    }
    if not as_json:
        for title, show in _SHOWN.items():
            rows = [[f"{title}, {sweep.title}", *map(str, sweep.values)]]
            rows += [[name, *(show(cells[name, value]) for value in sweep.values)] for name in sweep.trainers]
            print_table(rows)
    return [_summarise(sweep, name, {value: cells[name, value] for value in sweep.values}) for name in sweep.trainers]


def _summarise(sweep: Sweep, name: str, cells: Mapping[int, Sequence[Trained]]) -> Figure:
    """What became of one trainer, and the accuracies that it has reached."""
    means = {value: statistics.fmean(one.accuracy for one in found) for value, found in cells.items()}
    lost = {value for value, found in cells.items() if statistics.median(one.loss for one in found) > SILENT}
    slow = {value for value, mean in means.items() if mean < SLOW} - lost
    words = [
        f"{word} at {', '.join(map(str, sorted(found)))}"
        for word, found in (("diverged", lost), ("slow", slow))
        if found
    ]
    what = f"{name}, {sweep.title}: {'; '.join(words) or 'neither diverged nor slow'}; accuracies"
    return Figure(what, tuple(means.values()), "score")


def _show_accuracy(found: Sequence[Trained]) -> str:
    return f"{statistics.fmean(one.accuracy for one in found):.3f}"


def _show_loss(found: Sequence[Trained]) -> str:
    return f"{statistics.median(one.loss for one in found):.3g}"


def _show_staleness(found: Sequence[Trained]) -> str:
    return f"{statistics.fmean(one.staleness for one in found):.1f}"


def _show_seconds(found: Sequence[Trained]) -> str:
    return f"{statistics.fmean(one.seconds for one in found):.1f}"


def _show_start(found: Sequence[Trained]) -> str:
    firsts = [next((samples for samples, accuracy in one.curve if accuracy >= SLOW), None) for one in found]
    reached = [first / 1e3 for first in firsts if first is not None]
    return f"{statistics.fmean(reached):.0f}" if len(reached) == len(found) else "-"


_SHOWN = {
    "accuracy": _show_accuracy,
    "log loss": _show_loss,
    "mean staleness": _show_staleness,
    "simulated seconds": _show_seconds,
    f"thousand samples until {SLOW:g}": _show_start,
}
PARTS = ("check", "windows", "replicas", "published")


def parse_options() -> argparse.Namespace:
    """What the command line says."""
    parser = make_parser(__doc__, repeat=1)
    parser.add_argument("--only", choices=PARTS, action="append", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, to try the bench out")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the check; default: 5")
    return parser.parse_args()


def make_sweeps(part: str, base: Setting, seeds: int) -> list[Sweep]:
    """The trainings of a part."""
    many, large = replace(base, replicas=MANY), replace(base, hidden=LARGE)
    if part == "windows":
        return [Sweep("window", WINDOWS, WITH_WINDOW, many, seeds)]
    if part == "replicas":
        return [Sweep("replicas", REPLICAS, TRAINERS, base, seeds)]
    return [
        Sweep("window", (5, 15, 35), PUBLISHED, replace(large, replicas=MANY), seeds),
        Sweep("replicas", (4, 12), PUBLISHED, large, seeds),
    ]


def main() -> int:
    """Print tables and figures; exit code 1 if simulated and real trainings differ."""
    options = parse_options()
    if not MNIST.exists():
        print(f"skipped: {MNIST} is absent", file=sys.stderr if options.json else sys.stdout)
        return 0
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # of the processes to come: trainings run side by side
    rows = max(1_000, round(ROWS * options.scale))
    base = Setting("downpour", 1, None, SMALL, BATCH, 1, rows, 0)
    times, figures = measure_times(base)
    for part in options.only or PARTS:
        if part == "check":
            figures += check(replace(base, batch_size=32, epochs=2, rows=min(rows, 12_000)), options.seeds)
        else:
            for sweep in make_sweeps(part, base, options.repeat):
                figures += run_sweep(sweep, times, as_json=options.json)
    steps = {"a step": times.steps, "an exchange": times.exchanges}
    return report({f"measured: {name}": list(found) for name, found in steps.items()}, figures, as_json=options.json)


if __name__ == "__main__":
    began = time.perf_counter()
    code = main()
    print(f"the bench took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
