"""Finding and listing stored runs: for ``ls``, ``show`` and ``best``. Imports nothing heavy: these must be instant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError, RunNotFound
from rapidml.layout import command_text, store_words
from rapidml.store.runs import parse_run_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rapidml.dataset.expression import Expression
    from rapidml.store.store import Store

FIELDS = (
    *("id", "name", "state", "chosen", "rank_by", "score", "balanced"),
    *("rows", "scored_rows", "created", "seconds", "tags", "note"),
)
"""What a filter may read of a run, besides ``scores.METRIC`` and ``tag.TAG``."""
_TAG, _SCORES = "tag.", "scores."
_TAG_IN = re.compile(r"""(["'])([^"']+)\1\s+in\s+tags?\b""")
_PLAIN = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


class FilterError(RapidmlError):
    """An expression that selects runs is wrong."""


def list_entries(store: Store, filter_text: str | None = None, limit: int | None = 30) -> list[dict[str, Any]]:
    """Runs, newest first, each as a flat record.

    Args:
        store: The store.
        filter_text: Expression over the fields of ``FIELDS``, ``scores.METRIC`` and ``tag.TAG``.
        limit: Number of runs at most.

    Raises:
        FilterError: The filter is not an expression, or names a field that runs do not have.
    """
    if filter_text is None:
        return [run.to_record() for run in store.list_runs(limit=limit)]
    from rapidml.dataset.expression import ExpressionError, parse_expression

    try:
        expression = parse_expression(filter_text)
        _check_fields(expression.names)
        chosen = store.list_runs(limit=limit, test=lambda record: expression.test(_filter_record(record, expression)))
    except ExpressionError as error:
        tag = _TAG_IN.search(filter_text)
        text = str(error) if tag is None else f"for {tag[0]} write {tag_field(tag[2])}"
        raise FilterError(text) from error
    return [run.to_record() for run in chosen]


def _filter_record(record: Mapping[str, Any], expression: Expression) -> dict[str, Any]:
    """A run as a filter sees it: ``score`` is its value, and every tag asked for is true or false."""
    score = record.get("score") or {}
    tags = f" {record['tags']} "
    asked = {name: f" {name.removeprefix(_TAG)} " in tags for name in expression.names if name.startswith(_TAG)}
    return {**record, "score": score.get("value"), **asked}


def _check_fields(names: Iterable[str]) -> None:
    from rapidml.evaluate.metrics import METRICS
    from rapidml.recipe.suggest import suggest

    known = [*FIELDS, *(f"scores.{metric}" for metric in METRICS)]
    for name in names:
        if name not in known and not _is_open_field(name):
            close = suggest(name, known)
            hint = f"did you mean {close}? " if close else ""
            fields = ", ".join([*FIELDS, "scores.METRIC", "tag.TAG"])
            raise FilterError(f"runs have no field {name}; {hint}a filter knows {fields}")


def _is_open_field(name: str) -> bool:
    """Whether a name is a field that some runs may have: any tag, or a figure of merit with its number."""
    from rapidml.evaluate.metrics import find_metric

    is_tag = name.startswith(_TAG) and name != _TAG
    return is_tag or (name.startswith(_SCORES) and find_metric(name.removeprefix(_SCORES)) is not None)


def tag_field(tag: str) -> str:
    """The field of a filter that is true for runs with this tag."""
    return f"tag.{tag}" if _PLAIN.fullmatch(tag) else f"`tag.{tag}`"


def load_result(store: Store, name: str) -> tuple[dict[str, Any], str | None]:
    """The stored result of ``RUN`` or ``RUN/MODEL``, and the model named.

    Raises:
        RunNotFound: No run fits, or it has no such model.
        RapidmlError: The run has no result yet, or one of its candidates is named, which has no result of its own.
    """
    parsed = parse_run_name(name)
    if parsed.candidate is not None:
        raise RapidmlError(f"{name} is a candidate: rapidml show {name} shows it; write {parsed.run}/{parsed.model}")
    run, model = store.runs.find(parsed.run), parsed.model
    content = store.runs.load(run)
    result: dict[str, Any] | None = content.get("result")
    if result is None:
        raise RapidmlError(_without_result(run, store.get_run(run).state, content.get("error")))
    if model is not None and model != "dummy" and model not in result["models"]:
        raise RunNotFound(f"run {run} has no model {model}; it has {', '.join(result['models'])}")
    return result, model


def _without_result(run: str, state: str, why: str | None) -> str:
    if why and state != "running":
        return f"run {run} has no result: it {'failed' if state == 'failed' else f'was {state}'}: {why}"
    go_on = "wait for it" if state == "running" else "run its recipe again to go on"
    return f"run {run} has no result yet: it is {state}; {go_on}"


def find_best(store: Store, run_or_filter: str | None) -> dict[str, Any]:
    """The best model of a run, or of all finished runs that a filter selects, by selection score.

    Args:
        store: The store.
        run_or_filter: A run's name, an expression, or None for all runs.

    Returns:
        ``{"run", "name", "model", "metric", "score", "params"}``.

    Raises:
        RunNotFound: No run has the name.
        FilterError: The expression is wrong.
        RapidmlError: Nothing has a score, or the runs rank by different metrics, or score different rows.
    """
    entries, condition = list_scored(store, run_or_filter)
    if not entries:
        raise RapidmlError("no finished run with a score fits; rapidml ls lists all runs")
    _refuse_unlike(store, entries, condition)
    from rapidml.evaluate.metrics import get_metric

    metric = entries[0]["rank_by"]
    pick = max if get_metric(metric).greater_is_better else min
    chosen = pick(entries, key=lambda entry: entry["score"]["value"])
    result, _ = load_result(store, chosen["id"])
    model = result["models"][chosen["chosen"]]
    return {
        "run": chosen["id"],
        "name": chosen["name"],
        "model": chosen["chosen"],
        "metric": metric,
        "balanced": result["balanced"],
        "score": chosen["score"],
        "type": model["type"],
        "params": model["params"],
    }


def list_scored(store: Store, run_or_filter: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Runs with a score, newest first, and the expression that selected them.

    Args:
        store: The store.
        run_or_filter: A run's name, an expression, or None for all runs.
    """
    if run_or_filter is not None:
        try:
            run = store.runs.find(run_or_filter)
        except RunNotFound:
            if not any(sign in run_or_filter for sign in ("=", "<", ">", "(", ")", " ", _TAG)):
                raise
        else:
            entries = [entry for entry in list_entries(store, None, None) if entry["id"] == run]
            return [entry for entry in entries if entry.get("score")], None
    return [entry for entry in list_entries(store, run_or_filter, None) if entry.get("score")], run_or_filter


def _refuse_unlike(store: Store, entries: Sequence[Mapping[str, Any]], condition: str | None) -> None:
    """Scores in different metrics or on different rows have no best; say how to narrow down."""
    for field, what in (("rank_by", "rank by different metrics"), ("scored_rows", "score different rows or weights")):
        values = list(dict.fromkeys(entry[field] for entry in entries))
        if len(values) > 1:
            tests = [_narrowest(field, value, entries) for value in values[:3]]
            before = "" if condition is None else f"({condition}) and " if " or " in condition else f"{condition} and "
            commands = [["rapidml", "best", f"{before}{test}", *store_words(store.path)] for test in tests]
            listed = "".join(f"\n  {command_text(words)}" for words in commands)
            raise RapidmlError(f"these runs {what}; narrow them down, for example{listed}")


def _narrowest(field: str, value: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """A condition for the runs with a value of a field: by their name, where that is shorter and selects the same."""
    having = {entry["name"] for entry in entries if entry[field] == value}
    others = {entry["name"] for entry in entries if entry[field] != value}
    name = next(iter(having))
    if field == "scored_rows" and having == {name} and name not in others and "'" not in name:
        return f"name == '{name}'"
    return f"{field} == '{value}'"
