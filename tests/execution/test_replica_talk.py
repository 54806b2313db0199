"""What a worker makes of replicas that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from rapidml.errors import ModelError
from rapidml.execution.replica_talk import ask, tell
from rapidml.trainers.collective import RankLostError
from rapidml.trainers.forked import ChildError, ChildLostError


class Gone:
    """A child that was killed before it was told anything."""

    def send(self, _: object) -> None:
        raise ChildLostError(7, -9, "")

    def poll(self, _: object) -> Any:
        raise ChildLostError(7, -9, "")


class Raising:
    """A child whose function raised."""

    def __init__(self, kind: str, text: str) -> None:
        self.error = ChildError(kind, text, "")

    def poll(self, _: object) -> Any:
        raise self.error


def test_who_is_gone_is_lost_whether_it_is_told_or_asked() -> None:
    meetings: list[Any] = [lambda child: tell(child, {}), ask]
    for meet in meetings:
        with pytest.raises(RankLostError, match="SIGKILL"):
            meet(Gone())


def test_errors_of_its_own_are_no_losses() -> None:
    with pytest.raises(ModelError, match=r"^ValueError: too wide$"):
        ask(Raising("ValueError", "too wide"))  # type: ignore[arg-type]
    with pytest.raises(RankLostError, match="a replica lost another one"):
        ask(Raising("UnavailableError", "Connection reset"))  # type: ignore[arg-type]
