"""Commands that make or take a recipe: init, check, plan, run; and the schema of recipes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapidml.cli.shared import JSON, OVERRIDES, RECIPE, STORE, complete_examples, open_named
from rapidml.dataset.problems import FieldError
from rapidml.dataset.readers.registry import find_suffix
from rapidml.errors import RapidmlError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--target", metavar="COLUMN", help="The column to learn; default: what looks most like one.")
@click.option("-o", "--out", metavar="OUT.yaml", type=click.Path(path_type=Path), help="Default: named as FILE, here.")
def init(files: tuple[str, ...], target: str | None, out: Path | None) -> None:
    """Write a recipe for data files, with a comment on every choice.

    Looks at the names and the first rows: target, weights, ids, missing values, what gives the answer away. Several
    files are classes (signal.root background.root), train and test, or parts of one table. Never overwrites another
    file.
    """
    from rapidml.draft.drafting import make_draft
    from rapidml.draft.report import draft_lines, list_commands, problem_lines
    from rapidml.layout import print_lines, terminal_width

    target_file = out or Path(f"{_stem(files[0])}.yaml")
    try:
        draft = make_draft(files, target_file, target, list_commands(target_file))
    except FieldError as error:
        raise click.UsageError(f"expected {error.expected}; to fix: {error.fix}") from error
    _write_new(target_file, draft.text)
    print_lines(draft_lines(draft, target_file, terminal_width()))
    problems = problem_lines(draft, files, target_file)
    if problems:
        print_lines(problems, to_stderr=True)
        sys.exit(2)


def _stem(name: str) -> str:
    """Name of the recipe of a file: without folder, suffix and wild cards."""
    last = name.rstrip("/").rpartition("/")[2]
    suffix = find_suffix(last) or Path(last).suffix
    stem = last[: len(last) - len(suffix)]
    return re.sub(r"[^A-Za-z0-9_.+-]+", "", stem).strip("-_.") or "recipe"


def _write_new(path: Path, text: str) -> None:
    """Write a file, unless another text is there."""
    if path.exists() and path.read_text(encoding="utf-8") != text:
        other = next(name for n in range(2, 1000) if not (name := path.with_stem(f"{path.stem}-{n}")).exists())
        raise click.UsageError(f"{path} exists and differs; nothing was written. Move it away, or add  -o {other}")
    if not path.parent.is_dir():
        raise click.UsageError(f"there is no folder {path.parent}; make it first")
    path.write_text(text, encoding="utf-8")


@click.command()
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

    document = load_recipe(recipe, overrides, store_path)
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


@click.command()
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

    prepared = prepare(load_recipe(recipe, overrides, store_path), open_named(store_path, create=True), look=True)
    if as_json:
        print_json(describe_plan(prepared))
        return
    from rapidml.execution.planned import plan_lines

    print_lines(plan_lines(prepared, terminal_width()))


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@OVERRIDES
@click.option(
    "--example",
    metavar="NAME",
    shell_complete=complete_examples,
    help="Write an example recipe to this folder and run it: quickstart, higgs, regression, multiclass, events, "
    "search-grid, search-hyperband, search-compare, digits-net, mnist-cnn, mnist-async, higgs-net.",
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
        if recipe is not None and "=" not in str(recipe):
            raise click.UsageError(f"name a recipe or an example, not both: {recipe}, --example {example}")
        overrides = (str(recipe), *overrides) if recipe is not None else overrides
        recipe = _write_example(example)
    if recipe is None:
        raise click.UsageError("name a recipe file, or --example NAME")
    from rapidml.live import run_in_terminal

    fields = [f"name={json.dumps(options['name'])}"] if options["name"] else []
    options["overrides"] = overrides
    document = load_recipe(recipe, (*overrides, *fields), options["store_path"])
    if options["only"]:
        from rapidml.planning.leaving import list_removals

        refuse_unknown(options["only"], document)
        removals = list_removals(document, options["only"])
        document = load_recipe(recipe, (*overrides, *fields, *removals), options["store_path"])
    code = run_in_terminal(document, options, open_named(options["store_path"], create=True), as_json=as_json)
    if code:
        sys.exit(code)


def refuse_unknown(only: Sequence[str], document: Any) -> None:
    """Stop at a name that no model of a recipe has."""
    unknown = [name for name in only if name not in document.models]
    if unknown:
        raise click.UsageError(f"the recipe has no model {unknown[0]}; it has {', '.join(document.models)}")


def _write_example(name: str) -> Path:
    """Copy an example recipe into the current folder, unless the same text is there."""
    from rapidml.recipe.examples import find_example

    try:
        source = find_example(name)
    except RapidmlError as error:
        raise click.UsageError(str(error)) from error
    target = Path(f"{name}.yaml")
    text = source.read_text()
    if not target.exists():
        target.write_text(text)
    elif target.read_text() != text:
        raise RapidmlError(f"{target} exists and differs from the example; run it, or move it away")
    return target


@click.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from rapidml.recipe.jsonschema import make_json_schema

    click.echo(json.dumps(make_json_schema(), indent=2))


def load_recipe(recipe: Path, overrides: Sequence[str], store_path: str) -> Any:
    """The recipe with its overrides; it may extend one of a run of the store."""
    from rapidml.recipe.document import load_document

    def stored_run(name: str) -> str:
        store = open_named(store_path)
        return str(store.runs.load(store.runs.find(name))["recipe"])

    return load_document(recipe, overrides, stored_run=stored_run)


def _memory(path: str) -> Any:
    """Remembered hashes of files, if there is a store."""
    from rapidml.planning.checking import NoMemory

    return open_named(path).index if Path(path, "format.json").exists() else NoMemory()
