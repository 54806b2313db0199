"""Plans without a store and without workers: for tests of keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidml.dataset.columns import request_columns
from rapidml.dataset.profile import assign_rows, make_profile
from rapidml.dataset.table import open_table, read_part, write_table
from rapidml.planning import step_keys
from rapidml.planning.checking import NoMemory, check_document
from rapidml.planning.planner import make_plan
from rapidml.planning.resolving import resolve
from rapidml.recipe.document import load_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from rapidml.planning.steps import Plan


class NothingKnown:
    """A store without facts."""

    def find_finished(self, keys: Iterable[str]) -> Collection[str]:
        return set()

    def find_family(self, families: Collection[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
        return {}


@dataclass(frozen=True)
class Planned:
    """A plan with the keys of what comes before it."""

    plan: Plan
    read_key: str
    profile_key: str

    def fit_keys(self, model: str) -> dict[str, str]:
        """Keys of a model's fits by the part they train on."""
        return {fit.part: fit.key for fit in self.plan.fits if fit.model == model}

    def list_keys(self) -> dict[str, Any]:
        """All keys, by what they are of."""
        models = list(self.plan.resolved.models)
        steps = {step: {} for step in models}  # type: dict[str, dict[str, str]]
        for fit in self.plan.fits:
            steps[fit.model] |= {f"fit {fit.part}": fit.key}
            steps[fit.model] |= {f"predict {fit.part} -> {made.part}": made.key for made in fit.predictions}
        for step in self.plan.evaluations:
            steps.setdefault(step.model, {})[f"evaluate {step.stage}"] = step.key
        return {"read": self.read_key, "profile": self.profile_key, **steps}


def plan_recipe(recipe: Path, scratch: Path, overrides: Sequence[str] = ()) -> Planned:
    """Read the dataset of a recipe into a scratch folder and plan everything."""
    checked = check_document(load_document(recipe, overrides), NoMemory())
    content = checked.recipe
    request = request_columns(content.dataset, checked.header, checked.identity, content.split)
    infos = []
    for index in range(max(1, len(checked.identity.files))):
        folder = scratch / f"part{index}"
        folder.mkdir(parents=True)
        infos.append(read_part(request, checked.identity, index, folder))
    (scratch / "table").mkdir()
    write_table(request, infos, scratch / "table")
    table = open_table([scratch / "table"], request.rows_key)
    seed = content.seed if content.split.seed is None else content.split.seed
    parts = assign_rows(table, request, content.split, seed)
    profile = make_profile(table, request, content.dataset, parts)
    plan = make_plan(resolve(checked, request, profile), NothingKnown())
    read_key = step_keys.read_key(request.rows_key, [column.key for column in request.columns])
    return Planned(plan, read_key, step_keys.profile_key(request, content))
