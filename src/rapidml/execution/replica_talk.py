"""What a worker says to the processes of its replicas, and hears of them; that one is gone is an error of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.errors import ModelError
from rapidml.trainers.collective import RankLostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.trainers.forked import Child

ECHOES = ("unavailableerror", "cancellederror", "abortederror", "internalerror", "deadlineexceedederror", "collective")
"""In the errors of ranks that have lost another one."""


def ask(child: Child, timeout: float | None = 0.0) -> Any:
    """The next message of a replica; None if there is none.

    Raises:
        RankLostError: It is gone, or noticed that another one is.
        ModelError: What it raised by itself.
    """
    from rapidml.trainers.forked import ChildError, ChildLostError

    try:
        return child.poll(timeout)
    except ChildLostError as error:
        raise RankLostError(str(error)) from error
    except ChildError as error:
        if any(echo in f"{error.kind} {error.text}".lower() for echo in ECHOES):
            raise RankLostError(f"a replica lost another one: {error.text[:200]}") from error
        raise ModelError(error.text if error.kind.endswith("ModelError") else f"{error.kind}: {error.text}") from error


def tell(child: Child, message: Mapping[str, Any]) -> None:
    """Send a replica what it waits for.

    Raises:
        RankLostError: It is gone.
    """
    from rapidml.trainers.forked import ChildLostError

    try:
        child.send(dict(message))
    except ChildLostError as error:
        raise RankLostError(str(error)) from error
