"""Fresh processes that find the libraries loaded, forked beside this one by a helper (``forking.py``).

Meant for Dask workers: those of a nanny are daemonic and may have no children by ``multiprocessing``, and a process
that has computed with TensorFlow or OpenMP must not be forked. Helper and children end with who started them.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from typing import IO, TYPE_CHECKING, Any

from rapidml.cluster.starting import READY_WITHIN, make_environment
from rapidml.errors import ClusterError
from rapidml.trainers.forked import GONE_WITHIN, Child, read_end
from rapidml.trainers.limits import BEAT_SECONDS, SILENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "3"}
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


class Helper:
    """The process that forks. Any thread may use it; close it, or use it in ``with``.

    Args:
        process: The helper.
        control: Socket on which it takes requests.
        life: Pipe whose closing ends it and its children.
        log: What it prints.
        silent: Seconds without a sign of life after which a child is frozen.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, life: int, log: IO[bytes], silent: float
    ) -> None:
        self._process = process
        self._control = control
        self._life = life
        self._log = log
        self._silent = silent
        self._asking = threading.Lock()
        self._asked: Child | None = None
        self._answers: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._is_lost = False
        self.not_loaded: tuple[str, ...] = ()
        self._children: dict[int, Child] = {}  # those that run, by process id; only the thread changes it
        self._thread = threading.Thread(target=self._watch, name="training helper", daemon=True)
        self._thread.start()

    @classmethod
    def start(
        cls,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        device: str = "cpu",
        silent: float = SILENT_SECONDS,
    ) -> Helper:
        """Start a helper; it imports while this process goes on, and ``fork`` waits until it is ready.

        Args:
            preload: Modules that children find imported; one that cannot be is in ``not_loaded``.
            environment: Variables of helper and children beside those of this process.
            device: ``cpu`` hides GPUs from them.
            silent: Seconds without a sign of life after which a child is frozen.
        """
        ours, theirs = socket.socketpair()
        heard, life = os.pipe()
        log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        variables = {**TENSORFLOW, **(WITHOUT_GPU if device == "cpu" else {}), **(environment or {})}
        arguments = [str(theirs.fileno()), str(heard), json.dumps(list(preload))]
        process = subprocess.Popen(  # noqa: S603  (our own program)
            [sys.executable, "-P", "-m", "rapidml.trainers.forking", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**make_environment(), **variables},
            pass_fds=(theirs.fileno(), heard),
            start_new_session=True,  # Ctrl-C is for the process in front
        )
        theirs.close()
        os.close(heard)
        return cls(process, ours, life, log, silent)

    @property
    def pid(self) -> int:
        """Process id of the helper."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can fork, now or when it has imported its modules."""
        return not self._is_lost

    def wait_until_ready(self, timeout: float = READY_WITHIN) -> None:
        """Wait until the modules are imported.

        Raises:
            ClusterError: The helper died, or it takes longer.
        """
        if not self._ready.wait(timeout):
            raise ClusterError(f"the helper of the trainers did not start within {timeout:.0f} s{self._describe()}")
        self._check()

    def fork(self, function: str, arguments: Sequence[Any] = ()) -> Child:
        """Run a function in a fresh process.

        Args:
            function: ``module:name``. Called as ``name(channel, *arguments)`` with the child's ``Channel``.
            arguments: Anything that can be pickled.

        Raises:
            ClusterError: The helper is gone or frozen.
        """
        self.wait_until_ready()
        ours, theirs = socket.socketpair()
        beats, out = os.pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the child's close)
        os.set_blocking(beats, False)
        child = Child(Connection(ours.detach()), beats, errors)
        try:
            with self._asking:
                self._ask(child, (theirs.fileno(), out, errors.fileno()))
            child.send((function, tuple(arguments)))
        except BaseException:  # whatever it was, nobody knows of the child then
            if not child.pid:
                child.note_end(None)
            child.close()
            raise
        finally:
            theirs.close()
            os.close(out)
        return child

    def close(self) -> None:
        """End the helper and every child; a child stays to be asked how it ended, and to be closed."""
        if self._life < 0:
            return
        os.close(self._life)
        self._life = -1
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(GONE_WITHIN)
        except subprocess.TimeoutExpired:  # frozen, or still importing
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._control.close()
        self._log.close()

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, child: Child, descriptors: Sequence[int]) -> None:
        """Let the helper fork with three descriptors."""
        self._check()
        self._asked = child
        try:
            socket.send_fds(self._control, [b'{"fork": true}\n'], list(descriptors))
            self._answers.get(timeout=self._silent)
        except (OSError, queue.Empty):
            self._process.kill()  # frozen; what it still did would be for nobody
            self._process.wait()
            self._is_lost = True
        self._check()

    def _check(self) -> None:
        if self._is_lost or self._life < 0:
            raise ClusterError(f"the helper of the trainers is gone{self._describe()}")

    def _describe(self) -> str:
        words = "" if self._log.closed else read_end(self._log)
        return f"; the last it wrote:\n{words}" if words else ""

    # The thread: what the helper says, and whether the children live.

    def _watch(self) -> None:
        unread = b""
        while True:
            now = time.monotonic()  # before looking: this process may be frozen as well
            beating = {child.beats: child for child in self._children.values() if child.beats >= 0}
            ready = _wait((self._control.fileno(), *beating), BEAT_SECONDS / 2)
            for descriptor in ready & beating.keys():
                beating[descriptor].note_beats(now)
            for child in beating.values():
                child.kill_if_silent(now, self._silent)
            if self._control.fileno() in ready:
                data = _receive(self._control)
                if not data:
                    break
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    self._note(json.loads(line))
        self._give_up()

    def _note(self, said: Mapping[str, Any]) -> None:
        if "ready" in said:
            self.not_loaded = tuple(said["ready"])
            self._ready.set()
        elif "forked" in said and self._asked is not None:
            self._asked.pid = said["forked"]
            self._children[self._asked.pid] = self._asked
            self._answers.put(None)
        elif "ended" in said and said["ended"] in self._children:
            self._children.pop(said["ended"]).note_end(said["code"])

    def _give_up(self) -> None:
        """The helper has ended: so do the children, but frozen ones must be killed."""
        self._is_lost = True
        self._ready.set()
        self._answers.put(None)
        for child in self._children.values():
            child.kill()
            child.note_end(None)


def _wait(descriptors: Iterable[int], seconds: float) -> set[int]:
    """Those descriptors that can be read, or were closed by the other end."""
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(seconds * 1000)}


def _receive(control: socket.socket) -> bytes:
    try:
        return control.recv(65536)
    except OSError:
        return b""
