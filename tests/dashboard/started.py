"""A real `rapidml dashboard`, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def clean_environment() -> dict[str, str]:
    drop = ("COV", "RAPIDML", "BOKEH", "PANEL")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


class Dashboard:
    """A running `rapidml dashboard`."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "rapidml", "dashboard", "--port", "0", *options]
        with (folder / "dashboard.err").open("w") as complaints:
            self.process = subprocess.Popen(
                command, cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=complaints, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()  # comes when the server answers
        match = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)(\?token=[\w-]{40,})?", line)
        assert match is not None, line + (folder / "dashboard.err").read_text()
        self.address, self.opening = match[1], line

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code
