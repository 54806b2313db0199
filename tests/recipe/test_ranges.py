"""Ranges of a model: which there are, and a value in place of each."""

from __future__ import annotations

import pytest

from rapidml.recipe.document import parse_document
from rapidml.recipe.ranges import Range, find_kind, list_ranges, put_values
from rapidml.recipe.resolved import list_resolved
from rapidml.recipe.schema import Choice
from rapidml.recipe.values import mend_duration, mend_memory, parse_bytes, parse_seconds

RECIPE = """\
dataset: {path: a.csv, target: y}
models:
  net:
    type: some.Network
    params:
      depth: {any: [2, 3]}
      solver: {name: adam, rate: {log: [0.001, 0.1], points: 3}}
      hidden: [64, {between: [8, 32]}]
      plain: 1
    prepare: [impute: {any: [median, mean]}, pca: {n_components: {any: [2, 4]}}, standardize]
    layers: [Flatten, Dense: {units: {any: [32, 64]}}, Dropout: {between: [0.1, 0.5]}]
    trainer: {adag: {replicas: 2, window: {any: [5, 12]}}}
search: {method: random, candidates: 3}
"""


def test_ranges_are_listed_in_the_order_in_which_they_are_written() -> None:
    entry = parse_document(RECIPE, "r.yaml").finish().models["net"]
    assert list_ranges(entry) == (
        Range(("params", "depth"), "any", (2, 3)),
        Range(("params", "solver", "rate"), "log", (0.001, 0.1), 3),
        Range(("params", "hidden", 1), "between", (8, 32)),
        Range(("prepare", 0, "impute"), "any", ("median", "mean")),
        Range(("prepare", 1, "pca", "n_components"), "any", (2, 4)),
        Range(("layers", 1, "Dense", "units"), "any", (32, 64)),
        Range(("layers", 2, "Dropout"), "between", (0.1, 0.5)),
        Range(("trainer", "adag", "window"), "any", (5, 12)),
    )
    assert [one.name for one in list_ranges(entry)][2:] == [
        "params.hidden.1",
        "prepare.0.impute",
        "prepare.1.pca.n_components",
        "layers.1.Dense.units",
        "layers.2.Dropout",
        "trainer.adag.window",
    ]
    assert [one.name for one in list_ranges(entry) if one.is_integer] == ["params.hidden.1"]


def test_a_value_in_place_of_each_range_gives_the_model_as_written_without_ranges() -> None:
    entry = parse_document(RECIPE, "r.yaml").finish().models["net"]
    values = {
        "params.depth": 3,
        "params.solver.rate": 0.01,
        "params.hidden.1": 9,
        "prepare.0.impute": "mean",
        "prepare.1.pca.n_components": 4,
        "layers.1.Dense.units": 64,
        "layers.2.Dropout": 0.2,
        "trainer.adag.window": 12,
    }
    put = put_values(entry, values)
    assert put.params == {"depth": 3, "solver": {"name": "adam", "rate": 0.01}, "hidden": [64, 9], "plain": 1}
    assert put.prepare == (
        Choice(name="impute", options={"value": "mean"}),
        Choice(name="pca", options={"n_components": 4}),
        Choice(name="standardize"),
    )
    assert put.layers == (
        Choice(name="Flatten"),
        Choice(name="Dense", options={"units": 64}),
        Choice(name="Dropout", options={"value": 0.2}),
    )
    assert put.trainer == Choice(name="adag", options={"replicas": 2, "window": 12})
    assert list_ranges(put) == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"any": [1]}, "any"),
        ({"log": [1, 2], "points": 3}, "log"),
        ({"between": [1, 2]}, "between"),
        ({"any": [1], "log": [1, 2]}, None),
        ({"points": 3}, None),
        ({"any": [1], "x": 1}, None),
        ([1, 2], None),
    ],
)
def test_kinds_of_ranges(value: object, kind: str | None) -> None:
    assert find_kind(value) == kind


def test_a_range_is_one_value_of_the_resolved_recipe() -> None:
    document = parse_document(RECIPE, "r.yaml", ["models.net.params.plain={any: [1, 2]}"])
    found = {name: (value, origin) for name, value, origin in list_resolved(document, document.finish())}
    assert found["models.net.params.depth"] == ({"any": [2, 3]}, "r.yaml:6")
    assert found["models.net.params.plain"] == ({"any": [1, 2]}, "command line")
    assert found["models.net.params.solver.rate"] == ({"log": [0.001, 0.1], "points": 3}, "r.yaml:7")
    assert found["models.net.layers.1"] == ({"Dense": {"units": {"any": [32, 64]}}}, "r.yaml:11")
    assert found["models.net.trainer"] == ({"adag": {"replicas": 2, "window": {"any": [5, 12]}}}, "r.yaml:12")
    assert found["search.candidates"] == (3, "r.yaml:13")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["models.net.params.depth={any: [2, 3, 4]}"], (2, 3, 4)),
        (["models.net.params.depth.any=[5]"], (5,)),
        (["models.net.params.depth.any.0=7"], (7, 3)),
    ],
)
def test_overrides_edit_ranges(overrides: list[str], expected: tuple[int, ...]) -> None:
    entry = parse_document(RECIPE, "r.yaml", overrides).finish().models["net"]
    assert list_ranges(entry)[0].values == expected


def test_a_range_replaces_that_of_the_recipe_it_extends() -> None:
    text = "extends: run:base\nmodels: {net: {params: {depth: {between: [2, 9]}, solver: {rate: {points: 5}}}}}\n"
    document = parse_document(text, "r.yaml", stored_run=lambda _: RECIPE)
    depth, rate, *_ = list_ranges(document.finish().models["net"])
    assert depth == Range(("params", "depth"), "between", (2, 9))
    assert rate == Range(("params", "solver", "rate"), "log", (0.001, 0.1), 5)


def test_times_and_amounts_of_memory() -> None:
    assert [parse_seconds(text) for text in ("90s", "20m", "1.5h")] == [90.0, 1200.0, 5400.0]
    assert [parse_bytes(text) for text in ("500MB", "1.5GB", "2GiB")] == [500_000_000, 1_500_000_000, 2**31]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20 min", "20m"),
        ("20 minutes", "20m"),
        ("1.5 Hours", "1.5h"),
        ("90sec", "90s"),
        ("0 s", None),
        (20, None),
        ("a", None),
    ],
)
def test_times_in_other_words(written: object, meant: str | None) -> None:
    assert mend_duration(written) == meant


@pytest.mark.parametrize(("written", "meant"), [("4 gb", "4GB"), ("4G", "4GB"), ("512 mib", "512MiB"), ("4", None)])
def test_amounts_of_memory_in_other_words(written: object, meant: str | None) -> None:
    assert mend_memory(written) == meant
