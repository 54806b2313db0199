"""The command line: parses arguments, calls, prints. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import click

from rapidml.cli import measuring, recipes, runs, services
from rapidml.cli.shared import Commands
from rapidml.errors import DISTRIBUTION

__all__ = ["main"]


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


for command in (
    recipes.init,
    recipes.check,
    recipes.plan,
    recipes.run,
    measuring.scaling,
    runs.list_runs,
    runs.show,
    runs.compare,
    runs.best,
    runs.export,
    runs.tag,
    runs.note,
    runs.rm,
    runs.gc,
    services.dashboard,
    recipes.schema,
    runs.doctor,
    services.cluster,
):
    main.add_command(command)
