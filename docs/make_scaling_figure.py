"""Write what ``scaling.md`` shows: two measurements, their figures and their tables.

Without options figures and tables are made again from ``scaling.json`` and ``trainers.json``. With ``--measure NAME``
that file is measured first, on this machine, which should be doing nothing else: minutes for ``scaling``, most of an
hour for ``trainers``, which needs the path of the MNIST files in ``MNIST``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.execution.scaling_figure import draw_scaling
from rapidml.execution.scaling_text import scaling_lines
from rapidml.execution.trainers_figure import draw_trainers
from rapidml.execution.trainers_text import trainer_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).resolve().parent
BEGIN, END = "<!-- {}: written by docs/make_scaling_figure.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Shown:
    """A measurement that the page shows.

    Attributes:
        command: What measures it.
        repeat: Repetitions.
        width: Characters of a line of its table.
        make_lines: Its table.
        draw: Its figure.
    """

    command: tuple[str, ...]
    repeat: int
    width: int
    make_lines: Callable[[Mapping[str, Any], int], list[str]]
    draw: Callable[[Mapping[str, Any]], str]


SHOWN = {
    "scaling": Shown(
        ("scaling", "recipes/events.yaml", "--threads", "1,2"), 3, 100, scaling_lines, draw_scaling
    ),
    "trainers": Shown(
        ("scaling", "recipes/mnist-async.yaml", "--replicas", "1,2", "--target", "0.95"),
        3,
        120,
        trainer_lines,
        draw_trainers,
    ),
}  # fmt: skip


def measure(shown: Shown, store: str) -> dict[str, Any]:
    """Measure, and leave out what only this machine is concerned with."""
    words = [*shown.command, "--repeat", str(shown.repeat), "--store", store, "--json"]
    program = [sys.executable, "-m", "rapidml", *words]
    done = subprocess.run(program, cwd=FOLDER.parent, stdout=subprocess.PIPE, check=True)  # noqa: S603  own command
    report: dict[str, Any] = json.loads(done.stdout)
    del report["run"], report["timings"], report["machine"]["host"]
    for trainer in report.get("trainers", ()):
        if trainer["cost_model"] is not None:
            del trainer["cost_model"]["curve"]  # which the figure of one model alone draws
    return report


def make_page(page: str, reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with the tables of reports between their marks."""
    for name, report in reports.items():
        shown, begin = SHOWN[name], BEGIN.format(name)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(END)
        lines = "\n".join(shown.make_lines(report, shown.width))
        command = " ".join([*shown.command, "--repeat", str(shown.repeat)])
        page = f"{before}{begin}```text\n$ rapidml {command}\n{lines}\n```\n{END}{after}"
    return page


def load_reports() -> dict[str, dict[str, Any]]:
    """What was measured."""
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in SHOWN}


def main() -> None:
    """Parse options, write files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--measure", choices=list(SHOWN), action="append", default=[], help="measure again")
    parser.add_argument("--store", help="a store to keep; default: one that is removed afterwards")
    options = parser.parse_args()
    for name in options.measure:
        with tempfile.TemporaryDirectory() as scratch:
            report = measure(SHOWN[name], options.store or f"{scratch}/store")
        (FOLDER / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    reports, page = load_reports(), FOLDER / "scaling.md"
    for name, report in reports.items():
        (FOLDER / f"{name}.svg").write_text(SHOWN[name].draw(report), encoding="utf-8")
    page.write_text(make_page(page.read_text(encoding="utf-8"), reports), encoding="utf-8")


if __name__ == "__main__":
    main()
