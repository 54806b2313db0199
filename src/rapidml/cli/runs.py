"""Commands about what is stored: ls, show, compare, best, export, tag, note, rm, gc, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rapidml.cli.shared import JSON, STORE, complete_runs, open_named

if TYPE_CHECKING:
    from rapidml.execution.shown import Shown


@click.command("ls")
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


@click.command()
@click.argument("run_name", metavar="[RUN[/MODEL[#NUMBER]]]", default="@last", shell_complete=complete_runs)
@click.option("--all", "show_all", is_flag=True, help="All candidates of the model, not only the best 20.")
@STORE
@JSON
def show(run_name: str, show_all: bool, store_path: str, as_json: bool) -> None:
    """Show all scores, parameters and costs of a run.

    RUN is an id or its beginning, a name (its newest run), @last or @last~1; default: @last. Scores stand on
    selection, training and test rows; choose by the selection score only. RUN/MODEL shows the candidates of a search
    too, also while it runs, and RUN/MODEL#7 all about the candidate with this number.
    """
    from rapidml.execution.shown import load_shown
    from rapidml.layout import print_json, print_lines, terminal_width

    shown = load_shown(open_named(store_path), run_name)
    if as_json:
        print_json(shown.to_json())
    else:
        print_lines(_shown_lines(shown, terminal_width(), every=show_all))


def _shown_lines(shown: Shown, width: int | None, *, every: bool) -> list[str]:
    """What ``show`` prints."""
    from rapidml.search_text import candidate_lines, one_candidate_lines
    from rapidml.terminal import show_lines
    from rapidml.training_text import training_lines

    if shown.candidate is not None and shown.model is not None:
        name = f"{shown.run}/{shown.model}#{shown.candidate.number}"
        return one_candidate_lines(shown.candidate.to_json(), name, shown.heading(shown.model), width)
    result = shown.result
    lines = [f"{shown.run}  {shown.state}"] if result is None else show_lines(result, shown.model, width)
    training = (result or {"models": {}})["models"].get(shown.model, {}).get("training")
    if training and shown.model is not None:
        lines += ["", *training_lines(shown.model, training, width)]
    for model, found in shown.tables.items():
        heading = shown.heading(model)
        lines += ["", *candidate_lines(found.to_json(), model, heading=heading, every=every, width=width)]
    return lines


@click.command()
@click.argument("names", metavar="RUN[/MODEL]...", nargs=-1, required=True, shell_complete=complete_runs)
@click.option("--metric", help="Metric to compare in; default: the first run's ranking metric.")
@STORE
@JSON
def compare(names: tuple[str, ...], metric: str | None, store_path: str, as_json: bool) -> None:
    """Compare models of runs, with paired uncertainties.

    RUN alone is its chosen model. All are scored in the same bootstrap replicas of the same rows, so a difference
    is known better than the scores.
    """
    from rapidml.evaluate.metrics import find_metric, list_metrics
    from rapidml.execution.comparing import compare_runs
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import comparison_lines

    if metric is not None and find_metric(metric) is None:
        raise click.UsageError(f"no metric is called {metric}; there are {', '.join(list_metrics())}")
    comparison = compare_runs(open_named(store_path), names, metric)
    if as_json:
        print_json(comparison)
    else:
        print_lines(comparison_lines(comparison, terminal_width()))


@click.command()
@click.argument("run_or_filter", metavar="[RUN|FILTER]", required=False, shell_complete=complete_runs)
@click.option("--within-noise", is_flag=True, help="All that is tied with the best, the cheapest marked.")
@STORE
@JSON
def best(run_or_filter: str | None, within_noise: bool, store_path: str, as_json: bool) -> None:
    """Show the model with the best selection score.

    Of a run, of the runs that FILTER selects (see rapidml ls --help), or of all runs in the store. The runs must
    rank by the same metric, on the same rows. --within-noise shows the models and candidates that these rows cannot
    tell from the best: take the cheapest, or the one you like best.
    """
    from rapidml.execution.listing import find_best
    from rapidml.execution.tied import list_tied
    from rapidml.layout import print_json, print_lines, terminal_width
    from rapidml.terminal import best_lines

    store = open_named(store_path)
    found = find_best(store, run_or_filter)
    if within_noise:
        found["within_noise"] = list_tied(store, found, run_or_filter)
    if as_json:
        print_json(found)
    else:
        print_lines(best_lines(found, terminal_width()))


@click.command()
@click.argument("run_name", metavar="RUN[/MODEL]", shell_complete=complete_runs)
@click.option(
    "--to", "form", type=click.Choice(["native"]), default="native", show_default=True, expose_value=False, help="Form."
)
@click.option(
    "-o", "target", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="Folder to create."
)
@STORE
def export(run_name: str, target: Path, store_path: str) -> None:
    """Write a model for use without rapidml.

    RUN alone is its chosen model. The folder gets the files of the model's own library (model.ubj of XGBoost,
    model.skops of scikit-learn, model.keras of Keras) and model.json, which says what columns it takes in what order
    and how they were prepared.
    """
    from rapidml.execution.exporting import export_model

    names = export_model(open_named(store_path), run_name, target)
    click.echo(f"{target}: {', '.join(names)}")


@click.command()
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


@click.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete_runs)
@click.argument("text")
@STORE
def note(run_name: str, text: str, store_path: str) -> None:
    """Write a note to a run; it replaces the one before."""
    store = open_named(store_path)
    identifier = store.runs.find(run_name)
    store.runs.mark(identifier, note=text)
    click.echo(f"{identifier}  {text}")


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_runs)
@STORE
def rm(names: tuple[str, ...], store_path: str) -> None:
    """Remove runs; what they computed stays until gc."""
    store = open_named(store_path)
    for identifier in [store.runs.find(name) for name in names]:
        store.remove_run(identifier)
        click.echo(f"removed {identifier}")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@STORE
def gc(dry_run: bool, store_path: str) -> None:
    """Remove what no run reaches and is older than a day."""
    from rapidml.layout import bytes_text, count_text

    removed = open_named(store_path).gc(dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    for item in removed.items:
        click.echo(f"{verb} {item.what} {item.path}, {bytes_text(item.size)}")
    click.echo(f"{verb} {count_text(len(removed.items), 'item')}, {bytes_text(removed.size)}")


@click.command()
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
