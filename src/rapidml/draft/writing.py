"""The text of a drafted recipe: block style, one comment a choice."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from rapidml.draft.plan import FEW_ROWS, MANY_CELLS
from rapidml.layout import count_text
from rapidml.recipe.scalars import write_key, write_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rapidml.draft.inputs import InputFile
    from rapidml.draft.plan import DraftPlan

COMMENT_COLUMN = 34
WIDTH = 118
MOST_NAMED = 8
_PLAIN_PATH = re.compile(r"(\.{1,2}/)*[\w+][\w./+-]*")
UNKNOWN_TARGET = "CHOOSE_A_COLUMN"


def write_recipe(plan: DraftPlan, file: str, commands: Sequence[str]) -> str:
    """The recipe as text.

    Args:
        plan: What it says.
        file: Names of the data files, for the first line.
        commands: What to type next.
    """
    lines = _wrap(f"Drafted by rapidml init from {file}: {describe_size(plan)}.", "")
    lines += ["# Every guess says why: change what is wrong, then"]
    lines += [f"#   {command}" for command in commands]
    lines += [
        f"name: {write_scalar(plan.name)}",
        "",
        "dataset:",
        *_dataset(plan),
        "",
        *_split(plan),
        "",
        *_models(plan),
    ]
    return "\n".join([*lines, "", *_evaluate(plan)]) + "\n"


def describe_size(plan: DraftPlan) -> str:
    """Rows and columns in words."""
    columns = "" if plan.is_pair else f", {count_text(plan.n_columns, 'column')}"
    return f"{count_text(plan.n_rows, 'row')}{columns}"


def _write_path(path: str) -> str:
    return path if _PLAIN_PATH.fullmatch(path) else write_scalar(path)


def _line(text: str, comment: str = "") -> str:
    return f"{text.ljust(COMMENT_COLUMN - 2)}  # {comment}" if comment else text


def _wrap(text: str, indent: str) -> list[str]:
    """A comment of its own, in as many lines as it needs."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_long_words=False
    )


def _dataset(plan: DraftPlan) -> Iterator[str]:
    for why in plan.inputs.why:
        yield from _wrap(why, "  ")
    yield from _classes(plan) if plan.inputs.has_classes else _path(plan)
    if plan.inputs.other_trees:
        yield from _wrap(f"trees not used: {', '.join(plan.inputs.other_trees)}", "  ")
    yield from _target(plan)
    yield from _weight(plan)
    if plan.id[0]:
        names = [write_scalar(name) for name in plan.id[0]]
        yield _line(f"  id: {names[0]}" if len(names) == 1 else f"  id: [{', '.join(names)}]", plan.id[1])
    yield from _missing(plan)
    if plan.select[0] is not None:
        yield _line(f"  select: {write_scalar(plan.select[0])}", plan.select[1])
    yield from _features(plan)


def _path(plan: DraftPlan) -> Iterator[str]:
    file = plan.inputs.files[0]
    if file.written_target is None:
        yield f"  path: {_write_path(plan.inputs.written)}"
    else:
        yield from ("  path:", *_pair(file, "    "))
    if file.source.tree is not None:
        yield f"  tree: {write_scalar(file.source.tree)}"
    if plan.inputs.test is not None:
        test = plan.inputs.test
        if test.written_target is None:
            yield _line(f"  test: {_write_path(test.written)}", "its rows are the test part: nothing is chosen on them")
        else:
            yield _line("  test:", "its rows are the test part: nothing is chosen on them")
            yield from ("    path:", *_pair(test, "      "))


def _pair(file: InputFile, indent: str) -> list[str]:
    assert file.written_target is not None
    return [f"{indent}features: {_write_path(file.written)}", f"{indent}target: {_write_path(file.written_target)}"]


def _classes(plan: DraftPlan) -> Iterator[str]:
    weights = dict(plan.sample_weights)
    yield _line("  classes:", "the first is the positive class: a score near 1 means it")
    for name, files in plan.inputs.classes.items():
        yield f"    {write_key(name)}:"
        for file in files:
            yield f"      - path: {_write_path(file.written)}"
            if file.source.tree is not None:
                yield f"        tree: {write_scalar(file.source.tree)}"
            if name in weights:
                yield _line(
                    f"        weight: {write_column(weights[name])}", "by its name; only this class has the column"
                )


def _target(plan: DraftPlan) -> Iterator[str]:
    if plan.inputs.has_classes:
        return
    if not plan.is_complete:
        yield _line(f"  target: {UNKNOWN_TARGET}", "to fix: no column looks like a target; write the name of one")
    elif plan.target.name is not None:
        yield _line(f"  target: {write_scalar(plan.target.name)}", plan.target.why)
    if plan.target.others:
        label = "candidates" if not plan.is_complete else "target candidates that were not chosen"
        yield from _wrap(f"{label}: {_name_some(plan.target.others)}", "  ")
    if plan.task[0] is not None:
        yield _line(f"  task: {plan.task[0]}", plan.task[1])
    if plan.positive[0] is not None:
        yield _line(f"  positive: {write_scalar(plan.positive[0])}", plan.positive[1])


def _weight(plan: DraftPlan) -> Iterator[str]:
    if plan.weight.name is None:
        return
    yield _line(
        f"  weight: {write_column(plan.weight.name)}", f"{plan.weight.why}; counts in training and in every score"
    )
    if plan.weight.others:
        names = ", ".join(name for name, _ in plan.weight.others)
        yield from _wrap(f"weight candidates that were not chosen: {names}", "  ")


def write_column(name: str) -> str:
    """A column name as an expression, as YAML."""
    return write_scalar(quote_name(name))


def quote_name(name: str) -> str:
    """A column name as an expression: in back quotes unless it is a plain word."""
    from rapidml.dataset.expression import ExpressionError, parse_expression

    try:
        is_plain = parse_expression(name).names == (name,)
    except ExpressionError:
        is_plain = False
    return name if is_plain else f"`{name}`"


def _missing(plan: DraftPlan) -> Iterator[str]:
    numbers, columns = plan.missing
    if not numbers:
        return
    written = [str(int(number)) if number.is_integer() else repr(number) for number in numbers]
    value = written[0] if len(written) == 1 else f"[{', '.join(written)}]"
    what = f"{len(columns)} columns, {columns[0]} among them" if len(columns) > 1 else columns[0]
    yield _line(f"  missing: {value}", f"read as missing: far from the other values of {what}")


def _features(plan: DraftPlan) -> Iterator[str]:
    if plan.exclude:
        yield _line("  features:", "every other column that is not target, weight or id")
        yield "    exclude:"
        for name, why in plan.exclude:
            yield _line(f"      - {write_scalar(name)}", why)
    if plan.left_out:
        groups: dict[str, list[str]] = {}
        for name, why in plan.left_out:
            groups.setdefault(why, []).append(name)
        grouped = [(", ".join(names), why) for why, names in groups.items()]
        yield from _wrap(f"left out without being named: {_name_some(grouped, 40)}", "  ")


def _name_some(named: Sequence[tuple[str, str]], most: int = MOST_NAMED) -> str:
    shown = [f"{name} ({why.removeprefix('is ')})" for name, why in named[:most]]
    more = len(named) - most
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "")


def _split(plan: DraftPlan) -> Iterator[str]:
    has_test = plan.inputs.test is not None
    yield "split:"
    share = 0.1 if plan.is_large else 0.2
    if not has_test:
        yield _line(f"  test: {share}", "rows that nothing is ever chosen on")
    if plan.is_large:
        yield _line("  valid: 0.1", "so much data needs no folds: one fit of each model, scored on these rows")
    else:
        n_folds = _count_folds(plan)
        why = (
            "every row is scored by a fit that has not seen it"
            if n_folds == 5
            else "as many as the rarest class allows"
        )
        yield _line(f"  folds: {n_folds}", why)


def _count_folds(plan: DraftPlan) -> int:
    if plan.profile is None or not plan.profile.classes or plan.profile.n_rows < plan.n_rows:
        return 5
    return max(2, min(5, *(count.n_training for count in plan.profile.classes)))


def _models(plan: DraftPlan) -> Iterator[str]:
    if plan.profile is not None and plan.profile.n_negative_weights:
        yield "training:"
        yield _line("  negative_weights: drop", "for training only; or absolute, or use; scores use them as they are")
        yield ""
    yield from ("models:", "  bdt:", "    type: xgboost")
    if plan.is_large:
        n_rounds, why = (
            (50, "much to do: start with few; more continue them") if plan.n_cells > MANY_CELLS else (100, "")
        )
        yield from ("    params:", _line(f"      n_estimators: {n_rounds}", why))
    elif plan.n_rows >= FEW_ROWS:
        yield from ("    params:", "      learning_rate: 0.1")
        yield _line("    early_stopping: 30", "rounds: as many as help on a held-out 15% of the training rows")
    else:
        yield from ("    params:", _line("      n_estimators: 100", "few rows: few and small trees"))
        yield "      max_depth: 3"
    if plan.is_complete and not plan.is_large and not _has_arrays(plan):
        yield from _linear(plan)


def _has_arrays(plan: DraftPlan) -> bool:
    return plan.profile is not None and any(feature.kind == "array" for feature in plan.profile.features)


def _linear(plan: DraftPlan) -> Iterator[str]:
    """A linear model beside the trees: what it cannot do, trees are for."""
    features = () if plan.profile is None else plan.profile.features
    is_regression = plan.kind == "regression"
    name, kind = ("ridge", "Ridge") if is_regression else ("logistic", "LogisticRegression")
    yield _line(f"  {name}:", "a linear model to compare with")
    yield f"    type: sklearn.linear_model.{kind}"
    yield _line("    prepare:", "fitted on the training rows of each fit only")
    yield from ("      - impute: median", "      - standardize")
    if any(feature.kind == "categorical" for feature in features):
        yield "      - one_hot"
    if not is_regression:
        yield from ("    params:", "      max_iter: 1000")


def _evaluate(plan: DraftPlan) -> Iterator[str]:
    also = {"binary": ("log_loss", "average_precision"), "multiclass": ("accuracy",), "regression": ("mae", "r2")}
    rank_by = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[plan.kind]
    yield from ("evaluate:", f"  rank_by: {rank_by}", "  also:")
    yield from (f"    - {name}" for name in also[plan.kind])
