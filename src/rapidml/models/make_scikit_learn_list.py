"""Parameters and abilities of the reviewed scikit-learn classes, as the library itself declares them."""

from __future__ import annotations

import importlib
from numbers import Integral, Real
from typing import Any

REVIEWED = {
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    "sklearn.ensemble": (
        "AdaBoostClassifier",
        "AdaBoostRegressor",
        "BaggingClassifier",
        "BaggingRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
        "RandomForestClassifier",
        "RandomForestRegressor",
    ),
    "sklearn.gaussian_process": ("GaussianProcessClassifier", "GaussianProcessRegressor"),
    "sklearn.kernel_ridge": ("KernelRidge",),
    "sklearn.linear_model": (
        "ARDRegression",
        "BayesianRidge",
        "ElasticNet",
        "GammaRegressor",
        "HuberRegressor",
        "Lars",
        "Lasso",
        "LassoLars",
        "LinearRegression",
        "LogisticRegression",
        "OrthogonalMatchingPursuit",
        "Perceptron",
        "PoissonRegressor",
        "QuantileRegressor",
        "Ridge",
        "RidgeClassifier",
        "SGDClassifier",
        "SGDRegressor",
        "TheilSenRegressor",
        "TweedieRegressor",
    ),
    "sklearn.naive_bayes": ("BernoulliNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neighbors": ("KNeighborsClassifier", "KNeighborsRegressor", "NearestCentroid"),
    "sklearn.neural_network": ("MLPClassifier", "MLPRegressor"),
    "sklearn.svm": ("LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "SVC", "SVR"),
    "sklearn.tree": ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
}
"""Classes that recipes may name, by public module. Reviewed: they take numbers, need no other estimator, read no file,
call no function of the user, and skops stores them as plain arrays and types that are trusted one by one."""

NEGATIVE_WEIGHTS = ("DecisionTree", "ExtraTree", "GradientBoosting")
"""Classes (without their ending) whose documentation says what negative weights do."""

THREADS = {
    "jobs": ("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor"),
    "openmp": ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
}
"""Classes whose result does not depend on the number of threads, and how that number is set. All others get one."""

DROPPED = (
    "base_estimator",
    "break_ties",
    "callback",
    "categorical_features",
    "copy_X",
    "copy_X_train",
    "decision_function_shape",
    "estimator",
    "memory",
    "metric_params",
    "multi_class",
    "n_jobs",
    "n_targets",
    "oob_score",
    "probability",
    "random_state",
    "scoring",
    "verbose",
    "warm_start",
)
"""Parameters never offered: rapidml sets them, they change no prediction, they change the form of predictions, or they
name code."""

UNUSABLE = ("haversine", "interior-point", "mahalanobis", "precomputed", "pyfunc", "seuclidean", "warn")
"""Choices that need other inputs than rows and parameters, or are about to go."""

FORMS = {"boolean": "boolean", "array-like": "list", "sparse matrix": None, "verbose": None, "random_state": None}


def make_classes() -> dict[str, dict[str, Any]]:
    """One entry for every reviewed class, by dotted name."""
    classes = {}
    for module, names in REVIEWED.items():
        for name in names:
            classes[f"{module}.{name}"] = _describe(getattr(importlib.import_module(module), name))
    return classes


def _describe(estimator_class: type[Any]) -> dict[str, Any]:
    from sklearn.utils import get_tags
    from sklearn.utils.validation import has_fit_parameter

    estimator = estimator_class()
    tags, name = get_tags(estimator), estimator_class.__name__
    defaults = estimator.get_params(deep=False)
    stem = name.removesuffix("Classifier").removesuffix("Regressor")
    if tags.estimator_type == "regressor":
        tasks = ["regression"]
    else:
        tasks = ["binary", "multiclass"] if tags.classifier_tags.multi_class else ["binary"]
    return {
        "tasks": tasks,
        "takes_weights": bool(has_fit_parameter(estimator, "sample_weight")),
        "takes_negative_weights": stem in NEGATIVE_WEIGHTS,
        "takes_missing": bool(tags.input_tags.allow_nan),
        "takes_negative_features": not tags.input_tags.positive_only,
        "random_state": "random_state" in defaults,
        "threads": next((how for how, names in THREADS.items() if name in names), None),
        "parameters": _describe_parameters(estimator_class, defaults),
        "deprecated": sorted(n for n, v in defaults.items() if _is_deprecated(v) and n not in DROPPED),
    }


def _describe_parameters(estimator_class: type[Any], defaults: dict[str, Any]) -> dict[str, Any]:
    parameters = {}
    for name, default in sorted(defaults.items()):
        if name in DROPPED or _is_deprecated(default):
            continue
        rules = estimator_class._parameter_constraints[name]  # noqa: SLF001  (the only place where types are declared)
        kinds = [kind for rule in rules for kind in _describe_rule(rule)]
        kinds = [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]]
        if name == "class_weight":  # lists are for several outputs
            kinds = [kind for kind in kinds if kind["form"] != "list"]
        if [kind for kind in kinds if kind["form"] != "null"]:
            parameters[name] = {"kinds": kinds}
    return parameters


def _is_deprecated(default: Any) -> bool:
    return isinstance(default, str) and default in ("deprecated", "warn")


def _describe_rule(rule: Any) -> list[dict[str, Any]]:
    """Kinds of one alternative of the library's own constraints; none for code, mappings and hidden values."""
    from sklearn.utils._param_validation import Interval, Options, StrOptions

    if rule is None:
        return [{"form": "null"}]
    if isinstance(rule, Interval):
        return [_describe_interval(rule)]
    if isinstance(rule, StrOptions | Options):
        return _describe_options(rule.options - rule.deprecated)
    if isinstance(rule, str):
        form = FORMS[rule]
        return [] if form is None else [{"form": form}]
    plain = {list: "list", tuple: "list", bool: "boolean", Integral: "integer", Real: "number"}
    form = plain.get(rule) if isinstance(rule, type) else None
    return [] if form is None else [{"form": form}]


def _describe_options(options: set[Any]) -> list[dict[str, Any]]:
    """Text and other values in a stable order; values that JSON cannot hold are left out."""
    choices = sorted(option for option in options if isinstance(option, str) and option not in UNUSABLE)
    kinds: list[dict[str, Any]] = [{"form": "choice", "choices": choices}] if choices else []
    others = sorted(o for o in options if type(o) in (int, float) and abs(o) != float("inf"))
    kinds += [{"form": "choice", "choices": others}] if others else []
    return kinds + ([{"form": "null"}] if None in options else [])


def _describe_interval(rule: Any) -> dict[str, Any]:
    form = "integer" if rule.type is Integral else "number" if rule.type is Real else "float"
    kind: dict[str, Any] = {"form": form}
    for name, bound in (("low", rule.left), ("high", rule.right)):
        if bound is not None and abs(bound) != float("inf"):
            kind[name] = int(bound) if float(bound).is_integer() else float(bound)
    if rule.closed != "both" and ("low" in kind or "high" in kind):
        kind["closed"] = rule.closed
    return kind
