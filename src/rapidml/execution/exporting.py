"""Hands the model of a run over: a folder with the files of its own library, and what its columns are."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rapidml.errors import RapidmlError
from rapidml.execution.listing import load_result
from rapidml.execution.training import FINAL

if TYPE_CHECKING:
    from rapidml.store.store import Store


def export_model(store: Store, name: str, target: Path) -> list[str]:
    """Write the model of a run's final fit in the form of its own library.

    Args:
        store: The store.
        name: ``RUN`` for its chosen model, or ``RUN/MODEL``.
        target: Folder to create.

    Returns:
        Names of the files in it.

    Raises:
        RunNotFound: No run or model fits.
        RapidmlError: There is nothing to export, its files are gone or damaged, or the folder exists.
    """
    result, model = load_result(store, name)
    model = model or next((one for one, entry in result["models"].items() if entry["chosen"]), None)
    run = result["run"]
    if model is None or model == "dummy":
        raise RapidmlError(f"run {run} has no model to export: the baseline is none; write RUN/MODEL")
    keys = result["models"][model]["keys"]
    key = next((keys[part] for part in FINAL if part in keys), None)
    manifest = None if key is None else store.objects.find_manifest("models", key, verify=True)
    if manifest is None:
        raise RapidmlError(f"the files of {run}/{model} are not in the store; run its recipe again")
    if target.exists() or target.is_symlink():
        raise RapidmlError(f"{target} exists already; name a folder that does not")
    from rapidml.models.trained_model import load_model

    trained = load_model(store.objects.open(manifest.ref, verify=False))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
        try:
            trained.export(beside)
            beside.chmod(0o755)
            beside.rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise RapidmlError(f"{target} cannot be written: {error}") from error
    return sorted(path.name for path in target.iterdir())
