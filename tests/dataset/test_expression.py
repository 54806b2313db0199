"""The grammar of the expression language: exact errors, limits, canonical text, names, the table of functions."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidml.dataset.expression import FUNCTIONS, ExpressionError, describe_functions, parse_expression
from rapidml.errors import DatasetError

ERRORS = [
    ("a > 1 & b < 2", "`and` between two conditions, not `&`", "write 'a > 1 and b < 2'", "&"),
    ("a>1&&b<2", "`and` between two conditions, not `&&`", "write 'a>1 and b<2'", "&&"),
    ("(a > 1) | (b < 2)", "`or` between two conditions, not `|`", "write '(a > 1) or (b < 2)'", "|"),
    ("a > 1 || !flag", "`or` between two conditions, not `||`", "write 'a > 1 or not flag'", "||"),
    ("!flag", "`not` before a condition, not `!`", "write 'not flag'", "!"),
    ("~(a > 1)", "`not` before a condition, not `~`", "write 'not (a > 1)'", "~"),
    ("a = 1", "`==` to compare, not `=`", "write 'a == 1'", "="),
    ("a ^ 2", "`**` for a power, not `^`", "write 'a ** 2'", "^"),
    ("a <> 2", "`!=` to compare, not `<>`", "write 'a != 2'", "<>"),
    ("a => 2", "`>=` to compare, not `=>`", "write 'a >= 2'", "=>"),
    ("a > 1 AND b", "`and` in lower case", "write 'a > 1 and b'", "AND"),
    ("flag == True", "`true` in lower case", "write 'flag == true'", "True"),
    ("1 < 2 = 3", "`==` to compare, not `=`", "write '=='", "="),
    ("x == None", "a value; nothing equals 'None'", "write 'isnull(x)' to ask for missing values", "None"),
    ("x is None", "the end or an operator before `is`", "write 'isnull(x)' or 'not isnull(x)'", "is"),
    ("fabs(x)", "a function of the list in the docs", "write 'abs'", "fabs"),
    ("np.sqrt(x)", "a function of the list in the docs", "write 'sqrt'", "np.sqrt"),
    ("TMath.Power(x, 2)", "a function of the list in the docs", "write 'x ** y' for a power", "TMath.Power"),
    ("sqtr(x)", "a function of the list in the docs", "write 'sqrt'", "sqtr"),
    ("abs(x, y)", "1 argument of abs, not 2", "write 'abs(x)'", "abs(x, y)"),
    ("2 * min(x)", "2 or more arguments of min, not 1", "write 'min(x, y, ...)'", "min(x)"),
    (
        "a < b > c",
        "a chain of comparisons in one direction, as in 'a < b <= c'",
        "write 'a < b and b > c'",
        "a < b > c",
    ),
    ("(a) == b == c", None, "write '(a) == b and b == c'", "(a) == b == c"),
    ("a +", "a name, number or text after `+`", "complete the expression", ""),
    ("* a", "a name, number or text, not `*`", "remove '*'", "*"),
    ("2 * (a + b", "`)` for the `(` at character 5", "close it with ')'", "("),
    ("a b", None, "put an operator between the names, or one name with a space in backticks", "b"),
    ("a)", "the end or an operator before `)`", "remove ')', or open it before", ")"),
    ("jets[0]", None, "use a column with one value per row; lists stand only after 'in'", "["),
    ("", "an expression, not nothing", "write one such as 'met > 150', or remove the field", ""),
    ("2jets > 1", None, "put it in backticks, `2jets`, if it is the name of a column", "2jets"),
    ("1_000", "a number", "write '1000'", "1_000"),
    ("1e999", "a number below 1.8e308", "write a smaller number", "1e999"),
    ("x == 'abc", "the end of the text that starts here", "close it with another '", "'abc"),
    ("`abc", "the end of the name in backticks that starts here", "close it with another `", "`abc"),
    ("x in 3", "a list after `in`, as in 'channel in [1, 2]'", "put the values in square brackets", "3"),
    ("x in []", "at least one value in the list", "write one such as 'channel in [1, 2]'", "[]"),
    ("x in [1, 'a']", "values of one kind: all text, or all numbers", None, "[1, 'a']"),
    ("x in [y]", "numbers or quoted text in a list", "compare names with '=='", "y"),
    ("x not 3", "`in` after `not`", "write 'x not in [1, 2]'", "not"),
    ("'a' + 1", "a number; `'a'` is text", None, "'a'"),
    ("a > 0 and b + 1", "a condition; `b + 1` is a number", "compare it, as in 'b + 1 != 0'", "b + 1"),
    ("'a' == 1", "both sides of a comparison to be text, or both numbers", None, "'a' == 1"),
    ("where(a > 1, 'x', 2)", "both results of where to be text, or both numbers", None, "'x', 2"),
    ("a == not b", "parentheses around `not` here", "write '(not ...)'", "not"),
    ("a ? 1 : 2", None, "write 'where(condition, a, b)' for 'condition ? a : b'", "?"),
    ("a; b", None, "write one expression; join conditions by 'and'", ";"),
    ("__import__('os')", "a function of the list in the docs", None, "__import__"),
    ("lambda: 1", None, None, ":"),
]


@pytest.mark.parametrize(("text", "message", "fix", "wrong"), ERRORS)
def test_errors_say_where_what_and_how(text: str, message: str | None, fix: str | None, wrong: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    error = caught.value
    assert message in (None, error.message)
    assert fix in (None, error.fix)
    assert text[error.offset : error.offset + error.length] == wrong
    assert isinstance(error, DatasetError)
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.fix, copied.offset) == (str(error), error.fix, error.offset)


def test_error_text() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression("a = 1")
    text = "in the expression 'a = 1', character 3: expected `==` to compare, not `=`; to fix: write 'a == 1'"
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000 + "a" + ")" * 4000,
        "+".join("a" * 1000),
        "-" * 5000 + "a",
        "not " * 2000 + "a",
        "**".join("a" * 500),
        "abs(" * 2000 + "a" + ")" * 2000,
        "a < " * 101 + "a > a " * 2000,
        "a" * 20000,
        "[" * 5000,
        "a in [" * 1000,
    ],
)
def test_limits(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


def test_many_conditions_are_no_nesting() -> None:
    assert parse_expression(" and ".join(["a > 0"] * 800)).test({"a": 1})
    assert parse_expression("(" * 90 + "a" + ")" * 90).names == ("a",)


@settings(deadline=None)
@given(st.text(alphabet="ab1.(),[]'\"`<>=!&|+-*/% \n", max_size=30) | st.text(max_size=20))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        found = error
    else:
        assert parse_expression(expression.canonical).canonical == expression.canonical
        return
    assert 0 <= found.offset <= len(text)
    assert found.length >= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a>1 and b<2", " ( a > 1 )\nand (b < 2)"),
        ("a and b and c", "a and (b and c)"),
        ("a and b and c", "(a and b) and c"),
        ("a + b + c", "((a + b) + c)"),
        ("x == 'a b'", '(x) == "a b"'),
        ("1.50 * a", "1.5*`a`"),
        ("not a in [1]", "a not in (1)"),
        ("a < b < c", "a < b and b < c"),
        ("-a ** 2", "-(a ** 2)"),
    ],
)
def test_canonical_ignores_what_changes_nothing(one: str, other: str) -> None:
    assert parse_expression(one).canonical == parse_expression(other).canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a + (b + c)", "a + b + c"),
        ("a * 1", "a * 1.0"),
        ("a == 'x'", "a == `x`"),
        ("a == 'x '", "a == 'x'"),
        ("(-a) ** 2", "-a ** 2"),
        ("a and b", "b and a"),
        ("a - b", "b - a"),
        ("x in [1, 2]", "x in [2, 1]"),
    ],
)
def test_canonical_keeps_what_may_change_something(one: str, other: str) -> None:
    assert parse_expression(one).canonical != parse_expression(other).canonical


def test_canonical_text_enters_keys() -> None:
    text = "n_jets >= 4 and abs(`weird name`) < 2.5 or not label in ['a b', 'c']"
    assert parse_expression(text).canonical == (
        """((n_jets>=4)and(abs(`weird name`)<2.5))or(not((label)in["a b","c"]))"""
    )


@pytest.mark.parametrize(
    ("text", "expected", "fix"),
    [
        ("a == 1", "both sides of one kind; `a` is text, the other a number", "put the other side in quotes"),
        ("'x' < n", "both sides of one kind; `n` is a number, the other text", "remove the quotes, or write a number"),
        ("n and b", "a condition; `n` is a number", "compare it, as in 'n != 0'"),
        ("a + n > 1", "a number; `a` is text", "remove the quotes, or compare the text with '=='"),
        ("n in ['x']", "values of one kind: all text, or all numbers", "put all values in quotes, or none"),
    ],
)
def test_known_kinds_of_names_are_checked(text: str, expected: str, fix: str) -> None:
    assert parse_expression(text).names
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, {"a": "text", "n": "number", "b": "boolean"})
    assert (caught.value.message, caught.value.fix) == (expected, fix)


def test_names_of_known_kinds_are_joined_as_before() -> None:
    text = "a == 'x' and not b or n + b > 1 and unknown"
    known = parse_expression(text, {"a": "text", "n": "number", "b": "boolean"})
    assert known.canonical == parse_expression(text).canonical
    assert parse_expression("n", {"n": "number"}).kind == "number"


def test_names_in_order_of_first_use() -> None:
    expression = parse_expression("b + a * b > `a b` and c.d == 1")
    assert expression.names == ("b", "a", "a b", "c.d")
    assert expression.find_name("a b") == (12, 5)
    assert expression.kind == "boolean"
    assert pickle.loads(pickle.dumps(expression)) == expression


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_table_of_functions(function: Any) -> None:
    assert f"| `{function.signature}` | {function.meaning} |" in describe_functions()
    if function.plain is not None:
        ufunc = getattr(np, function.array)
        points = [0.3] * function.n_min
        assert function.name == "int" or function.plain(*points) == pytest.approx(float(ufunc(*points)))


def test_listing_needs_no_numpy() -> None:
    code = (
        "import sys, json; from rapidml.dataset.expression import parse_expression; "
        "assert parse_expression('a.b > 1 and sqrt(c) > 1').test({'a': {'b': 2}, 'c': 4}); "
        "print(json.dumps([name for name in sys.modules if name in ('numpy', 'pydantic')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
