"""Running a recipe in a terminal: the first line at once, progress while it runs, the table at the end, exit codes."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from rapidml.progress import Display
from rapidml.recipe.naming import run_name
from rapidml.terminal import dataset_line, print_lines, result_lines, seconds_text

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        Exit code: 0 all done, 3 some fits failed, 130 interrupted.

    Raises:
        RecipeError: The recipe is wrong.
    """
    name = run_name(document)
    display = Display(name, _data_name(document), quiet=as_json)
    display.first_line()
    from rapidml.execution.options import RunOptions
    from rapidml.execution.running import run_recipe

    chosen = RunOptions(options["workers"], options["cluster"], options["insecure"])
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # connections that close late, at the end of a run
    try:
        result = run_recipe(document, store, chosen, display.watch)
    except KeyboardInterrupt:
        display.close()
        print_lines(["stopped; what is finished is kept, and the same command goes on from there"], to_stderr=True)
        return EXIT_INTERRUPTED
    finally:
        display.close()
    if options["name"]:
        store.runs.mark(result["run"], name=options["name"])
    if as_json:
        print_lines([json.dumps(result)])
    else:
        head = [] if result["computed"] else [dataset_line(name, result)]
        print_lines([*head, *result_lines(result), *_last_lines(document, result)])
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
    following = f"rapidml run {document.file} {_suggest_edit(result)}".strip()
    return [
        *lines,
        f"run {result['run']} in {seconds_text(result['seconds'])}.   Next:  rapidml show    or    {following}",
    ]


def _suggest_edit(result: Mapping[str, Any]) -> str:
    """An override to try: half of a number that a model has."""
    for favourite in ("max_depth", "learning_rate", "C", "alpha", "n_estimators"):
        for name, entry in result["models"].items():
            value = entry["params"].get(favourite)
            if isinstance(value, int) and value > 1:
                return f"models.{name}.params.{favourite}={value // 2}"
            if isinstance(value, float):
                return f"models.{name}.params.{favourite}={value / 2:.3g}"
    return ""
