"""Commands about processes that stay: the warm cluster, the dashboard."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapidml.cli.shared import JSON
from rapidml.layout import default_store

if TYPE_CHECKING:
    from rapidml.cluster.served import Served
    from rapidml.cluster.warm import Status


@click.group()
def cluster() -> None:
    """Keep workers ready, with the libraries loaded.

    Runs on this host find them by themselves. They belong to you alone: connections are encrypted and ask for a
    certificate that only you can read.
    """


@cluster.command()
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Worker processes; default: one for each core.")
@click.option(
    "--idle",
    type=click.FloatRange(0),
    default=60,
    show_default=True,
    metavar="MINUTES",
    help="End it when no run has been connected for so long; 0: never.",
)
@JSON
def start(workers: int | None, idle: float, as_json: bool) -> None:
    """Start the warm cluster, and return when it is ready."""
    from rapidml.cluster.warm import start_warm
    from rapidml.execution.preloaded import PRELOAD, TASKS
    from rapidml.layout import count_text, print_json, print_lines

    began = time.monotonic()
    served, is_new = start_warm(workers, PRELOAD, idle * 60 or None, TASKS)
    if as_json:
        print_json({"is_new": is_new, **_describe(served)})
        return
    how = f"ready in {time.monotonic() - began:.1f} s" if is_new else "running already"
    if workers not in (None, served.workers):
        how += f"; for {count_text(workers, 'worker')} end it first, with `rapidml cluster stop`"
    print_lines([f"warm cluster: {count_text(served.workers, 'worker')}, {how}", *_list_pages(served)])


@cluster.command()
@JSON
def status(as_json: bool) -> None:
    """Say how the warm cluster is.

    Ends with exit code 1 if runs cannot use it.
    """
    from rapidml.cluster.warm import look_at_warm
    from rapidml.layout import print_json, print_lines, terminal_width, wrap

    found = look_at_warm()
    if as_json:
        counts = {"clients": found.clients, "tasks": found.tasks, "ready": found.workers}
        about = {} if found.served is None else {**_describe(found.served), **counts}
        print_json({"state": found.state, "difference": found.difference, "log": str(found.log), **about})
    else:
        width = terminal_width()
        print_lines([piece for line in _status_lines(found) for piece in wrap(line, width, "  ")])
    if found.state != "running" or found.difference is not None:
        sys.exit(1)


@cluster.command()
def stop() -> None:
    """End the warm cluster.

    Runs that use it fail; the same command goes on with them afterwards.
    """
    from rapidml.cluster.warm import stop_warm

    click.echo("warm cluster: stopped" if stop_warm() else "warm cluster: none was running")


def _describe(served: Served) -> dict[str, Any]:
    """What is shown of a cluster: no certificate, no key."""
    tree = served.to_json()
    shown = {name: tree[name] for name in ("address", "workers", "pid", "started", "idle")}
    return {**shown, "dashboard": served.dashboard}


def _list_pages(served: Served) -> list[str]:
    without = "none: Dask's dashboard needs bokeh"
    return [f"dashboard {served.dashboard or without}"]


def _status_lines(found: Status) -> list[str]:
    from rapidml.cluster.warm import RESTART
    from rapidml.layout import count_text, seconds_text

    served = found.served
    if found.state == "dead":
        return [f"warm cluster: it was killed; its log is {found.log}", "to start another: rapidml cluster start"]
    if served is None:
        return ["warm cluster: starting" if found.state == "starting" else "warm cluster: none"]
    if found.state == "silent":
        return [f"warm cluster: it does not answer; its log is {found.log}", f"to start another: {RESTART}"]
    work = f"{count_text(found.tasks, 'task')}, {count_text(found.clients, 'client')}" if found.clients else "idle"
    age = seconds_text(time.time() - served.started)
    lines = [f"warm cluster: {found.workers} of {count_text(served.workers, 'worker')} ready, {work}, up for {age}"]
    lines += _list_pages(served)
    lines.append(f"address   {served.address}, log {found.log}")
    end = "when stopped" if served.idle is None else f"after {seconds_text(served.idle)} without a run"
    lines.append(f"ends      {end}")
    if found.difference is not None:
        lines.append(f"not used  by runs from here: {found.difference}; to use it: {RESTART}")
    return lines


@click.command()
@click.argument("stores", metavar="[STORE]...", nargs=-1, type=click.Path(file_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), help="Port; default: 5006 or the next free one; 0 for any.")
@click.option("--no-token", is_flag=True, help="Let every user of this host see it, without a token.")
@click.option("--read-only", is_flag=True, help="Change nothing: no tags, no notes.")
def dashboard(stores: tuple[str, ...], port: int | None, no_token: bool, read_only: bool) -> None:
    """Show runs in the browser: a table, scores and ROC curves, live.

    STORE is a folder of runs; default: $RAPIDML_STORE, else ./rapidml-store. The address is printed with a token that
    the browser brings once; it works on this host only. From elsewhere: ssh -L 5006:127.0.0.1:5006 HOST, with the
    port that is printed. Ctrl-C ends it.
    """
    from rapidml.errors import ExtraNotInstalled
    from rapidml.store.store import open_store

    if importlib.util.find_spec("panel") is None:
        raise ExtraNotInstalled("rapidml dashboard", "app")
    paths = [Path(store).absolute() for store in stores or (default_store(),)]
    for path in paths:
        if path.exists():
            open_store(path, create=False).close()
        else:
            click.echo(f"there is no store at {path} yet; its runs appear when there is one", err=True)
    from rapidml.dashboard.entry import Settings
    from rapidml.dashboard.serving import serve

    if no_token:
        click.echo("warning: without a token every user of this host can see this page and change tags", err=True)
    settings = Settings(tuple(dict.fromkeys(map(str, paths))), read_only)
    serve(settings, port, use_token=not no_token, on_ready=lambda address: click.echo(f"{address}\nCtrl-C ends it"))
    click.echo("stopped")
