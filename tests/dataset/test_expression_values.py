"""Values of expressions: against Python's own evaluation, nulls, kinds of columns, columns against records."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rapidml.dataset.expression import FUNCTIONS, ExpressionError, parse_expression

NAN = math.nan
COLUMNS: dict[str, Any] = {
    "a": np.array([1.0, -2.5, 0.0, NAN]),
    "b": np.array([2, 3, 0, -4], np.int32),
    "f": np.array([0.5, 1.5, 2.5, -3.5], np.float32),
    "flag": np.array([True, False, True, False]),
    "name": np.array(["higgs", "top", "higgs", "z"]),
    "label": np.array(["x", None, "y", "x"], object),
    "weird name": np.array([1, 2, 3, 4]),
    "jet.pt": np.array([10.0, 20.0, 30.0, 40.0]),
}


def evaluate(text: str, **columns: Any) -> list[Any]:
    known = columns or COLUMNS
    found: list[Any] = parse_expression(text).evaluate(known, len(next(iter(known.values())))).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b + 1", [3, 4, 1, -3]),
        ("b * 2 - 1", [3, 5, -1, -9]),
        ("-b ** 2", [-4.0, -9.0, 0.0, -16.0]),
        ("(-b) ** 2", [4.0, 9.0, 0.0, 16.0]),
        ("2 ** 3 ** 2", [512.0] * 4),
        ("2 ** -1", [0.5] * 4),
        ("7 - 2 - 1", [4] * 4),
        ("b / 2", [1.0, 1.5, 0.0, -2.0]),
        ("b // 3", [0, 1, 0, -2]),
        ("b % 3", [2, 0, 0, 2]),
        ("a > 0", [1.0, 0.0, 0.0, NAN]),
        ("b >= 0 and b < 3", [True, False, True, False]),
        ("b < 0 or flag", [True, False, True, True]),
        ("not flag", [False, True, False, True]),
        ("not b == 3", [True, False, True, True]),
        ("flag == true", [True, False, True, False]),
        ("0 < b <= 3", [True, True, False, False]),
        ("3 >= b > 0", [True, True, False, False]),
        ("name == 'higgs'", [True, False, True, False]),
        ('name != "higgs"', [False, True, False, True]),
        ("name < 'm'", [True, False, True, False]),
        ("label == 'x'", [1.0, NAN, 0.0, 1.0]),
        ("name in ['top', 'z']", [False, True, False, True]),
        ("b in [2, -4]", [True, False, False, True]),
        ("b not in (2, -4)", [False, True, True, False]),
        ("`weird name` * 1", [1, 2, 3, 4]),
        ("jet.pt / 10", [1.0, 2.0, 3.0, 4.0]),
        ("(b > 0) + (b > 2)", [1, 2, 0, 0]),
        ("where(b > 0, a, -1)", [1.0, -2.5, -1.0, -1.0]),
        ("where(flag, name, 'other')", ["higgs", "other", "higgs", "other"]),
        ("isnull(a)", [False, False, False, True]),
        ("isnull(label) or b > 1", [True, True, False, False]),
        ("min(b, 1, 2)", [1, 1, 0, -4]),
        ("max(a, b)", [2.0, 3.0, 0.0, NAN]),
        ("clip(b, -1, 2)", [2, 2, 0, -1]),
        ("int(f)", [0, 1, 2, -3]),
        ("round(f)", [0.0, 2.0, 2.0, -4.0]),
        ("floor(f)", [0.0, 1.0, 2.0, -4.0]),
        ("abs(b)", [2, 3, 0, 4]),
        ("sign(b)", [1, 1, 0, -1]),
        ("hypot(b, 0)", [2.0, 3.0, 0.0, 4.0]),
        ("true", [True] * 4),
        ("1.5e1", [15.0] * 4),
        ("'it\\'s'", ["it's"] * 4),
        ("b\n  > 1", [True, True, False, False]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    found = evaluate(text)
    assert_array_equal(found, expected)
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_types_of_columns() -> None:
    expression = parse_expression("x")
    assert expression.evaluate({"x": np.ones(2, np.float32)}, 2).dtype == np.float64
    assert expression.evaluate({"x": np.ones(2, np.uint8)}, 2).dtype == np.int64
    assert expression.evaluate({"x": np.array([True, False])}, 2).dtype == np.bool_
    assert evaluate("x == 'a'", x=np.array(["a", "b"], np.dtypes.StringDType())) == [True, False]
    assert evaluate("x + 1", x=np.array([2**63], np.uint64)) == [2.0**63]
    assert_array_equal(evaluate("x + 1", x=np.ma.masked_array([1, 2], [False, True])), [2.0, NAN])


def test_large_integers_stay_exact() -> None:
    event = np.array([2**53 + 1, 2**62 + 3])
    assert evaluate("x % 5", x=event) == [(2**53 + 1) % 5, (2**62 + 3) % 5]
    assert evaluate("int(x)", x=event) == event.tolist()
    assert_array_equal(evaluate("x * 4", x=event), [float((2**53 + 1) * 4), NAN])


@pytest.mark.parametrize(
    "text",
    [
        "1 / b",
        "b // 0",
        "b % 0",
        "log(0 * b)",
        "sqrt(-1 - b)",
        "exp(1000 + b)",
        "arcsin(b + 2)",
        "0 ** -1",
        "a + a",
        "(-8) ** 0.5",
        "int(1e30)",
        "where(a > 0, 1, 2)",
        "a in [1]",
        "-a",
        "abs(a)",
        "min(a, 1)",
        "clip(a, 0, 1)",
    ],
)
def test_what_cannot_be_computed_is_null_without_a_warning(text: str) -> None:
    columns = {"a": np.array([NAN]), "b": np.array([0])}
    values, null = parse_expression(text).evaluate_with_nulls(columns, 1)
    assert null.tolist() == [True]
    assert values.shape == (1,)
    assert evaluate(f"isnull({text})", **columns) == [True]


def test_infinite_values_of_a_column_compare() -> None:
    assert evaluate("x > 1", x=np.array([np.inf, -np.inf])) == [True, False]


@pytest.mark.parametrize(
    ("text", "true", "null"),
    [
        ("x > 1", [True, False, False], [False, False, True]),
        ("x > 1 and true", [True, False, False], [False, False, True]),
        ("x > 1 and false", [False, False, False], [False, False, False]),
        ("x > 1 or true", [True, True, True], [False, False, False]),
        ("x > 1 or false", [True, False, False], [False, False, True]),
        ("not x > 1", [False, True, False], [False, False, True]),
        ("x != 2", [False, True, False], [False, False, True]),
        ("x == x", [True, True, False], [False, False, True]),
        ("isnull(x) or x > 1", [True, False, True], [False, False, False]),
    ],
)
def test_nulls_follow_kleene(text: str, true: list[bool], null: list[bool]) -> None:
    expression = parse_expression(text)
    found_true, found_null = expression.test_rows({"x": np.array([2.0, 0.0, NAN])}, 3)
    assert found_true.tolist() == true
    assert found_null.tolist() == null
    assert [expression.test({"x": x}) for x in (2, 0, None)] == true


def test_result_is_no_view_of_a_column() -> None:
    column = np.array([1.0, 2.0])
    parse_expression("+x").evaluate({"x": column}, 2)[0] = 7
    assert column.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message", "wrong"),
    [
        ("missing + 1", "the name of a column; there is no 'missing'", "missing"),
        ("1 + name", "a number; `name` is text", "name"),
        ("flag and b", "a condition; `b` is a number", "b"),
        ("name == 3", "the other a number; to fix: put the other side in quotes", "name == 3"),
        ("b == 'x'", "both sides of one kind; `'x'` is text, the other a number", "b == 'x'"),
        ("name in [1, 2]", "values of the kind of `name`, which is text", "name in [1, 2]"),
        ("where(flag, name, b)", "both results of where to be text, or both numbers", "where(flag, name, b)"),
        ("image + 1", "one value per row; `image` has the shape (4, 2) for 4 rows", "image"),
        ("day > 1", "numbers, booleans or text; `day` is of type datetime64[D]", "day"),
        ("mixed == 'a'", "numbers, booleans or text; `mixed` holds 3", "mixed"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(text: str, message: str, wrong: str) -> None:
    day = np.array(["2026-01-01"] * 4, "datetime64[D]")
    columns = COLUMNS | {"image": np.zeros((4, 2)), "day": day, "mixed": np.array(["a", 3, None, "b"], object)}
    with pytest.raises(ExpressionError, match=re.escape(message)) as caught:
        parse_expression(text).evaluate(columns, 4)
    assert text[caught.value.offset :][: caught.value.length] == wrong


def test_a_number_is_no_condition() -> None:
    expression, message = parse_expression("x + 1"), r"a condition that is true or false; to fix: compare it"
    with pytest.raises(ExpressionError, match=message):
        expression.test_rows({"x": np.ones(3)}, 3)
    with pytest.raises(ExpressionError, match=message):
        expression.test({"x": 1})


RECORD = {
    "name": "higgs",
    "scores": {"roc_auc": 0.93, "log_loss": None},
    "tags": ["a"],
    "models.bdt.params": {"max_depth": 6},
    "models": {"net": {"params": {"max_depth": 8}}},
    "done": True,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scores.roc_auc > 0.9 and name == 'higgs'", True),
        ("scores.roc_auc > 0.95", False),
        ("scores.accuracy > 0", False),
        ("not scores.accuracy > 0", False),
        ("isnull(scores.accuracy) and isnull(scores.log_loss) and isnull(tags) and isnull(scores)", True),
        ("scores.accuracy > 0 or done", True),
        ("models.bdt.params.max_depth == 6 and models.net.params.max_depth == 8", True),
        ("name == 3", False),
        ("name != 3", True),
        ("name < 3", False),
        ("isnull(name + 1)", True),
        ("name in ['higgs', 'top']", True),
        ("0.9 < scores.roc_auc < 1", True),
        ("where(done, scores.roc_auc, 0) > 0.5", True),
        ("where(scores.accuracy > 1, 1, 2) > 0", False),
        ("done", True),
        ("missing", False),
        ("isnull(1 / (scores.roc_auc - 0.93))", True),
    ],
)
def test_one_record(text: str, expected: bool) -> None:
    assert parse_expression(text).test(RECORD) is expected


numbers = st.sampled_from(["a", "b", "c", "2", "0.5", "0"])
arithmetic = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda t: f"({' '.join(t)})"
        ),
        inner.map(lambda x: f"(-{x})"),
        st.sampled_from([f.name for f in FUNCTIONS.values() if f.n_min == 1 and f.name != "isnull"]).flatmap(
            lambda name: inner.map(lambda x: f"{name}({x})")
        ),
        st.tuples(st.sampled_from(["min", "max", "hypot", "arctan2"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"where({t[0]} > {t[1]}, {t[2]}, {t[0]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"clip({t[0]}, {t[1]}, {t[2]})"),
    ),
    max_leaves=8,
)
values = st.one_of(st.none(), st.integers(-5, 5), st.floats(-10, 10, width=16))


@settings(max_examples=300, deadline=None)
@given(arithmetic, values, values, values)
def test_columns_and_records_agree(text: str, a: float | None, b: float | None, c: float | None) -> None:
    record = {"a": a, "b": b, "c": c}
    columns = {name: np.array([NAN if value is None else value]) for name, value in record.items()}
    by_column, null = parse_expression(text).evaluate_with_nulls(columns, 1)
    assert parse_expression(f"isnull({text})").test(record) == null[0]
    if not null[0]:
        nearly = f"abs(({text}) - limit) <= 1e-9 * max(1, abs(limit))"
        assert parse_expression(nearly).test({**record, "limit": by_column[0].item()})


@settings(max_examples=200, deadline=None)
@given(arithmetic, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_arithmetic_is_pythons(text: str, a: int, b: int, c: int) -> None:
    if any(word in text for word in ("where", "clip", "arctan2")):
        return
    functions = {name: f.plain for name, f in FUNCTIONS.items()} | {"min": min, "max": max}
    try:
        expected = eval(text, functions, {"a": a, "b": b, "c": c})
    except (ValueError, ArithmeticError, TypeError):
        return
    columns = {"a": np.array([a]), "b": np.array([b]), "c": np.array([c])}
    found = parse_expression(text).evaluate(columns, 1)[0]
    if isinstance(expected, complex) or abs(expected) > 1e15:
        return
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


def test_the_sign_of_zero_does_not_count() -> None:
    """-0 of a whole number is 0; of a column with nulls, which is one of floats, it would be -0.0."""
    expression = parse_expression("arctan2(b, -where(b > b, a, b)) == 0")
    record = {"a": None, "b": 0}
    columns = {"a": np.array([np.nan]), "b": np.array([0])}
    assert expression.test(record)
    assert expression.evaluate(columns, 1).tolist() == [True]
