"""A scaling report as lines of a terminal: the measured times first, then the cost model, then what it extrapolates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rapidml.execution.scaling_report import BUSY, GIVEN, INTERVAL, MISFIT
from rapidml.layout import count_text, table, wrap
from rapidml.models.trainer_plan import SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rapidml.execution.timings import Timing


def timing_line(timing: Timing, repeat: int) -> str:
    """One fit that has just been timed."""
    what = count_text(timing.number, timing.over.removesuffix("s"))
    if timing.trainer is not None:
        what = f"{timing.model if timing.trainer != SINGLE else SINGLE}, {what}"
    return f"repetition {timing.repetition} of {repeat}, {what}: {timing.seconds:.3g} s"


def scaling_lines(report: Mapping[str, Any], width: int | None = None) -> list[str]:
    """What ``rapidml scaling`` prints.

    Args:
        report: What ``make_report`` gave.
        width: Characters of a line; None for no limit.
    """

    def paragraph(lines: Sequence[str]) -> list[str]:
        return [piece for line in lines for piece in wrap(line, width, "  ")]

    extrapolated = _extrapolated(report)
    parts = [
        paragraph([_fit_line(report), _how_line(report)]),
        table(_measured(report), "", width=width),
        paragraph([*_target_lines(report), *_model_lines(report), *_time_lines(report)]),
        paragraph(_cost_lines(report)),
        table(extrapolated, "", width=width) if extrapolated else [],
    ]
    return [line for part in parts if part for line in ("", *part)][1:]


def _fit_line(report: Mapping[str, Any]) -> str:
    machine, part = report["machine"], report["part"]
    name = "final fit" if part == "fit" else f"fit without fold {part.partition(':')[2]}"
    rows = "" if report["rows"] is None else f"{count_text(report['rows'], 'row')} x "
    size = f"{rows}{count_text(report['features'], 'feature')}"
    return f"{report['model']}, {name}  {size}; {count_text(machine['cores'], 'core')} of {machine['cpu']}"


def _how_line(report: Mapping[str, Any]) -> str:
    added, before = report["measured"]["added"], report["measured"]["before"]
    fits = f"{count_text(added + before, 'fit')} timed"
    fits += ("" if added else " earlier") if not (added and before) else f", {before} of them earlier"
    counts = {entry["repetitions"] for entry in report["numbers"]}
    repeats = count_text(min(counts), "repetition") if len(counts) == 1 else "the repetitions"
    each = report["threads_each"]
    where = f"each shard a process with {count_text(each, 'thread')}" if each else "in one process"
    return f"{fits}, in turn, {where}, rows in memory already; shown: median [least, most] of {repeats}"


def _measured(report: Mapping[str, Any]) -> list[list[str]]:
    """The table of what was measured."""
    has_target = report["target"]["value"] is not None
    rows = [[report["over"], "seconds", *(["to the target"] if has_target else []), "speed-up", "efficiency %"]]
    base = report["numbers"][0]["number"]
    for entry in report["numbers"]:
        number = f"{entry['number']}{' *' if entry['is_beyond_cores'] else ''}"
        target = [_target_cell(entry)] if has_target else []
        is_base = entry["number"] == base
        faster = "1" if is_base else cell(entry["speed_up"])
        share = "100" if is_base else cell(entry["efficiency"], scale=100.0)
        rows.append([number, number_text(entry["seconds"]), *target, faster, share])
    return rows


def _target_cell(entry: Mapping[str, Any]) -> str:
    if entry["target_seconds"] is not None:
        return number_text(entry["target_seconds"])
    return "not known" if entry["target_rounds"] is None else "not reached"


def _target_lines(report: Mapping[str, Any]) -> list[str]:
    """What the target is, and how many rounds each model needed for it."""
    target = report["target"]
    if target["value"] is None:
        return ["target: none, the selection score has no interval; --target SCORE gives one"]
    sources = {GIVEN: "as given", INTERVAL: "the worse end of the interval of the stored selection score there"}
    rows = "validation part" if report["part"] == "fit" else "rows of the fold"
    lines = [f"target: {target['metric']} {target['value']:.5g} on the {rows}, {sources[target['source']]}"]
    reached = {entry["number"]: _reach_text(entry) for entry in report["numbers"]}
    if report["over"] == "threads":
        return [*lines, *dict.fromkeys(reached.values())]
    return [*lines, *(f"{count_text(number, 'shard')}: {text}" for number, text in reached.items())]


def _reach_text(entry: Mapping[str, Any]) -> str:
    if entry["score"] is None:
        return "score not known"
    score = f"score {entry['score']:.5g}"
    if entry["rounds"] is None:
        return f"{score}; the model has no rounds, so it counts when it is done"
    rounds = count_text(entry["rounds"], "round")
    if entry["target_rounds"] is None:
        return f"{score} after {rounds}; when it reached the target was not measured"
    if not entry["target_rounds"]:
        return f"{score} after {rounds}, target not reached"
    return f"{score} after {rounds}, target reached after {entry['target_rounds']}"


def _model_lines(report: Mapping[str, Any]) -> list[str]:
    """Whether every repetition gave the same model, and the stored one."""
    warnings = []
    for entry in report["numbers"]:
        what = count_text(entry["number"], report["over"].removesuffix("s"))
        if entry["is_as_stored"] is False:
            warnings.append(f"warning: the model of {what} does not have the bytes of the stored one")
        if not entry["is_repeated"]:
            warnings.append(f"warning: the repetitions with {what} gave different models")
    if warnings:
        return warnings
    stored = [str(entry["number"]) for entry in report["numbers"] if entry["is_as_stored"]]
    if len(stored) == len(report["numbers"]):
        return ["models: every fit gave the bytes of the stored model"]
    same = f", at {', '.join(stored)} those of the stored model" if stored else ""
    return [f"models: every repetition gave the same bytes{same}"]


def _time_lines(report: Mapping[str, Any]) -> list[str]:
    loads = [entry["load_seconds"]["value"] for entry in report["numbers"]]
    low, high = f"{min(loads):.2g}", f"{max(loads):.2g}"
    lines = [f"not in these times: loading the rows, {low if low == high else f'{low} to {high}'} s"]
    beyond = [str(entry["number"]) for entry in report["numbers"] if entry["is_beyond_cores"]]
    if beyond:
        lines.append(f"* more {report['over']} than cores: the cost model leaves out {', '.join(beyond)}")
    if not report["uses_threads"]:
        lines.append(f"fits of {report['type']} use one thread, whatever the number")
    return [*lines, *busy_lines(report)]


def busy_lines(report: Mapping[str, Any]) -> list[str]:
    """A warning, if other programs made the times longer."""
    others = report["others"]
    if others is None or others["value"] < BUSY:
        return []
    used = f"{others['value']:.1f} cores (up to {others['high']:.1f})"
    return [f"warning: other programs used {used} meanwhile; measure again when the machine is quiet"]


def _cost_lines(report: Mapping[str, Any]) -> list[str]:
    model = report["cost_model"]
    if model is None:
        return ["cost model: none, it needs two numbers that have cores of their own"]
    formula = "serial + parallel / n" + (" + exchange * (n - 1)" if "exchange" in model["terms"] else "")
    terms = ", ".join(f"{name} {number_text(term)} s" for name, term in model["terms"].items())
    numbers = ", ".join(map(str, model["numbers"]))
    lines = [
        f"cost model: {formula}, least squares over {count_text(model['fits'], 'fit')} at n = {numbers}",
        f"{terms} (68% of {model['draws']:,} bootstrap draws of the repetitions)",
    ]
    if not model["extrapolated"]:
        by = f"{model['misfit']:.0%} where {MISFIT:.0%} is allowed"
        return [*lines, f"it does not describe these times (off by {by}), so nothing is extrapolated"]
    limit = model["limit"]
    most = "no limit was found" if limit["value"] is None else f"at most {number_text(limit)}"
    lines.append(f"speed-up for any number, if nothing else gets in the way: {most}")
    if not model["is_tested"]:
        lines.append("as many numbers as coefficients: nothing here tests the model")
    return lines


def _extrapolated(report: Mapping[str, Any]) -> list[list[str]]:
    points = (report["cost_model"] or {"extrapolated": []})["extrapolated"]
    rows = [[str(point["number"]), number_text(point["seconds"]), cell(point["speed_up"])] for point in points]
    return [[report["over"], "seconds, extrapolated", "speed-up, extrapolated"], *rows] if rows else []


def number_text(interval: Mapping[str, float | None]) -> str:
    """Such as ``2.81 [2.79, 2.90]``: two decimals, of large numbers fewer, of small ones more."""
    value = interval["value"]
    size = math.floor(math.log10(abs(value))) if value else 0
    return cell(interval, decimals=max(0, min(2, 2 - size) if size >= -1 else 1 - size))


def cell(interval: Mapping[str, float | None], *, scale: float = 1.0, decimals: int | None = None) -> str:
    """Such as ``1.56 [1.48, 1.58]``; times ``scale``, which leaves no decimals."""
    places = (2 if scale == 1.0 else 0) if decimals is None else decimals
    names = ("value", "low", "high")
    value, low, high = (
        "unlimited" if (number := interval[name]) is None else f"{scale * number:.{places}f}" for name in names
    )
    return f"{value} [{low}, {high}]"
