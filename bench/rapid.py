"""A large fit as users start it, from the command to the scores, against scripts written by hand (``native_trees.py``).

Rows are those of a real table, drawn with replacement and blurred by 1%: 1,000,000 x 28 from the UCI HIGGS set, by
default from ``../shared/data``; ``--parquet`` names another table with a target column ``label``. Both sides read the
same Parquet file, train 200 rounds, predict all rows and give their AUCs with 200 bootstrap replicas. rapidml checks
the recipe, looks for leaks, scores a baseline and stores everything besides.

- One fit: cold, and on a warm cluster, against the native script, which is always cold. Targets 1.3 and 1.0.
- Memory: the largest proportional set size of all processes, above that of the idle cluster, against the script's.
  Target 1.5.
- 2 shards against ``xgboost.dask`` on a ``LocalCluster`` of two workers, both cold and both warm. Targets 0.8 and 1.0.
- One edited parameter of one of three models: seconds beyond those of a script that reads the rows and makes that fit,
  and nothing else. Target 2 s. And seconds beyond the fit as the worker measures it, without a target: starting,
  planning, predictions of all rows, and scores of 910,000 rows with 200 replicas.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from measure import (
    Command,
    Figure,
    Finished,
    count_cores,
    empty,
    make_parser,
    open_scratch,
    rapidml,
    ratio,
    report,
    run_once,
    seconds_of,
)

from rapidml.store import open_store, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable

COLD, WARM, MEMORY = 1.3, 1.0, 1.5
SHARDS_COLD, SHARDS_WARM = 0.8, 1.0
EDIT_SECONDS = 2.0
ROUNDS = 200
NATIVE = Path(__file__).with_name("native_trees.py")
TABLE = Path(__file__).parents[2] / "shared" / "data" / "uci-higgs-55939.parquet"

RECIPE = """\
dataset: {path: rows.parquet, target: label}
split: {test: 0.1, valid: 0.1}
models:
  bdt: {type: xgboost, params: {n_estimators: 200, max_depth: 6}}
"""
THREE = """\
dataset: {path: rows.parquet, target: label}
split: {test: 0.1, valid: 0.1}
models:
  bdt: {type: xgboost, params: {n_estimators: 50, max_depth: 6}}
  deep: {type: xgboost, params: {n_estimators: 30, max_depth: 8}}
  bayes: {type: sklearn.naive_bayes.GaussianNB}
"""


def make_rows(source: Path, target: Path, n_rows: int) -> None:
    """Write a table of any number of rows that looks like a real one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    draw = np.random.default_rng(0)
    rows = draw.integers(0, table.num_rows, n_rows)
    made = {"label": table["label"].to_numpy()[rows]}
    for name in table.column_names:
        values = table[name]
        if name != "label" and pa.types.is_floating(values.type):
            blur = 1 + 0.01 * draw.standard_normal(n_rows, np.float32)
            made[name] = (values.to_numpy()[rows] * blur).astype(np.float32)
    pq.write_table(pa.table(made), target)


def native(name: str, folder: Path, **fields: object) -> Command:
    """The script that does the same work by hand."""
    job = {"path": str(folder / "rows.parquet"), "target": "label", "threads": count_cores(), "rounds": ROUNDS}
    path = folder / f"{name.replace(' ', '-')}.json"
    path.write_text(json.dumps({**job, "params": {"max_depth": 6}, **fields}))
    return Command(name, (sys.executable, str(NATIVE), str(path)), folder)


def find_memory(pids: list[int]) -> int:
    """Proportional set size of processes and all their children, bytes."""
    found = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            for one in [process, *process.children(recursive=True)]:
                found += one.memory_full_info().pss
        except psutil.Error:
            continue
    return found


def run_watched(command: Command, others: list[int]) -> tuple[Finished, int]:
    """Run a command and follow the memory of what it starts and of other processes.

    Returns:
        The run, and the largest memory above what the others had before, bytes.
    """
    idle = find_memory(others)
    largest, done = 0, threading.Event()
    own = psutil.Process()
    before = {child.pid for child in own.children()}

    def follow() -> None:
        nonlocal largest
        while not done.wait(0.5):
            started = [child.pid for child in own.children() if child.pid not in before]
            largest = max(largest, find_memory([*started, *others]) - idle)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        return run_once(command), largest
    finally:
        done.set()
        thread.join()


def list_cluster(folder: Path) -> list[int]:
    """The process that a warm cluster consists of, with its children."""
    finished = run_once(rapidml("status", folder, "cluster", "status", "--json"))
    return [int(json.loads("".join(line for _, line in finished.lines))["pid"])]


def fit_seconds(store: Path) -> float:
    """Seconds of the fits that the newest run of a store made."""
    with open_store(store) as opened:
        run = opened.find_run("@last")
        paths = sorted((opened.path / "facts").glob(f"{run}.*.jsonl"))
    return sum(fact.seconds or 0 for path in paths for fact in read_facts(path) if fact.kind == "fit")


def warm_seconds(finished: Finished) -> float:
    """What ``native_trees.py`` says its second round took."""
    return next(float(line.split()[1]) for _, line in finished.lines if line.startswith("warm "))


def measure_in_turn(
    commands: dict[str, Callable[[], tuple[float, float]]], repeat: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds and bytes of each command, in turn, after one round that does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(1 + repeat):
        for name, run in commands.items():
            one = run()
            print(f"{name}: {one[0]:.2f} s, {one[1] / 1e6:.0f} MB", file=sys.stderr, flush=True)
            if number:
                found[name].append(one)
    return found


def main() -> int:
    """Print times and ratios; exit code 1 if one is over its target."""
    parser = make_parser(__doc__, repeat=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table; default: 1,000,000")
    parser.add_argument("--parquet", type=Path, default=TABLE, help="table that the rows are drawn from")
    options = parser.parse_args()
    if not options.parquet.exists():
        print(f"skipped: {options.parquet} is absent; name a table with --parquet")
        return 0
    with open_scratch() as folder:
        make_rows(options.parquet, folder / "rows.parquet", options.rows)
        (folder / "one.yaml").write_text(RECIPE)
        (folder / "three.yaml").write_text(THREE)
        times, figures = measure_all(folder, options.repeat)
    return report(times, figures, as_json=options.json)


def measure_all(folder: Path, repeat: int) -> tuple[dict[str, list[float]], list[Figure]]:
    """Everything cold, then everything that the warm cluster serves."""
    store = folder / "store"
    script, dask = native("native script", folder), native("xgboost.dask", folder, workers=2, warm=True)
    dask_cold = native("xgboost.dask cold", folder, workers=2)

    def ours(name: str, *words: str) -> Command:
        return rapidml(name, folder, "run", *words, "--store", str(store), before=empty(store))

    def watch(command: Command, others: list[int]) -> Callable[[], tuple[float, float]]:
        def run() -> tuple[float, float]:
            finished, memory = run_watched(command, others)
            is_warm_script = command is dask
            return (warm_seconds(finished) if is_warm_script else finished.seconds), memory

        return run

    sharded = ("one.yaml", "models.bdt.shards=2")
    cold = {
        "native script": watch(script, []),
        "rapidml, cold": watch(ours("cold", "one.yaml"), []),
        "xgboost.dask, 2 workers, cold": watch(dask_cold, []),
        "rapidml, 2 shards, cold": watch(ours("shards", *sharded), []),
    }
    found = measure_in_turn(cold, repeat)
    run_once(rapidml("start", folder, "cluster", "start"))
    try:
        others = list_cluster(folder)
        warm = {
            "native script again": watch(script, []),
            "rapidml, warm": watch(ours("warm", "one.yaml"), others),
            "xgboost.dask, 2 workers, warm": watch(dask, []),
            "rapidml, 2 shards, warm": watch(ours("warm shards", *sharded), others),
        }
        found |= measure_in_turn(warm, repeat)
        edits = [measure_edit(folder, number) for number in range(repeat)]
    finally:
        run_once(rapidml("stop", folder, "cluster", "stop"))
    times = {name: [one[0] for one in runs] for name, runs in found.items()}
    memory = {name: [one[1] for one in runs] for name, runs in found.items()}
    figures = [
        ratio("one fit, cold, against the script", times["rapidml, cold"], times["native script"], COLD),
        ratio("one fit, warm, against the script", times["rapidml, warm"], times["native script again"], WARM),
        ratio("memory of it, cold", memory["rapidml, cold"], memory["native script"], MEMORY),
        ratio("memory of it, warm", memory["rapidml, warm"], memory["native script again"], MEMORY),
        ratio(
            "2 shards against xgboost.dask, cold",
            times["rapidml, 2 shards, cold"],
            times["xgboost.dask, 2 workers, cold"],
            SHARDS_COLD,
        ),
        ratio(
            "2 shards against xgboost.dask, warm",
            times["rapidml, 2 shards, warm"],
            times["xgboost.dask, 2 workers, warm"],
            SHARDS_WARM,
        ),
        Figure(
            "an edited parameter, beyond a script with the fit", tuple(edit[0] for edit in edits), "s", EDIT_SECONDS
        ),
        Figure("an edited parameter, beyond the fit itself", tuple(edit[1] for edit in edits), "s"),
    ]
    return times, figures


def measure_edit(folder: Path, number: int) -> tuple[float, float]:
    """Seconds of a run after one parameter of one of three models was changed: beyond a script, and beyond its fit."""
    store = folder / "edits"
    where = ("--store", str(store))
    if number == 0:
        run_once(rapidml("three", folder, "run", "three.yaml", *where))
    depth = 5 - number % 3
    script = native("only the fit", folder, rounds=50, params={"max_depth": depth}, fit_only=True)
    bare = run_once(script).seconds
    edited = rapidml("edited", folder, "run", "three.yaml", f"models.bdt.params.max_depth={depth}", *where)
    seconds = seconds_of([run_once(edited)])[0]
    beyond = seconds - fit_seconds(store)
    print(f"edited: {seconds:.2f} s, script {bare:.2f} s, {beyond:.2f} s beyond the fit", file=sys.stderr, flush=True)
    return seconds - bare, beyond


if __name__ == "__main__":
    began = time.perf_counter()
    code = main()
    print(f"the bench took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
