"""Forked processes: what they find, what comes back, and that none outlives those it belongs to."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from rapidml.errors import ClusterError
from rapidml.trainers.forked import Child, ChildError, ChildLostError, wait_for_any
from rapidml.trainers.helper import Helper
from rapidml.trainers.ports import reserve_port
from tests.trainers import asking_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster  # sockets and processes of their own

HERE = "tests.trainers.child_functions"
SOON = 3.0
"""Seconds within which processes must be gone."""


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    with Helper.start(["xml.dom.minidom", "no_such_module"]) as started:
        yield started


def finish(child: Child) -> tuple[list[Any], Any]:
    """Everything that a child says, and what it returns."""
    with child:
        return list(child.messages()), child.result


def wait_for_end(pids: list[int], seconds: float = SOON) -> None:
    """Until none of the processes runs; fails if one does for longer."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    end = time.monotonic() + seconds
    while any(is_running(one) for one in processes):
        assert time.monotonic() < end, [one for one in processes if is_running(one)]
        time.sleep(0.02)  # processes of others: there is nothing to wait on


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_messages_come_in_order_and_then_the_result(helper: Helper) -> None:
    child = helper.fork(f"{HERE}:say", (1, "two", {"three": [3.0]}))
    assert finish(child) == ([1, "two", {"three": [3.0]}], 3)
    assert child.exitcode == 0
    assert not child.is_alive
    assert not psutil.pid_exists(child.pid)


def test_a_child_is_spoken_to(helper: Helper) -> None:
    with helper.fork(f"{HERE}:add") as child:
        assert child.poll(0.01) is None
        for number in (3, 4, 0):
            child.send(number)
        assert list(child.messages()) == []
        assert child.result == 7
        assert child.poll() is None


def test_large_arrays_travel(helper: Helper) -> None:
    sent = np.arange(3_000_000, dtype=np.float32)
    with helper.fork(f"{HERE}:double") as child:
        child.send(sent)
        assert list(child.messages()) == []
        np.testing.assert_array_equal(child.result, 2 * sent)


def test_children_run_side_by_side(helper: Helper) -> None:
    children = [helper.fork(f"{HERE}:add") for _ in range(4)]
    for number, child in reversed(list(enumerate(children))):
        child.send(number + 1)
        child.send(0)
    assert wait_for_any([], 10) == []
    while waiting := [child for child in children if not child.has_returned]:
        ready = wait_for_any(children, 10)
        assert ready
        assert set(ready) <= set(waiting)
        for child in ready:
            child.poll()
    assert [child.result for child in children] == [1, 2, 3, 4]
    for child in children:
        child.close()


def test_modules_are_loaded_before_the_fork(helper: Helper) -> None:
    names = ["xml.dom.minidom", "no_such_module", "xml.dom.pulldom"]
    _, found = finish(helper.fork(f"{HERE}:name_modules", names))
    assert found == {"xml.dom.minidom": True, "no_such_module": False, "xml.dom.pulldom": False}
    assert helper.not_loaded == ("no_such_module: No module named 'no_such_module'",)


@pytest.mark.parametrize(("device", "hidden"), [("cpu", "-1"), ("cuda", "1")])
def test_the_environment(monkeypatch: pytest.MonkeyPatch, device: str, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    names = ["CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MINE"]
    with Helper.start(environment={"MINE": "yes"}, device=device) as started:
        _, found = finish(started.fork(f"{HERE}:name_variables", names))
    assert found == dict(zip(names, [hidden, "3", "1", None, "yes"], strict=True))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts threads in /proc")
def test_the_helper_has_one_thread_and_keeps_nothing_of_its_children(helper: Helper) -> None:
    finish(helper.fork(f"{HERE}:say"))
    about = Path(f"/proc/{helper.pid}")
    before = len(list(about.joinpath("fd").iterdir()))
    for _ in range(3):
        finish(helper.fork(f"{HERE}:say"))
    assert len(list(about.joinpath("task").iterdir())) == 1
    assert len(list(about.joinpath("fd").iterdir())) == before


def test_an_exception_comes_back_with_its_traceback(helper: Helper) -> None:
    with (
        helper.fork(f"{HERE}:fail", ("no such layer",)) as child,
        pytest.raises(ChildError, match=r"^ValueError: no such layer$") as caught,
    ):
        child.poll(None)
    error = caught.value
    assert (error.kind, error.text) == ("ValueError", "no such layer")
    assert "child_functions.py" in error.trace
    assert "raise ValueError(text)" in error.trace
    assert child.exitcode == 1
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.trace) == (str(error), error.trace)


def test_what_rapidml_says_to_a_user_needs_no_class_before_it(helper: Helper) -> None:
    with (
        helper.fork(f"{HERE}:fail_plainly", ("the loss is NaN in epoch 3",)) as child,
        pytest.raises(ChildError, match=r"^the loss is NaN in epoch 3$") as caught,
    ):
        child.poll(None)
    assert caught.value.kind == "rapidml.errors.ModelError"


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("no_such_module:f", (), "ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{HERE}:no_such_function", (), "AttributeError: .* has no attribute 'no_such_function'"),
        (f"{HERE}:HERE_IS_NONE", (), "AttributeError"),
        (f"{HERE}:np", (), "TypeError: .*:np is not a function"),
        (f"{HERE}:say", (None,), "ValueError: None cannot be told from no message"),
        (f"{HERE}:fail", (), "TypeError: .* missing 1 required positional argument"),
    ],
)
def test_what_cannot_be_run_says_so(helper: Helper, function: str, arguments: Any, message: str) -> None:
    with helper.fork(function, arguments) as child, pytest.raises(ChildError, match=message):
        child.poll(None)


def test_arguments_that_cannot_be_sent_leave_no_process(helper: Helper) -> None:
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        helper.fork(f"{HERE}:say", (lambda: 0,))
    assert finish(helper.fork(f"{HERE}:say", (1,))) == ([1], 1)


def test_a_child_that_ends_without_a_word_leaves_its_last_lines(helper: Helper) -> None:
    words = "\n".join(["first", *[f"line {number}" for number in range(15)]])
    with (
        helper.fork(f"{HERE}:write_and_exit", (words, 3)) as child,
        pytest.raises(ChildLostError, match=r"ended with exit code 3; the last it wrote:\n  line 0\n") as caught,
    ):
        child.poll(None)
    assert caught.value.code == 3
    assert caught.value.words.splitlines()[-1] == "line 14"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.code, again.is_frozen) == (str(caught.value), 3, False)


def test_a_crash_in_native_code_shows_where(helper: Helper) -> None:
    with helper.fork(f"{HERE}:abort") as child, pytest.raises(ChildLostError, match="was killed by SIGABRT") as caught:
        child.poll(None)
    assert "Fatal Python error: Aborted" in caught.value.words
    assert "in abort" in caught.value.words


def test_a_closed_helper_forks_no_more() -> None:
    started = Helper.start()
    child = started.fork(f"{HERE}:linger")
    pids = child.poll(None)
    started.close()
    wait_for_end([started.pid, *pids])
    with pytest.raises(ClusterError, match="the helper of the trainers is gone"):
        started.fork(f"{HERE}:say")
    with pytest.raises(ChildLostError):
        child.poll(None)
    child.close()
    started.close()


def test_closing_does_not_wait_for_imports() -> None:
    began = time.monotonic()
    Helper.start(["tests.trainers.slow_import"]).close()
    assert time.monotonic() - began < SOON


def run_in_daemon(answers: Any) -> None:
    with Helper.start() as started:
        answers.send(finish(started.fork(f"{HERE}:say", (1,))))


def test_a_daemonic_process_may_have_a_helper() -> None:
    ours, theirs = multiprocessing.Pipe()
    daemon = multiprocessing.get_context("spawn").Process(target=run_in_daemon, args=(theirs,), daemon=True)
    daemon.start()
    theirs.close()
    assert ours.poll(60)
    assert ours.recv() == ([1], 1)
    daemon.join()
    daemon.close()
    ours.close()


def test_a_reserved_port_is_for_those_who_share_it() -> None:
    held, port = reserve_port("127.0.0.1")
    with held, socket.socket() as other, socket.socket() as server:
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.getpeername()[1] == port


# Killed and frozen processes.


@pytest.fixture
def quick() -> Iterator[Helper]:
    """A helper that takes a second of silence for death; each test may break its own."""
    with Helper.start(silent=2.5) as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def lingering(quick: Helper) -> Iterator[Child]:
    with quick.fork(f"{HERE}:linger") as child:
        yield child


@pytest.mark.faults
def test_a_killed_child_is_noticed_at_once(lingering: Child) -> None:
    pids = lingering.poll(None)
    os.kill(lingering.pid, signal.SIGTERM)  # it does not care
    began = time.monotonic()
    os.kill(lingering.pid, signal.SIGKILL)
    with pytest.raises(ChildLostError, match="was killed by SIGKILL, as the system does when memory runs out"):
        lingering.poll(None)
    assert time.monotonic() - began < 1
    assert lingering.exitcode == -signal.SIGKILL
    os.kill(pids[1], signal.SIGKILL)  # what a killed process has started is its own affair


@pytest.mark.faults
def test_closing_a_child_ends_what_it_started(lingering: Child) -> None:
    pids = lingering.poll(None)
    lingering.close()
    wait_for_end(list(pids))


@pytest.mark.faults
def test_a_frozen_child_is_killed(lingering: Child) -> None:
    pids = lingering.poll(None)
    os.kill(lingering.pid, signal.SIGSTOP)
    with pytest.raises(ChildLostError, match="gave no sign of life and was killed") as caught:
        lingering.poll(None)
    assert caught.value.is_frozen
    wait_for_end(list(pids))


@pytest.mark.faults
@pytest.mark.parametrize("is_frozen", [False, True])
def test_children_end_with_their_helper(quick: Helper, lingering: Child, is_frozen: bool) -> None:
    pids = lingering.poll(None)
    if is_frozen:
        os.kill(lingering.pid, signal.SIGSTOP)
    os.kill(quick.pid, signal.SIGKILL)
    with pytest.raises(ChildLostError, match="is gone"):
        lingering.poll(None)
    wait_for_end(list(pids))
    with pytest.raises(ClusterError, match="the helper of the trainers is gone"):
        quick.fork(f"{HERE}:say")
    assert not quick.is_alive


@pytest.mark.faults
def test_a_frozen_helper_is_given_up(quick: Helper, lingering: Child) -> None:
    pids = lingering.poll(None)
    os.kill(quick.pid, signal.SIGSTOP)
    with pytest.raises(ClusterError, match="the helper of the trainers is gone"):
        quick.fork(f"{HERE}:say")
    wait_for_end(list(pids))


def start_asking(preload: str, n_children: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", asking_process.__name__, preload, str(n_children)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.faults
@pytest.mark.parametrize("frozen", [[], [1], [0], [0, 1]], ids=["none frozen", "child", "helper", "both"])
def test_helper_and_children_end_with_who_asked(frozen: list[int]) -> None:
    with start_asking("", 2) as process:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())
        for which in frozen:
            os.kill(pids[which], signal.SIGSTOP)
        process.kill()
        if frozen == [0, 1]:  # nothing that runs is left to end this child
            wait_for_end(pids[3:])
            os.kill(pids[0], signal.SIGCONT)
        elif frozen == [0]:
            wait_for_end(pids[1:])
            os.kill(pids[0], signal.SIGCONT)
        wait_for_end(pids)


@pytest.mark.faults
def test_a_helper_that_still_imports_ends_with_who_asked() -> None:
    with start_asking("tests.trainers.slow_import", 1) as process:
        asking = psutil.Process(process.pid)
        while not (children := asking.children()):
            assert process.poll() is None
            time.sleep(0.02)
        (imports,) = children
        while imports.cpu_times().user < 0.03 or imports.status() != psutil.STATUS_SLEEPING:
            time.sleep(0.02)
        process.kill()
        wait_for_end([imports.pid])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_tensorflow_is_loaded_once() -> None:
    pytest.importorskip("tensorflow", reason="needs the extra tensorflow")
    with Helper.start(["tensorflow", "keras"]) as started:
        started.wait_until_ready()
        assert started.not_loaded == ()
        for _ in range(2):  # a second group after a first one
            began = time.monotonic()
            children = [started.fork(f"{HERE}:multiply_with_tensorflow", (8,)) for _ in range(2)]
            assert [child.poll(None) for child in children] == ["loaded", "loaded"]
            assert time.monotonic() - began < 5
            assert [finish(child) for child in children] == [([], 64.0), ([], 64.0)]
