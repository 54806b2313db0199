"""ROC curves of stored runs: predictions and rows from the store alone, the data files are not needed.

Curves are of selection rows: the validation part, or the held-out rows of all folds pooled. Drawing is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapidml.dataset.files import Identity
from rapidml.errors import StoreError
from rapidml.execution.rows import RowsRequest, load_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rapidml.dataset.columns import TableRequest
    from rapidml.dataset.header import Header
    from rapidml.dataset.profile import Profile
    from rapidml.evaluate.curves import RocCurve
    from rapidml.execution.rows import Rows
    from rapidml.recipe.schema import Dataset
    from rapidml.store.facts import Fact
    from rapidml.store.store import Store

MOST_POINTS = 1000
"""Points of a curve: closer together than a pixel on a plot of 700."""


@dataclass(frozen=True)
class ModelCurve:
    """The ROC curve of one model of a run, one class against the rest.

    Attributes:
        run: Run id.
        model: Name of the model.
        class_name: The class that a high score stands for.
        area: Area below the curve with every point, before any was left out.
        curve: At most ``MOST_POINTS`` points of it.
        n_rows: Rows that it is made from.
        is_weighted: Whether rows count by their weights.
        is_pooled: Whether the held-out rows of several folds stand together.
    """

    run: str
    model: str
    class_name: str
    area: float
    curve: RocCurve
    n_rows: int
    is_weighted: bool
    is_pooled: bool


def load_curves(store: Store, run: str, models: Iterable[str] | None = None) -> list[ModelCurve]:
    """ROC curves of the models of a run.

    Args:
        store: The store.
        run: Run id.
        models: Names of models; all that have a selection score if None.

    Returns:
        One curve a model for two classes, one a model and class for more, none for regression.

    Raises:
        StoreError: A part of the run is gone or damaged, or does not fit the rest.
    """
    content = store.runs.load(run)
    result: Mapping[str, Any] = content.get("result") or {}
    if not result or result["task"]["kind"] == "regression":
        return []
    entries = result["models"]
    names = [name for name in (entries if models is None else models) if entries[name]["selection"]]
    facts = store.find_facts(content["keys"]) if names else {}
    rows = load_stored_rows(store, content, facts) if names else None
    if rows is None:
        return []
    return [curve for name in names for curve in _make_curves(store, rows, facts, run, name, entries[name])]


def load_stored_rows(store: Store, content: Mapping[str, Any], facts: Mapping[str, Fact]) -> Rows:
    """The rows of a run with their parts, targets and weights.

    Args:
        store: The store.
        content: Content of ``run.json``.
        facts: Facts of the keys of the run.

    Raises:
        StoreError: The table or what is known of it is gone.
    """
    from rapidml.dataset.profile import Profile
    from rapidml.recipe.document import parse_document

    own = [facts[key] for key in content["keys"] if key in facts]
    groups = [fact for fact in own if fact.kind == "read"]
    profiles = [fact for fact in own if fact.kind == "profile"]
    if not groups or not profiles:
        raise StoreError(f"the table of run {content['id']} is gone from the store; the same `rapidml run` reads it")
    recipe = parse_document(content["recipe"], f"{content['id']}/run.json").finish()
    profile = Profile.from_json(dict(profiles[0].payload))
    request = _request(recipe.dataset, recipe.split, content, profile, str(groups[0].payload["rows_key"]))
    folders = tuple(str(store.objects.find(ref.kind, ref.key)) for fact in groups for ref in fact.objects)
    seed = recipe.seed if recipe.split.seed is None else recipe.split.seed
    try:
        return load_rows(RowsRequest(str(store.path), folders, request, recipe.split, seed, profile))
    except (KeyError, OSError) as error:
        raise StoreError(f"the table of run {content['id']} is damaged; `rapidml doctor` says more") from error


def _request(dataset: Dataset, split: Any, content: Mapping[str, Any], profile: Profile, rows_key: str) -> TableRequest:
    """What was read: keys of columns follow from the recipe and the identity; the key of the rows is stored."""
    from rapidml.dataset.columns import request_columns

    identity = _identity(content["identity"])
    request = request_columns(dataset, _header(dataset, identity, profile), identity, split)
    return replace(request, rows_key=rows_key)


@dataclass(frozen=True)
class _StoredIdentity(Identity):
    """An identity as it was stored: all that keys of columns are made from.

    Attributes:
        tree: What ``to_json`` gave when the run was made.
    """

    tree: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as then."""
        return dict(self.tree)


def _identity(tree: Mapping[str, Any]) -> Identity:
    builtin = (str(tree["builtin"]), dict(tree["options"])) if "builtin" in tree else None
    return _StoredIdentity((), builtin, tree.get("arrays"), tree=tree)


def _header(dataset: Dataset, identity: Identity, profile: Profile) -> Header:
    """The columns that are still of interest: features; the target and the weight are found without a header."""
    from rapidml.dataset.header import Header, read_header

    if identity.builtin is not None:
        return read_header(dataset, identity)
    return Header({feature.name: "null" for feature in profile.features}, ({},))


def _make_curves(
    store: Store, rows: Rows, facts: Mapping[str, Fact], run: str, model: str, entry: Mapping[str, Any]
) -> list[ModelCurve]:
    import numpy as np

    from rapidml.evaluate.curves import roc_curve

    profile = rows.request.profile
    assert profile is not None
    predictions = _selection_predictions(facts, entry["keys"])
    truths, weights, scores = [], [], []
    for fact in predictions:
        _, truth, weight = rows.truth(str(fact.payload["part"]))
        score = _load_score(store, fact, len(truth))
        truths.append(truth)
        scores.append(score)
        weights.append(np.ones(len(truth)) if weight is None else weight)
    if not truths:
        raise StoreError(f"predictions of {run}/{model} are gone from the store; the same `rapidml run` makes them")
    truth, score, weight = np.concatenate(truths), np.concatenate(scores), np.concatenate(weights)
    found = []
    for code, label in _classes(profile.task.kind, profile.task.classes):
        column = score if score.ndim == 1 else score[:, code]
        whole = roc_curve(truth == code, column, weight, max_points=None)
        shown = roc_curve(truth == code, column, weight, max_points=MOST_POINTS)
        is_pooled = len(predictions) > 1
        found.append(
            ModelCurve(run, model, label, whole.area, shown, len(truth), rows.weight is not None, is_pooled=is_pooled)
        )
    return found


def _classes(kind: str, classes: Sequence[str]) -> list[tuple[int, str]]:
    return [(1, classes[1])] if kind == "binary" else list(enumerate(classes))


def _selection_predictions(facts: Mapping[str, Fact], keys: Mapping[str, str]) -> list[Fact]:
    """Predictions of the fits of a model on rows that did not train them and are not test rows."""
    fits = set(keys.values())
    found = {
        fact.payload["part"]: fact
        for fact in facts.values()
        if fact.kind == "predict" and fact.payload["fit"] in fits and _is_selection(str(fact.payload["part"]))
    }
    wanted = sum(part.startswith("fold:") for part in keys) or 1
    return [found[part] for part in sorted(found)] if len(found) == wanted else []


def _is_selection(part: str) -> bool:
    return part == "valid" or part.startswith("held:")


def _load_score(store: Store, fact: Fact, n_rows: int) -> Any:
    from rapidml.dataset.npy import load_array

    manifest = store.objects.find_manifest("predictions", fact.key, verify=True)
    if manifest is None:
        raise StoreError(f"prediction {fact.key[:12]} is gone from the store or damaged; run the recipe again")
    score = load_array(store.objects.open(manifest.ref, verify=False) / "prediction.npy", mapped=False)
    if len(score) != n_rows:
        raise StoreError(f"prediction {fact.key[:12]} is of {len(score):,} rows, and the part has {n_rows:,}")
    return score
