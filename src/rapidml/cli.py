"""The command line: parses arguments, calls, prints. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapidml.commands import JSON, OVERRIDES, RECIPE, STORE, Commands, complete_examples, complete_runs, open_named
from rapidml.errors import DISTRIBUTION, RapidmlError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=DISTRIBUTION, prog_name="rapidml")
def main() -> None:
    """Compare machine-learning models: one recipe in, scores with uncertainties out.

    Start with  rapidml run --example quickstart.  Each command has its own --help.

    \b
    FIELD=VALUE  changes a field of the recipe: models.bdt.params.max_depth=4
    RUN          an id or its beginning, a name (its newest run), @last or @last~1
    FILTER       an expression: "state == 'finished' and scores.roc_auc > 0.9"

    Exit codes: 0 all done, 1 failed, 2 recipe or command wrong, 3 finished but some
    fits failed, 130 interrupted.
    """  # noqa: D301  (click reads the backspace)


@main.command()
@RECIPE
@OVERRIDES
@click.option("--resolved", is_flag=True, help="Print every value with where it was written.")
@STORE
@JSON
def check(recipe: Path, overrides: tuple[str, ...], resolved: bool, store_path: str, as_json: bool) -> None:
    """Find the mistakes of RECIPE without running it.

    Compares it with its schema, the header of its data and the first rows. Lists every mistake with its place and
    what to write, and stops at features that alone give the target away.
    """
    from rapidml.layout import columns, count_text, print_json, print_lines, terminal_width
    from rapidml.planning.checking import check_document
    from rapidml.recipe.resolved import list_resolved
    from rapidml.terminal import left_out_lines

    document = _load(recipe, overrides, store_path)
    checked = check_document(document, _memory(store_path), look=True)
    values = list_resolved(document, checked.recipe)
    left_out = () if checked.profile is None else checked.profile.left_out
    if as_json:
        listed = [{"field": field, "value": value, "origin": origin} for field, value, origin in values]
        print_json({"errors": [], "resolved": listed, "left_out": left_out})
    elif resolved:
        print_lines(columns([[field, json.dumps(value), origin] for field, value, origin in values], indent=""))
    else:
        models = count_text(len(checked.recipe.models), "model")
        found = count_text(len(checked.header.columns), "column")
        print_lines([f"{recipe} is fine: {models}, {found} in the data.", *left_out_lines(left_out, terminal_width())])


@main.command()
@RECIPE
@OVERRIDES
@STORE
@JSON
def plan(recipe: Path, overrides: tuple[str, ...], store_path: str, as_json: bool) -> None:
    """Say what running RECIPE would compute, and why.

    Computes nothing. Names the fields that make each fit necessary, and what time, memory and disk it will take,
    estimated from stored fits.
    """
    from rapidml.execution.running import describe_plan, prepare
    from rapidml.layout import print_json, print_lines, terminal_width

    prepared = prepare(_load(recipe, overrides, store_path), open_named(store_path, create=True), look=True)
    if as_json:
        print_json(describe_plan(prepared))
        return
    from rapidml.execution.planned import plan_lines

    print_lines(plan_lines(prepared, terminal_width()))


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@OVERRIDES
@click.option(
    "--example",
    metavar="NAME",
    shell_complete=complete_examples,
    help="Write an example recipe to this folder and run it: quickstart, higgs, regression, multiclass.",
)
@click.option("-n", "--name", help="Name of the run; default: the recipe's.")
@click.option("--only", metavar="MODEL", multiple=True, help="Only this model; may be repeated.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Worker processes; default: as the fits need.")
@click.option("--cluster", metavar="ADDRESS", help="Address of a running Dask scheduler, such as tls://host:8786.")
@click.option("--insecure", is_flag=True, help="Allow an unencrypted cluster address beyond this host.")
@STORE
@JSON
def run(recipe: Path | None, overrides: tuple[str, ...], example: str | None, as_json: bool, **options: Any) -> None:
    """Run RECIPE: compute what is not stored, show the scores.

    The same command goes on after an interruption, and computes nothing where all is stored. FIELD=VALUE changes a
    field for this run: models.bdt.params.max_depth=4; null removes it.
    """
    if example is not None:
        overrides = (str(recipe), *overrides) if recipe is not None else overrides
        recipe = _write_example(example)
    if recipe is None:
        raise click.UsageError("name a recipe file, or --example NAME")
    from rapidml.live import run_in_terminal

    fields = [f"name={json.dumps(options['name'])}"] if options["name"] else []
    options["overrides"] = overrides
    document = _load(recipe, (*overrides, *fields), options["store_path"])
    if options["only"]:
        others = [model for model in document.models if model not in options["only"]]
        _refuse_unknown(options["only"], document)
        document = _load(recipe, (*overrides, *fields, *(f"models.{m}=null" for m in others)), options["store_path"])
    code = run_in_terminal(document, options, open_named(options["store_path"], create=True), as_json=as_json)
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
    """List the newest 30 runs, or those that FILTER selects.

    FILTER is an expression, such as "name == 'higgs' and scores.roc_auc > 0.9" or "tag.paper and not tag.old".

    \b
    Fields: id, name, state (finished, failed, interrupted, running), chosen,
    rank_by, score (selection score of the chosen model in rank_by),
    scores.METRIC, balanced, rows, scored_rows (equal for comparable runs),
    created (seconds since 1970), seconds, note, tags, tag.TAG (true or false).
    """  # noqa: D301  (click reads the backspace)
    from rapidml.execution.listing import list_entries
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import listing_lines

    entries = list_entries(open_named(store_path), filter_text, limit=None if show_all else 30)
    if as_json:
        print_json(entries)
    else:
        print_lines(listing_lines(entries, terminal_width()))


@main.command()
@click.argument("run_name", metavar="[RUN[/MODEL]]", default="@last", shell_complete=complete_runs)
@STORE
@JSON
def show(run_name: str, store_path: str, as_json: bool) -> None:
    """Show all scores, parameters and costs of a run.

    RUN is an id or its beginning, a name (its newest run), @last or @last~1; default: @last. Scores stand on
    selection, training and test rows; choose by the selection score only.
    """
    from rapidml.execution.listing import load_result
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import show_lines

    result, model = load_result(open_named(store_path), run_name)
    if as_json:
        print_json(result)
    else:
        print_lines(show_lines(result, model, terminal_width()))


@main.command()
@click.argument("names", metavar="RUN[/MODEL]...", nargs=-1, required=True, shell_complete=complete_runs)
@click.option("--metric", help="Metric to compare in; default: the first run's ranking metric.")
@STORE
@JSON
def compare(names: tuple[str, ...], metric: str | None, store_path: str, as_json: bool) -> None:
    """Compare models of runs, with paired uncertainties.

    RUN alone is its chosen model. All are scored in the same bootstrap replicas of the same rows, so a difference
    is known better than the scores.
    """
    from rapidml.evaluate.metrics import METRICS
    from rapidml.execution.comparing import compare_runs
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import comparison_lines

    if metric is not None and metric not in METRICS:
        raise click.UsageError(f"no metric is called {metric}; there are {', '.join(METRICS)}")
    comparison = compare_runs(open_named(store_path), names, metric)
    if as_json:
        print_json(comparison)
    else:
        print_lines(comparison_lines(comparison, terminal_width()))


@main.command()
@click.argument("run_or_filter", metavar="[RUN|FILTER]", required=False, shell_complete=complete_runs)
@STORE
@JSON
def best(run_or_filter: str | None, store_path: str, as_json: bool) -> None:
    """Show the model with the best selection score.

    Of a run, of the runs that FILTER selects (see rapidml ls --help), or of all runs in the store. The runs must
    rank by the same metric, on the same rows.
    """
    from rapidml.execution.listing import find_best
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import best_lines

    found = find_best(open_named(store_path), run_or_filter)
    if as_json:
        print_json(found)
    else:
        print_lines(best_lines(found, terminal_width()))


@main.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete_runs)
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@STORE
def tag(run_name: str, tags: tuple[str, ...], store_path: str) -> None:
    """Add tags to a run, or remove them.

    \b
    rapidml tag @last paper            adds the tag
    rapidml tag @last -- -paper        removes it
    rapidml ls tag.paper               lists the runs that have it
    """  # noqa: D301  (click reads the backspace)
    store = open_named(store_path)
    identifier = store.runs.find(run_name)
    add = [tag for tag in tags if not tag.startswith("-")]
    marks = store.runs.mark(identifier, add=add, remove=[tag[1:] for tag in tags if tag.startswith("-")])
    click.echo(f"{identifier}  {' '.join(marks['tags'])}")


@main.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete_runs)
@click.argument("text")
@STORE
def note(run_name: str, text: str, store_path: str) -> None:
    """Write a note to a run; it replaces the one before."""
    store = open_named(store_path)
    identifier = store.runs.find(run_name)
    store.runs.mark(identifier, note=text)
    click.echo(f"{identifier}  {text}")


@main.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_runs)
@STORE
def rm(names: tuple[str, ...], store_path: str) -> None:
    """Remove runs; what they computed stays until gc."""
    store = open_named(store_path)
    for identifier in [store.runs.find(name) for name in names]:
        store.remove_run(identifier)
        click.echo(f"removed {identifier}")


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@STORE
def gc(dry_run: bool, store_path: str) -> None:
    """Remove what no run reaches and is older than a day."""
    from rapidml.layout import count_text
    from rapidml.terminal import bytes_text

    removed = open_named(store_path).gc(dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    for item in removed.items:
        click.echo(f"{verb} {item.what} {item.path}, {bytes_text(item.size)}")
    click.echo(f"{verb} {count_text(len(removed.items), 'item')}, {bytes_text(removed.size)}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from rapidml.recipe.jsonschema import make_json_schema

    click.echo(json.dumps(make_json_schema(), indent=2))


@main.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
@STORE
def doctor(repair: bool, store_path: str) -> None:
    """Check the installation and the store.

    Ends with exit code 1 if something is wrong.
    """
    from rapidml.execution.health import check_health

    findings = check_health(Path(store_path), repair=repair)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_fine else 'BAD '} {finding.text}")
    if not all(finding.is_fine for finding in findings):
        sys.exit(1)


def _load(recipe: Path, overrides: Sequence[str], store_path: str) -> Any:
    from rapidml.recipe.document import load_document

    def stored_run(name: str) -> str:
        store = open_named(store_path)
        return str(store.runs.load(store.runs.find(name))["recipe"])

    return load_document(recipe, overrides, stored_run=stored_run)


def _memory(path: str) -> Any:
    """Remembered hashes of files, if there is a store."""
    from rapidml.planning.checking import NoMemory

    return open_named(path).index if Path(path, "format.json").exists() else NoMemory()
