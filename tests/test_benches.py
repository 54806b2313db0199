"""The benches of networks run, on few rows: what they measure is looked at by people, not here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[1] / "bench"

pytestmark = pytest.mark.slow


def run(name: str, *words: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(BENCH / name), "--json", "--repeat", "1", "--scale", "0.02", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr[-2000:]  # 1: a target is missed
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.cluster
def test_exchanges_are_measured() -> None:
    figures = {line["figure"] for line in run("networks.py", "--only", "exchange") if "figure" in line}
    assert len([name for name in figures if name.startswith("exchanges a second")]) == 4


@pytest.mark.cluster
def test_a_network_is_timed_against_keras(shared_data: Path) -> None:
    pytest.importorskip("tensorflow")
    assert (shared_data / "mnist").exists()
    lines = run("networks.py", "--only", "single-mlp")
    (figure,) = (line for line in lines if "figure" in line)
    assert figure["median"] > 0


def test_staleness_is_simulated(shared_data: Path) -> None:
    pytest.importorskip("tensorflow")
    assert (shared_data / "mnist").exists()
    lines = run("staleness.py", "--only", "windows")
    (steps, *others) = (line for line in lines if "figure" in line and "NumPy and TensorFlow" in line["figure"])
    assert others
    assert {line["verdict"] for line in (steps, *others)} == {"PASS"}
