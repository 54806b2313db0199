"""Task, classes, features and weights as the training rows show them; test rows decide nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rapidml.dataset.preview import make_preview
from rapidml.dataset.profile import Profile, make_frame, physics_weight, target_codes
from rapidml.dataset.targets import make_label
from rapidml.errors import DatasetError
from rapidml.recipe.schema import Split

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dataset.conftest import Reads, Writes


def write_target(write_csv: Writes, values: list[Any]) -> None:
    """Rows with two honest features and a target that repeats the given values."""
    generator = np.random.default_rng(0)
    lines = [f"{generator.normal():.3f},{generator.normal():.3f},{values[n % len(values)]}" for n in range(60)]
    write_csv("a.csv", "x,z,y", *lines)


@pytest.mark.parametrize(
    ("values", "fields", "kind", "classes"),
    [
        ([0, 1], {}, "binary", ("0", "1")),
        ([1.0, 0.0], {}, "binary", ("0", "1")),
        ([-1, 1], {}, "binary", ("-1", "1")),
        (["true", "false"], {}, "binary", ("false", "true")),
        (["true", "false"], {"positive": False}, "binary", ("true", "false")),
        (["s", "b"], {"positive": "b"}, "binary", ("s", "b")),
        (["s", "b"], {"positive": "s"}, "binary", ("b", "s")),
        ([1, 2], {"positive": 2}, "binary", ("1", "2")),
        ([0, 1], {"positive": 0}, "binary", ("1", "0")),
        ([0, 1], {"positive": True}, "binary", ("0", "1")),
        (["c", "a", "b"], {}, "multiclass", ("a", "b", "c")),
        ([3, 11, 2], {"task": "classification"}, "multiclass", ("2", "3", "11")),
        ([0.5, 1.5, 2.5], {}, "regression", ()),
        ([1, 2, 3], {"task": "regression"}, "regression", ()),
        ([0, 1], {"task": "regression"}, "regression", ()),
    ],
)
def test_task_and_order_of_classes(
    values: list[Any], fields: dict[str, Any], kind: str, classes: tuple[str, ...], read: Reads, write_csv: Writes
) -> None:
    write_target(write_csv, values)
    found = read(path="a.csv", target="y", **fields)
    assert (found.profile.task.kind, found.profile.task.classes) == (kind, classes)
    codes = target_codes(found.table, found.request, found.profile)
    if kind == "regression":
        assert_array_equal(codes, np.resize(values, 60))
    else:
        assert [classes[int(code)] for code in codes] == [
            make_label(json.loads(one) if one in ("true", "false") else one) for one in np.resize(values, 60).tolist()
        ]


@pytest.mark.parametrize(
    ("values", "fields", "message"),
    [
        ([1, 2, 3], {}, r"dataset\.task: expected a choice: y holds whole numbers with 3 different values"),
        (["s", "b"], {}, r"dataset\.positive: expected which of b and s in y is the positive class.*positive: s"),
        ([1, 2], {}, r"dataset\.positive"),
        (["s", "b"], {"positive": "x"}, r"dataset\.positive: expected b or s, the classes of y"),
        (["a", "b", "c"], {"positive": "a"}, "expected two classes; y has 3"),
        ([0.5, 1.5, 2.5], {"positive": 1}, "this is regression"),
        (["a", "b"], {"task": "regression"}, "y holds text"),
        (["true", "false"], {"task": "regression"}, "y holds true or false"),
        ([1], {}, "at least two different values; y has only 1 in the training rows"),
    ],
)
def test_targets_that_cannot_be_learned(
    values: list[Any], fields: dict[str, Any], message: str, read: Reads, write_csv: Writes
) -> None:
    write_target(write_csv, values)
    found = read(path="a.csv", target="y", **fields)
    with pytest.raises(DatasetError, match=message):
        _ = found.profile


def test_text_with_very_many_labels_is_no_target(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", *(f"{n},name{n}" for n in range(300)))
    with pytest.raises(DatasetError, match=r"at most 100 classes; y has 2\d\d different values"):
        _ = read(path="a.csv", target="y").profile


def test_classes_give_label_order_and_positive(read: Reads, write_csv: Writes) -> None:
    for name in "abc":
        write_csv(f"{name}.csv", "x", *map(str, range(20)))
    two = read(classes={"z": "a.csv", "b": "b.csv"}).profile
    assert two.task.classes == ("b", "z")
    assert [count.label for count in two.classes] == ["z", "b"]
    assert read(classes={"z": "a.csv", "b": "b.csv"}, positive="b").profile.task.classes == ("z", "b")
    three = read(classes={"z": "a.csv", "b": "b.csv", "a": "c.csv"}).profile
    assert three.task.classes == ("z", "b", "a")


def test_a_class_that_only_test_rows_have(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", *(f"{n},{'uv'[n % 2]}" for n in range(20)))
    write_csv("t.csv", "x,y", "1,u", "2,w")
    with pytest.raises(DatasetError, match="classes that training rows have too; 1 test row has w"):
        _ = read(path="a.csv", target="y", positive="u", test="t.csv", split=Split(folds=2)).profile


def test_breast_cancer_counts_malignant_first(read: Reads) -> None:
    profile = read(builtin="breast_cancer").profile
    assert profile.describe() == "569 rows x 30 features, 212 malignant, 357 benign, no weights"
    assert profile.task.classes == ("benign", "malignant")


@pytest.mark.parametrize(
    ("builtin", "kind", "n_features"),
    [
        ("iris", "multiclass", 4),
        ("wine", "multiclass", 13),
        ("digits", "multiclass", 61),
        ("diabetes", "regression", 10),
    ],
)
def test_other_builtin_sets(builtin: str, kind: str, n_features: int, read: Reads) -> None:
    profile = read(builtin=builtin).profile
    assert (profile.task.kind, len(profile.features), profile.leaks) == (kind, n_features, ())


def test_titanic(shared_data: Path, read: Reads) -> None:
    profile = read(shared_data, path="titanic.csv", target="Survived").profile
    assert profile.describe() == "891 rows x 8 features, 342 of class 1, 549 of class 0, no weights"
    kinds = {feature.name: feature.kind for feature in profile.features}
    assert kinds["Sex"] == kinds["Embarked"] == "categorical"
    assert set(dict(profile.left_out)) == {"Name", "Ticket", "Cabin"}
    listed = read(shared_data, path="titanic.csv", target="Survived", features=["Ticket", "Age"]).profile
    assert len(listed.features[0].categories) > 100


def test_california_housing(shared_data: Path, read: Reads) -> None:
    found = read(shared_data, path="california-housing.csv.gz", target="median_house_value")
    assert found.profile.task.kind == "regression"
    assert sum(np.isnan(found.values("total_bedrooms"))) == 207


def test_features_and_reasons(read: Reads, write_csv: Writes) -> None:
    lines = [f"{n * 7 % 10},1,,{'pq'[n // 2 % 2]},{n % 3 or ''},2020-01-01,{n % 2},k" for n in range(40)]
    write_csv("a.csv", "x,one,none,t,some,day,y,same", *lines)
    found = read(path="a.csv", target="y")
    assert [(feature.name, feature.kind) for feature in found.profile.features] == [
        ("x", "number"),
        ("t", "categorical"),
        ("some", "number"),
    ]
    assert dict(found.profile.left_out) == {
        "day": "is a date", "one": "is constant", "none": "is null in all training rows", "same": "is constant",
    }  # fmt: skip
    training = found.parts.rows("train")
    assert found.profile.features[2].nulls == sum(n % 3 == 0 for n in training)
    with pytest.raises(DatasetError, match=r"dataset\.features: expected columns to learn from; none is left \(one is"):
        _ = read(path="a.csv", target="y", features=["one"]).profile


def test_frame(read: Reads, write_csv: Writes) -> None:
    write_csv(
        "a.csv", "x,b,t,y", *(f"{n},{'true' if n % 4 < 2 else 'false'},{'qp'[n % 2]},{n // 2 % 2}" for n in range(20))
    )
    write_csv("t.csv", "x,b,t,y", "1,true,new,0", "2,false,,1")
    found = read(path="a.csv", target="y", test="t.csv", split=Split(folds=2))
    profile = found.profile
    frame = make_frame(found.table, profile.features, found.parts.rows("test"))
    assert frame.names == ("x", "b", "t")
    assert_array_equal(frame.columns[1].values, [1, 0])
    assert frame.columns[2].categories == ("p", "q")
    assert_array_equal(frame.columns[2].values, [-1, -1])
    whole = make_frame(found.table, profile.features, found.parts.rows("train"))
    assert [("p", "q")[code] for code in whole.columns[2].values] == ["qp"[n % 2] for n in range(20)]
    assert not isinstance(whole.columns[0].values, np.memmap)


def test_weights(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,w,y", *(f"{n * 7 % 40},{-1 if n % 4 == 0 else n + 1},{n % 2}" for n in range(40)))
    found = read(path="a.csv", target="y", weight="w")
    profile, weight = found.profile, physics_weight(found.table, found.request)
    assert weight is not None
    training = found.parts.rows("train")
    assert profile.is_weighted
    assert not profile.is_weight_constant
    assert profile.n_negative_weights == int((weight[training] < 0).sum())
    assert profile.negative_share == pytest.approx(profile.n_negative_weights / np.abs(weight[training]).sum())
    assert sum(count.weight_sum for count in profile.classes) == pytest.approx(profile.weight_sum)
    assert physics_weight(found.table, replace(found.request, columns=found.request.columns[:1])) is None


def test_test_targets_decide_nothing(read: Reads, write_csv: Writes) -> None:
    """Promise 1: with permuted targets of the test rows all but the counts for display stays."""
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(80, 3)), generator.integers(0, 3, 80)

    def write(name: str, target: Any) -> None:
        write_csv(
            name,
            "e,a,b,c,y",
            *(f"{n},{p},{q},{r},k{t}" for n, ((p, q, r), t) in enumerate(zip(x, target, strict=True))),
        )

    write("first.csv", y)
    first = read(path="first.csv", target="y", id="e")
    permuted = y.copy()
    test = first.parts.rows("test")
    permuted[test] = generator.permutation(y[test])
    write("second.csv", permuted)
    second = read(path="second.csv", target="y", id="e")
    assert_array_equal(first.parts.test, second.parts.test)
    assert_array_equal(first.parts.fold, second.parts.fold)
    one, two = first.profile, second.profile
    assert one.task == two.task
    assert one.leaks == two.leaks
    assert [f.name for f in one.features] == [f.name for f in two.features]
    assert [count.n_training for count in one.classes] == [count.n_training for count in two.classes]


def test_folds_keep_classes_in_balance(read: Reads, write_csv: Writes) -> None:
    write_csv("a.csv", "x,y", *(f"{n * 7 % 100},{int(n % 10 == 0)}" for n in range(100)))
    found = read(path="a.csv", target="y", split=Split(folds=5))
    codes = target_codes(found.table, found.request, found.profile)
    assert [int(codes[found.parts.rows(f"held:{fold}")].sum()) for fold in range(5)] == [2] * 5


def test_profile_survives_json(read: Reads) -> None:
    profile = read(builtin="iris").profile
    again = Profile.from_json(json.loads(json.dumps({**profile.to_json(), "of_a_later_version": 1})))
    assert again == profile


class TestPreview:
    def test_it_sees_a_leak_without_reading_all(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,z,y", *(f"{n % 2},{n * 7 % 11},{n % 2}" for n in range(500)))
        found = read(path="a.csv", target="y")
        preview = make_preview(found.dataset, found.request, found.identity, found.split, 0, n_rows=100)
        assert preview is not None
        assert preview.n_rows == 100
        assert [leak.feature for leak in preview.leaks] == ["x"]

    def test_sorted_files_show_nothing(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,y", *(f"{n * 7 % 11},{n // 250}" for n in range(500)))
        found = read(path="a.csv", target="y")
        assert make_preview(found.dataset, found.request, found.identity, found.split, 0, n_rows=100) is None

    def test_a_whole_file_that_is_wrong_is_wrong(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,y", *(f"{n * 7 % 11},1" for n in range(50)))
        found = read(path="a.csv", target="y")
        with pytest.raises(DatasetError, match="at least two different values"):
            make_preview(found.dataset, found.request, found.identity, found.split, 0, n_rows=100)


def test_no_heavy_import_for_plans() -> None:
    """What planning imports of this part loads neither NumPy nor Arrow."""
    import subprocess
    import sys

    code = (
        "import sys; import rapidml.dataset.profile, rapidml.dataset.columns, rapidml.dataset.checks, "
        "rapidml.dataset.files, rapidml.dataset.header; "
        "print([m for m in ('numpy', 'pyarrow', 'sklearn', 'fsspec', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
