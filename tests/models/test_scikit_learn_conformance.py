"""The conformance suite for scikit-learn classes of every sort; all classes are fitted and stored elsewhere."""

from __future__ import annotations

from typing import Any, ClassVar

from rapidml.recipe.schema import Choice
from tests.models.conformance import AdapterConformance, Kind, WeightConformance
from tests.models.prefix_conformance import PrefixConformance

STANDARDIZE = (Choice(name="impute", options={"value": "median"}), Choice(name="standardize"), Choice(name="one_hot"))


CLASSES: tuple[Kind, ...] = ("binary", "multiclass")


class TestLogisticRegression(WeightConformance):
    type = "sklearn.linear_model.LogisticRegression"
    kinds = CLASSES
    prepare = STANDARDIZE
    params: ClassVar[dict[str, Any]] = {"tol": 1e-8, "max_iter": 1000}
    weight_tolerance = 1e-4


class TestRidge(WeightConformance):
    type = "sklearn.linear_model.Ridge"
    kinds = ("regression",)


class TestLinearDiscriminantAnalysis(AdapterConformance):
    type = "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"
    kinds = CLASSES


class TestDecisionTree(WeightConformance):
    type = "sklearn.tree.DecisionTreeClassifier"
    kinds = CLASSES
    params: ClassVar[dict[str, Any]] = {"max_depth": 6}


class TestRandomForest(WeightConformance, PrefixConformance):
    type = "sklearn.ensemble.RandomForestClassifier"
    kinds = CLASSES
    params: ClassVar[dict[str, Any]] = {"n_estimators": 5, "max_depth": 5}
    weight_tolerance = None  # rows are drawn one by one


class TestGradientBoosting(WeightConformance, PrefixConformance):
    type = "sklearn.ensemble.GradientBoostingClassifier"
    kinds = CLASSES
    params: ClassVar[dict[str, Any]] = {"n_estimators": 15, "max_features": 3, "subsample": 0.8}
    weight_tolerance = None  # rows are drawn one by one


class TestHistGradientBoosting(WeightConformance):
    type = "sklearn.ensemble.HistGradientBoostingRegressor"
    kinds = ("regression",)
    params: ClassVar[dict[str, Any]] = {"max_iter": 5}
    weight_tolerance = None  # leaves ask for a number of rows, whatever their weight


class TestKNeighbors(AdapterConformance):
    type = "sklearn.neighbors.KNeighborsRegressor"
    kinds = ("regression",)


class TestSupportVectors(WeightConformance):
    type = "sklearn.svm.SVC"
    kinds = CLASSES
    params: ClassVar[dict[str, Any]] = {"tol": 1e-6}
    weight_tolerance = 2e-1  # of several classes the pairs vote, and near ties turn over
