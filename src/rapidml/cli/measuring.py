"""The command that measures: scaling."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapidml.cli.recipes import load_recipe, refuse_unknown
from rapidml.cli.shared import JSON, OVERRIDES, RECIPE, STORE, open_named
from rapidml.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.execution.timings import Over, Timing
    from rapidml.recipe.document import Document
    from rapidml.recipe.schema import ModelEntry

_OVERS: tuple[Over, ...] = ("threads", "shards", "replicas")


def _parse_numbers(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Numbers such as 1,2,4, ascending, each once."""
    if text is None:
        return None
    pieces = [piece.strip() for piece in text.split(",")]
    wrong = next((piece for piece in pieces if not re.fullmatch(r"[1-9][0-9]{0,3}", piece) or int(piece) > 1024), None)
    if wrong is not None:
        raise click.BadParameter(f"expected numbers from 1 to 1024 with commas, such as 1,2,4, not {wrong!r}")
    return tuple(sorted(set(map(int, pieces))))


@click.command()
@RECIPE
@OVERRIDES
@click.option("--threads", metavar="1,2,4", callback=_parse_numbers, help="Numbers of threads of one process.")
@click.option("--shards", metavar="1,2", callback=_parse_numbers, help="Numbers of shards, a process each.")
@click.option("--replicas", metavar="1,2", callback=_parse_numbers, help="Numbers of replicas of a network's trainer.")
@click.option(
    "--model",
    metavar="NAME",
    help="The model whose fit is timed; default: the recipe's first, and with --replicas all that have a trainer.",
)
@click.option("--target", type=float, metavar="SCORE", help="Ask for the time to this score on selection rows.")
@click.option(
    "--repeat", type=click.IntRange(0), default=3, show_default=True, metavar="N", help="0 shows what is stored."
)
@click.option("--plot", metavar="FILE.svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it, too.")
@STORE
@JSON
def scaling(recipe: Path, overrides: tuple[str, ...], store_path: str, as_json: bool, **options: Any) -> None:
    """Measure how fits scale with threads, shards or replicas.

    Runs RECIPE if it is not stored, then trains one fit again at each number, in turn, with nothing else running.
    Reports times, speed-up and efficiency, and a cost model that says what more would bring. Repetitions are stored;
    later ones on the same machine are added to them.

    With --replicas the trainers of a recipe are compared: each at 1 replica and at every number, and the same network
    without a trainer, every repetition with another seed; with the final scores.
    """
    if sum(options[over] is not None for over in _OVERS) != 1:
        raise click.UsageError("give one of --threads 1,2,4, --shards 1,2 and --replicas 1,2")
    document = load_recipe(recipe, overrides, store_path)
    if options["model"] is not None:
        refuse_unknown([options["model"]], document)
    _check_plot(options["plot"])
    from rapidml.layout import print_json, print_lines, terminal_width

    report = _measure(document, options, store_path, quiet=as_json)
    if options["plot"] is not None:
        options["plot"].write_text(_draw(report), encoding="utf-8")
    if as_json:
        print_json(report)
        return
    print_lines(_list_lines(report, terminal_width()))
    if options["plot"] is not None:
        print_lines(["", f"drawn in {options['plot']}"])


def _draw(report: Mapping[str, Any]) -> str:
    if report["over"] == "replicas":
        from rapidml.execution.trainers_figure import draw_trainers

        return draw_trainers(report)
    from rapidml.execution.scaling_figure import draw_scaling

    return draw_scaling(report)


def _list_lines(report: Mapping[str, Any], width: int | None) -> list[str]:
    if report["over"] == "replicas":
        from rapidml.execution.trainers_text import trainer_lines

        return trainer_lines(report, width)
    from rapidml.execution.scaling_text import scaling_lines

    return scaling_lines(report, width)


def _check_plot(plot: Path | None) -> None:
    if plot is not None and plot.suffix != ".svg":
        raise click.UsageError(f"--plot draws SVG; write --plot {plot.with_suffix('.svg')}")
    if plot is not None and not plot.parent.is_dir():
        raise click.UsageError(f"there is no folder {plot.parent}; make it first")


def _measure(document: Document, options: Mapping[str, Any], store_path: str, *, quiet: bool) -> dict[str, Any]:
    """The report, after showing the run if it has something to compute, and every fit on a terminal."""
    from rapidml.layout import print_lines
    from rapidml.live import data_name
    from rapidml.progress import Display
    from rapidml.recipe.naming import run_name

    over: Over = next(one for one in _OVERS if options[one] is not None)
    model = options["model"] or ("" if over == "replicas" else next(iter(document.models), ""))
    numbers = options[over]
    if over == "replicas":
        _refuse_untrained(document, model)
        numbers = tuple(sorted({1, *numbers}))
    else:
        _refuse_unfit(document, model, over)
    store = open_named(store_path, create=options["repeat"] > 0)
    display = Display(run_name(document), data_name(document), quiet=quiet or not options["repeat"])
    display.first_line()
    from rapidml.execution.scaling import Wanted, measure_scaling
    from rapidml.execution.scaling_text import timing_line

    def show(timing: Timing) -> None:
        if sys.stderr.isatty() and not quiet:
            print_lines([timing_line(timing, options["repeat"])], to_stderr=True)

    wanted = Wanted(over, numbers, model, options["repeat"], options["target"])
    try:
        return measure_scaling(document, store, wanted, display.watch, display.close, show)
    finally:
        display.close()


def _refuse_unfit(document: Document, model: str, over: Over) -> None:
    """Stop at a model whose fits do not take this; what else is wrong with it the recipe's check says."""
    from rapidml.models.registry import find_adapter

    entry = document.models.get(model)
    try:
        adapter = None if entry is None else find_adapter(entry.type)
    except ModelError:
        return
    if entry is None or adapter is None:
        return
    if _has_trainer(entry):
        raise click.UsageError(f"--{over}: models.{model} has a trainer; use --replicas 1,2")
    if over == "threads" and entry.shards > 1:
        raise click.UsageError(
            f"--threads times a fit in one process, and models.{model} has shards: {entry.shards}; "
            f"add models.{model}.shards=1, or use --shards 1,2"
        )
    if over == "shards" and not (adapter.takes_shards and entry.device == "cpu"):
        what = adapter.name if not adapter.takes_shards else f"{adapter.name} with device: {entry.device}"
        raise click.UsageError(f"--shards: a fit of {what}, as models.{model} is, cannot be spread; use --threads 1,2")


def _has_trainer(entry: ModelEntry) -> bool:
    from rapidml.models.trainer_plan import SINGLE

    return entry.trainer is not None and entry.trainer.name != SINGLE


def _refuse_untrained(document: Document, model: str) -> None:
    """Stop where no model has a trainer, or the one that is asked for has none."""
    trained = [name for name, entry in document.models.items() if _has_trainer(entry)]
    if model in trained or (not model and trained):
        return
    if not document.models or (model and model not in document.models):
        return  # the recipe's check says what is wrong
    others = f", or name one that has: {', '.join(trained)}" if trained else ""
    what = f"models.{model} has none" if model else "no model of the recipe has one"
    write = f"write for example models.{model or next(iter(document.models))}.trainer=adag{others}"
    raise click.UsageError(f"--replicas times the trainers of networks, and {what}; {write}")
