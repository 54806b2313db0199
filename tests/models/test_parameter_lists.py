"""The bundled lists of parameters: equal to what the installed libraries say, and read correctly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.models.make_scikit_learn_list import REVIEWED, make_classes
from rapidml.models.make_xgboost_list import make_parameters
from rapidml.models.parameters import Kind, Parameter, ParameterList, read_list


def test_the_xgboost_list_is_what_the_library_says() -> None:
    import xgboost

    bundled = read_list("xgboost")
    if bundled["made_from"] != f"xgboost {xgboost.__version__}":
        pytest.skip(f"the list was made from {bundled['made_from']}")
    assert bundled["parameters"] == make_parameters()


def test_the_scikit_learn_list_is_what_the_library_says() -> None:
    bundled = read_list("scikit_learn")
    if bundled["made_from"] != f"scikit-learn {version('scikit-learn')}":
        pytest.skip(f"the list was made from {bundled['made_from']}")
    assert bundled["classes"] == make_classes()


def test_reviewed_classes_still_exist() -> None:
    import importlib

    for module, names in REVIEWED.items():
        for name in names:
            assert hasattr(importlib.import_module(module), name)


def test_checking_imports_no_library() -> None:
    program = """
import json, sys
from rapidml.models import checking, fitting, spec
from rapidml.models.registry import find_adapter
from rapidml.dataset import preparation
for name in ("xgboost", "mlp", "keras", "sklearn.linear_model.LogisticRegression"):
    adapter = find_adapter(name)
    assert list(adapter.check({"no_such": 1}, "binary"))
    adapter.resolve({}, None, None)
    adapter.versions()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numpy", "scipy", "pandas", "sklearn", "xgboost", "skops", "pyarrow", "dask", "distributed", "lightgbm"}
    heavy |= {"tensorflow", "keras"}
    assert not heavy & set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (Kind("integer", 1), [1, 7], [0, 1.0, True, "1", None]),
        (Kind("number", 0, 1, "right"), [0.5, 1, 1.0], [0, 0.0, 1.1, "a", math.nan]),
        (Kind("number", 0, 1, "neither"), [0.5], [0, 1]),
        (Kind("number", None, 1, "left"), [0.5, -3], [1]),
        (Kind("float", 0, 1), [0.5, 0.0], [0, 1]),
        (Kind("boolean"), [True, False], [0, 1, "true"]),
        (Kind("null"), [None], [0, "null"]),
        (Kind("choice", choices=("a", 1)), ["a", 1], ["b", 1.0, True]),
        (Kind("integers", 1), [[1], [2, 3], (3,)], [[], [0], [1.0], 1, [True], ["a"]]),
        (Kind("integers", 0, length=2), [[0, 1]], [[0], [0, 1, 2], [0, -1]]),
        (Kind("numbers", 0), [[1], [0.5, 2]], [[], [-1], 1, ["a"]]),
        (Kind("pairs", 0, length=2), [[[0, 1], [2, 3]]], [[[0, 1]], [[0], [1]], [0, 1], [[0, -1], [0, 0]]]),
        (Kind("list"), [[1, 2], [[1], ["a"]], (3,)], [[], [None], [{}], [True], 3]),
        (Kind("mapping"), [{"a": 1}, {}], [{"a": 2}, {"a": True}, []]),
    ],
)
def test_kinds_accept_what_they_say(kind: Kind, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not kind.accepts(value)] == []
    assert [value for value in wrong if kind.accepts(value)] == []


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_convert_without_changing(value: float) -> None:
    parameter = Parameter("x", (Kind("number"),))
    assert parameter.accepts(value)
    assert type(parameter.convert(value)) is float or abs(value) > 2**53


def test_integers_stay_integers_where_that_means_something_else() -> None:
    rows_or_share = Parameter("max_features", (Kind("integer", 1), Kind("float", 0, 1, "right")))
    assert (rows_or_share.convert(1), rows_or_share.convert(1.0)) == (1, 1.0)
    assert type(rows_or_share.convert(1)) is int
    assert type(Parameter("C", (Kind("number"),)).convert(1)) is float


def test_descriptions_name_all_forms() -> None:
    parameter = Parameter(
        "x", (Kind("integer", 1), Kind("float", 0, 1, "right"), Kind("choice", choices=("a", "b")), Kind("null"))
    )
    assert parameter.describe() == "an integer of at least 1, a fraction in (0, 1], a or b or null"


def test_unchecked_parameters_are_a_programming_mistake() -> None:
    with pytest.raises(ValueError, match="'no_such' was not checked"):
        ParameterList({}, {}).resolve({"no_such": 1})
