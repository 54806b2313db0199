"""Text for terminals: result tables, listings, comparisons. Plain results in, lines out; no store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def columns(rows: Sequence[Sequence[str]], indent: str = "  ", right: Iterable[int] = ()) -> list[str]:
    """Rows aligned in columns, two spaces or more between them."""
    if not rows:
        return []
    rights = set(right)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return [
        (
            indent
            + "  ".join(cell.rjust(widths[i]) if i in rights else cell.ljust(widths[i]) for i, cell in enumerate(row))
        ).rstrip()
        for row in rows
    ]


def seconds_text(seconds: float | None) -> str:
    """Such as ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def bytes_text(size: float) -> str:
    """Such as ``3 MB``: powers of 1000, as disks are sold."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit in ("bytes", "kB") or size >= 9.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def score_text(score: Mapping[str, Any] | None) -> str:
    """Such as ``0.995 [0.993, 0.997]``; empty without a score."""
    from rapidml.evaluate.formatting import format_score

    if score is None:
        return ""
    value, low, high = (float("nan") if score[part] is None else score[part] for part in ("value", "low", "high"))
    return format_score(value, low, high)


def metric_heading(metric: str, balanced: bool) -> str:
    """Name of a metric as a column heading; says when class sums were made equal for it."""
    from rapidml.evaluate.metrics import heading

    return heading(metric, balanced)


def dataset_line(name: str, result: Mapping[str, Any]) -> str:
    """First line of a run, such as ``quickstart  569 rows x 30 features, 212 malignant, 357 benign, no weights``."""
    return f"{name}  {result['dataset']['description']}"


def result_table(result: Mapping[str, Any]) -> list[str]:
    """Selection scores in the ranking metric, the comparison with the best, and the cost, best first."""
    metric = result["rank_by"]
    rows = [["", f"{result['selection']} {metric_heading(metric, result['balanced'])}", "against the best", "cost"]]
    entries = {**ranked(result), "dummy (baseline)": result["baseline"]}
    for name, entry in entries.items():
        score = (entry["selection"] or {}).get(metric)
        mark = " *" if entry.get("chosen") else ""
        cost = "" if name not in result["models"] else seconds_text(entry["seconds"])
        failed = "" if score is not None else "failed" if result["errors"] else "not finished"
        rows.append([f"{name}{mark}", score_text(score) or failed, entry.get("against_best") or "", cost])
    return columns(rows, right=[3])


def ranked(result: Mapping[str, Any]) -> dict[str, Any]:
    """The models of a result, best selection score first; those without a score last."""
    metric = result["rank_by"]
    best = next((e["selection"] for e in result["models"].values() if e["chosen"] and e["selection"]), None)
    scored = {n: e for n, e in result["models"].items() if e["selection"] and metric in e["selection"]}
    top = None if best is None else best[metric]["value"]
    falling = top is None or all(e["selection"][metric]["value"] <= top for e in scored.values())
    names = sorted(scored, key=lambda n: scored[n]["selection"][metric]["value"], reverse=falling)
    return {name: result["models"][name] for name in [*names, *(n for n in result["models"] if n not in scored)]}


def result_lines(result: Mapping[str, Any]) -> list[str]:
    """The table and what has to be said below it."""
    metric = result["rank_by"]
    lines = result_table(result)
    chosen = next((name for name, entry in result["models"].items() if entry["chosen"]), None)
    test = None if chosen is None else (result["models"][chosen]["test"] or {}).get(metric)
    if test is not None:
        lines.append(f"test rows, for the chosen model only: {chosen} {score_text(test)}")
    if result["beats_baseline"] is False:
        lines.append("The best model does not beat the baseline (dummy): nothing was learned.")
    for warning in result["warnings"]:
        total = result["models"][warning["model"]]["fits"]
        lines.append(f"{warning['model']}, {warning['fits']} of {total} fits warned: {warning['text']}")
    for error in result["errors"]:
        part = error["part"].replace(":", " ").replace("train", "final fit")
        lines.append(f"{error['model']}, {part} failed: {error['error']}")
    return lines


def show_lines(result: Mapping[str, Any], model: str | None = None) -> list[str]:
    """Everything stored about a run: every metric of every model on selection, training and test rows."""
    lines = [
        f"{result['run']}  {result['name']}  {result['state']}",
        dataset_line("  data", result).strip(),
        *result_lines(result),
        "",
    ]
    rows = [["", "metric", result["selection"], "train", "test"]]
    names = [model] if model else [*ranked(result), "dummy"]
    for name in names:
        entry = result["baseline"] if name == "dummy" else result["models"][name]
        for i, metric in enumerate(result["metrics"]):
            scores = [(entry[group] or {}).get(metric) for group in ("selection", "train", "test")]
            heading = metric_heading(metric, result["balanced"])
            rows.append([name if i == 0 else "", heading, *(score_text(score) for score in scores)])
    lines += columns(rows)
    for name in names:
        if name != "dummy":
            lines += ["", *model_lines(name, result["models"][name])]
    return lines


def model_lines(name: str, entry: Mapping[str, Any]) -> list[str]:
    """Type, parameters, rounds and cost of one model."""
    params = ", ".join(f"{key}={value}" for key, value in entry["params"].items()) or "all at their defaults"
    rounds = "" if entry.get("rounds") is None else f", {entry['rounds']} rounds in the final fit"
    return [
        f"  {name}: {entry['type']}, {entry['fits']} fits in {seconds_text(entry['seconds'])}{rounds}",
        f"    {params}",
    ]


def print_lines(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """Write lines to standard output (or error), at once."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def listing_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs as a table, newest first."""
    if not entries:
        return ["no runs here"]
    rows = [["run", "name", "state", "chosen model", "selection score", "rows", "time", "tags"]]
    for entry in entries:
        score = entry.get("score")
        shown = "" if score is None else f"{metric_heading(entry['rank_by'], entry['balanced'])} {score_text(score)}"
        size = f"{entry['rows']:,}" if entry.get("rows") else ""
        cells = [entry["id"], entry["name"], entry["state"], entry.get("chosen") or "", shown, size]
        rows.append([*cells, seconds_text(entry["seconds"]), entry["tags"]])
    return columns(rows, indent="", right=[5, 6])


def comparison_lines(comparison: Mapping[str, Any]) -> list[str]:
    """Models compared with the best of them, with paired differences."""
    from rapidml.evaluate.formatting import format_difference

    heading = metric_heading(comparison["metric"], comparison["balanced"])
    rows = [["run", "name", "model", heading, "against the best", "paired difference"]]
    for entry in comparison["entries"]:
        difference = entry["difference"]
        text = "" if entry["against"] == "best" else format_difference(difference["value"], difference["std"])
        rows.append([entry["run"], entry["name"], entry["model"], score_text(entry), entry["against"], text])
    lines = columns(rows, indent="")
    return [*lines, comparison["note"]] if comparison["note"] else lines


def best_lines(found: Mapping[str, Any]) -> list[str]:
    """The best model, its score and its parameters."""
    heading = metric_heading(found["metric"], found["balanced"])
    params = ", ".join(f"{key}={value}" for key, value in found["params"].items()) or "all at their defaults"
    return [
        f"{found['run']}/{found['model']}  {found['name']}  {heading} {score_text(found['score'])}",
        f"  {found['type']}: {params}",
    ]
