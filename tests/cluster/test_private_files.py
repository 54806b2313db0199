"""Files that tell how to reach a cluster are believed only if nobody else can have written or read them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from rapidml.cluster.private_files import (
    check_folder,
    load_private,
    look_at_lock,
    make_runtime_folder,
    runtime_folder,
    take_lock,
    write_private,
)
from rapidml.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return make_runtime_folder()


def test_the_folder_is_private(folder: Path, tmp_path: Path) -> None:
    assert folder == tmp_path / "rapidml" == make_runtime_folder()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("given", [None, "", "relative", "/nowhere/at/all"])
def test_without_a_runtime_directory_it_is_below_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if given is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    assert runtime_folder() == tmp_path / f"rapidml-run-{os.geteuid()}"
    assert make_runtime_folder().stat().st_mode & 0o777 == 0o700


def test_a_runtime_directory_of_somebody_else_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "rapidml"
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert tmp_path not in runtime_folder().parents


def test_a_folder_that_others_can_open(folder: Path) -> None:
    folder.chmod(0o750)
    with pytest.raises(ClusterError, match=r"is open to other users; expected mode 700: chmod 700 "):
        make_runtime_folder()


def test_a_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ClusterError, match=r"link is not a folder \(links are refused\); remove it"):
        check_folder(tmp_path / "link")


def test_a_folder_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ClusterError, match=r"belongs to user \d+, not to you; remove it, or set XDG_RUNTIME_DIR"):
        check_folder(folder)


def test_what_is_written_is_read(folder: Path) -> None:
    path = folder / "cluster.json"
    assert load_private(path) is None
    for tree in ({"a": 1}, {"a": 2}):
        write_private(path, tree)
        assert load_private(path) == tree
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in folder.iterdir()] == ["cluster.json"]


def test_a_file_that_others_can_read(folder: Path) -> None:
    write_private(folder / "cluster.json", {})
    (folder / "cluster.json").chmod(0o644)
    with pytest.raises(ClusterError, match=r"cluster\.json is open to other users; expected mode 600"):
        load_private(folder / "cluster.json")


def test_a_file_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(folder / "cluster.json", {})
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ClusterError, match=r"cluster.json belongs to user \d+, not to you"):
        load_private(folder / "cluster.json")


def test_a_file_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    write_private(tmp_path / "elsewhere", {})
    (folder / "cluster.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClusterError, match="links are refused"):
        load_private(folder / "cluster.json")


def test_what_is_no_file(folder: Path) -> None:
    (folder / "cluster.json").mkdir(mode=0o700)
    with pytest.raises(ClusterError, match="is not a file"):
        load_private(folder / "cluster.json")
    os.mkfifo(folder / "pipe", 0o600)
    with pytest.raises(ClusterError, match="is not a file"):
        load_private(folder / "pipe")


def test_a_damaged_file(folder: Path) -> None:
    write_private(folder / "cluster.json", {})
    (folder / "cluster.json").write_text('{"pid": 47')
    with pytest.raises(ClusterError, match=r"cluster\.json is damaged; remove it"):
        load_private(folder / "cluster.json")


def test_one_has_the_lock(folder: Path) -> None:
    lock = folder / "cluster.lock"
    descriptor = take_lock(lock)
    assert descriptor is not None
    assert take_lock(lock, patience=0.05) is None
    with look_at_lock(lock) as is_free:
        assert not is_free
    os.close(descriptor)
    with look_at_lock(lock) as is_free, look_at_lock(lock) as is_free_too:
        assert is_free
        assert is_free_too
        assert take_lock(lock, patience=0.05) is None


def test_a_killed_process_has_no_lock(folder: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from rapidml.cluster.private_files import take_lock
assert take_lock(Path({str(folder / "cluster.lock")!r})) is not None
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    with look_at_lock(folder / "cluster.lock") as is_free:
        assert is_free
