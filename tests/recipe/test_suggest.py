"""Did you mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidml.recipe.suggest import suggest
from rapidml.recipe.variables import check_path_text, is_secret


@pytest.mark.parametrize(
    ("word", "choices", "found"),
    [
        ("xgbost", ["xgboost", "mlp"], "xgboost"),
        ("wieght", ["weight", "select"], "weight"),
        ("Max-Depth", ["max_leaves", "max_depth"], "max_depth"),
        ("gpu", ["cpu", "cuda"], None),
        ("target", ["dataset"], None),
        ("x", [], None),
        ("a" * 10_000, ["a"], None),
        ("ab", ["abc", "abd"], "abc"),
    ],
)
def test_suggestions(word: str, choices: list[str], found: str | None) -> None:
    assert suggest(word, choices) == found


@given(st.text(min_size=1, max_size=80))
def test_a_choice_suggests_itself(word: str) -> None:
    assert suggest(word, [word]) == word


@pytest.mark.parametrize(
    "name", ["API_KEY", "TOKEN", "github_token", "MY_SECRET", "DB_PASS", "PASSWORD", "AWS_SECRET_X"]
)
def test_secrets_are_known_by_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["HIGGS_CSV", "HOME", "COMPASS_DATA", "MONKEY_DIR", "DATA"])
def test_other_variables_are_no_secrets(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.csv", []),
        ("${HOME}/b.csv", []),
        ("${HOME}/${HOME}.csv", []),
        ("${NOWHERE}", ["a variable that is set; NOWHERE is not"]),
        ("${MY_TOKEN}", ["a variable that is no secret; MY_TOKEN may not be put into a path"]),
        ("${a b}", ["variables in the form ${NAME}"]),
        ("${", ["variables in the form ${NAME}"]),
        ("$HOME/x", ["variables in the form ${NAME}"]),
        ("a$1", []),
    ],
)
def test_variables_in_paths(text: str, expected: list[str]) -> None:
    assert [said for said, _ in check_path_text(text, {"HOME": "/root", "EMPTY": ""})] == expected


def test_unset_variables_suggest_a_set_one() -> None:
    ((_, fix),) = check_path_text("${HIGS_CSV}", {"HIGGS_CSV": "x", "HIGS_CSV_TOKEN": "x"})
    assert fix == "write ${HIGGS_CSV}, or export HIGS_CSV=... before you start"
