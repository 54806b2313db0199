"""Laws for every valid recipe: written out it reads back as itself, and the JSON Schema takes it."""

from __future__ import annotations

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidml.recipe.document import parse_document
from rapidml.recipe.jsonschema import make_json_schema
from rapidml.recipe.resolved import dump_recipe
from rapidml.recipe.schema import (
    ArrayFiles,
    Choice,
    Dataset,
    Evaluate,
    Exclude,
    FoldsBy,
    ModelEntry,
    Recipe,
    Sample,
    Search,
    Split,
    SplitColumn,
    Total,
    Training,
)

texts = st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), min_size=1, max_size=12)
integers = st.integers(-(10**12), 10**12)
numbers = integers | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
names = st.lists(texts, unique=True, max_size=3).map(tuple)
some_names = st.lists(texts, unique=True, min_size=1, max_size=3).map(tuple)
seeds = st.integers(0, 10**18 - 1)
fractions = st.floats(0, 1, exclude_min=True, exclude_max=True)
labels = st.lists(st.integers(0, 9) | texts, min_size=1, max_size=3, unique=True)


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def is_no_range(tree: object) -> bool:
    if isinstance(tree, dict):
        return set(tree).isdisjoint({"any", "log", "between"}) and all(map(is_no_range, tree.values()))
    return all(map(is_no_range, tree)) if isinstance(tree, list) else True


values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
).filter(is_no_range)
mappings = st.dictionaries(texts, values, max_size=3)
choices = st.builds(Choice, name=texts, options=mappings)
paths = texts | st.builds(ArrayFiles, features=texts, target=texts)
samples = st.builds(Sample, path=paths, tree=optional(texts), weight=optional(texts | numbers), select=optional(texts))
common = {
    "id": optional(some_names),
    "weight": optional(texts | numbers),
    "select": optional(texts),
    "columns": st.dictionaries(texts, texts, max_size=2),
    "missing": st.lists(numbers, max_size=2).map(tuple),
    "features": optional(some_names | st.builds(Exclude, exclude=names)),
    "spectators": names,
    "labels": st.dictionaries(texts, texts, max_size=2),
    "tree": optional(texts),
}
datasets = (
    st.builds(Dataset, path=st.builds(ArrayFiles, features=texts, target=texts), test=optional(samples), **common)
    | st.builds(Dataset, path=texts, target=st.just("the target"), test=optional(samples), **common)
    | st.builds(Dataset, builtin=choices, positive=optional(texts | numbers | st.booleans()), **common)
    | st.builds(
        Dataset,
        classes=st.dictionaries(texts, st.lists(samples, min_size=1, max_size=2).map(tuple), min_size=2, max_size=3),
        **common,
    )
)
columns = st.builds(
    lambda column, values, cut: SplitColumn(column=column, train=values[:cut], test=values[cut:]),
    texts,
    st.lists(st.integers(0, 9) | texts, min_size=2, max_size=4, unique=True),
    st.just(1),
)
folds = st.integers(2, 100) | st.builds(FoldsBy, by=texts)
splits = st.builds(Split, test=optional(fractions | columns), folds=folds, seed=optional(seeds)) | st.builds(
    Split, test=optional(fractions | columns), valid=fractions, seed=optional(seeds)
)
models = st.builds(
    ModelEntry,
    type=texts,
    params=mappings,
    prepare=st.lists(choices, max_size=2).map(tuple),
    early_stopping=optional(st.integers(1, 99)),
    weights=st.sampled_from([None, "ignore"]),
    device=st.sampled_from(["cpu", "cuda"]),
    layers=st.lists(choices, max_size=2).map(tuple),
    trainer=optional(choices),
)
model_names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,8}", fullmatch=True).filter(lambda name: name != "dummy")


def without_double_test(recipe: Recipe) -> Recipe:
    if recipe.dataset.test is None or recipe.split.test is None:
        return recipe
    return recipe.model_copy(update={"split": recipe.split.model_copy(update={"test": None})})


bounds = st.lists(integers | st.floats(-1e9, 1e9), min_size=2, max_size=2).filter(lambda pair: pair[0] < pair[1])
some_points = st.integers(2, 9)  # six ranges are a grid of less than a million
ranges = (
    st.lists(scalars, min_size=1, max_size=3, unique_by=lambda value: (type(value), value)).map(lambda v: {"any": v})
    | st.builds(lambda pair, points: {"between": pair, "points": points}, bounds, some_points)
    | st.builds(lambda low, points: {"log": [low, low * 2], "points": points}, st.integers(1, 99), some_points)
)
ranged = st.builds(
    ModelEntry,
    type=texts,
    params=st.builds(lambda name, found, rest: {**rest, name: found}, texts, ranges, mappings),
    prepare=st.lists(choices | st.builds(Choice, name=texts, options=ranges), max_size=2).map(tuple),
    layers=st.lists(choices | st.builds(Choice, name=texts, options=ranges), max_size=2).map(tuple),
    trainer=optional(choices | st.builds(Choice, name=texts, options=ranges)),
)
searches = st.builds(
    Search,
    method=st.sampled_from(["grid", "random", "tpe", "hyperband"]),
    candidates=st.integers(1, 99) | st.builds(Total, total=st.integers(1, 99)),
    time=optional(st.sampled_from(["90s", "1.5h", "20m"])),
    time_limit=optional(st.just("5m")),
    memory_limit=optional(st.sampled_from(["500MB", "1.5GiB"])),
    reuse=st.booleans(),
    forbid=names,
)


def with_ranges(recipe: Recipe, entry: ModelEntry, search: Search) -> Recipe:
    return recipe.model_copy(update={"models": {**recipe.models, "searched": entry}, "search": search})


recipes = st.builds(
    Recipe,
    name=optional(texts),
    notes=optional(texts),
    seed=seeds,
    dataset=datasets,
    training=st.builds(
        Training,
        balance=st.sampled_from([None, "none", "classes"]),
        negative_weights=st.sampled_from(["error", "drop", "absolute", "use"]),
    ),
    split=splits,
    models=st.dictionaries(model_names, models, min_size=1, max_size=2),
    evaluate=st.builds(Evaluate, rank_by=optional(texts), also=names),
).map(without_double_test)


VALIDATOR = jsonschema.Draft202012Validator(make_json_schema())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(recipes | st.builds(with_ranges, recipes, ranged, searches))
def test_every_recipe_can_be_written_and_read(recipe: Recipe) -> None:
    text = dump_recipe(recipe)
    document = parse_document(text, "dumped.yaml")
    assert repr(document.finish()) == repr(recipe)
    assert dump_recipe(document.finish()) == text
    VALIDATOR.validate(document.tree)
