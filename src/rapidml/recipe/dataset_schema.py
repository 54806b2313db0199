"""The dataset section of the recipe: its fields, their defaults and what each affects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rapidml.recipe.values import (
    Affects,
    Expects,
    NamedChoice,
    Names,
    Number,
    OneOrMoreNames,
    OneOrMoreNumbers,
    Part,
    Text,
    Value,
)


def _expand_sample(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _expand_samples(value: Any) -> Any:
    return [value] if isinstance(value, str | dict | Sample) else value


class ArrayFiles(Part):
    """Pair of array files (idx or npy): features and target."""

    features: Annotated[
        Text, Expects("the path of the features", "features.idx.gz"), Field(description="File of the features.")
    ]
    target: Annotated[
        Text, Expects("the path of the targets", "labels.idx.gz"), Field(description="File of the targets.")
    ]


class Sample(Part):
    """Files of one class with their weight."""

    path: Annotated[
        Text | ArrayFiles,
        Affects("rows"),
        Expects("a path or glob, or {features: FILE, target: FILE}", "data/signal_*.parquet"),
        Field(
            description="File, glob or URL, relative to the recipe's file, or to the working folder if it begins with "
            "`${NAME}`; or `{features: FILE, target: FILE}`."
        ),
    ]
    tree: Annotated[
        Text | None,
        Affects("rows"),
        Expects("the name of a tree", "Events"),
        Field(description="Tree within the files; default: `dataset.tree`."),
    ] = None
    weight: Annotated[
        Text | Number | None,
        Affects("columns"),
        Expects("a number or an expression", "1.12"),
        Field(description="Number or expression; multiplies `dataset.weight`."),
    ] = None
    select: Annotated[
        Text | None,
        Affects("rows"),
        Expects("an expression", "n_jets >= 4"),
        Field(description="Rows to keep, and-ed with `dataset.select`."),
    ] = None


SampleInput = Annotated[Sample, BeforeValidator(_expand_sample, json_schema_input_type=Text | Sample)]
Samples = Annotated[
    Annotated[tuple[SampleInput, ...], Field(strict=False, min_length=1)],
    BeforeValidator(
        _expand_samples, json_schema_input_type=Text | Sample | Annotated[list[Text | Sample], Field(min_length=1)]
    ),
    Expects("a path or a sample such as {path: FILE}, or a list of these", "data/signal_*.parquet"),
]


class Exclude(Part):
    """``features: {exclude: [...]}``: all columns but these names and globs."""

    exclude: Annotated[
        Names,
        Expects("a list of column names and globs", '[customer_id, "*_date"]'),
        Field(description="Names and globs of columns that are no features."),
    ]


class Dataset(Part):
    """Rows with features, target, weight, spectators. One of ``path``, ``classes``, ``builtin``, ``arrays``."""

    path: Annotated[
        Text | ArrayFiles | None,
        Affects("rows"),
        Expects("a path or glob, or {features: FILE, target: FILE}", "data/events-*.parquet"),
        Field(
            description="File, glob or URL, relative to the recipe's file, or to the working folder if it begins with "
            "`${NAME}`; or `{features: FILE, target: FILE}`."
        ),
    ] = None
    classes: Annotated[
        dict[Text, Samples] | None,
        Affects("rows", ordered=True),
        Expects("a mapping from class names to their files", "{signal: hh_*.parquet, background: tt_*.parquet}"),
        Field(description="Files of each class: one sample or a list of samples. The first class is the positive one."),
    ] = None
    builtin: Annotated[
        NamedChoice | None,
        Affects("rows"),
        Expects("the name of a bundled data set, or {NAME: {options}}", "breast_cancer"),
        Field(description="A data set that needs no file, or `{NAME: {options}}`."),
    ] = None
    arrays: Annotated[
        dict[str, Value] | None,
        Affects("rows"),
        Expects("the arrays handed to rapidml.run() in Python", "{}"),
        Field(description="Arrays handed to `run()`; written by rapidml, not by hand."),
    ] = None
    target: Annotated[
        Text | None,
        Affects("columns"),
        Expects("the name of the target column", "churned"),
        Field(description="Column to learn."),
    ] = None
    positive: Annotated[
        str | Number | bool | None,
        Affects("columns"),
        Expects("one of the two labels of the target", "1"),
        Field(description="The positive class of two; default: the first of `classes`, else 1 or true."),
    ] = None
    task: Annotated[
        Literal["classification", "regression"] | None,
        Affects("columns"),
        Expects("classification or regression", "classification"),
        Field(description="What is learned; needed only for whole-number targets with three or more values."),
    ] = None
    tree: Annotated[
        Text | None,
        Affects("rows"),
        Expects("the name of a tree", "Events"),
        Field(description="Tree within the files."),
    ] = None
    id: Annotated[
        OneOrMoreNames | None,
        Affects("rows"),
        Expects("a column name or a list of column names", "[run, event]"),
        Field(description="Columns that name a row; rows with equal ids always share a fold."),
    ] = None
    weight: Annotated[
        Text | Number | None,
        Affects("columns"),
        Expects("an expression or a number", "genWeight * xsec"),
        Field(description="Weight of each row in every score: an expression over columns."),
    ] = None
    select: Annotated[
        Text | None,
        Affects("rows"),
        Expects("an expression", "n_jets >= 4 and met > 150"),
        Field(description="Rows to keep; a null drops the row."),
    ] = None
    columns: Annotated[
        dict[Text, Annotated[Text, Expects("an expression", "m_bb / m_hh")]],
        Affects("columns", ordered=True),
        Expects("a mapping from new column names to expressions", "{m_ratio: m_bb / m_hh}"),
        Field(description="New columns by expression; each sees those before it."),
    ] = Field(default_factory=dict)
    missing: Annotated[
        OneOrMoreNumbers,
        Affects("columns"),
        Expects("a number or a list of numbers", "-999"),
        Field(description="Numbers that stand for a missing value."),
    ] = ()
    features: Annotated[
        Annotated[Names, Field(min_length=1)] | Exclude | None,
        Affects("fit"),
        Expects("a list of column names and globs, or {exclude: [..]}", "[m_*, pt_*]"),
        Field(description="Names and globs of the features; default: every column that is nothing else."),
    ] = None
    spectators: Annotated[
        Names,
        Affects("columns"),
        Expects("a list of column names and globs", "[m_hh, met]"),
        Field(description="Columns carried to the predictions and never trained on; they win over `features`."),
    ] = ()
    labels: Annotated[
        dict[str, Annotated[str, Expects("text", "mass")]],
        Affects("nothing"),
        Expects("a mapping from column names to text", '{m_hh: "$m_{HH}$ [GeV]"}'),
        Field(description="How columns are called in plots."),
    ] = Field(default_factory=dict)
    test: Annotated[
        SampleInput | None,
        Affects("rows"),
        Expects("a path or glob, or a sample such as {path: FILE}", "data/test.parquet"),
        Field(description="A separate sample whose rows are the test part."),
    ] = None
