from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.errors import StoreError
from rapidml.store import Fact, FactWriter, ObjectRef, Store, read_facts
from rapidml.store.facts import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = "20261122-0719-k3f9"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{RUN}.1.jsonl"


@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from(["finished", "failed"]), st.none() | st.text())
def test_a_fact_survives_its_line(payload: dict[str, Any], state: Any, error: str | None) -> None:
    ref = ObjectRef("models", "cd" * 32, {"a/b": (3, "0" * 64)})
    fact = Fact(
        "ab" * 32, "fit", state, payload, 1.5, 1 << 30, {"xgboost": "3.2"}, (ref,), error, "family", RUN, 2, 7.25
    )
    line = fact.to_json()
    assert "\n" not in line
    assert Fact.from_json(line) == fact


def test_a_line_of_a_later_version_is_read() -> None:
    tree = json.loads(Fact("ab" * 32, "fit").to_json())
    assert Fact.from_json(json.dumps({**tree, "later": 1})).key == "ab" * 32


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "7", '{"key": 7}', "\x00\x00", '{"key":"' + "ab" * 32 + '"}', "{" * 9]
)
def test_other_lines_are_not_facts(line: str) -> None:
    with pytest.raises((ValueError, StoreError)):
        Fact.from_json(line)


def test_not_a_number_is_refused_before_it_is_written(path: Path) -> None:
    with FactWriter(path, RUN, 1, {}) as writer, pytest.raises(ValueError, match="not JSON compliant"):
        writer.append(Fact("ab" * 32, "fit", payload={"loss": float("nan")}))


def test_only_one_process_creates_an_attempt(path: Path) -> None:
    with FactWriter(path, RUN, 1, {}), pytest.raises(FileExistsError):
        FactWriter(path, RUN, 1, {})


def test_lines_reach_the_disk_by_themselves_within_half_a_second(path: Path) -> None:
    import time

    with FactWriter(path, RUN, 1, {}) as writer:
        started = time.monotonic()
        writer.append(Fact("ab" * 32, "fit"))
        while not list(read_facts(path)):
            assert time.monotonic() - started < 5
            time.sleep(0.01)
        assert time.monotonic() - started < 0.6


def test_flush_waits_for_the_disk_and_close_ends_the_file(path: Path) -> None:
    writer = FactWriter(path, RUN, 1, {"driver": {}})
    writer.append(Fact("ab" * 32, "fit"))
    writer.flush()
    assert [(fact.run, fact.attempt) for fact in read_facts(path)] == [(RUN, 1)]
    writer.close()
    writer.close()
    lines = path.read_text().splitlines()
    assert json.loads(lines[0]) == {"run": RUN, "attempt": 1, "driver": {}}
    assert json.loads(lines[-1])["end"] is True
    with pytest.raises(ValueError, match="closed"):
        writer.append(Fact("ab" * 32, "fit"))


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_torn_last_line_is_skipped(path: Path, cut: int) -> None:
    with FactWriter(path, RUN, 1, {}) as writer:
        for digit in "abc":
            writer.append(Fact(digit * 64, "fit"))
    text = path.read_bytes()
    end = text.index(b'{"end"')
    path.write_bytes(text[: end - cut])
    assert [fact.key[0] for fact in read_facts(path)] == ["a", "b"]


def test_a_damaged_line_hides_no_other(path: Path) -> None:
    with FactWriter(path, RUN, 1, {}) as writer:
        for digit in "abc":
            writer.append(Fact(digit * 64, "fit"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\x00" * (len(lines[2]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    assert [fact.key[0] for fact in read_facts(path)] == ["a", "c"]


def test_a_full_disk_leaves_no_half_line_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FactWriter(path, RUN, 1, {})
    real = os.write
    state = {"room": 20}

    def write(descriptor: int, data: Any) -> int:
        if state["room"] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data)[: state["room"]]
        state["room"] -= len(part)
        return real(descriptor, part)

    before = path.read_bytes()
    monkeypatch.setattr("rapidml.store.facts.os.write", write)
    writer.append(Fact("ab" * 32, "fit"))
    with pytest.raises(StoreError, match="No space left on device"):
        writer.flush()
    assert path.read_bytes() == before
    with pytest.raises(StoreError, match="No space left on device"):
        writer.append(Fact("cd" * 32, "fit"))
    state["room"] = 1 << 20
    writer.flush()
    writer.append(Fact("cd" * 32, "fit"))
    writer.close()
    assert [fact.key[:2] for fact in read_facts(path)] == ["ab", "cd"]


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: not set(b"\r\n") & set(line)), max_size=8), st.integers(1, 30)
)
def test_lines_are_read_the_same_in_pieces_of_any_size(lines: list[bytes], limit: int) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(b"".join(line + b"\n" for line in lines) + b"torn")
        found, position = [], 0
        while True:
            some, following = read_lines(path, position, limit)
            found += some
            if following == position:
                break
            position = following
        content = path.read_bytes()
    assert [text for _, text in found] == lines
    assert all(content[start : start + len(text)] == text for start, text in found)


WRITER = """
import sys
from rapidml.store import Fact, open_store
store = open_store(sys.argv[1])
number = int(sys.argv[2])
run = store.create_run({"name": f"r{number}"}, "models: {}")
attempt = store.start_attempt(run)
for i in range(200):
    attempt.facts.append(Fact(f"{number:08x}{i:08x}", "fit", payload={"i": i}))
    if i % 50 == 0:
        assert store.find_facts([f"{number:08x}{0:08x}"]) or i < 50
        attempt.facts.flush()
attempt.finish("finished")
"""


def test_eight_processes_lose_no_fact(store: Store, spawn: Callable[..., Any]) -> None:
    processes = [spawn(WRITER, store.path, number) for number in range(8)]
    assert [process.wait(100) for process in processes] == [0] * 8
    keys = [f"{number:08x}{i:08x}" for number in range(8) for i in range(200)]
    found = store.find_facts(keys)
    assert len(found) == 1600
    assert all(found[name].payload["i"] == int(name[8:], 16) for name in keys)
    assert {run.state for run in store.list_runs()} == {"finished"}
    assert store.check() == []
