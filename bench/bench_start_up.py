"""How long commands take that should feel instant, as ratios against a bare interpreter in the same run."""

from __future__ import annotations

import subprocess
import sys
import time

N_REPEATS = 15
LIMIT = 15.0
"""Times a bare ``python -c pass``."""


def measure(command: list[str]) -> float:
    """Least of several wall-clock times of a command, in seconds: what disturbs can only make it longer."""
    times = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Print one line a command; exit code 1 if one is over its limit."""
    bare = measure([sys.executable, "-c", "pass"])
    print(f"python -c pass      {1000 * bare:6.0f} ms")
    worst = 0.0
    for arguments in (["--help"], ["run", "--help"]):
        seconds = measure([sys.executable, "-m", "rapidml", *arguments])
        worst = max(worst, seconds / bare)
        print(
            f"rapidml {' '.join(arguments):<11} {1000 * seconds:6.0f} ms  {seconds / bare:5.1f} x (limit {LIMIT:.0f} x)"
        )
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
