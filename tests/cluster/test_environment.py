"""Tasks are exchanged only between equal environments, and what differs is said in words."""

from __future__ import annotations

import sys

import pytest

from rapidml.cluster.environment import ADAPTERS, describe_environment, find_difference
from rapidml.errors import DISTRIBUTION
from rapidml.models.registry import GROUP


def test_an_environment_equals_itself() -> None:
    found = describe_environment()
    assert found["environment"] == sys.prefix
    assert {DISTRIBUTION, "distributed", "numpy", "scikit-learn", "python", "sources"} <= set(found)
    assert find_difference(found, describe_environment()) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"python": "3.99.0"}, "it has python 3.99.0, this process python "),
        ({"environment": "/other/venv"}, "it has environment /other/venv, this process environment "),
        ({DISTRIBUTION: "0.1.0"}, f"it has {DISTRIBUTION} 0.1.0, this process {DISTRIBUTION} "),
        ({"numpy": "1.0.0"}, "it has numpy 1.0.0, this process numpy "),
        ({"a-plugin": "1.0"}, "it has a-plugin 1.0, this process no a-plugin"),
        ({"sources": "1"}, "rapidml's source files changed after it started"),
    ],
)
def test_what_differs_is_said(changes: dict[str, str], text: str) -> None:
    ours = describe_environment()
    difference = find_difference({**ours, **changes}, ours)
    assert difference is not None
    assert difference.startswith(text)


def test_adapters_are_found_where_the_registry_looks() -> None:
    assert ADAPTERS == GROUP
