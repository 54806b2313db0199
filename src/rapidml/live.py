"""Running a recipe in a terminal: the first line at once, progress while it runs, the table at the end, exit codes."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from rapidml.recipe.naming import run_name
from rapidml.terminal import dataset_line, print_lines, result_lines, seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.events import Event
    from rapidml.recipe.document import Document
    from rapidml.store.store import Store

EXIT_FAILED_FITS = 3
EXIT_INTERRUPTED = 130


def run_in_terminal(document: Document, options: Mapping[str, Any], store: Store, *, as_json: bool) -> int:
    """Run a recipe, showing progress.

    Args:
        document: The recipe as read.
        options: ``workers``, ``cluster``, ``insecure``, ``only``.
        store: An opened store.
        as_json: Print the result as one JSON object and nothing else.

    Returns:
        Exit code: 0 all done, 3 some fits failed. Ends the process with 130 when interrupted.

    Raises:
        RecipeError: The recipe is wrong.
    """
    display = Display(document, quiet=as_json)
    display.first_line()
    from rapidml.execution.options import RunOptions
    from rapidml.execution.running import run_recipe

    chosen = RunOptions(options["workers"], options["cluster"], options["insecure"])
    try:
        result = run_recipe(document, store, chosen, display.watch)
    except KeyboardInterrupt:
        display.close()
        print_lines(["stopped; what is finished is kept, and the same command goes on from there"], to_stderr=True)
        sys.stdout.flush()
        os._exit(EXIT_INTERRUPTED)  # fits still running in this process cannot be stopped in another way
    finally:
        display.close()
    if as_json:
        print_lines([json.dumps(result)])
    else:
        print_lines([*display.head(result), *result_lines(result), *_last_lines(document, result)])
    return EXIT_FAILED_FITS if result["errors"] else 0


def _data_name(document: Document) -> str:
    """What is read, in a word."""
    dataset = document.dataset
    if dataset is None:
        return "the dataset"
    if dataset.builtin is not None:
        return dataset.builtin.name
    if dataset.classes is not None:
        return ", ".join(dataset.classes)
    return dataset.path if isinstance(dataset.path, str) else "arrays"


def _last_lines(document: Document, result: Mapping[str, Any]) -> list[str]:
    lines = [f"{model} {text}" for model, text in result.get("against_run_before", {}).items()]
    if not result["computed"]:
        return [*lines, f"run {result['run']}: nothing to compute, everything is stored"]
    edit = next(
        (f"models.{name}.params.{key}=..." for name, entry in result["models"].items() for key in entry["params"]), ""
    )
    following = f"rapidml run {document.file} {edit}".strip()
    return [
        *lines,
        f"run {result['run']} in {seconds_text(result['seconds'])}.   Next:  rapidml show    or    {following}",
    ]


class Display:
    """Lines before and while a run works: plain lines in a file or pipe, a rewritten status line on a terminal.

    Args:
        document: The recipe as read.
        quiet: Show nothing.
    """

    def __init__(self, document: Document, *, quiet: bool) -> None:
        self.name = run_name(document)
        self.data = _data_name(document)
        self.quiet = quiet
        self.is_terminal = sys.stdout.isatty() and not quiet
        self.total = 0
        self.done = 0
        self.progress: dict[str, str] = {}
        self._lock = threading.Lock()
        self._status = ""

    def first_line(self) -> None:
        """What is being read, before anything heavy is imported."""
        if not self.quiet and self.is_terminal:
            self._write_status(f"{self.name}  reading {self.data}")
        elif not self.quiet:
            print_lines([f"{self.name}  reading {self.data}"])

    def head(self, result: Mapping[str, Any]) -> list[str]:
        """First line of the result when no run started (all stored)."""
        return [] if result["computed"] else [dataset_line(self.name, result)]

    def watch(self, event: Event) -> None:
        """Take an event from the driver or a worker."""
        with self._lock:
            if event.kind == "run_started":
                self._begin(event.data)
            elif event.step == "fit":
                self._follow(event)
            if self.is_terminal and event.kind != "run_finished":
                self._write_status(self._status_text())

    def close(self) -> None:
        """Remove the status line."""
        self._write_status("")

    def _begin(self, plan: Mapping[str, Any]) -> None:
        from rapidml.execution.planned import start_lines

        self._write_status("")
        self.total = plan["fits"]["to_train"]
        if not self.quiet:
            print_lines(start_lines(self.name, plan))

    def _follow(self, event: Event) -> None:
        if event.kind in ("step_finished", "step_failed"):
            self.done += 1
            self.progress.pop(event.name, None)
        elif event.kind == "progress":
            self.progress[event.name] = f"{event.name} {event.data['done']}/{event.data['total']}"
        elif event.kind == "step_started":
            self.progress.setdefault(event.name, "")

    def _status_text(self) -> str:
        if not self.total:
            return f"{self.name}  reading {self.data}"
        detail = next((text for text in self.progress.values() if text), "")
        return f"{self.done} of {self.total} fits" + (f"   {detail}" if detail else "")

    def _write_status(self, text: str) -> None:
        if not self.is_terminal or text == self._status:
            return
        width = int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stdout.fileno()).columns or 80)
        sys.stdout.write(f"\r\x1b[K{text[: width - 1]}")
        sys.stdout.flush()
        self._status = text
