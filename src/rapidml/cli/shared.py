"""What the commands share: options, completion by the shell, and how errors become text and exit codes."""

from __future__ import annotations

import atexit
import contextlib
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from rapidml.errors import Problem, RapidmlError, RecipeError, RunNotFound
from rapidml.layout import default_store, print_json, terminal_width, wrap

if TYPE_CHECKING:
    from rapidml.store.store import Store

_AS_JSON = "rapidml.as_json"


def complete_runs(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids, names and ``@last`` for the shell; nothing where there is no store."""
    found: dict[str, str] = {}
    with contextlib.suppress(RapidmlError, OSError):
        for run in open_named(ctx.params.get("store_path") or default_store()).list_runs(limit=100):
            found.setdefault("@last", run.id)
            found.update({run.id: run.name, **({run.name: run.id} if run.name and run.name not in found else {})})
    return [CompletionItem(name, help=text) for name, text in found.items() if name.startswith(incomplete)]


def complete_examples(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of examples for the shell."""
    from rapidml.recipe.examples import list_examples

    return [name for name in list_examples() if name.startswith(incomplete)]


def _note_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    """Errors are printed as JSON too: they are shown where the command is no longer known."""
    ctx.meta[_AS_JSON] = value
    return value


STORE = click.option(
    "--store",
    "store_path",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default=default_store,
    help="Where runs live; default: $RAPIDML_STORE, else ./rapidml-store.",
)
JSON = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_note_json, help="Print one JSON value instead of text."
)
RECIPE = click.argument("recipe", type=click.Path(path_type=Path))
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")


class Commands(click.Group):
    """Shows errors of rapidml as text and sets exit codes: 1 failed, 2 recipe or usage, 130 interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end with text and an exit code where it fails."""
        atexit.register(gc.freeze)  # collecting at the end what ends anyway takes a third of a second after a run
        try:
            return super().invoke(ctx)
        except RecipeError as error:
            self._fail(ctx, error, str(error), 2)
        except RapidmlError as error:
            self._fail(ctx, error, _error_text(error), 2 if _is_usage(error) else 1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)

    def _fail(self, ctx: click.Context, error: RapidmlError, text: str, code: int) -> None:
        if ctx.meta.get(_AS_JSON):
            problems = error.problems if isinstance(error, RecipeError) else (Problem("", str(error), ""),)
            listed = [problem.to_json() for problem in problems]
            if not isinstance(error, RecipeError):
                listed[0]["message"] = str(error)
            print_json({"errors": listed})
        click.echo(text, err=True)
        ctx.exit(code)


def _error_text(error: RapidmlError) -> str:
    """The message in lines that fit the terminal; what is indented, such as a command, stays on one line."""
    width = terminal_width(of_stderr=True)
    lines = f"error: {error}".splitlines()
    return "\n".join(piece for line in lines for piece in wrap(line, None if line.startswith(" ") else width, "  "))


def _is_usage(error: RapidmlError) -> bool:
    """Whether what was typed names nothing or cannot be read; the store and the data are fine."""
    from rapidml.execution.listing import FilterError

    return isinstance(error, RunNotFound | FilterError)


def open_named(path: str, *, create: bool = False) -> Store:
    """The store that was named."""
    from rapidml.store.store import open_store

    return open_store(Path(path), create=create)
