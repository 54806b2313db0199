"""The first minute with rapidml, as a transcript: the numbers differ from machine to machine, the form does not."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from rapidml.cli import main

SCORE = r"\d\.\d+ \[\d\.\d+, \d\.\d+\]"
COST = r"\d+(\.\d)? s"
RUN = r"\d{8}-\d{4}-[2-9a-z]{4}"
EDIT = "models.bdt.params.max_depth=3"


def assert_form(text: str, *patterns: str) -> None:
    """Some lines of a text have these forms, in this order."""
    lines = iter(text.splitlines())
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in lines), f"no line {pattern!r} in its place in:\n{text}"


@pytest.fixture(scope="module")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands of the first minute print, in one folder."""
    folder = tmp_path_factory.mktemp("first-minute")
    runner = CliRunner()
    commands = {
        "first": ["run", "--example", "quickstart"],
        "again": ["run", "quickstart.yaml"],
        "plan": ["plan", "quickstart.yaml", EDIT],
        "edit": ["run", "quickstart.yaml", EDIT],
        "compare": ["compare", "@last/bdt", "@last~1/bdt"],
        "list": ["ls"],
        "files": ["check", "quickstart.yaml"],
    }
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("RAPIDML_STORE", raising=False)
        for name, command in commands.items():
            outcome = runner.invoke(main, command, catch_exceptions=False)
            assert outcome.exit_code == 0, outcome.output
            printed[name] = outcome.output
        assert sorted(path.name for path in folder.iterdir()) == ["quickstart.yaml", "rapidml-store"]
    return printed


def test_the_first_run(transcript: dict[str, str]) -> None:
    model = rf"(logistic|bdt|forest)( \*)? +{SCORE} +(best|tied|worse \(>?\d+%\)) +{COST}"
    assert_form(
        transcript["first"],
        "quickstart  reading breast_cancer",
        "quickstart  569 rows x 30 features, 212 malignant, 357 benign, no weights",
        r"18 fits \(3 models x \(5 folds \+ 1\)\), 0 stored.*",
        " +out-of-fold roc_auc +against the best +cost",
        rf"  (logistic|bdt|forest) \* +{SCORE} +best +{COST}",
        f"  {model}",
        f"  {model}",
        rf"  dummy \(baseline\) +{SCORE} +worse \(>99%\)",
        rf"test rows, for the chosen model only: (logistic|bdt|forest) {SCORE}",
        rf"run {RUN} in {COST}\.   Next:  rapidml dashboard    or    rapidml run quickstart\.yaml models\.\S+",
    )


def test_the_best_model_stands_first_and_is_marked_once(transcript: dict[str, str]) -> None:
    marked = [line for line in transcript["first"].splitlines() if " * " in line]
    assert len(marked) == 1
    values = [
        float(value) for value in re.findall(r"(?m)^  (?:logistic|bdt|forest).*?(\d\.\d+) \[", transcript["first"])
    ]
    assert values[0] == max(values)


def test_the_suggested_command_is_real(transcript: dict[str, str]) -> None:
    suggested = re.search(r"or    rapidml run quickstart\.yaml (\S+)", transcript["first"])
    assert suggested is not None
    assert re.fullmatch(r"models\.(logistic|bdt|forest)\.params\.\w+=[\d.e-]+", suggested[1])


def test_the_same_command_computes_nothing(transcript: dict[str, str]) -> None:
    assert_form(
        transcript["again"],
        "quickstart  569 rows x 30 features, 212 malignant, 357 benign, no weights",
        rf"  (logistic|bdt|forest) \* +{SCORE} +best +{COST}",
        rf"run {RUN}: nothing to compute, everything is stored",
    )


def test_the_plan_of_an_edit(transcript: dict[str, str]) -> None:
    assert_form(
        transcript["plan"],
        "read      stored    569 rows x 30 features",
        "logistic  6 stored",
        r"bdt       6 to fit  +models\.bdt\.params\.max_depth 6 -> 3 \(command line; was quickstart\.yaml:\d+\)",
        "forest    6 stored",
        r"evaluate  \d+ to compute.*",
        r"about .*, \d+\.\d GB a worker, \d+(\.\d)? MB on disk",
    )


def test_the_edit(transcript: dict[str, str]) -> None:
    assert_form(
        transcript["edit"],
        r"6 of 18 fits to do: models\.bdt\.params\.max_depth 6 -> 3.*",
        rf"  bdt( \*)? +{SCORE} .*",
        r"bdt .*tied with the run before \([+-]\d\.\d+ \+- \d\.\d+\)",
        rf"run {RUN} in {COST}\..*",
    )


def test_the_two_runs_compared(transcript: dict[str, str]) -> None:
    assert_form(
        transcript["compare"],
        r"run +name +model +roc_auc +against the best +paired difference",
        rf"{RUN}  quickstart  bdt    {SCORE}  best",
        rf"{RUN}  quickstart  bdt    {SCORE}  tied +[+-]\d\.\d+ \+- \d\.\d+",
    )


def test_both_are_listed(transcript: dict[str, str]) -> None:
    assert len(re.findall(rf"(?m)^{RUN}  quickstart  finished  ", transcript["list"])) == 2


def test_nothing_but_plain_text_is_printed(transcript: dict[str, str]) -> None:
    for text in transcript.values():
        assert "\x1b" not in text
        assert "\r" not in text
