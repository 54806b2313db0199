"""Write what ``scaling.md`` shows: a measurement, its figure and its table.

Without options the figure and the table are made again from ``scaling.json``. With ``--measure`` that file is measured
first, on this machine, which should be doing nothing else: a few minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rapidml.execution.scaling_figure import draw_scaling
from rapidml.execution.scaling_text import scaling_lines

FOLDER = Path(__file__).resolve().parent
COMMAND = ["scaling", "recipes/events.yaml", "--threads", "1,2"]
BEGIN, END = "<!-- measured: written by docs/make_scaling_figure.py -->\n", "<!-- end -->\n"


def measure(repeat: int, store: str) -> dict[str, Any]:
    """Measure, and leave out what only this machine is concerned with."""
    words = [*COMMAND, "--repeat", str(repeat), "--store", store, "--json"]
    program = [sys.executable, "-m", "rapidml", *words]
    done = subprocess.run(program, cwd=FOLDER.parent, stdout=subprocess.PIPE, check=True)  # noqa: S603  own command
    report: dict[str, Any] = json.loads(done.stdout)
    del report["run"], report["timings"], report["machine"]["host"]
    return report


def make_page(page: str, report: dict[str, Any]) -> str:
    """The page with the table of a report between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "\n".join(scaling_lines(report, 100))
    repeat = ["--repeat", str(report["numbers"][0]["repetitions"])]
    return f"{before}{BEGIN}```text\n$ rapidml {' '.join([*COMMAND, *repeat])}\n{lines}\n```\n{END}{after}"


def main() -> None:
    """Parse options, write files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--measure", action="store_true", help="measure again")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--store", help="a store to keep; default: one that is removed afterwards")
    options = parser.parse_args()
    known, page = FOLDER / "scaling.json", FOLDER / "scaling.md"
    if options.measure:
        with tempfile.TemporaryDirectory() as scratch:
            report = measure(options.repeat, options.store or f"{scratch}/store")
        known.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    report = json.loads(known.read_text(encoding="utf-8"))
    (FOLDER / "scaling.svg").write_text(draw_scaling(report), encoding="utf-8")
    page.write_text(make_page(page.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
