"""What the benches share: whole processes timed in turn, paired ratios with their spread, the table, the verdict.

Every bench runs its commands interleaved (A, B, A, B, ...), so that a change of the machine's speed meets all of them,
and compares pair by pair. The median of the pairs is held against the target; the least and the largest show the noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PEER = Path(__file__).with_name("peer.py")


@dataclass(frozen=True)
class Command:
    """A process to time from its start to its end.

    Attributes:
        name: What the table calls it.
        arguments: Program and its arguments.
        folder: Where it runs.
        before: Called before each start, outside the time; empties a store, say.
        environment: Variables beside the usual ones.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    before: Callable[[], None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """One run of a command.

    Attributes:
        seconds: Wall-clock time of the process.
        processor: Processor time of the process and of those it waited for, user and system, seconds.
        began: When it was started, seconds since 1970.
        lines: What it printed: seconds after the start, and the line.
    """

    seconds: float
    processor: float
    began: float
    lines: tuple[tuple[float, str], ...]

    def find_line(self, word: str) -> float:
        """Seconds until the first line that holds a word."""
        return next(seconds for seconds, line in self.lines if word in line)


@dataclass(frozen=True)
class Figure:
    """One number that a bench claims, measured once in every round.

    Attributes:
        name: What was measured, against what.
        values: Its value in each round.
        unit: ``x`` for a ratio, ``ms`` or ``s``, ``score`` for a score.
        limit: Target that the median is to stay at or below; None if there is none.
        floor: Target that the median is to stay at or above; None if there is none.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    limit: float | None = None
    floor: float | None = None

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """``PASS``, ``FAIL``, or nothing without a target."""
        if self.limit is None and self.floor is None:
            return ""
        is_met = (self.limit is None or self.median <= self.limit) and (self.floor is None or self.median >= self.floor)
        return "PASS" if is_met else "FAIL"

    @property
    def target(self) -> str:
        """The targets in words, or nothing."""
        sides = (("", self.limit), (">= ", self.floor))
        return ", ".join(f"{sign}{target:g} {self.unit}" for sign, target in sides if target is not None)

    def to_json(self) -> dict[str, Any]:
        """Its JSON line."""
        spread = {"median": self.median, "min": min(self.values), "max": max(self.values), "rounds": len(self.values)}
        targets = {"limit": self.limit, "verdict": self.verdict or None}
        if self.floor is not None:
            targets["floor"] = self.floor
        return {"figure": self.name, "unit": self.unit, **spread, **targets}


def make_parser(text: str | None, repeat: int) -> argparse.ArgumentParser:
    """Options that every bench has.

    Args:
        text: Docstring of the bench.
        repeat: Default number of rounds.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=repeat, metavar="N", help=f"rounds that count; default: {repeat}")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of the tables")
    return parser


@contextmanager
def open_scratch() -> Iterator[Path]:
    """A folder on a local disk, removed in the end; ``$TMPDIR`` chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="rapidml-bench-") as name:
        yield Path(name)


def empty(folder: Path) -> Callable[[], None]:
    """A function that removes a folder and all in it."""
    return lambda: shutil.rmtree(folder, ignore_errors=True)


def rapidml(name: str, folder: Path, *arguments: str, before: Callable[[], None] | None = None) -> Command:
    """A rapidml command."""
    return Command(name, (sys.executable, "-m", "rapidml", *arguments), folder, before)


def bare(name: str, folder: Path, job: Mapping[str, Any]) -> Command:
    """The bare script that does a job of ``peer.py``; BLAS and OpenMP get one thread, as in the fits of rapidml."""
    path = folder / f"{name.replace(' ', '-')}.json"
    path.write_text(json.dumps(job))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return Command(name, (sys.executable, str(PEER), str(path)), folder, None, threads)


def count_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def run_once(command: Command) -> Finished:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed; the message holds what it said.
    """
    if command.before is not None:
        command.before()
    with tempfile.TemporaryFile("w+") as errors:
        used = _children()
        began, start = time.time(), time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=_environment(command),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            lines = tuple((time.perf_counter() - start, line.rstrip("\n")) for line in process.stdout)
        code = process.wait()
        seconds = time.perf_counter() - start
        if code:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command.arguments)} ended with {code}:\n{errors.read()[-2000:]}")
    return Finished(seconds, _children() - used, began, lines)


def _children() -> float:
    """Processor time of all processes that were waited for, seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _environment(command: Command) -> dict[str, str]:
    """The user's environment, but bytecode is kept between runs, output is buffered as usual, and no store is set."""
    left_out = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "RAPIDML_STORE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    if "PYTHONPATH" in kept:  # commands run in other folders
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(part).resolve()) for part in kept["PYTHONPATH"].split(os.pathsep))
    return {**kept, **command.environment}


def measure(
    commands: Sequence[Command], repeat: int, after: Callable[[Command, Finished], None] | None = None
) -> dict[str, list[Finished]]:
    """Run commands in turn, ``repeat`` times after one round that does not count (it fills caches).

    Args:
        commands: The commands, with different names.
        repeat: Number of rounds.
        after: Called after each run that counts, outside the time.

    Returns:
        The runs of each command, by its name.
    """
    found: dict[str, list[Finished]] = {command.name: [] for command in commands}
    for number in range(1 + repeat):
        for command in commands:
            finished = run_once(command)
            if number:
                found[command.name].append(finished)
                if after is not None:
                    after(command, finished)
    return found


def seconds_of(runs: Sequence[Finished]) -> list[float]:
    """Wall-clock times of runs."""
    return [run.seconds for run in runs]


def ratio(name: str, ours: Sequence[float], peer: Sequence[float], limit: float | None = None) -> Figure:
    """Ours over the peer's, round by round."""
    return Figure(name, tuple(a / b for a, b in zip(ours, peer, strict=True)), "x", limit)


def report(times: Mapping[str, Sequence[float]], figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print times and figures.

    Args:
        times: Seconds of each round, by what was timed.
        figures: What is claimed of them.
        as_json: One JSON object a line.

    Returns:
        Exit code: 1 if a target was missed.
    """
    machine = {"cores": count_cores(), "python": platform.python_version(), "system": platform.platform(terse=True)}
    if as_json:
        lines: list[dict[str, Any]] = [{"machine": machine}]
        lines += [
            {"timed": name, "min": min(values), "median": statistics.median(values)} for name, values in times.items()
        ]
        print("\n".join(map(json.dumps, [*lines, *(figure.to_json() for figure in figures)])), flush=True)
    else:
        print(", ".join(f"{key} {value}" for key, value in machine.items()))
        rows = [["seconds", "min", "median"]]
        rows += [[name, f"{min(v):.3f}", f"{statistics.median(v):.3f}"] for name, v in times.items()]
        print_table(rows)
        print_table([["", "median", "min", "max", "target", ""], *map(_row, figures)])
    return int(any(figure.verdict == "FAIL" for figure in figures))


def _row(figure: Figure) -> list[str]:
    digits = 4 if figure.unit == "score" else 2
    shown = (figure.median, min(figure.values), max(figure.values))
    numbers = [f"{number:.{digits}f} {figure.unit}" for number in shown]
    return [figure.name, *numbers, figure.target, figure.verdict]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print cells in columns, the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(flush=True)


def export_split(recipe: Path, store: Path, target: Path) -> None:
    """Write the part of each row that a finished run took, for the peer: the fold, -1 for test rows.

    Args:
        recipe: A recipe that was run, with ``split.folds``.
        store: The store it was run with.
        target: File to write, ``.npy``.
    """
    import numpy as np

    from rapidml.execution.reading import rows_request
    from rapidml.execution.rows import load_rows
    from rapidml.execution.running import prepare
    from rapidml.recipe.document import load_document
    from rapidml.store import open_store

    with open_store(store) as opened:
        prepared = prepare(load_document(recipe), opened)
        found = [opened.objects.find(ref.kind, ref.key) for group in prepared.reading.groups for ref in group.objects]
        request = rows_request(prepared.checked, prepared.reading, str(store), [str(folder) for folder in found])
        np.save(target, load_rows(request).parts.fold)


def load_result(store: Path) -> dict[str, Any]:
    """Result of the newest run of a store, as ``show --json`` prints it."""
    from rapidml.store import open_store

    with open_store(store) as opened:
        result: dict[str, Any] = opened.runs.load(opened.find_run("@last"))["result"]
    return result


def largest_difference(result: Mapping[str, Any], peer: Finished) -> float:
    """Largest difference of a score between a run of rapidml and the peer: they did the same work if it is small."""
    theirs = json.loads(peer.lines[-1][1])
    differences: list[float] = [
        abs(entry[group][metric]["value"] - theirs[name][group][metric][0])
        for name, entry in result["models"].items()
        for group in ("selection", "train", "test")
        for metric in result["metrics"]
        if entry[group] is not None
    ]
    return max(differences)
