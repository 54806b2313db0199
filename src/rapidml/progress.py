"""What a terminal shows while a run works: plain lines in a file or pipe, on a terminal a table that grows."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from rapidml.layout import count_text, print_lines, score_cells, seconds_text, shorten, table, terminal_width, wrap
from rapidml.search_text import progress_text
from rapidml.terminal import metric_heading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.events import Event


class Display:
    """Follows the events of a run.

    Args:
        name: Name of the run.
        data: What is read, in a word.
        quiet: Show nothing.
    """

    def __init__(self, name: str, data: str, *, quiet: bool) -> None:
        self.name = name
        self.data = data
        self.quiet = quiet
        self.is_terminal = sys.stdout.isatty() and not quiet
        self.heading = ""
        self.total = 0
        self.done = 0
        self.failed = 0
        self.progress: dict[str, str] = {}
        self.scores: dict[str, Any] = {}
        self.searches: dict[str, str] = {}
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._live: Any = None

    def first_line(self) -> None:
        """What is being read, before anything heavy is imported."""
        if self.quiet:
            return
        width = terminal_width()  # one line: the next one replaces it
        print_lines([shorten(f"{self.name}  reading {self.data}", None if width is None else width - 1)])

    def watch(self, event: Event) -> None:
        """Take an event from the driver or a worker."""
        with self._lock:
            if event.kind == "run_started":
                self._begin(event.data)
            elif event.kind == "note":
                self._note(event.name)
            elif event.step == "search":
                self.searches[event.name] = progress_text(event.name, event.data)
                if not event.data["running"]:
                    self.progress.clear()  # fits of a search end without a word
            elif event.step == "fit":
                self._follow(event)
            elif event.step == "evaluate" and event.kind == "step_finished" and "score" in event.data:
                self.scores[event.name] = event.data["score"]
            if self._live is not None:
                self._live.update(self._text())

    def _note(self, text: str) -> None:
        """Say a sentence; on a terminal below the line that is to be replaced."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        elif self.is_terminal:
            self._notes.append(text)
        elif not self.quiet:
            print_lines(wrap(text, terminal_width(), "  "))

    def close(self) -> None:
        """Remove what is shown only while the run works."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self, plan: Mapping[str, Any]) -> None:
        from rapidml.execution.planned import start_lines

        self.total = plan["fits"]["to_train"]
        self.heading = f"{plan['selection']} {metric_heading(plan['rank_by'], plan['balanced'])}"
        started = [] if self.quiet else start_lines(self.name, plan)
        lines = [piece for line in [*started, *self._notes] for piece in wrap(line, terminal_width(), "  ")]
        self._notes.clear()
        if self.is_terminal:
            sys.stdout.write("\x1b[1A\x1b[2K")  # the counts replace the line that said what is read
        print_lines(lines)
        if self.is_terminal:
            self._open()

    def _open(self) -> None:
        from rich.live import Live

        self._live = Live(self._text(), refresh_per_second=8, transient=True)
        self._live.start()

    def _follow(self, event: Event) -> None:
        if event.kind in ("step_finished", "step_failed"):
            self.done += 1
            self.failed += event.kind == "step_failed"
            self.progress.pop(event.name, None)
        elif event.kind == "progress" and event.data["done"] == event.data["total"]:
            self.progress.pop(event.name, None)  # fits of a search end without a word
        elif event.kind == "progress":
            self.progress[event.name] = f"{event.name} {event.data['done']}/{event.data['total']}"
        elif event.kind == "step_started":
            self.progress.setdefault(event.name, event.name)

    def _text(self) -> Any:
        from rich.text import Text

        names, scores = list(self.scores), list(self.scores.values())
        width = terminal_width()
        rows = [["", self.heading], *map(list, zip(names, score_cells(scores), strict=True))]
        lines = table(rows, width=width, cut=[0]) if self.scores else []
        lines += [shorten(text, width) for text in self.searches.values()]
        failed = f", {self.failed} failed" if self.failed else ""
        time_text = seconds_text(time.monotonic() - self._started)
        working = "   ".join(list(self.progress.values())[:3])
        done = f"{self.done} of {count_text(self.total, 'fit')}"
        if self.searches:  # what the chosen candidates need comes to those that were counted at the start
            done = f"{count_text(self.done, 'other fit')} done"
        lines.append(f"{done}{failed}, {time_text}   {working}".rstrip())
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
