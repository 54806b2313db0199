"""The earlier run that a plan is compared with, so that it can say what was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidml.keys import make_key
from rapidml.planning.reasons import Reference, list_changes
from rapidml.recipe.naming import run_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapidml.planning.checking import Checked
    from rapidml.store.store import Store


def find_reference(
    store: Store, checked: Checked, values: Mapping[str, Any], origins: Mapping[str, str]
) -> Reference | None:
    """The run to compare a plan with: among the newest of its name and of its dataset the one with fewest changes."""
    dataset = make_key({"identity": checked.identity.to_json()})
    name = run_name(checked.document)
    records = [*store.index.find_runs("name", name)[:10], *store.index.find_runs("dataset", dataset)[:10]]
    found = [_load_reference(store, run) for run in dict.fromkeys(record.id for record in records)]
    known = [reference for reference in found if reference is not None]
    identity = checked.identity.to_json()
    return min(
        known, key=lambda known: (known.identity != identity, len(list_changes(known, values, origins))), default=None
    )


def _load_reference(store: Store, run: str) -> Reference | None:
    content = store.runs.load(run)
    if "values" not in content:
        return None
    return Reference(
        id=run,
        values=content["values"],
        origins=content["origins"],
        identity=content["identity"],
        keys=frozenset(content["keys"]),
    )
