"""Text for terminals about searches: what became of one, its candidates, the set tied with the best, its plan.

Plain results in, lines out; no store.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rapidml.layout import command_text, cost_text, count_text, score_cells, score_text, seconds_text, table, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_CANDIDATES = 20
"""Candidates that a table shows unless all are asked for."""
_LEAST_DIGITS = 4
_STATES = {"pruned": "stopped early"}


def shorten_names(names: Sequence[str]) -> dict[str, str]:
    """Names of ranges as tables write them: ``max_depth`` for ``params.max_depth`` where no other is called so."""
    short = {}
    for name in names:
        parts = name.split(".")
        short[name] = ".".join(parts[2:] if parts[0] in ("prepare", "layers") else parts[1:]) or name
    return {name: text if list(short.values()).count(text) == 1 else name for name, text in short.items()}


def value_text(value: Any, digits: int | None = None) -> str:
    """A value of a range as a recipe writes it.

    Args:
        value: Any JSON.
        digits: Significant digits of a number with a point; all if None.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and digits is not None:
        return f"{value:.{digits}g}"
    return json.dumps(value)


def values_text(values: Mapping[str, Any]) -> str:
    """Values of ranges as a sentence: ``max_depth=6, learning_rate=0.1``."""
    names = shorten_names(list(values))
    return ", ".join(f"{names[name]}={value_text(value)}" for name, value in values.items())


def direction_text(greater_is_better: bool) -> str:
    """Which scores are the good ones."""
    return "greater is better" if greater_is_better else "lower is better"


def find_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the ranges of a model that its chosen candidate has, as far as its result tells.

    Args:
        entry: A model of a result, with ``search``.
    """
    search = entry["search"]
    if search.get("values") is not None:
        return dict(search["values"])
    found = {}
    for name in (known["name"] for known in search["ranges"]):
        value: Any = {"params": entry["params"]}
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[name] = value
    return found


def search_lines(result: Mapping[str, Any], width: int | None = None) -> list[str]:
    """What has to be said of the searches of a run, below the table of its models.

    Args:
        result: The result of a run.
        width: Characters of a line; None for no limit.
    """
    lines: list[str] = []
    for name, entry in result["models"].items():
        if entry.get("search"):
            lines += _model_lines(name, entry, result, width)
    return lines


def _model_lines(name: str, entry: Mapping[str, Any], result: Mapping[str, Any], width: int | None) -> list[str]:
    search = entry["search"]
    what = f"{search['metric']}, {direction_text(search['greater_is_better'])}"
    if search.get("best") is None:
        head = f"{name}: no candidate has a score yet ({search['method']}, {what})"
    else:
        count = count_text(search["candidates"] + search["pruned"], "candidate")
        count += f", {search['pruned']:,} of them stopped early" if search["pruned"] else ""
        values = values_text(find_values(entry))
        head = f"{name}: best of {count} ({search['method']}, {what})" + (f": {values}" if values else "")
    lines = wrap(head, width, "    ")
    for line in [*_luck_lines(search), _cost_line(search)]:
        lines += wrap(f"    {line}", width, "      ")
    lines += _tied_lines(search, result["run"], width)
    for edge in search.get("edges") or ():
        lines += _edge_lines(edge, width)
    return lines


def _luck_lines(search: Mapping[str, Any]) -> list[str]:
    """How much better the best of several looks than it is."""
    optimism = search.get("optimism")
    if optimism is None or optimism["value"] is None or search["candidates"] < 2:
        return []
    from rapidml.evaluate.formatting import find_decimals, format_number

    has_interval = optimism["low"] is not None and optimism["high"] is not None
    half = (optimism["high"] - optimism["low"]) / 2 if has_interval else 0.0
    decimals = find_decimals(half, optimism["corrected"])
    luck = format_number(abs(optimism["value"]), decimals)
    is_small = float(luck.replace(",", "")) == 0
    amount = f"less than {format_number(10.0**-decimals, decimals)}" if is_small else f"about {luck}"
    corrected = score_text({**optimism, "value": optimism["corrected"]})
    best_of = f"being the best of {search['candidates']:,}"
    return [f"{best_of} makes it look {amount} better than it is; without that luck: {corrected}"]


def _tied_lines(search: Mapping[str, Any], run: str, width: int | None) -> list[str]:
    """How many are tied with the best, and the command that shows them, which stays on one line."""
    others = len(search.get("tied") or ()) - 1
    if others < 0 or search["candidates"] < 2:
        return []
    if others == 0:
        return ["    no other candidate is tied with it"]
    cheapest = search.get("cheapest")
    is_cheapest = cheapest == search["best"]
    which = (
        ", and cheaper than they are" if is_cheapest else "" if cheapest is None else f"; the cheapest is #{cheapest}"
    )
    text = f"    tied with {count_text(others, 'other')}{which}:"
    command = command_text(["rapidml", "best", run, "--within-noise"])
    if width is None or len(text) + len(command) + 2 <= width:
        return [f"{text}  {command}"]
    return [*wrap(text, width, "      "), f"      {command}"]


def _cost_line(search: Mapping[str, Any]) -> str:
    """Fits and what they took, and the candidates that have no score."""
    stored = f", {search['stored']:,} stored" if search["stored"] else ""
    saved = f", {search['collapsed']:,} saved by collapsed rounds" if search["collapsed"] else ""
    counts = [(search["failed"], "failed"), (search["pruned"], "stopped early"), (search["unfinished"], "unfinished")]
    counts.append((search["from_other_runs"], "known from other runs"))
    rest = "; ".join(f"{count:,} {what}" for count, what in counts if count)
    took = f" in {seconds_text(search['seconds'])}" if search["fits"] else ""
    return f"{count_text(search['fits'], 'fit')} trained{took}{stored}{saved}" + (
        f"; candidates: {rest}" if rest else ""
    )


def _edge_lines(edge: Mapping[str, Any], width: int | None) -> list[str]:
    """A best value at the end of its range, and the override that goes on, which stays on one line."""
    side = "highest" if edge["side"] == "high" else "lowest"
    name = edge["name"].rpartition(".")[2]
    known = edge.get("to_fit") is not None
    price = f" ({edge['to_fit']:,} to fit, {edge['stored']:,} stored)" if known else ""
    text = f"    {name}={value_text(edge['value'])} is the {side} of its range; one step further{price}:"
    return [*wrap(text, width, "      "), f"      {command_text([edge['override']])}"]


def candidate_lines(
    candidates: Mapping[str, Any], model: str, *, heading: str, every: bool = False, width: int | None = None
) -> list[str]:
    """The candidates of a model as a table, best first.

    Args:
        candidates: A table of candidates as JSON, rows best first.
        model: Name of the model.
        heading: What the means are: rows and metric, such as ``out-of-fold roc_auc``.
        every: Show all, not only the first.
        width: Characters of a line; None for no limit.
    """
    every_row = candidates["rows"]
    shown = every_row if every else every_row[:MOST_CANDIDATES]
    names = [known["name"] for known in candidates["ranges"]]
    short = shorten_names(names)
    direction = direction_text(candidates["greater_is_better"])
    title = f"{count_text(len(every_row), 'candidate')} of {model} by {heading} ({direction}), {candidates['method']}"
    rows = [["#", *(short[name] for name in names), "score", "spread", "cost", "state"]]
    scores = score_cells([_score(row) for row in shown])
    spreads = _spread_cells(shown)
    for row, score, spread in zip(shown, scores, spreads, strict=True):
        values = [value_text(row["values"].get(name), _LEAST_DIGITS) for name in names]
        state = _state_text(row, candidates)
        rows.append([str(row["number"]), *values, score, spread, cost_text(row["seconds"]), state])
    last = len(names) + 1
    right = [0, last + 2, *(i + 1 for i, name in enumerate(names) if _is_numeric(shown, name))]
    lines = table(rows, right=right, width=width, drop=[last + 1, last + 2], cut=[*range(1, last), last + 3])
    lines = [*wrap(title, width, "  "), *lines]
    if len(shown) < len(every_row):
        lines.append(f"  the first {len(shown)} are shown; --all shows all")
    return [*lines, *_failure_lines(every_row, width)]


def _score(row: Mapping[str, Any]) -> dict[str, Any] | None:
    return None if row["mean"] is None else {"value": row["mean"], "low": row["low"], "high": row["high"]}


def _spread_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Standard deviations over folds, two digits of the smallest."""
    from rapidml.evaluate.formatting import find_decimals, format_number

    known = [row["std"] for row in rows if row["std"]]
    decimals = find_decimals(min(known, default=0.0)) + bool(known)
    return ["" if row["std"] is None else format_number(row["std"], max(0, decimals)) for row in rows]


def _is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [row["values"].get(name) for row in rows]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def state_text(row: Mapping[str, Any]) -> str:
    """Such as ``done``, ``stopped early``, ``2 of 5 folds``.

    Args:
        row: A candidate as JSON.
    """
    reached = row.get("reached")
    if reached:
        folds = f" of {count_text(reached['folds'], 'fold')}" if len(row["folds"]) > 1 else ""
        return f"stopped after {count_text(reached['rounds'], 'round')}{folds}"
    scored = sum(score is not None for score in row["folds"])
    if scored and row["state"] in ("running", "waiting"):
        return f"{scored} of {count_text(len(row['folds']), 'fold')}"
    return _STATES.get(row["state"], str(row["state"]))


def _state_text(row: Mapping[str, Any], candidates: Mapping[str, Any]) -> str:
    """Such as ``best``, ``tied, cheapest``, ``failed``, ``done, from 20261122-0719-k3f9``."""
    state = state_text(row)
    if row["number"] == candidates["best"]:
        state = "best"
    elif row["state"] == "done" and row["tied"] is not None:
        state = "tied" if row["tied"] else "worse"
    pieces = [state, "cheapest" if row["number"] == candidates["cheapest"] else ""]
    pieces.append(f"from {row['from']}" if row["from"] else "")
    return ", ".join(piece for piece in pieces if piece)


def _failure_lines(rows: Sequence[Mapping[str, Any]], width: int | None) -> list[str]:
    """Why candidates failed; the same words in one line."""
    same: dict[str, list[str]] = {}
    for row in rows:
        if row["state"] == "failed":
            same.setdefault(_one_line(row["error"]), []).append(f"#{row['number']}")
    lines = []
    for text, numbers in same.items():
        more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
        lines += wrap(f"  {', '.join(numbers[:3])}{more} failed: {text}", width, "    ")
    return lines


def _one_line(text: str | None) -> str:
    return " ".join((text or "unknown").split())


def one_candidate_lines(row: Mapping[str, Any], name: str, heading: str, width: int | None = None) -> list[str]:
    """Everything about one candidate.

    Args:
        row: The candidate, as JSON.
        name: What it is called: ``RUN/MODEL#NUMBER``.
        heading: What its score is: rows and metric.
        width: Characters of a line; None for no limit.
    """
    lines = [f"{name}  {state_text(row)}", *wrap(f"  {values_text(row['values'])}", width, "    ")]
    if row["mean"] is not None:
        lines.append(f"  {heading} {score_text(_score(row))}")
    cells = score_cells(
        [None if value is None else {"value": value, "low": None, "high": None} for value in row["folds"]]
    )
    if len(cells) > 1:
        lines += table([["fold", "score"], *([str(i), cell.strip() or "none"] for i, cell in enumerate(cells))])
    cost = "" if row["seconds"] is None else f"  its fits took {cost_text(row['seconds'])}"
    source = f"  from run {row['from']}" if row["from"] else ""
    lines += [line for line in (cost, source) if line]
    return [*lines, *(wrap(f"  failed: {_one_line(row['error'])}", width, "    ") if row["error"] else [])]


def tied_lines(tied: Sequence[Mapping[str, Any]], heading: str, width: int | None = None) -> list[str]:
    """The set tied with the best: models and candidates, best first, the cheapest marked.

    Args:
        tied: Its members, as ``best --within-noise --json`` prints them.
        heading: What their scores are.
        width: Characters of a line; None for no limit.
    """
    if len(tied) == 1:
        return wrap("nothing is tied with it: every other is worse in at least 95% of the replicas", width)
    has_runs = len({entry["run"] for entry in tied}) > 1
    rows = [["", "run", "#", "values", heading, "cost"]]
    for entry, score in zip(tied, score_cells(tied), strict=True):
        number = "" if entry["candidate"] is None else str(entry["candidate"])
        note = [what for what in ("best", "cheapest") if entry[what]]
        name = entry["model"] + (f" ({', '.join(note)})" if note else "")
        cost = cost_text(entry["seconds"])
        rows.append([name, entry["run"], number, values_text(entry["values"]), score, cost])
    empty = [i for i in (2, 3) if not any(row[i] for row in rows[1:])]
    left_out = {*empty, *([] if has_runs else [1])}
    rows = [[cell for i, cell in enumerate(row) if i not in left_out] for row in rows]
    cut = [i for i, name in enumerate(rows[0]) if name in ("", "values")]
    right = [i for i, name in enumerate(rows[0]) if name in ("#", "cost")]
    lines = table(rows, right=right, width=width, cut=cut)
    return [*wrap(f"{len(tied)} are tied, the best first: these rows cannot tell them apart", width), *lines]


def plan_line(planned: Mapping[str, Any], *, folds: int, then: int) -> str:
    """What a plan says of the search of a model.

    Args:
        planned: Its part of ``search`` in a plan.
        folds: Number of folds; 0 with a validation part.
        then: Fits of the chosen candidate that are still to be done, as far as it is known.
    """
    to_fit, stored = planned["to_fit"], planned["stored_fits"]
    total = to_fit + stored + planned["collapsed"]
    pieces = [count_text(planned["candidates"], "candidate") + (f" x {folds} folds" if folds else "")]
    if stored and to_fit:
        pieces.append(f"{stored:,} stored")
    if planned["collapsed"]:
        pieces.append(f"{planned['collapsed']:,} saved by collapsed rounds")
    if planned["unknown"]:
        pieces.append(f"{planned['method']} proposes them while it runs")
    if planned.get("seconds_left") is not None:
        pieces.append(f"new ones for {seconds_text(planned['seconds_left'])} more")
    head = f"{to_fit:,} to fit of {total:,}" if to_fit else f"{stored:,} stored"
    head = f"at most {head}" if planned["unknown"] and to_fit else head
    after = f", then {then:,} for the chosen one" if then else ""
    return f"{head} ({'; '.join(pieces)}){after}"


def progress_text(model: str, data: Mapping[str, Any]) -> str:
    """How far the search of a model is, in one line.

    Args:
        model: Name of the model.
        data: What its events say: ``done, total, running, failed, pruned, best, values, left``.
    """
    total = data.get("total")
    done = f"{data['done']:,} of {count_text(total, 'candidate')}" if total else count_text(data["done"], "candidate")
    counts = [(data.get("running"), "running"), (data.get("pruned"), "stopped early"), (data.get("failed"), "failed")]
    pieces = [done, *(f"{count:,} {what}" for count, what in counts if count)]
    if data.get("left") is not None:
        pieces.append(f"about {seconds_text(data['left'])} left")
    best = data.get("best")
    if best is not None:
        values = values_text(data.get("values") or {})
        pieces.append(f"best {score_text(best)}" + (f" with {values}" if values else ""))
    return f"{model}  {', '.join(pieces)}"
