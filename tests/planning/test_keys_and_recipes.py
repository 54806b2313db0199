"""What changes a fit's key, and what does not: one field at a time, and any of them together."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.execution.small_runs import make_events, write, write_csv
from tests.planning.plans import Planned, plan_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    Planner = Callable[..., Planned]

RECIPE = """
dataset:
  path: events.csv
  target: label
  positive: s
  weight: w
  features: [pt, eta, mass]
split: {test: 0.25, folds: 2}
models:
  bdt: {type: xgboost, params: {n_estimators: 4, max_depth: 2}}
"""
MATTERS = {
    "seed": ["0", "1"],
    "dataset.features": ["[pt, eta, mass]", "[eta, pt, mass]", "[pt, eta]"],
    "dataset.weight": ["w", "w * 2", "null"],
    "dataset.select": ["null", "pt > 0"],
    "dataset.positive": ["s", "b"],
    "dataset.missing": ["[]", "[0.25]"],
    "split.test": ["0.25", "0.3"],
    "split.folds": ["2", "3"],
    "models.bdt.params.max_depth": ["2", "3"],
    "models.bdt.params.learning_rate": ["0.3", "0.1"],
    "models.bdt.params.subsample": ["1.0", "0.5"],
    "models.bdt.early_stopping": ["null", "5"],
    "models.bdt.prepare": ["[]", "[standardize]"],
}
IS_NOTHING = {
    "name": ["one", "two"],
    "notes": ["one", "two"],
    "dataset.labels": ["{}", "{pt: momentum}"],
    "dataset.spectators": ["[]", "[energy]"],
    "evaluate.rank_by": ["roc_auc", "log_loss"],
    "evaluate.also": ["[]", "[accuracy]"],
    "models.other": ["sklearn.naive_bayes.GaussianNB", "sklearn.tree.DecisionTreeClassifier"],
}


@pytest.fixture(scope="module")
def make_plan(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    """Plan the recipe, or a text in its place, with overrides."""
    folder = tmp_path_factory.mktemp("keys")
    write_csv(folder / "events.csv", make_events(80))
    count = itertools.count()

    def make(*overrides: str, text: str = RECIPE) -> Planned:
        number = next(count)
        return plan_recipe(write(folder / f"{number}.yaml", text), folder / f"scratch{number}", overrides)

    return make


def choices(fields: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({field: st.sampled_from(values) for field, values in fields.items()})


def list_overrides(*fields: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for group in fields for name, value in group.items()]


@given(
    matters=choices(MATTERS),
    field=st.sampled_from(sorted(MATTERS)),
    is_edited=st.booleans(),
    nothing=st.tuples(choices(IS_NOTHING), choices(IS_NOTHING)),
    data=st.data(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_fit_key_changes_if_and_only_if_something_that_matters_changes(
    make_plan: Planner,
    matters: dict[str, str],
    field: str,
    is_edited: bool,
    nothing: tuple[dict[str, str], dict[str, str]],
    data: st.DataObject,
) -> None:
    edited = dict(matters)
    if is_edited:
        edited[field] = data.draw(st.sampled_from([value for value in MATTERS[field] if value != matters[field]]))
    first = make_plan(*list_overrides(matters, nothing[0]))
    second = make_plan(*list_overrides(edited, nothing[1]))
    keys = [set(planned.fit_keys("bdt").values()) for planned in (first, second)]
    if is_edited and field == "split.folds":
        assert keys[0] != keys[1]  # folds of other numbers; the final fit without early stopping is the same
        final = {planned.fit_keys("bdt")["train"] for planned in (first, second)}
        assert len(final) == (1 if matters["models.bdt.early_stopping"] == "null" else 2)
    elif is_edited:
        assert not keys[0] & keys[1]
    else:
        assert keys[0] == keys[1]


@pytest.mark.parametrize("field", MATTERS)
def test_every_field_that_matters_changes_every_fit(field: str, make_plan: Planner) -> None:
    keys = [set(make_plan(f"{field}={value}").fit_keys("bdt").values()) for value in MATTERS[field]]
    for one, other in itertools.combinations(keys, 2):
        assert one - other
        assert field == "split.folds" or not one & other


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in IS_NOTHING.items() for v in values])
def test_no_other_field_changes_a_fit(field: str, value: str, make_plan: Planner) -> None:
    assert make_plan(f"{field}={value}").fit_keys("bdt") == make_plan().fit_keys("bdt")


FOREST = "models.bdt={type: sklearn.ensemble.RandomForestClassifier, params: {max_features: %s}}"


def test_1_is_not_1_0(make_plan: Planner) -> None:
    """One feature at a split, or all of them."""
    one, all_of_them = (set(make_plan(FOREST % text).fit_keys("bdt").values()) for text in ("1", "1.0"))
    assert not one & all_of_them


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("models.bdt.params={eta: 0.2}", "models.bdt.params={learning_rate: 0.2}"),
        ("dataset.select=pt > 0", "dataset.select=(pt>0)"),
        ("dataset.weight=w", "dataset.weight=( w )"),
        ("dataset.missing=-999", "dataset.missing=[-999.0]"),
        ("split={test: 0.25}", "split={test: 0.25, folds: 5}"),
        ("training={}", "training={balance: classes}"),
        ("models.bdt.prepare=[{impute: median}]", "models.bdt.prepare=[impute: median]"),
        ("dataset.features=[pt, eta, mass]", "dataset.features=[p*, eta, mass]"),
    ],
)
def test_two_ways_to_write_the_same_share_fits(one: str, other: str, make_plan: Planner) -> None:
    assert make_plan(one).fit_keys("bdt") == make_plan(other).fit_keys("bdt")


def test_models_of_one_content_share_fits(make_plan: Planner) -> None:
    planned = make_plan("models.twin={type: xgboost, params: {max_depth: 2, n_estimators: 4}}")
    assert planned.fit_keys("twin") == planned.fit_keys("bdt")


@pytest.mark.parametrize("field", ["training.balance=none", "dataset.weight=w * 2", "training.negative_weights=drop"])
def test_a_model_that_ignores_weights_does_not_depend_on_them(field: str, make_plan: Planner) -> None:
    ignoring = "models.bdt.weights=ignore"
    assert make_plan(ignoring, field).fit_keys("bdt") == make_plan(ignoring).fit_keys("bdt")


def test_seeds_depend_on_the_fold_and_nothing_else(make_plan: Planner) -> None:
    def list_seeds(*overrides: str) -> dict[tuple[str, str], int]:
        return {(fit.model, fit.part): fit.seed for fit in make_plan(*overrides).plan.fits}

    base = list_seeds("models.other=sklearn.tree.DecisionTreeClassifier")
    assert {part: base["bdt", part] for _, part in base} == {part: base["other", part] for _, part in base}
    assert len({base["bdt", part] for _, part in base}) == 3
    assert list_seeds("models.bdt.params.max_depth=5", "dataset.features=[pt]").items() <= base.items()


def test_key_order_of_mappings_does_not_matter(make_plan: Planner) -> None:
    shuffled = """
models:
  bdt: {params: {max_depth: 2, n_estimators: 4}, type: xgboost}
split: {folds: 2, test: 0.25}
dataset: {features: [pt, eta, mass], weight: w, positive: s, target: label, path: events.csv}
"""
    assert make_plan(text=shuffled).list_keys() == make_plan().list_keys()


def test_order_of_classes_matters(make_plan: Planner) -> None:
    text = """
dataset: {classes: {%s: events.csv, %s: events.csv}, features: [pt, eta], weight: w}
models: {bdt: {type: xgboost, params: {n_estimators: 2}}}
"""
    keys: list[Any] = [make_plan(text=text % names).fit_keys("bdt") for names in (("a", "b"), ("b", "a"))]
    assert not set(keys[0].values()) & set(keys[1].values())
