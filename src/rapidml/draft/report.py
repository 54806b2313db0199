"""What `rapidml init` says of a draft: what was found, what is to be mended, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidml.draft.writing import UNKNOWN_TARGET, describe_size
from rapidml.layout import command_text, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rapidml.draft.drafting import Draft
    from rapidml.draft.plan import DraftPlan


def list_commands(out: Path) -> list[str]:
    """What to type next."""
    return [command_text(["rapidml", name, str(out)]) for name in ("check", "run")]


def draft_lines(draft: Draft, out: Path, width: int | None) -> list[str]:
    """What was written and found."""
    plan = draft.plan
    pieces = [f"wrote {out}", describe_size(plan), _describe_target(plan)]
    if plan.weight.name is not None:
        pieces.append(f"weight {plan.weight.name}")
    lines = wrap("; ".join(pieces), width, "  ")
    if plan.exclude:
        lines += wrap("left out: " + "; ".join(f"{name} ({why})" for name, why in plan.exclude), width, "  ")
    if not draft.problems and plan.is_complete:
        lines += ["Next:  " + "    then    ".join(list_commands(out))]
    return lines


def _describe_target(plan: DraftPlan) -> str:
    if plan.inputs.has_classes:
        return f"classes {', '.join(plan.inputs.classes)}"
    if plan.is_pair:
        return "target in a file of its own"
    return "no target" if plan.target.name is None else f"target {plan.target.name}"


def problem_lines(draft: Draft, files: Sequence[str], out: Path) -> list[str]:
    """What must be mended before the recipe can run; nothing if it passes its check."""
    if draft.plan.is_complete:
        if not draft.problems:
            return []
        return [f"{out} must be mended before it can run.", "", *"\n\n".join(map(str, draft.problems)).splitlines()]
    number = next(n for n, line in enumerate(draft.text.splitlines(), 1) if UNKNOWN_TARGET in line)
    candidates = ", ".join(f"{name} ({about})" for name, about in draft.plan.target.others[:5])
    example = draft.plan.target.others[0][0] if draft.plan.target.others else "COLUMN"
    command = command_text(["rapidml", "init", *files, "--target", example, "-o", str(out.with_stem(f"{out.stem}-2"))])
    return [
        f"no column looks like a target{f'; it could be {candidates}' if candidates else ''}",
        f"to fix: write its name at {out}:{number}, or  {command}",
        "        Where each file is a class of its own, name the files of all classes.",
    ]
