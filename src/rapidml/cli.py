"""The command line: parses arguments, calls, prints. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapidml.errors import DISTRIBUTION, RapidmlError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapidml.store.store import Store

STORE = click.option(
    "--store",
    "store_path",
    metavar="DIR",
    default=lambda: os.environ.get("RAPIDML_STORE", "rapidml-store"),
    help="Where runs live; default: $RAPIDML_STORE, else ./rapidml-store.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
RECIPE = click.argument("recipe", type=click.Path(path_type=Path))
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")


class Commands(click.Group):
    """Shows errors of rapidml as text and sets exit codes: 1 failed, 2 recipe or usage, 130 interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end with text and an exit code where it fails."""
        try:
            return super().invoke(ctx)
        except RecipeError as error:
            if ctx.params.get("as_json") or "--json" in sys.argv:
                click.echo(json.dumps({"errors": [problem.to_json() for problem in error.problems]}))
            click.echo(str(error), err=True)
            ctx.exit(2)
        except RapidmlError as error:
            click.echo(f"{_name_of(error)}: {error}", err=True)
            ctx.exit(2 if _is_filter_error(error) else 1)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)


def _is_filter_error(error: RapidmlError) -> bool:
    """Whether an expression on the command line is wrong; asked by name, for its module is not always loaded."""
    return type(error).__name__ == "ExpressionError"


def _name_of(error: RapidmlError) -> str:
    kind, is_kind, _ = type(error).__name__.rpartition("Error")
    return f"{kind.lower()} error" if is_kind and kind != "Rapidml" else "error"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=DISTRIBUTION, prog_name="rapidml")
def main() -> None:
    """Prototype machine-learning models rapidly: one recipe in, compared models with uncertainties out."""


@main.command()
@RECIPE
@OVERRIDES
@click.option("--resolved", is_flag=True, help="Print every value with where it was written.")
@STORE
@JSON
def check(recipe: Path, overrides: tuple[str, ...], resolved: bool, store_path: str, as_json: bool) -> None:
    """Validate RECIPE against its schema, the header of its data and the first rows."""
    from rapidml.planning.checking import check_document
    from rapidml.recipe.resolved import list_resolved

    document = _load(recipe, overrides, store_path)
    checked = check_document(document, _memory(store_path), look=True)
    values = list_resolved(document, checked.recipe)
    if as_json:
        listed = [{"field": field, "value": value, "origin": origin} for field, value, origin in values]
        click.echo(json.dumps({"errors": [], "resolved": listed}))
    elif resolved:
        from rapidml.terminal import columns, print_lines

        print_lines(columns([[field, json.dumps(value), origin] for field, value, origin in values], indent=""))
    else:
        models = "1 model" if len(checked.recipe.models) == 1 else f"{len(checked.recipe.models)} models"
        click.echo(f"{recipe} is fine: {models}, {len(checked.header.columns)} columns in the data.")


@main.command()
@RECIPE
@OVERRIDES
@STORE
@JSON
def plan(recipe: Path, overrides: tuple[str, ...], store_path: str, as_json: bool) -> None:
    """Say what running RECIPE would compute, and why. Computes nothing."""
    from rapidml.execution.running import describe_plan, prepare

    prepared = prepare(_load(recipe, overrides, store_path), _open(store_path, create=True), look=True)
    if as_json:
        click.echo(json.dumps(describe_plan(prepared)))
        return
    from rapidml.execution.planned import plan_lines
    from rapidml.terminal import print_lines

    print_lines(plan_lines(prepared))


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@OVERRIDES
@click.option("--example", metavar="NAME", help="Write an example recipe to this folder and run it.")
@click.option("-n", "--name", help="Name of the run; default: the recipe's.")
@click.option("--only", metavar="MODEL", multiple=True, help="Only this model; may be repeated.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Worker processes on this host.")
@click.option("--cluster", metavar="ADDRESS", help="Address of a running Dask scheduler, such as tls://host:8786.")
@click.option("--insecure", is_flag=True, help="Allow an unencrypted cluster address beyond this host.")
@STORE
@JSON
def run(recipe: Path | None, overrides: tuple[str, ...], example: str | None, as_json: bool, **options: Any) -> None:
    """Run RECIPE: compute what is not stored yet, show the scores, keep everything."""
    if example is not None:
        overrides = (str(recipe), *overrides) if recipe is not None else overrides
        recipe = _write_example(example)
    if recipe is None:
        raise click.UsageError("name a recipe file, or --example NAME")
    from rapidml.live import run_in_terminal

    fields = [f"name={json.dumps(options['name'])}"] if options["name"] else []
    document = _load(recipe, (*overrides, *fields), options["store_path"])
    if options["only"]:
        others = [model for model in document.models if model not in options["only"]]
        _refuse_unknown(options["only"], document)
        document = _load(recipe, (*overrides, *fields, *(f"models.{m}=null" for m in others)), options["store_path"])
    code = run_in_terminal(document, options, _open(options["store_path"], create=True), as_json=as_json)
    if code:
        sys.exit(code)


def _refuse_unknown(only: Sequence[str], document: Any) -> None:
    unknown = [name for name in only if name not in document.models]
    if unknown:
        raise click.UsageError(f"the recipe has no model {unknown[0]}; it has {', '.join(document.models)}")


def _write_example(name: str) -> Path:
    """Copy an example recipe into the current folder, unless the same text is there."""
    from rapidml.recipe.examples import find_example

    source = find_example(name)
    target = Path(f"{name}.yaml")
    text = source.read_text()
    if not target.exists():
        target.write_text(text)
    elif target.read_text() != text:
        raise RapidmlError(f"{target} exists and differs from the example; run it, or move it away")
    return target


@main.command("ls")
@click.argument("filter_text", metavar="[FILTER]", required=False)
@click.option("--all", "show_all", is_flag=True, help="All runs, not only the newest 30.")
@STORE
@JSON
def list_runs(filter_text: str | None, show_all: bool, store_path: str, as_json: bool) -> None:
    """List runs, newest first; FILTER is an expression such as "scores.roc_auc > 0.9 and name == 'higgs'"."""
    from rapidml.execution.listing import list_entries
    from rapidml.terminal import listing_lines, print_lines

    entries = list_entries(_open(store_path), filter_text, limit=None if show_all else 30)
    if as_json:
        click.echo(json.dumps(entries))
    else:
        print_lines(listing_lines(entries))


@main.command()
@click.argument("run_name", metavar="RUN[/MODEL]", default="@last")
@STORE
@JSON
def show(run_name: str, store_path: str, as_json: bool) -> None:
    """Show everything stored about a run: all scores on selection, training and test rows."""
    from rapidml.execution.listing import load_result
    from rapidml.terminal import print_lines, show_lines

    result, model = load_result(_open(store_path), run_name)
    if as_json:
        click.echo(json.dumps(result))
    else:
        print_lines(show_lines(result, model))


@main.command()
@click.argument("names", metavar="RUN[/MODEL]...", nargs=-1, required=True)
@click.option("--metric", help="Metric to compare in; default: the first run's ranking metric.")
@STORE
@JSON
def compare(names: tuple[str, ...], metric: str | None, store_path: str, as_json: bool) -> None:
    """Compare models of runs on the same rows, with paired uncertainties. RUN alone is its chosen model."""
    from rapidml.execution.comparing import compare_runs
    from rapidml.terminal import comparison_lines, print_lines

    comparison = compare_runs(_open(store_path), names, metric)
    if as_json:
        click.echo(json.dumps(comparison))
    else:
        print_lines(comparison_lines(comparison))


@main.command()
@click.argument("run_or_filter", metavar="[RUN|FILTER]", required=False)
@STORE
@JSON
def best(run_or_filter: str | None, store_path: str, as_json: bool) -> None:
    """Show the best model of a run, or of all runs that a filter selects, by selection score."""
    from rapidml.execution.listing import find_best
    from rapidml.terminal import best_lines, print_lines

    found = find_best(_open(store_path), run_or_filter)
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_lines(best_lines(found))


@main.command()
@click.argument("run_name", metavar="RUN")
@click.argument("tags", nargs=-1, required=True)
@STORE
def tag(run_name: str, tags: tuple[str, ...], store_path: str) -> None:
    """Add tags to a run; -TAG after -- removes one."""
    store = _open(store_path)
    identifier = store.runs.find(run_name)
    add = [tag for tag in tags if not tag.startswith("-")]
    marks = store.runs.mark(identifier, add=add, remove=[tag[1:] for tag in tags if tag.startswith("-")])
    click.echo(f"{identifier}  {' '.join(marks['tags'])}")


@main.command()
@click.argument("run_name", metavar="RUN")
@click.argument("text")
@STORE
def note(run_name: str, text: str, store_path: str) -> None:
    """Write a note to a run."""
    store = _open(store_path)
    identifier = store.runs.find(run_name)
    store.runs.mark(identifier, note=text)
    click.echo(f"{identifier}  {text}")


@main.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@STORE
def rm(names: tuple[str, ...], store_path: str) -> None:
    """Remove runs. What they computed stays for other runs until gc."""
    store = _open(store_path)
    for identifier in [store.runs.find(name) for name in names]:
        store.remove_run(identifier)
        click.echo(f"removed {identifier}")


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@STORE
def gc(dry_run: bool, store_path: str) -> None:
    """Remove what no run reaches and is older than a day."""
    from rapidml.terminal import bytes_text

    removed = _open(store_path).gc(dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    for item in removed.items:
        click.echo(f"{verb} {item.what} {item.path}, {bytes_text(item.size)}")
    click.echo(f"{verb} {len(removed.items)} items, {bytes_text(removed.size)}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from rapidml.recipe.jsonschema import make_json_schema

    click.echo(json.dumps(make_json_schema(), indent=2))


@main.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
@STORE
def doctor(repair: bool, store_path: str) -> None:
    """Check the installation and the store."""
    from rapidml.execution.health import check_health

    findings = check_health(Path(store_path), repair=repair)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_fine else 'BAD '} {finding.text}")
    if not all(finding.is_fine for finding in findings):
        sys.exit(1)


def _load(recipe: Path, overrides: Sequence[str], store_path: str) -> Any:
    from rapidml.recipe.document import load_document

    def stored_run(name: str) -> str:
        store = _open(store_path)
        return str(store.runs.load(store.runs.find(name))["recipe"])

    return load_document(recipe, overrides, stored_run=stored_run)


def _open(path: str, *, create: bool = False) -> Store:
    from rapidml.store.store import open_store

    return open_store(Path(path), create=create)


def _memory(path: str) -> Any:
    """Remembered hashes of files, if there is a store."""
    from rapidml.planning.checking import NoMemory

    return _open(path).index if Path(path, "format.json").exists() else NoMemory()
