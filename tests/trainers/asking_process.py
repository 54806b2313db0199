"""A process that asks a helper for children, prints the ids of all processes, and waits to be killed."""

from __future__ import annotations

import json
import sys
import time

from rapidml.trainers.helper import Helper


def main() -> None:
    preload, n_children = sys.argv[1], int(sys.argv[2])
    helper = Helper.start([preload] if preload else [])
    children = [helper.fork("tests.trainers.child_functions:linger") for _ in range(n_children)]
    started = [pid for child in children for pid in child.poll(None)]
    print(json.dumps([helper.pid, *started]), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
