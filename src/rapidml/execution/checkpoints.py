"""Models on their way, kept in the store so that a fit that was ended goes on where it was. Runs on workers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rapidml.models.adapter import Fitted, Keep


def find_kept(store: str, key: str) -> Path | None:
    """Folder of the furthest checkpoint of a fit; None if there is none."""
    from rapidml.store.store import open_store

    return open_store(store).work.find_checkpoint(key)


def name_attempt(store: str, key: str) -> Path:
    """A folder of its own for the checkpoints of a new attempt at a fit; it is not made yet."""
    from rapidml.store.durable import make_token
    from rapidml.store.store import open_store

    return open_store(store).work.root / key / make_token()


def keep_checkpoints(store: str, key: str) -> Keep:
    """A callback that keeps the models it is given, the newest two."""
    from rapidml.store.work import save_checkpoint

    folder = name_attempt(store, key)

    def keep(model: Fitted) -> None:
        with contextlib.suppress(OSError):  # a full disk, say, must not end the fit itself
            folder.mkdir(parents=True, exist_ok=True)
            save_checkpoint(folder, model.rounds or 0, model.save)

    return keep


def forget_checkpoints(store: str, key: str) -> None:
    """Remove the checkpoints of all attempts at a fit: its model is stored."""
    from rapidml.store.store import open_store

    open_store(store).work.remove(key)
