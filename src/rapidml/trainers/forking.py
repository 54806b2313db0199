"""The helper process: imports libraries once and forks children that find them loaded.

``python -m rapidml.trainers.forking CONTROL LIFE MODULES`` with the numbers of two inherited descriptors and a JSON
list. It is told what to do by lines of JSON on the control socket, see ``Forking``; ``helper.py`` is the other side.

It computes nothing and starts no thread, so that it can be forked at any time. Children belong to who asked for them:
their channels are its sockets, handed over with the request, and they end when it does. The helper only reaps them.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from typing import Any

from rapidml.trainers.child import run_child

MOST_DESCRIPTORS = 16
PER_CHILD = 3
"""Descriptors that come with a request to fork: channel, signs of life, file for what the child prints."""


class Forking:
    """Answers one control socket until it is closed.

    It reads ``{"fork": true}`` with three descriptors and writes ``{"forked": pid}``; it writes
    ``{"ready": [modules that could not be imported and why]}`` at the start and ``{"ended": pid, "code": code}`` when a
    child has ended, where a negative code is the signal that killed it.

    Args:
        control: The socket.
        life: Pipe that is closed when the process that asks ends.
    """

    def __init__(self, control: socket.socket, life: int) -> None:
        self._control = control
        self._asker = life
        self._own = os.pipe()  # the children read; the end of this process closes it
        self._signals = os.pipe()
        self._children: set[int] = set()
        self._received: list[int] = []
        self._unread = b""

    def run(self, modules: list[str]) -> None:
        """Import modules, then serve until the asking process closes the socket or ends."""
        with _ending_with(self._asker):
            failed = [found for name in modules if (found := _import(name))]
        gc.collect()
        gc.freeze()  # the collector would write to pages that are shared
        for end in self._signals:
            os.set_blocking(end, False)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever a library made of it
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        self._tell({"ready": failed})
        try:
            while self._serve():
                pass
        finally:
            self._end()

    def _serve(self) -> bool:
        """Wait for one thing to do, and do it; False at the end."""
        ready, _, _ = select.select([self._control.fileno(), self._asker, self._signals[0]], [], [])
        if self._signals[0] in ready:
            os.read(self._signals[0], 4096)
            self._reap()
        if self._control.fileno() in ready:
            return self._read()
        return self._asker not in ready

    def _read(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 65536, MOST_DESCRIPTORS)
        except ConnectionResetError:
            return False
        self._received += descriptors
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if json.loads(line).get("fork"):
                taken, self._received = self._received[:PER_CHILD], self._received[PER_CHILD:]
                self._fork(taken)
        return bool(data)

    def _fork(self, descriptors: list[int]) -> None:
        pid = os.fork()
        if not pid:
            self._become_child(descriptors)
        for one in descriptors:
            os.close(one)
        self._children.add(pid)
        self._tell({"forked": pid})

    def _become_child(self, descriptors: list[int]) -> None:
        """Go on as a child, and never come back."""
        code = 1
        try:
            os.setsid()  # a group of its own, so that what it starts ends with it
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (*self._signals, self._own[1], self._control.fileno(), *self._received):
                os.close(one)
            channel, beats, errors = descriptors
            code = run_child(channel, beats, errors, lives=(self._asker, self._own[0]))
        finally:
            os._exit(code)  # without waiting for threads that still compute

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._children.discard(pid)
            self._tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, tree: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody is there any more, which the next look will show
            self._control.sendall(f"{json.dumps(tree)}\n".encode())

    def _end(self) -> None:
        """End all children, frozen ones too."""
        for pid in self._children:
            for kill in (os.killpg, os.kill):  # it may not have its group yet
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


@contextlib.contextmanager
def _ending_with(life: int) -> Any:
    """While this process imports and cannot look, let the kernel end it when a pipe is closed."""
    flags = fcntl.fcntl(life, fcntl.F_GETFL)
    signal.signal(signal.SIGIO, signal.SIG_DFL)  # ends the process
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:  # it was closed before
        sys.exit(1)
    yield
    fcntl.fcntl(life, fcntl.F_SETFL, flags)


def _import(name: str) -> str | None:
    """Import a module; why it could not be."""
    try:
        import_module(name)
    except Exception as error:  # noqa: BLE001  (told to who asked; the child that needs it fails with the same)
        return f"{name}: {error}"
    return None


def main() -> None:
    """Serve the descriptors that the arguments name."""
    control, life = int(sys.argv[1]), int(sys.argv[2])
    for one in (control, life):
        os.set_inheritable(one, False)
    Forking(socket.socket(fileno=control), life).run(json.loads(sys.argv[3]))


if __name__ == "__main__":
    main()
