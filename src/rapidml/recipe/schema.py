"""The recipe as typed, frozen objects: its fields, their defaults and what each affects. Reading YAML is elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from rapidml.recipe.dataset_schema import ArrayFiles, Dataset, Exclude, Sample
from rapidml.recipe.values import (
    Affects,
    Choice,
    Duration,
    Expects,
    Fraction,
    Labels,
    Memory,
    NamedChoice,
    NamedLayer,
    Names,
    Part,
    Seed,
    Text,
    Value,
    mend_duration,
    mend_memory,
    mend_trainer,
)

__all__ = [
    "ArrayFiles",
    "Choice",
    "Dataset",
    "Evaluate",
    "Exclude",
    "FoldsBy",
    "ModelEntry",
    "ModelInput",
    "Part",
    "Recipe",
    "Sample",
    "Search",
    "Split",
    "SplitColumn",
    "Total",
    "Training",
]

MOST_CANDIDATES = 1_000_000


def _expand_model(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class Training(Part):
    """How the training weight is made from the physics weight."""

    balance: Annotated[
        Literal["none", "classes"] | None,
        Affects("fit"),
        Expects("none or classes", "classes"),
        Field(description="`classes`: equal sums for all classes; the default when weights are given."),
    ] = None
    negative_weights: Annotated[
        Literal["error", "drop", "absolute", "use"],
        Affects("fit"),
        Expects("error, drop, absolute or use", "drop"),
        Field(description="What training does with rows of negative weight; scores always use them."),
    ] = "error"


class SplitColumn(Part):
    """Test part by the values of a column."""

    column: Annotated[Text, Expects("a column name", "year"), Field(description="Column that tells the parts apart.")]
    train: Annotated[Labels, Expects("a list of values", "[2016, 2017]"), Field(description="Values of training rows.")]
    test: Annotated[Labels, Expects("a list of values", "[2018]"), Field(description="Values of test rows.")]


class FoldsBy(Part):
    """Folds by an integer expression: each value a fold."""

    by: Annotated[
        Text,
        Expects("an expression with whole numbers as values", "event % 5"),
        Field(description="Each of its 2 to 100 values is a fold."),
    ]


class Split(Part):
    """Which rows test, which train. ``{test: 0.2, folds: 5}`` when the recipe says nothing."""

    test: Annotated[
        Fraction | SplitColumn | None,
        Affects("split"),
        Expects("a number between 0 and 1, or {column: NAME, train: [..], test: [..]}", "0.2"),
        Field(description="Share of the rows that test; without it there is no test part."),
    ] = None
    folds: Annotated[
        Annotated[int, Field(ge=2, le=100)] | FoldsBy | None,
        Affects("split"),
        Expects("a whole number from 2 to 100, or {by: EXPRESSION}", "5"),
        Field(description="Number of folds of the training rows; 5 without `valid`."),
    ] = None
    valid: Annotated[
        Fraction | None,
        Affects("split"),
        Expects("a number between 0 and 1", "0.2"),
        Field(description="Share of the training rows that selects, instead of folds; for many rows."),
    ] = None
    seed: Annotated[
        Seed | None,
        Affects("split"),
        Expects("a whole number of at least 0, with at most 18 digits", "1"),
        Field(description="Seed of the split; default: the recipe's."),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _fill_folds(cls, value: Any) -> Any:
        """A split that names neither folds nor a validation part has five folds."""
        if isinstance(value, dict) and value.get("folds") is None and value.get("valid") is None:
            return {**value, "folds": 5}
        return value


class ModelEntry(Part):
    """A named entry under ``models:``."""

    type: Annotated[
        Text,
        Affects("fit"),
        Expects("the name of a model, such as xgboost or sklearn.linear_model.LogisticRegression", "xgboost"),
        Field(description="`xgboost`, `mlp`, `keras`, or a reviewed scikit-learn class by its dotted name."),
    ]
    params: Annotated[
        dict[str, Value],
        Affects("fit"),
        Expects("a mapping from parameter names to values", "{max_depth: 6}"),
        Field(description="Parameters by the names of the library."),
    ] = Field(default_factory=dict)
    prepare: Annotated[
        Annotated[tuple[NamedChoice, ...], Field(strict=False)],
        Affects("fit"),
        Expects("a list of steps, each a name or one {NAME: {options}}", "[impute: median, standardize]"),
        Field(description="Steps fitted on the training rows of each fit and applied before the model."),
    ] = ()
    early_stopping: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Affects("fit"),
        Expects("a whole number of at least 1", "30"),
        Field(description="Stop after this many rounds without a better loss on a hashed 15% of the fit's rows."),
    ] = None
    weights: Annotated[
        Literal["ignore"] | None,
        Affects("fit"),
        Expects("ignore", "ignore"),
        Field(description="`ignore`: train without weights; scores still use them."),
    ] = None
    device: Annotated[
        Literal["cpu", "cuda"],
        Affects("fit"),
        Expects("cpu or cuda", "cpu"),
        Field(description="Where the model trains."),
    ] = "cpu"
    shards: Annotated[
        Annotated[int, Field(ge=1, le=1024)],
        Affects("fit"),
        Expects("a whole number from 1 to 1024", "2"),
        Field(description="Parts that the rows of one fit are dealt into, trained on together by that many processes."),
    ] = 1
    layers: Annotated[
        Annotated[tuple[NamedLayer, ...], Field(strict=False)],
        Affects("fit"),
        Expects("a list of layers, each a name or one {NAME: {options}}", "[Dense: {units: 64}, Dropout: {rate: 0.2}]"),
        Field(description="Hidden layers of `type: keras`, by Keras' names and arguments; input and output are added."),
    ] = ()
    trainer: Annotated[
        NamedChoice | None,
        Affects("fit"),
        Expects("the name of a trainer, or one name with its options", "{adag: {replicas: 4}}", mend_trainer),
        Field(description="How several replicas train one network together; by itself, one process trains it."),
    ] = None


ModelInput = Annotated[
    ModelEntry,
    BeforeValidator(_expand_model, json_schema_input_type=Text | ModelEntry),
    Expects("the type of a model, or a mapping with type", "xgboost"),
]


class Total(Part):
    """One number of candidates for all models together."""

    total: Annotated[
        Annotated[int, Field(ge=1, le=MOST_CANDIDATES)],
        Affects("search"),
        Expects(f"a whole number from 1 to {MOST_CANDIDATES:,}", "100"),
        Field(description="Candidates of all models together, dealt out evenly."),
    ]


class Search(Part):
    """How candidates are made of the ranges of the models, and when to stop."""

    method: Annotated[
        Literal["grid", "random", "tpe", "hyperband"],
        Affects("search"),
        Expects("grid, random, tpe or hyperband", "grid"),
        Field(
            description="`grid`: every combination; `random`; `tpe`: guided by the scores so far; `hyperband`: as tpe, "
            "but candidates that are behind after some rounds are stopped."
        ),
    ]
    candidates: Annotated[
        Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] | Total | None,
        Affects("search"),
        Expects(f"a whole number from 1 to {MOST_CANDIDATES:,}, or {{total: NUMBER}} for all models together", "40"),
        Field(description="Number of candidates of each model; a grid has all of its combinations without it."),
    ] = None
    time: Annotated[
        Duration | None,
        Affects("nothing"),
        Expects("a time such as 90s, 20m or 2h", "20m", mend_duration),
        Field(description="No candidate begins later than this, such as `20m`; what has begun is finished."),
    ] = None
    race: Annotated[
        bool,
        Affects("search"),
        Expects("true or false", "true"),
        Field(description="Candidates that are clearly behind after some of the folds are not fitted on the others."),
    ] = False
    time_limit: Annotated[
        Duration | None,
        Affects("nothing"),
        Expects("a time such as 90s, 20m or 2h", "5m", mend_duration),
        Field(description="A fit that takes longer, such as `90s`, has failed, and the others go on."),
    ] = None
    memory_limit: Annotated[
        Memory | None,
        Affects("nothing"),
        Expects("an amount of memory such as 500MB or 4GB", "4GB", mend_memory),
        Field(description="A fit that takes more memory of its own, such as `4GB`, has failed, and the others go on."),
    ] = None
    reuse: Annotated[
        bool,
        Affects("search"),
        Expects("true or false", "false"),
        Field(description="`false`: scores that other runs stored guide no choice of candidates."),
    ] = True
    forbid: Annotated[
        Names,
        Affects("search"),
        Expects("a list of expressions over the ranges", "[max_depth > 6 and learning_rate > 0.2]"),
        Field(description="Combinations that are no candidates: expressions over the ranges' names."),
    ] = ()


class Evaluate(Part):
    """Which scores are computed, and which one ranks."""

    rank_by: Annotated[
        Text | None,
        Affects("evaluate"),
        Expects("the name of a metric", "roc_auc"),
        Field(description="Metric that ranks; default: roc_auc, several classes log_loss, regression rmse."),
    ] = None
    also: Annotated[
        Names,
        Affects("evaluate"),
        Expects("a list of metric names", "[log_loss, accuracy]"),
        Field(description="Further metrics to compute."),
    ] = ()


class Recipe(Part):
    """What is to be done, as written; defaults that depend on the data are still open (None)."""

    name: Annotated[
        Text | None,
        Affects("nothing"),
        Expects("text", "higgs"),
        Field(description="What runs of this recipe are called."),
    ] = None
    notes: Annotated[
        str | None, Affects("nothing"), Expects("text", "first try"), Field(description="Anything worth remembering.")
    ] = None
    seed: Annotated[
        Seed,
        Affects("fit"),
        Expects("a whole number of at least 0, with at most 18 digits", "0"),
        Field(description="Seed of everything random."),
    ] = 0
    dataset: Annotated[
        Dataset,
        Expects("a mapping with path, classes or builtin", "{path: events.parquet, target: y}"),
        Field(description="The rows."),
    ]
    training: Annotated[
        Training,
        Expects("a mapping with balance or negative_weights", "{balance: classes}"),
        Field(description="How training weights are made."),
    ] = Training()
    split: Annotated[
        Split,
        Expects("a mapping with test, folds, valid or seed", "{test: 0.2, folds: 5}"),
        Field(description="Test part and folds; default: `{test: 0.2, folds: 5}`."),
    ] = Split(test=0.2, folds=5)
    models: Annotated[
        dict[str, ModelInput],
        Expects("a mapping from names of your own to models", "{bdt: xgboost}"),
        Field(description="The models to compare, by names of your own.", min_length=1),
    ]
    search: Annotated[
        Search | None,
        Expects("a mapping with method", "{method: grid}"),
        Field(description="How the ranges of the models are searched; only with ranges."),
    ] = None
    evaluate: Annotated[
        Evaluate,
        Expects("a mapping with rank_by or also", "{rank_by: roc_auc}"),
        Field(description="Metrics."),
    ] = Evaluate()

    @model_validator(mode="before")
    @classmethod
    def _fill_split(cls, value: Any) -> Any:
        """With a test sample the default split draws no test part."""
        if not isinstance(value, dict) or "split" in value:
            return value
        dataset = value.get("dataset")
        test = dataset.get("test") if isinstance(dataset, dict) else getattr(dataset, "test", None)
        return value if test is None else {**value, "split": {"folds": 5}}
