"""A report on trainers as lines of a terminal: times to the end, then to the target with the scores, then what to know.

What one fit at several numbers of threads or shards gives is ``scaling_text``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.execution.scaling_report import GIVEN, INTERVAL
from rapidml.execution.scaling_text import busy_lines, cell, number_text
from rapidml.layout import count_text, table, wrap
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_UNKNOWN = "-"
_LESSER = (3, 4)
"""Columns of the second table that a narrow terminal does without: epochs, then the speed-up."""


def trainer_lines(report: Mapping[str, Any], width: int | None = None) -> list[str]:
    """What ``rapidml scaling --replicas`` prints.

    Args:
        report: What ``make_trainers_report`` gave.
        width: Characters of a line; None for no limit.
    """

    def paragraph(lines: Sequence[str]) -> list[str]:
        return [piece for line in lines for piece in wrap(line, width, "  ")]

    parts = [
        paragraph([_fit_line(report), *_how_lines(report)]),
        table(_times(report), "", width=width, drop=(5,), cut=(0,)),
        table(
            _scores(report), "", width=width, drop=_LESSER if report["target"]["value"] is not None else (), cut=(0,)
        ),
        paragraph([*_target_lines(report), *_time_lines(report), *busy_lines(report)]),
        paragraph(_cost_lines(report)),
        paragraph(_failure_lines(report)),
    ]
    return [line for part in parts if part for line in ("", *part)][1:]


def _fit_line(report: Mapping[str, Any]) -> str:
    machine, part = report["machine"], report["part"]
    name = "final fits" if part == "fit" else f"fits without fold {part.partition(':')[2]}"
    rows = "" if report["rows"] is None else f"{count_text(report['rows'], 'row')} x "
    trained = sum(entry["trainer"] != SINGLE for entry in report["trainers"])
    size = f"{rows}{count_text(report['features'], 'feature')}"
    where = f"{count_text(machine['cores'], 'core')} of {machine['cpu']}"
    return f"{name} by {count_text(trained, 'trainer')}  {size}; {where}"


def _how_lines(report: Mapping[str, Any]) -> list[str]:
    added, before = report["measured"]["added"], report["measured"]["before"]
    fits = f"{count_text(added + before, 'fit')} timed"
    fits += ("" if added else " earlier") if not (added and before) else f", {before} of them earlier"
    counts = {entry["repetitions"] for _, entry in _list_entries(report)}
    repeats = count_text(min(counts), "repetition") if len(counts) == 1 else "the repetitions"
    each = count_text(report["threads_each"], "thread")
    seeds = "every repetition has another seed, the same for all of them"
    if any(entry["is_asynchronous"] for entry in report["trainers"]):
        seeds += "; where replicas exchange each in its own time, two fits of one seed differ, too"
    return [f"{fits}, in turn, each replica a process with {each}; shown: median [least, most] of {repeats}", seeds]


def _list_entries(report: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for trainer in report["trainers"]:
        for entry in trainer["numbers"]:
            yield trainer, entry


def _number(entry: Mapping[str, Any]) -> str:
    return f"{entry['number']}{' *' if entry['is_beyond_cores'] else ''}"


def _times(report: Mapping[str, Any]) -> list[list[str]]:
    """The table of times to the end."""
    rows = [["model", "replicas", "seconds", "speed-up", "efficiency %", f"against {SINGLE}"]]
    for trainer, entry in _list_entries(report):
        is_single = trainer["trainer"] == SINGLE
        faster = ["", ""] if is_single else ["1", "100"]
        if entry["number"] > 1:
            faster = [_cell(entry["speed_up"]), _cell(entry["efficiency"], scale=100.0)]
        against = "1" if is_single else _cell(entry["against_single"])
        rows.append([trainer["model"], _number(entry), number_text(entry["seconds"]), *faster, against])
    return rows


def _scores(report: Mapping[str, Any]) -> list[list[str]]:
    """The table of times to the target and of final scores."""
    has_target = report["target"]["value"] is not None
    head = ["to the target", "epochs", "speed-up"] if has_target else []
    rows = [["model", "replicas", *head, f"final {report['target']['metric']}"]]
    for trainer, entry in _list_entries(report):
        reached = _target_cells(trainer, entry) if has_target else []
        score = _UNKNOWN if entry["score"] is None else cell(entry["score"], decimals=4)
        rows.append([trainer["model"], _number(entry), *reached, score])
    return rows


def _target_cells(trainer: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    if entry["target_seconds"] is None:
        return ["not reached", _UNKNOWN, _UNKNOWN]
    is_first = entry["number"] == 1
    faster = ("" if trainer["trainer"] == SINGLE else "1") if is_first else _cell(entry["target_speed_up"])
    missed = entry["repetitions"] - entry["reached"]
    seconds = number_text(entry["target_seconds"]) + (f" ({missed} not)" if missed else "")
    return [seconds, cell(entry["target_epochs"], decimals=0), faster]


def _cell(interval: Mapping[str, float | None] | None, *, scale: float = 1.0) -> str:
    return _UNKNOWN if interval is None else cell(interval, scale=scale)


def _target_lines(report: Mapping[str, Any]) -> list[str]:
    target = report["target"]
    rows = "validation part" if report["part"] == "fit" else "rows of the fold"
    after = f"the weights are scored on the {rows} after the fit, so that this costs no time"
    if target["value"] is None:
        return ["target: none, no selection score has an interval; --target SCORE gives one", after]
    sources = {GIVEN: "as given", INTERVAL: "the worst end of the intervals of the stored selection scores there"}
    lines = [
        f"target: {target['metric']} {target['value']:.5g} on the {rows}, {sources[target['source']]}",
        f"to the target: until the end of the first epoch whose weights reach it; {after}",
    ]
    some = any(0 < entry["reached"] < entry["repetitions"] for _, entry in _list_entries(report))
    return [*lines, *(["(n not): so many repetitions never reached it and are left out there"] if some else [])]


def _time_lines(report: Mapping[str, Any]) -> list[str]:
    """What is not in the times, and why they may not be comparable."""
    starts = [entry["start_seconds"]["value"] for _, entry in _list_entries(report)]
    low, high = f"{min(starts):.2g}", f"{max(starts):.2g}"
    span = low if low == high else f"{low} to {high}"
    lines = [f"not in these times: starting the processes, loading the rows and compiling, {span} s a fit"]
    beyond = sorted({entry["number"] for _, entry in _list_entries(report) if entry["is_beyond_cores"]})
    if beyond:
        lines.append(f"* more replicas than cores: the cost models leave out {', '.join(map(str, beyond))}")
    if not report["is_one_network"]:
        lines.append(
            "warning: layers, epochs, batch size or preparation of these models differ, so they are not trainers of "
            "one network: compare each with its own single only"
        )
    return lines


def _cost_lines(report: Mapping[str, Any]) -> list[str]:
    """A line for each cost model that describes its times."""
    found = [(one["model"], one["cost_model"]) for one in report["trainers"] if one["cost_model"] is not None]
    if not found:
        return []
    lines = ["cost models, least squares: serial + parallel / n; from three numbers on with exchange * (n - 1)"]
    for name, model in found:
        terms = ", ".join(f"{term} {number_text(interval)} s" for term, interval in model["terms"].items())
        limit = "no limit was found" if model["limit"]["value"] is None else f"at most {number_text(model['limit'])}"
        poor = f"off by {model['misfit']:.0%}, so nothing follows from it"
        lines.append(f"{name}: {terms}; {f'speed-up: {limit}' if model['extrapolated'] else poor}")
    return lines


def _failure_lines(report: Mapping[str, Any]) -> list[str]:
    return [
        f"failed: {failure['model']} with {count_text(failure['number'], 'replica')}: {failure['error']}"
        for failure in report["failures"]
    ]
