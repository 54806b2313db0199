"""Running a recipe in a terminal: the first line at once, progress while it runs, the table at the end, exit codes."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rapidml.layout import (
    command_lines,
    command_text,
    print_json,
    print_lines,
    seconds_text,
    store_words,
    terminal_width,
    wrap,
)
from rapidml.progress import Display
from rapidml.recipe.naming import run_name
from rapidml.terminal import dataset_line, has_scores, result_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.recipe.document import Document
    from rapidml.store.store import Store

EXIT_FAILED = 1
EXIT_FAILED_FITS = 3
EXIT_INTERRUPTED = 130
_LONGEST_HINT = 200
"""A longer command is no hint: it is in the history of the shell."""


def run_in_terminal(document: Document, options: Mapping[str, Any], store: Store, *, as_json: bool) -> int:
    """Run a recipe, showing progress.

    Args:
        document: The recipe as read.
        options: ``overrides``, ``name``, ``only``, ``workers``, ``cluster``, ``insecure``, ``store_path``.
        store: An opened store.
        as_json: Print the result as one JSON object and nothing else.

    Returns:
        Exit code: 0 all done, 1 no model has a score, 3 some fits failed, 130 interrupted.

    Raises:
        RecipeError: The recipe is wrong.
    """
    name = run_name(document)
    display = Display(name, data_name(document), quiet=as_json)
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
        print_json(result)
    else:
        width = terminal_width()
        head = [] if result["computed"] else wrap(dataset_line(name, result), width, "  ")
        print_lines([*head, *result_lines(result, width), *_last_lines(document, options, result, width)])
    return exit_code(result)


def exit_code(result: Mapping[str, Any]) -> int:
    """What a run ends with: 0 if nothing failed, 3 if some models have scores all the same, else 1."""
    if not result["errors"]:
        return 0
    return EXIT_FAILED_FITS if has_scores(result) else EXIT_FAILED


def data_name(document: Document) -> str:
    """What is read, in a word."""
    dataset = document.dataset
    if dataset is None:
        return "the dataset"
    if dataset.builtin is not None:
        return dataset.builtin.name
    if dataset.classes is not None:
        return ", ".join(dataset.classes)
    return dataset.path if isinstance(dataset.path, str) else "arrays"


def _last_lines(
    document: Document, options: Mapping[str, Any], result: Mapping[str, Any], width: int | None
) -> list[str]:
    against = [f"{model} {text}" for model, text in result.get("against_run_before", {}).items()]
    lines = [piece for line in against for piece in wrap(line, width, "    ")]
    if not result["computed"]:
        return [*lines, *wrap(f"run {result['run']}: nothing to compute, everything is stored", width)]
    ended = f"run {result['run']} in {seconds_text(result['seconds'])}."
    commands = [_look_command(options["store_path"], result), *_edit_command(document, options, result)]
    hint = f"{ended}   Next:  " + "    or    ".join(command_text(words) for words in commands)
    if width is None or len(hint) <= width:
        return [*lines, hint]
    lines.append(ended)
    for before, words in zip(("Next:  ", "   or  "), commands, strict=False):
        first, *rest = command_lines(words, None if width is None else width - len(before))
        lines += [before + first, *(f"{'':7}{line}" for line in rest)]
    return lines


def _look_command(store: str, result: Mapping[str, Any]) -> list[str]:
    """The command that shows the run: in the browser, where there are scores and the app is installed."""
    words = store_words(store)
    if not has_scores(result) or find_spec("panel") is None:
        return ["rapidml", "show", *words]
    return ["rapidml", "dashboard", *words[1:]]


def _edit_command(document: Document, options: Mapping[str, Any], result: Mapping[str, Any]) -> list[list[str]]:
    """The command that ran, with one value changed; nothing if there is none to change, or it is no hint any more."""
    edit = _suggest_edit(result)
    if edit is None:
        return []
    field = edit.partition("=")[0]
    kept = [override for override in options["overrides"] if override.partition("=")[0].strip() != field]
    words = ["rapidml", "run", document.file, *kept, edit, *_option_words(options)]
    return [words] if len(command_text(words)) <= _LONGEST_HINT else []


def _option_words(options: Mapping[str, Any]) -> list[str]:
    """The options that say how and where to run."""
    words = [word for model in options["only"] for word in ("--only", model)]
    for name in ("workers", "cluster"):
        words += [] if options[name] is None else [f"--{name}", str(options[name])]
    return [*words, *(["--insecure"] if options["insecure"] else []), *store_words(options["store_path"])]


def _suggest_edit(result: Mapping[str, Any]) -> str | None:
    """An override to try: a range one step further where the best stands at its end, else half of a number.

    The numbers of a searched model are its ranges' business, and are left alone.
    """
    searches = [entry["search"] for entry in result["models"].values() if entry.get("search")]
    for edge in (edge for search in searches for edge in search.get("edges") or ()):
        return str(edge["override"])
    for favourite in ("max_depth", "learning_rate", "C", "alpha", "n_estimators"):
        for name, entry in result["models"].items():
            is_open = entry["selection"] and not entry.get("search")
            value = entry["params"].get(favourite) if is_open else None
            if isinstance(value, int) and value > 1:
                return f"models.{name}.params.{favourite}={value // 2}"
            if isinstance(value, float):
                return f"models.{name}.params.{favourite}={value / 2:.3g}"
    return None
