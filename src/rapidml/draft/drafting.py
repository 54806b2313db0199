"""From named files to the text of a recipe that passes its check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rapidml.dataset.problems import FieldError
from rapidml.dataset.readers.source import list_names
from rapidml.draft import roles
from rapidml.draft.inputs import Inputs, find_inputs
from rapidml.draft.looking import Look, look_at
from rapidml.draft.names import rate_weight
from rapidml.draft.plan import DraftPlan
from rapidml.draft.writing import quote_name, write_recipe
from rapidml.errors import DatasetError, Problem, RecipeError
from rapidml.layout import quote
from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rapidml.recipe.document import Document

MOST_ROUNDS = 10
"""How often leaking columns are left out and looked for again."""


@dataclass(frozen=True)
class Draft:
    """A drafted recipe.

    Attributes:
        text: The recipe.
        plan: What it says.
        problems: What must be mended by hand before it can run; none if it passes its check.
    """

    text: str
    plan: DraftPlan
    problems: tuple[Problem, ...] = ()


class KnownHashes:
    """Remembers for one draft what files are, so that each is hashed and opened once."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._texts: dict[str, str] = {}

    def get(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The hash of this path at this size and time; None if it is not known."""
        return self._hashes.get((path, size, mtime_ns))

    def put(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember a hash."""
        self._hashes[path, size, mtime_ns] = sha256

    def recall(self, name: str) -> str | None:
        """A text that was remembered, or None."""
        return self._texts.get(name)

    def remember(self, name: str, text: str) -> None:
        """Remember a text."""
        self._texts[name] = text


def make_draft(files: Sequence[str], out: Path, target: str | None = None, commands: Sequence[str] = ()) -> Draft:
    """Draft a recipe for some files.

    Args:
        files: Files and globs as typed.
        out: Where the recipe will be: paths are relative to its folder. Nothing is written here.
        target: Column to learn, if the user names it.
        commands: What to type next, for its first lines.

    Raises:
        FieldError: A file does not exist, its kind is not known, the files do not belong together, or they have no
            column ``target``.
        DatasetError: A file cannot be read.
    """
    inputs = find_inputs(files, out.resolve().parent, target)
    looks = [look_at(file.source) for file in inputs.files if file.written_target is None]
    plan = _choose(out.stem, inputs, looks, target)
    named = ", ".join(dict.fromkeys(file.source.name for file in inputs.files[:4]))
    memory = KnownHashes()

    def parse(plan: DraftPlan) -> tuple[str, Document]:
        from rapidml.recipe.document import parse_document

        text = write_recipe(plan, named, commands)
        return text, parse_document(text, str(out), (), out.resolve().parent)

    if not plan.is_complete:
        return Draft(parse(plan)[0], plan)
    plan = _look_further(plan, lambda plan: parse(plan)[1], memory)
    text, document = parse(plan)
    return Draft(text, plan, _list_problems(document, memory))


def _list_problems(document: Document, memory: KnownHashes) -> tuple[Problem, ...]:
    from rapidml.planning.checking import check_document

    try:
        check_document(document, memory, look=True)
    except RecipeError as error:
        return error.problems
    return ()


def _choose(name: str, inputs: Inputs, looks: list[Look], target: str | None) -> DraftPlan:
    """All choices that names and single columns tell."""
    if not looks:
        return _choose_for_pair(name, inputs)
    first = looks[0]
    plan = DraftPlan(
        name, inputs, sum(look.n_rows for look in looks), len({name for look in looks for name in look.columns})
    )
    plan = replace(plan, left_out=tuple(first.left_out.items()))
    if not inputs.has_classes:
        plan = _choose_target(plan, first, target)
    plan = _choose_weight(plan, looks)
    used = {name for name in (plan.target.name, plan.weight.name) if name is not None}
    used |= {column for _, column in plan.sample_weights}
    names, why = roles.choose_id(first, used)
    used |= set(names)
    bookkeeping = roles.list_bookkeeping(first, used)
    unusable = roles.list_unusable(first, used)
    missing = roles.list_sentinels(looks, used | set(bookkeeping))
    return replace(
        plan,
        id=(tuple(names), why),
        exclude=tuple({**bookkeeping, **unusable}.items()),
        missing=(tuple(missing[0]), tuple(missing[1])),
    )


def _choose_target(plan: DraftPlan, look: Look, target: str | None) -> DraftPlan:
    if target is not None and target not in look.columns:
        raise _target_error(look, target)
    is_table = not plan.inputs.files[0].source.name.lower().endswith(".root")
    choice = roles.choose_target(look, target, is_table=is_table)
    plan = replace(plan, target=choice)
    if choice.name is None:
        return plan
    column = look.columns[choice.name]
    task, positive = roles.choose_task(column), roles.choose_positive(column)
    if column.n_nulls:
        why = f"{column.n_nulls:,} of the first {column.n_rows:,} rows have no target"
        plan = replace(plan, select=(f"not isnull({quote_name(choice.name)})", why))
    return replace(plan, task=task, positive=positive if task[0] != "regression" else (None, ""))


def _target_error(look: Look, target: str) -> FieldError:
    close, reason = suggest(target, look.columns), look.left_out.get(target)
    what = f"there is no {target}" if reason is None else f"{target} {reason}"
    fix = f"--target {quote(close)}" if close else f"name one of {list_names(look.columns, 40)}"
    return FieldError(("--target",), f"a column that can be learned; {what}", fix)


def _choose_weight(plan: DraftPlan, looks: list[Look]) -> DraftPlan:
    """The weight of all rows; where not every class has the column, of those that have it."""
    if not plan.inputs.has_classes:
        return replace(plan, weight=roles.choose_weight(looks[0], plan.target.name))
    own = [roles.choose_weight(look, None) for look in looks]
    names = {choice.name for choice in own}
    if None not in names and len(names) == 1:
        return replace(plan, weight=own[0])
    weights: dict[str, str] = {}
    looked = iter(own)
    for label, files in plan.inputs.classes.items():
        found = {next(looked).name for _ in files}
        if len(found) == 1 and None not in found:
            weights[label] = str(found.pop())
    return replace(plan, sample_weights=tuple(weights.items()))


def _choose_for_pair(name: str, inputs: Inputs) -> DraftPlan:
    import numpy as np

    from rapidml.dataset.readers.registry import open_source
    from rapidml.draft.looking import ColumnLook

    source = open_source(inputs.files[0].source, ["target"])
    values = np.unique(source.load("target").values)
    kind = source.kinds["target"]
    column = ColumnLook("target", kind, source.n_rows, 0, len(values), tuple(map(str, values[:20])), kind == "integer")
    return DraftPlan(name, inputs, source.n_rows, 2, task=roles.choose_task(column))


def _look_further(plan: DraftPlan, parse: Any, memory: KnownHashes) -> DraftPlan:
    """Look at features together with target and weight, and leave out what gives the answer away."""
    others = dict(plan.weight.others)
    for _ in range(MOST_ROUNDS):
        try:
            profile = _make_profile(parse(plan), memory)
        except DatasetError:
            return plan  # the check at the end shows it
        if profile is None:
            break
        plan = replace(plan, profile=profile, left_out=profile.left_out)
        if not profile.leaks:
            break
        leaks = {leak.feature: f"gives the answer away: {leak.describe()}" for leak in profile.leaks}
        plan = replace(plan, exclude=(*plan.exclude, *leaks.items()))
    known = {name for name, _ in (*plan.exclude, *plan.left_out)}
    rest = [(name, why) for name, why in others.items() if name not in known and rate_weight(name)]
    excluded = {name for name, _ in plan.exclude}
    left_out = tuple((name, why) for name, why in plan.left_out if name not in excluded)
    return replace(plan, exclude=(*plan.exclude, *rest), left_out=left_out)


def _make_profile(document: Document, memory: KnownHashes) -> Any:
    from rapidml.dataset.columns import request_columns
    from rapidml.dataset.files import identify
    from rapidml.dataset.header import read_header
    from rapidml.dataset.preview import make_preview

    recipe = document.finish()
    identity = identify(recipe.dataset, document.base, memory)
    header = read_header(recipe.dataset, identity)
    request = request_columns(recipe.dataset, header, identity, recipe.split)
    return make_preview(recipe.dataset, request, identity, recipe.split, recipe.seed)
