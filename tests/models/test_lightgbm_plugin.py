"""A library added by a separate distribution: found by its entry point, and held to the same suite."""

from __future__ import annotations

import importlib
import sys
import tomllib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rapidml.models.registry import find_adapter, list_types
from tests.models.conformance import RoundsConformance, WeightConformance
from tests.models.prefix_conformance import PrefixConformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("lightgbm")


@pytest.fixture(autouse=True, scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin as if installed: metadata made from its own pyproject.toml, its sources on the path."""
    folder = root / "tests" / "plugins" / "rapidml-lightgbm"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path_factory.mktemp("site")
    about = site / "rapidml_lightgbm-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    added = [str(site), str(folder / "src")]
    sys.path[:0] = added
    importlib.invalidate_caches()
    yield
    for path in added:
        sys.path.remove(path)


def test_installing_it_adds_a_type() -> None:
    assert "lightgbm" in list_types()
    assert find_adapter("lightgbm").name == "lightgbm"


@pytest.mark.slow
class TestLightGBM(WeightConformance, RoundsConformance, PrefixConformance):
    type = "lightgbm"
    params: ClassVar[dict[str, Any]] = {"n_estimators": 15, "num_leaves": 5, "min_child_samples": 0, "max_bin": 1000}
    weight_tolerance = None  # values are binned by rows, whatever their weight
