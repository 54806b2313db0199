"""Starting a keeper: a program of its own, not a fork of this process, which may have threads and open files."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rapidml.cluster.served import Served, Wanted
from rapidml.cluster.settings import LOG
from rapidml.errors import ClusterError

ENVIRONMENT = {
    # no library may start threads when it is loaded: the keeper is forked
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # macOS: what was loaded may be forked
}
LEFT_OUT = {"OMP_NUM_THREADS"}
"""XGBoost takes this for the most threads that a fit may have, whatever the fit says; loading OpenMP starts none."""
READY_WITHIN = 180.0
"""Seconds within which a cluster must be ready: the imports on a slow network disk."""


ENDS_WITHIN = 10.0
"""Seconds within which a cluster of this process ends when it is told to."""


class AlreadyRunning(ClusterError):
    """Another keeper has the place of the warm cluster."""


class Started:
    """A keeper that was started, before or after it is ready.

    Args:
        wanted: The cluster to start.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by close); a warm keeper goes on in a log file, once the place is its own
        self._served: Served | None = None
        self.process = subprocess.Popen(  # noqa: S603  (our own program)
            [sys.executable, "-P", "-m", "rapidml.cluster.keeper", wanted.to_json()],
            stdin=subprocess.PIPE if wanted.folder is None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=make_environment(),
        )

    def wait(self) -> Served:
        """Wait until the cluster is ready.

        Raises:
            AlreadyRunning: Another keeper has the place.
            ClusterError: It did not start; the message has the end of its log.
        """
        if self._served is not None:
            return self._served
        line = self._read_line()
        answer: Any = json.loads(line) if line else {"error": "its first process died"}
        if answer.get("error") == "running":
            raise AlreadyRunning("a warm cluster is running already")
        if "error" in answer:
            raise ClusterError(f"the workers did not start: {answer['error']}{self._read_log()}")
        self._served = Served.from_json(answer)
        return self._served

    def _read_line(self) -> bytes:
        assert self.process.stdout is not None
        end, found = time.monotonic() + READY_WITHIN, b""
        with self.process.stdout as out:
            while not found.endswith(b"\n"):
                if not select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
                    self.process.kill()
                    raise ClusterError(f"the workers did not start within {READY_WITHIN:.0f} s{self._read_log()}")
                piece = os.read(out.fileno(), 65536)
                if not piece:
                    break
                found += piece
        return found

    def _read_log(self) -> str:
        self._log.seek(0)
        text = self._log.read()
        if self.wanted.folder is not None:
            with contextlib.suppress(OSError):
                text += Path(self.wanted.folder, LOG).read_text(encoding="utf-8", errors="replace")
        tail = "\n".join(f"  {line}" for line in text.splitlines()[-15:])
        return f"; the end of its log:\n{tail}" if tail else ""

    def close(self) -> None:
        """End a cluster of this process; nothing it computes is waited for. A warm one is left running."""
        if self._served is None:  # still importing: it would not notice
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        try:
            self.process.wait(timeout=ENDS_WITHIN)
        except subprocess.TimeoutExpired:  # frozen: those it forked notice when it is gone
            self.process.kill()
            self.process.wait()
        self._log.close()


def make_environment() -> dict[str, str]:
    """Variables of a process that is to be forked: it finds the modules that this one finds, and has no threads."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return {**kept, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
