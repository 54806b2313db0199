"""Text for terminals: result tables, listings, comparisons. Plain results in, lines out; no store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rapidml.layout import align_points, count_text, score_cells, score_text, seconds_text, shorten, table, wrap
from rapidml.search_text import search_lines, tied_lines
from rapidml.training_text import trainings_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OWN_ERROR = re.compile(r"(?:Model|Dataset|Store|Cluster|Rapidml)Error: ")
_MOST_NAMES = 12


def metric_heading(metric: str, balanced: bool) -> str:
    """Name of a metric as a column heading; says when class sums were made equal for it."""
    from rapidml.evaluate.metrics import heading

    return heading(metric, balanced)


def dataset_line(name: str, result: Mapping[str, Any]) -> str:
    """First line of a run, such as ``quickstart  569 rows x 30 features, 212 malignant, 357 benign, no weights``."""
    return f"{name}  {result['dataset']['description']}"


def left_out_lines(left_out: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """One sentence with the columns that are no features, and why; nothing if there are none."""
    reasons: dict[str, list[str]] = {}
    for name, why in left_out[:_MOST_NAMES]:
        reasons.setdefault(why.removeprefix("is "), []).append(name)
    if not reasons:
        return []
    texts = [f"{', '.join(names)} ({why})" for why, names in reasons.items()]
    more = f", and {len(left_out) - _MOST_NAMES} more" if len(left_out) > _MOST_NAMES else ""
    return wrap(f"left out: {', '.join(texts)}{more}", width, "  ")


def result_table(result: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Selection scores in the ranking metric, the comparison with the best, and the cost, best first."""
    metric = result["rank_by"]
    rows = [["", f"{result['selection']} {metric_heading(metric, result['balanced'])}", "against the best", "cost"]]
    entries = {**ranked(result), "dummy (baseline)": result["baseline"]}
    scores = score_cells([(entry["selection"] or {}).get(metric) for entry in entries.values()])
    unscored = "failed" if result["errors"] else "not finished"
    for (name, entry), score in zip(entries.items(), scores, strict=True):
        mark = " *" if entry.get("chosen") else ""
        shown = shorten(name, None if width is None else width // 4)
        cost = "" if name not in result["models"] else seconds_text(entry["seconds"])
        rows.append([f"{shown}{mark}", score or unscored, entry.get("against_best") or "", cost])
    return table(rows, right=[3], width=width, drop=[3])


def ranked(result: Mapping[str, Any]) -> dict[str, Any]:
    """The models of a result, best selection score first; those without a score last."""
    metric = result["rank_by"]
    best = next((e["selection"] for e in result["models"].values() if e["chosen"] and e["selection"]), None)
    scored = {n: e for n, e in result["models"].items() if e["selection"] and metric in e["selection"]}
    top = None if best is None else best[metric]["value"]
    falling = top is None or all(e["selection"][metric]["value"] <= top for e in scored.values())
    names = sorted(scored, key=lambda n: scored[n]["selection"][metric]["value"], reverse=falling)
    return {name: result["models"][name] for name in [*names, *(n for n in result["models"] if n not in scored)]}


def has_scores(result: Mapping[str, Any]) -> bool:
    """Whether any model of a result has a selection score."""
    return any(entry["selection"] for entry in result["models"].values())


def result_lines(result: Mapping[str, Any], width: int | None = None) -> list[str]:
    """The table and what has to be said below it.

    Args:
        result: The result of a run.
        width: Characters of a line; None for no limit.
    """
    metric = result["rank_by"]
    lines: list[str] = []
    chosen = next((name for name, entry in result["models"].items() if entry["chosen"]), None)
    test = None if chosen is None else (result["models"][chosen]["test"] or {}).get(metric)
    if test is not None:
        lines.append(f"test rows, for the chosen model only: {chosen} {score_text(test)}")
    if result["beats_baseline"] is False:
        lines.append("The best model does not beat the baseline (dummy): nothing was learned.")
    for warning in result["warnings"]:
        total = count_text(result["models"][warning["model"]]["fits"], "fit")
        lines.append(f"{warning['model']}, {warning['fits']} of {total} warned: {_one_line(warning['text'])}")
    wrapped = [piece for line in [*lines, *_error_lines(result)] for piece in wrap(line, width, "    ")]
    left_out = left_out_lines(result["dataset"].get("left_out", ()), width)
    trained = trainings_table(ranked(result), width)
    return [*result_table(result, width), *trained, *search_lines(result, width), *left_out, *wrapped]


def _error_lines(result: Mapping[str, Any]) -> list[str]:
    """What failed; fits of a model that failed with the same words in one line."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for error in result["errors"]:
        part = error["part"]
        kind = "scores" if part.endswith(" scores") else "candidate" if part.startswith("candidate ") else "fit"
        same.setdefault((error["model"], _one_line(error["error"]), kind), []).append(part)
    lines = []
    for (model, text, kind), parts in same.items():
        total = count_text(_count_tried(result["models"].get(model, {}), kind, len(parts)), kind)
        what = parts[0].replace(":", " ").replace("train", "final fit")
        what = f"{len(parts)} of {total}" if kind != "scores" and len(parts) > 1 else " and ".join([what, *parts[1:]])
        lines.append(f"{model}, {what} failed: {text}")
    return lines


def _count_tried(entry: Mapping[str, Any], kind: str, failed: int) -> int:
    """Number of fits of a model, or of its candidates."""
    if kind != "candidate":
        return len(entry.get("keys") or range(failed))
    search = entry.get("search") or {}
    return sum(search.get(name, 0) for name in ("candidates", "failed", "pruned", "unfinished")) or failed


def _one_line(text: str | None) -> str:
    return _OWN_ERROR.sub("", " ".join((text or "unknown").split()), count=1)


def show_lines(result: Mapping[str, Any], model: str | None = None, width: int | None = None) -> list[str]:
    """Everything stored about a run: every metric of every model on selection, training and test rows.

    Args:
        result: The result of a run.
        model: The one model to show; all if None.
        width: Characters of a line; None for no limit.
    """
    names = [model] if model else [*ranked(result), "dummy"]
    lines = [f"{result['run']}  {result['name']}  {result['state']}"]
    lines += wrap(dataset_line("data", result), width, "      ")
    lines += [*result_lines(result, width), "", *_score_table(result, names, width)]
    for name in names:
        if name != "dummy":
            lines += ["", *model_lines(name, result["models"][name], width)]
    return lines


def _score_table(result: Mapping[str, Any], names: Sequence[str], width: int | None) -> list[str]:
    """Every score of some models."""
    entries = [result["baseline"] if name == "dummy" else result["models"][name] for name in names]
    metrics = [metric for _ in names for metric in result["metrics"]]
    cells = [[name if metric == result["metrics"][0] else "" for name in names for metric in result["metrics"]]]
    cells.append([metric_heading(metric, result["balanced"]) for metric in metrics])
    for group in ("selection", "train", "test"):
        scores = [(entry[group] or {}).get(metric) for entry in entries for metric in result["metrics"]]
        cells.append(score_cells(scores, metrics))
    rows = [["", "metric", result["selection"], "train", "test"], *(list(row) for row in zip(*cells, strict=True))]
    return table(rows, width=width, drop=[3], cut=[0, 1])


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters of a model as a sentence; layers of a network as ``Dense(units=8), Dropout(rate=0.1)``."""
    layers = params.get("layers")
    stacked = layers if isinstance(layers, list | tuple) else ()
    plain = _join_values({key: value for key, value in params.items() if key != "layers" or not stacked})
    stack = ", ".join(f"{name}({_join_values(options)})" if options else name for name, options in stacked)
    return "; ".join(part for part in (plain, stack and f"layers {stack}") if part) or "all at their defaults"


def _join_values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def model_lines(name: str, entry: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Type, parameters, rounds and cost of one model."""
    what = "epoch" if entry.get("training") else "round"
    rounds = "" if entry.get("rounds") is None else f", {count_text(entry['rounds'], what)} in the final fit"
    cost = f"{count_text(entry['fits'], 'fit')} in {seconds_text(entry['seconds'])}"
    return [
        *wrap(f"  {name}: {entry['type']}, {cost}{rounds}", width, "    "),
        *wrap(f"    {params_text(entry['params'])}", width, "    "),
    ]


def listing_lines(entries: Sequence[Mapping[str, Any]], width: int | None = None) -> list[str]:
    """Runs as a table, newest first.

    Args:
        entries: Flat records of runs.
        width: Characters of a line; None for no limit.
    """
    if not entries:
        return ["no runs here"]
    rows = [["run", "name", "state", "chosen model", "selection score", "rows", "time", "tags"]]
    for entry, score in zip(entries, _listed_scores(entries), strict=True):
        size = f"{entry['rows']:,}" if entry.get("rows") else ""
        cells = [entry["id"], entry["name"], entry["state"], entry.get("chosen") or "", score, size]
        rows.append([*cells, seconds_text(entry["seconds"]), entry["tags"]])
    least = [7] if not any(entry["tags"] for entry in entries) else []
    return table(rows, indent="", right=[5, 6], width=width, drop=[*least, 5, 6, 7, 2], cut=[1, 3, 7])


def _listed_scores(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metric and score of each run, numbers below each other."""
    scores = [entry.get("score") for entry in entries]
    names = [metric_heading(e["rank_by"], e["balanced"]) if e.get("score") else "" for e in entries]
    widest = max(map(len, names), default=0)
    cells = score_cells(scores, names)
    return [f"{name.ljust(widest)} {cell}" if name else "" for name, cell in zip(names, cells, strict=True)]


def comparison_lines(comparison: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Models compared with the best of them, with paired differences.

    Args:
        comparison: What ``compare --json`` prints.
        width: Characters of a line; None for no limit.
    """
    entries = comparison["entries"]
    heading = metric_heading(comparison["metric"], comparison["balanced"])
    rows = [["run", "name", "model", heading, "against the best", "paired difference"]]
    for entry, score, difference in zip(entries, score_cells(entries), _differences(entries), strict=True):
        rows.append([entry["run"], entry["name"], entry["model"], score, entry["against"], difference])
    is_named = len({(entry["name"], entry["run"]) for entry in entries}) == len({entry["name"] for entry in entries})
    lines = table(rows, indent="", width=width, drop=[0 if is_named else 1], cut=[1, 2])
    return [*lines, *wrap(comparison["note"], width)] if comparison["note"] else lines


def _differences(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Paired differences of a column, with the decimals that the narrowest supports; none for the best."""
    from rapidml.evaluate.formatting import find_decimals, format_difference, format_number

    known = {i: entry["difference"] for i, entry in enumerate(entries) if entry["against"] != "best"}
    stds = [known[i]["std"] for i in known if known[i]["std"] is not None and known[i]["std"] > 0]
    decimals = find_decimals(min(stds, default=0.0))
    texts = {}
    for i, difference in known.items():
        value, std = (float("nan") if difference[part] is None else difference[part] for part in ("value", "std"))
        plain = not stds or value != value or std != std  # NaN: nothing to line up
        number = format_number(value, decimals, sign=True)
        texts[i] = format_difference(value, std) if plain else f"{number} +- {format_number(std, decimals)}"
    values = dict(zip(texts, align_points([text.partition(" ")[0] for text in texts.values()]), strict=True))
    return [f"{values[i]} {texts[i].partition(' ')[2]}".rstrip() if i in texts else "" for i in range(len(entries))]


def best_lines(found: Mapping[str, Any], width: int | None = None) -> list[str]:
    """The best model, its score and its parameters; and what is tied with it, if that was asked for."""
    heading = metric_heading(found["metric"], found["balanced"])
    tied = found.get("within_noise")
    return [
        *wrap(f"{found['run']}/{found['model']}  {found['name']}  {heading} {score_text(found['score'])}", width, "  "),
        *wrap(f"  {found['type']}: {params_text(found['params'])}", width, "    "),
        *([] if tied is None else tied_lines(tied, heading, width)),
    ]
