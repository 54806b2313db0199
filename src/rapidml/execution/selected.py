"""What a page shows of chosen runs: scores of their models beside each other with verdicts, and their curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.errors import RapidmlError
from rapidml.execution.candidate_table import load_candidates
from rapidml.execution.comparing import find_score, scored_of
from rapidml.execution.curves import load_curves
from rapidml.planning.planner import BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rapidml.evaluate.scores import Score
    from rapidml.execution.curves import ModelCurve
    from rapidml.store.store import Store


@dataclass(frozen=True)
class ScoreRow:
    """One model of one run in the table of scores.

    Attributes:
        run: Key of the run on the page.
        run_name: What the run is called there.
        model: Name of the model; ``dummy`` for the baseline.
        group: Runs of one group rank by one metric on the same rows and weights; verdicts are within it.
        is_chosen: Whether it is its run's choice.
        is_baseline: Whether it is the baseline.
        scores: Selection scores by metric: ``value``, ``low``, ``high``.
        against: How it stands against the best of its group: ``best``, ``tied``, ``worse (97%)``.
        test: Score on test rows in the metric that ranks; None for every model that was not chosen.
        seconds: Time of its fits; None for the baseline.
        fits: Number of its fits.
    """

    run: str
    run_name: str
    model: str
    group: int
    is_chosen: bool
    is_baseline: bool
    scores: Mapping[str, Mapping[str, Any]]
    against: str
    test: Mapping[str, Any] | None
    seconds: float | None
    fits: int


@dataclass(frozen=True)
class SearchedModel:
    """A model of a run that was searched, or is being searched.

    Attributes:
        run: Key of the run on the page.
        run_name: What the run is called there.
        model: Name of the model.
        candidates: Number of its candidates so far.
    """

    run: str
    run_name: str
    model: str
    candidates: int


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of a run, trained or to be trained.

    Attributes:
        run: Key of the run on the page.
        run_name: What the run is called there.
        model: Name of the model.
        trainer: Its trainer; ``single`` for one process.
    """

    run: str
    run_name: str
    model: str
    trainer: str


@dataclass(frozen=True)
class Selected:
    """Everything that is shown of the chosen runs.

    Attributes:
        scores: Rows of the table of scores: groups as chosen, best first.
        metrics: Metrics of the table, those that rank first; names and headings.
        rank_by: Metric that ranks, by group.
        selection: What the selection rows are called: ``out-of-fold``, ``validation`` or both.
        curves: Run, name of the run and curve, in the order of the table.
        task_kinds: Kinds of task of the runs.
        notes: Sentences that have to be said.
        searched: The models that have candidates to be looked at.
        networks: The networks, whose trainings can be looked at.
    """

    scores: tuple[ScoreRow, ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    rank_by: tuple[str, ...] = ()
    selection: str = ""
    curves: tuple[tuple[str, str, ModelCurve], ...] = ()
    task_kinds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    searched: tuple[SearchedModel, ...] = ()
    networks: tuple[TrainedNetwork, ...] = ()


@dataclass(frozen=True)
class _Part:
    """A chosen run with its result."""

    key: str
    label: str
    store: Store
    result: Mapping[str, Any]

    @property
    def group(self) -> tuple[str, str]:
        """Equal for runs whose scores can be compared."""
        return scored_of(self.result, self.result["rank_by"]), self.result["rank_by"]


def load_selected(
    runs: Sequence[tuple[str, Store, str]], load: Callable[[Store, str], list[ModelCurve]] = load_curves
) -> Selected:
    """Scores and curves of some runs. What cannot be read is said in the notes, the rest is shown.

    Args:
        runs: Key on the page, store and id of each.
        load: Loads the curves of a run, possibly from memory.
    """
    notes: list[str] = []
    parts = _load_parts(runs, notes)
    groups = list(dict.fromkeys(part.group for part in parts))
    scores: list[ScoreRow] = []
    for number, group in enumerate(groups):
        scores += _score_group([part for part in parts if part.group == group], number)
    if len(groups) > 1:
        notes.append("These runs score other rows, or rank by other metrics: verdicts hold within one group of rows.")
    curves = _load_curves(parts, scores, notes, load)
    kinds = tuple(dict.fromkeys(part.result["task"]["kind"] for part in parts))
    selection = " and ".join(dict.fromkeys(part.result["selection"] for part in parts))
    ranking = tuple(group[1] for group in groups)
    searched, networks = _list_searched(runs), _list_networks(runs)
    return Selected(
        tuple(scores), _headings(parts), ranking, selection, curves, kinds, tuple(notes), searched, networks
    )


def _list_searched(runs: Sequence[tuple[str, Store, str]]) -> tuple[SearchedModel, ...]:
    """Searched models of all chosen runs, those that still work included."""
    found: list[SearchedModel] = []
    for key, store, run in runs:
        try:
            tables = load_candidates(store, run)
            name = store.get_run(run).name or run
        except (RapidmlError, OSError):  # said by the page of the search
            continue
        found += [SearchedModel(key, name, model, len(table.rows)) for model, table in tables.items()]
    return tuple(found)


def _list_networks(runs: Sequence[tuple[str, Store, str]]) -> tuple[TrainedNetwork, ...]:
    """Networks of all chosen runs, those that are still trained included."""
    from rapidml.execution.training_state import list_networks

    found: list[TrainedNetwork] = []
    for key, store, run in runs:
        try:
            networks = list_networks(store.runs.load(run).get("values") or {})
            name = store.get_run(run).name or run
        except (RapidmlError, OSError):  # said by the notes
            continue
        found += [TrainedNetwork(key, name, model, trainer) for model, trainer in networks.items()]
    return tuple(found)


def _load_parts(runs: Sequence[tuple[str, Store, str]], notes: list[str]) -> list[_Part]:
    loaded: list[tuple[str, Store, Mapping[str, Any]]] = []
    names: list[str] = []
    for key, store, run in runs:
        try:
            result = store.runs.load(run).get("result")
            name = store.get_run(run).name or run
        except (RapidmlError, OSError) as error:
            notes.append(str(error))
            continue
        if result is None:
            notes.append(f"Run {run} has no scores yet.")
        else:
            loaded.append((key, store, result))
            names.append(name)
    parts = []
    for (key, store, result), name in zip(loaded, names, strict=True):
        label = name if names.count(name) == 1 else f"{name} {result['run'].rpartition('-')[2]}"
        parts.append(_Part(key, label, store, result))
    return parts


def _headings(parts: Sequence[_Part]) -> tuple[tuple[str, str], ...]:
    """Metrics of all runs, those that rank first, with their headings."""
    from rapidml.evaluate.metrics import heading

    ranking = [part.result["rank_by"] for part in parts]
    every = [metric for part in parts for metric in part.result["metrics"]]
    balanced = {metric for part in parts for metric in part.result["metrics"] if part.result["balanced"]}
    return tuple((metric, heading(metric, metric in balanced)) for metric in dict.fromkeys([*ranking, *every]))


def _score_group(parts: Sequence[_Part], group: int) -> list[ScoreRow]:
    """Rows of runs that can be compared, best first; models without a score and baselines last."""
    from rapidml.evaluate.comparison import choose, order
    from rapidml.evaluate.metrics import get_metric

    name = parts[0].result["rank_by"]
    metric = get_metric(name)
    known: dict[str, Score] = {}
    places: dict[str, tuple[_Part, str]] = {}
    for part in parts:
        for model in (*part.result["models"], BASELINE):
            place = f"{part.key}/{model}"
            places[place] = (part, model)
            score = find_score(part.store, part.result, model, name)
            if score is not None:
                known[place] = score
    defined = {
        place: score for place, score in known.items() if not math.isnan(score.value) and places[place][1] != BASELINE
    }
    best = choose(defined, metric) if defined else None
    models = [place for place in order(known, metric) if places[place][1] != BASELINE] if known else []
    rest = [place for place in places if place not in models and places[place][1] != BASELINE]
    baselines = [place for place in places if places[place][1] == BASELINE]
    return [
        _score_row(*places[place], group, _verdict(place, best, known, metric.greater_is_better))
        for place in (*models, *rest, *baselines)
    ]


def _verdict(place: str, best: str | None, known: Mapping[str, Score], greater_is_better: bool) -> str:
    from rapidml.evaluate.comparison import compare_scores, describe_difference

    if place not in known:
        return "no score"
    if best is None:
        return "undefined"
    if place == best:
        return "best"
    difference = compare_scores(known[place], known[best], greater_is_better)
    return "same scores" if difference.value == difference.std == 0 else describe_difference(difference)


def _score_row(part: _Part, model: str, group: int, against: str) -> ScoreRow:
    is_baseline = model == BASELINE
    entry = part.result["baseline"] if is_baseline else part.result["models"][model]
    is_chosen = bool(entry.get("chosen"))
    test = (entry["test"] or {}).get(part.result["rank_by"]) if is_chosen else None
    seconds = None if is_baseline else entry["seconds"]
    scores = entry["selection"] or {}
    return ScoreRow(
        part.key, part.label, model, group, is_chosen, is_baseline, scores, against, test, seconds, entry["fits"]
    )


def _load_curves(
    parts: Sequence[_Part],
    scores: Sequence[ScoreRow],
    notes: list[str],
    load: Callable[[Store, str], list[ModelCurve]],
) -> tuple[tuple[str, str, ModelCurve], ...]:
    found: list[tuple[str, str, ModelCurve]] = []
    for part in parts:
        try:
            curves = load(part.store, part.result["run"])
        except (RapidmlError, OSError, ValueError) as error:
            notes.append(f"No ROC curves of {part.label}: {error}")
            continue
        found += [(part.key, part.label, curve) for curve in curves]
    place = {(row.run, row.model): number for number, row in enumerate(scores)}
    return tuple(sorted(found, key=lambda item: place.get((item[0], item[2].model), len(place))))
