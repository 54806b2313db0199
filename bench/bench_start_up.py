"""Commands that should feel instant, as ratios against ``python -c pass`` of the same interpreter in the same round.

``--help``, ``run --help``, and ``ls`` and ``show`` on a store of 10,000 runs: at most 15 times the bare interpreter. A
filtered ``ls``, which looks at every run, is measured without a target. ``check`` of an XGBoost recipe on a CSV file,
and a ``run`` of it that finds everything stored, in that same large store: at most 40 times. The store is made through
its own API from one real run of the quickstart: the 10,000 runs differ in name, keys, digest and scores, and each has a
file of facts of its own. Its index exists before the time is taken. Bytecode is cached, and every command runs once
before it counts.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from measure import Command, make_parser, measure, open_scratch, rapidml, ratio, report, run_once, seconds_of

from rapidml.store import FactWriter, open_store, read_facts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rapidml.store import Fact, Store

N_RUNS = 10_000
LIMIT_INSTANT = 15.0
"""Times a bare interpreter: commands that read nothing but arguments or the index."""
LIMIT_CHECKED = 40.0
"""Times a bare interpreter: commands that read a recipe and the head of its data."""
SEED = 20261122

RECIPE = """\
name: generated
dataset:
  path: generated.csv
  target: label
  positive: s
models:
  bdt:
    type: xgboost
    params:
      n_estimators: 5
      max_depth: 3
"""


def write_table(path: Path) -> None:
    """A CSV file of 5,000 rows: 20 numbers and a label that depends on them."""
    source = random.Random(SEED)
    names = [f"x{number}" for number in range(20)]
    lines = [",".join([*names, "label"])]
    for _ in range(5000):
        values = [source.gauss(0, 1) for _ in names]
        label = "s" if values[0] + values[1] + source.gauss(0, 1) > 0 else "b"
        lines.append(",".join([*(f"{value:.5f}" for value in values), label]))
    path.write_text("\n".join([*lines, ""]))


def fill_store(store: Store, n_runs: int) -> None:
    """Add runs that are like the newest one.

    Args:
        store: A store with one finished run.
        n_runs: Number of runs that it holds in the end.
    """
    model = store.find_run("@last")
    content, text = store.runs.load(model), store.runs.load_recipe(model)
    found = [fact for path in (store.path / "facts").iterdir() for fact in read_facts(path)]
    facts = [next(fact for fact in found if fact.kind == kind) for kind in ("fit", "predict", "evaluate")]
    source = random.Random(SEED)
    with patch("os.fsync"):  # making the store is not what is measured
        for number in range(1, n_runs):
            add_run(store, content, text, vary(facts, source), number, source)


def vary(facts: Iterable[Fact], source: random.Random) -> list[Fact]:
    """The same facts under other keys, of a fit that stored no objects."""
    return [replace(fact, key=source.randbytes(32).hex(), objects=(), family=None) for fact in facts]


def add_run(
    store: Store, content: dict[str, Any], text: str, facts: list[Fact], number: int, source: random.Random
) -> None:
    """Add one finished run."""
    value = source.uniform(0.8, 0.99)
    score = {**content["summary"]["score"], "value": value, "low": value - 0.004, "high": value + 0.004}
    mine = {name: entry for name, entry in content.items() if name not in ("id", "created")}
    mine |= {
        "name": f"search-{number % 100}",
        "digest": source.randbytes(32).hex(),
        "keys": [*content["keys"], *(fact.key for fact in facts)],
        "summary": {**content["summary"], "score": score, "scores.roc_auc": value},
    }
    run = store.create_run(mine, text)
    writer = FactWriter(store.path / "facts" / f"{run}.1.jsonl", run, 1, {"time": time.time()})
    for fact in facts:
        writer.append(fact)
    writer.close()


def main() -> int:
    """Print one line a command; exit code 1 if one is over its limit."""
    parser = make_parser(__doc__, repeat=15)
    parser.add_argument("--runs", type=int, default=N_RUNS, help=f"runs in the store; default: {N_RUNS}")
    options = parser.parse_args()
    with open_scratch() as folder:
        where = ("--store", str(folder / "store"))
        run_once(rapidml("quickstart", folder, "run", "--example", "quickstart", *where))
        started = time.perf_counter()
        with open_store(folder / "store") as store:
            fill_store(store, options.runs)
        filled = time.perf_counter() - started
        (folder / "generated.yaml").write_text(RECIPE)
        write_table(folder / "generated.csv")
        first = run_once(rapidml("first ls", folder, "ls", *where)).seconds
        size = f"{options.runs:,} runs"
        bare = Command("python -c pass", (sys.executable, "-c", "pass"), folder)
        instant = [
            rapidml("rapidml --help", folder, "--help"),
            rapidml("rapidml run --help", folder, "run", "--help"),
            rapidml(f"rapidml ls, {size}", folder, "ls", *where),
            rapidml(f"rapidml show, {size}", folder, "show", *where),
        ]
        filtered = "scores.roc_auc > 0.98 and name == 'search-7'"
        searching = rapidml(f"rapidml ls FILTER, {size}", folder, "ls", filtered, *where)
        checked = [
            rapidml("rapidml check, XGBoost on a CSV file", folder, "check", "generated.yaml", *where),
            rapidml(f"rapidml run, unchanged, {size}", folder, "run", "generated.yaml", *where),
        ]
        found = measure([bare, *instant, searching, *checked], options.repeat)
    times = {name: seconds_of(runs) for name, runs in found.items()}
    limits = dict.fromkeys([command.name for command in instant], LIMIT_INSTANT)
    limits |= dict.fromkeys([command.name for command in checked], LIMIT_CHECKED)
    figures = [
        ratio(command.name, times[command.name], times[bare.name], limits.get(command.name))
        for command in (*instant, searching, *checked)
    ]
    times |= {f"making the store of {size} (once)": [filled], "first ls, which makes the index (once)": [first]}
    return report(times, figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
