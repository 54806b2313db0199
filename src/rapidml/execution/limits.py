"""Limits of one fit of a search: its time, kept by a clock outside of Python, and its memory, kept by the system."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from rapidml.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapidml.execution.candidates import CandidateJob


def describe_limits(job: CandidateJob) -> str:
    """Why a limited fit probably died with its worker."""
    over = [f"took longer than its time_limit of {job.seconds:g} s"] if job.seconds is not None else []
    over += [f"needed more than its memory_limit of {job.memory / 1e9:g} GB"] if job.memory is not None else []
    return f"the fit {' or '.join(over)}, or its worker process was ended"


def was_running(store: str, job: CandidateJob) -> bool:
    """Whether a limited job had begun when its worker died; told once."""
    marker = _find_marker(store, job)
    is_there = bool(job.token) and marker.exists()
    if is_there:
        marker.unlink(missing_ok=True)
    return is_there


def _find_marker(store: str, job: CandidateJob) -> Path:
    return Path(store) / "work" / f"began-{job.token}"


@contextlib.contextmanager
def limited(store: str, job: CandidateJob) -> Iterator[None]:
    """End this process if the fit takes too long; refuse it memory beyond its limit.

    The clock runs outside of Python, so that it also ends a library that never gives the interpreter's lock back.

    Raises:
        ModelError: The first attempt at this job took too long, or its worker died of something else.
    """
    if job.seconds is None and job.memory is None:
        yield
        return
    marker = _find_marker(store, job)
    if was_running(store, job):
        raise ModelError(describe_limits(job))
    marker.parent.mkdir(exist_ok=True)
    marker.touch()
    try:
        with _limit_time(job.seconds), _limit_memory(job.memory):
            yield
    finally:
        marker.unlink(missing_ok=True)


@contextlib.contextmanager
def _limit_time(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    import faulthandler

    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _limit_memory(size: int | None) -> Iterator[None]:
    """Linux refuses allocations beyond what the process has now and the limit; elsewhere nothing is limited."""
    import resource
    import sys

    if size is None or sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    now = pages * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (now + size, hard))
    try:
        yield
    except MemoryError as error:
        raise ModelError(f"the fit needs more than its memory_limit of {size / 1e9:g} GB") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
