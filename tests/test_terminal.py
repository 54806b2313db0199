"""Text for terminals: tables that fit, numbers that line up, sentences that wrap, commands that can be copied."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from rapidml.layout import (
    align_points,
    columns,
    command_lines,
    command_text,
    count_text,
    print_json,
    score_cells,
    store_words,
    table,
    terminal_width,
    wrap,
)
from rapidml.live import exit_code
from rapidml.terminal import comparison_lines, left_out_lines, listing_lines, params_text, result_lines, show_lines

if TYPE_CHECKING:
    from pathlib import Path

SCORE = {"value": 0.9951, "low": 0.9932, "high": 0.9968, "std": 0.002}


def score(value: float | None, half: float = 0.002) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - half, "high": value + half}


def entry(**changes: Any) -> dict[str, Any]:
    scores = {"roc_auc": score(0.9951), "log_loss": score(0.12, 0.02)}
    plain = {"type": "xgboost", "params": {"max_depth": 6}, "fits": 6, "seconds": 1.0, "rounds": 1, "chosen": False}
    keys = {f"fold:{i}": "" for i in range(5)} | {"train": ""}
    return {
        **plain,
        "against_best": "tied",
        "selection": scores,
        "train": scores,
        "test": scores,
        "keys": keys,
        **changes,
    }


def make_result(models: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "run": "20261122-0719-k3f9",
        "name": "higgs",
        "state": "finished",
        "rank_by": "roc_auc",
        "metrics": ["roc_auc", "log_loss"],
        "balanced": False,
        "selection": "out-of-fold",
        "dataset": {"description": "569 rows x 30 features, 212 malignant, 357 benign, no weights", "left_out": []},
        "models": models,
        "baseline": entry(against_best="worse (>99%)"),
        "beats_baseline": True,
        "errors": [],
        "warnings": [],
        **changes,
    }


def make_error(model: str, part: str, text: str) -> dict[str, Any]:
    return {"model": model, "part": part, "error": text, "traceback": None}


def listed(name: str, chosen: str, tags: str = "", metric: str = "roc_auc", value: float = 0.995) -> dict[str, Any]:
    record = {"id": "20261122-0719-k3f9", "name": name, "state": "finished", "chosen": chosen, "rank_by": metric}
    return {**record, "balanced": False, "score": score(value), "rows": 569, "seconds": 7.3, "tags": tags}


def test_decimal_points_stand_below_each_other() -> None:
    assert align_points(["0.12", "10.5", "undefined", "3"]) == [" 0.12    ", "10.5     ", "undefined", " 3       "]
    cells = score_cells([score(9.5, 0.2), score(10.4, 0.2), None, score(None)])
    assert cells == [" 9.5      [9.3, 9.7]", "10.4      [10.2, 10.6]", "", "undefined"]


def test_scores_of_a_metric_have_the_same_decimals() -> None:
    cells = score_cells([score(0.9951), score(0.98, 0.01), score(0.12, 0.02)], ["roc_auc", "roc_auc", "log_loss"])
    assert cells == ["0.995 [0.993, 0.997]", "0.980 [0.970, 0.990]", "0.12  [0.10, 0.14]"]


WIDE = [["run", "a long heading", "score"], ["some text that is long", "x", "0.123"], ["text", "y", "0.456"]]


def test_a_table_with_room_is_as_without_limit() -> None:
    assert table(WIDE, width=80, drop=[1], cut=[0]) == columns(WIDE) == table(WIDE)


def test_headings_take_several_lines_before_anything_is_lost() -> None:
    lines = table(WIDE, indent="", width=40, drop=[1], cut=[0])
    assert [line.split() for line in lines[:2]] == [["a", "long"], ["run", "heading", "score"]]
    assert lines[-2].startswith("some text that is long  x")


def test_texts_are_cut_then_columns_left_out_and_numbers_stay() -> None:
    assert table(WIDE, indent="", width=32, drop=[1], cut=[0])[-2].startswith("some text tha...  x")
    for width in range(15, 36):
        lines = table(WIDE, indent="", width=width, drop=[1], cut=[0])
        assert max(map(len, lines)) <= width
        assert [line[-5:] for line in lines[-2:]] == ["0.123", "0.456"]
        assert (lines[-1].split()[1] == "y") == (width >= 32)


@pytest.mark.parametrize("width", [70, 80, 100, 130])
def test_listings_fit(width: int) -> None:
    runs = [
        listed("quickstart", "logistic"),
        listed("a-name-of-a-run-that-is-long", "a_model_with_a_long_name", "paper"),
    ]
    lines = listing_lines(runs, width)
    assert max(map(len, lines)) <= width
    assert all("0.995 [0.993, 0.997]" in line for line in lines[-2:])
    assert all("20261122-0719-k3f9" in line for line in lines[-2:])
    assert ("finished" in lines[-1]) == (width >= 80)


def test_scores_of_a_listing_line_up_over_metrics() -> None:
    lines = listing_lines([listed("a", "b"), listed("c", "d", metric="rmse", value=12.5)])
    assert lines[1].index("0.995") + 1 == lines[2].index("12.500") + 2
    assert lines[1].index("[") == lines[2].index("[")


@pytest.mark.parametrize("width", [70, 80, 130])
def test_a_result_fits(width: int) -> None:
    models = {"a_model_with_a_very_long_name_indeed": entry(chosen=True, against_best="best"), "bdt": entry()}
    result = make_result(models, balanced=True, metrics=["roc_auc", "log_loss"])
    for lines in (result_lines(result, width), show_lines(result, None, width)):
        assert max(map(len, lines)) <= width
    assert any(" * " in line for line in result_lines(result, width))


def test_a_comparison_fits() -> None:
    difference = {"value": -0.001, "std": 0.0011}
    entries = [
        {"run": "20261122-0719-k3f9", "name": f"run{i}", "model": "logistic", **SCORE, "against": text}
        for i, text in enumerate(["best", "worse (>99%)"])
    ]
    comparison = {"metric": "roc_auc", "balanced": False, "note": "note " * 30}
    comparison["entries"] = [{**one, "difference": difference} for one in entries]
    lines = comparison_lines(comparison, 80)
    assert max(map(len, lines)) <= 80
    assert any("run1" in line and "-0.001 +- 0.001" in line for line in lines)
    assert "20261122-0719-k3f9" in comparison_lines(comparison)[1]


def test_differences_line_up() -> None:
    entries = [
        {
            "run": "r",
            "name": "n",
            "model": f"m{i}",
            **SCORE,
            "against": text,
            "difference": {"value": value, "std": std},
        }
        for i, (text, value, std) in enumerate([("best", 0.0, 0.0), ("tied", -0.0012, 0.001), ("worse", -0.41, 0.05)])
    ]
    lines = comparison_lines({"metric": "roc_auc", "balanced": False, "note": None, "entries": entries})
    assert [line.partition("  -")[2] for line in lines[2:]] == ["0.001 +- 0.001", "0.410 +- 0.050"]


def test_errors_in_the_same_words_are_one_line() -> None:
    parts = [*(f"fold:{i}" for i in range(5)), "train"]
    errors = [make_error("bdt", part, "ModelError: no\n  good") for part in parts]
    errors.append(make_error("net", "fold:3", "ValueError: bad"))
    models = {"bdt": entry(selection=None), "net": entry()}
    lines = result_lines(make_result(models, errors=errors, state="failed"))
    assert [line for line in lines if " failed: " in line] == [
        "bdt, 6 of 6 fits failed: no good",
        "net, fold 3 failed: ValueError: bad",
    ]


def test_a_warning_of_the_only_fit() -> None:
    warnings = [{"model": "bdt", "text": "odd", "fits": 1}]
    assert "bdt, 1 of 1 fit warned: odd" in result_lines(make_result({"bdt": entry(fits=1)}, warnings=warnings))


def test_layers_read_as_a_network() -> None:
    layers = [["Flatten", {}], ["Dense", {"units": 8, "activation": "relu"}]]
    assert params_text({"epochs": 3, "layers": layers}) == "epochs=3; layers Flatten, Dense(units=8, activation=relu)"
    assert params_text({"layers": 3}) == "layers=3"
    assert params_text({}) == "all at their defaults"


def test_exit_codes_of_results() -> None:
    errors = [make_error("bdt", "train", "no")]
    assert exit_code(make_result({"bdt": entry()})) == 0
    assert exit_code(make_result({"bdt": entry(selection=None), "net": entry()}, errors=errors)) == 3
    assert exit_code(make_result({"bdt": entry(selection=None)}, errors=errors)) == 1


def test_columns_left_out_are_one_sentence() -> None:
    left_out = [("name", "is text with 713 different values"), ("a", "is constant"), ("b", "is constant")]
    assert left_out_lines(left_out) == ["left out: name (text with 713 different values), a, b (constant)"]
    assert left_out_lines([]) == []
    many = left_out_lines([(f"c{i}", "is constant") for i in range(40)])
    assert many == [f"left out: {', '.join(f'c{i}' for i in range(12))} (constant), and 28 more"]
    result = make_result({"bdt": entry()})
    result["dataset"]["left_out"] = [list(pair) for pair in left_out]
    assert left_out_lines(left_out)[0] in show_lines(result)


def test_sentences_wrap_at_words() -> None:
    text = "  a: sentence with-hyphens of several words"
    assert wrap(text, None) == [text]
    assert wrap(text, 24, "    ") == ["  a: sentence", "    with-hyphens of", "    several words"]


def test_commands_are_quoted() -> None:
    assert command_text(["rapidml", "run", "my file.yaml", "seed=3"]) == "rapidml run 'my file.yaml' seed=3"
    assert command_text(["rapidml", "best", "name == 'a'"]) == "rapidml best \"name == 'a'\""
    assert shlex.split(command_text(["a", "it's $HOME", 'say "x"'])) == ["a", "it's $HOME", 'say "x"']


def test_a_long_command_can_still_be_copied() -> None:
    words = ["rapidml", "run", "a folder/recipe.yaml", "models.bdt.params.max_depth=3", "--store", "another folder"]
    lines = command_lines(words, 40)
    assert max(map(len, lines)) <= 40
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == words
    assert command_lines(words, None) == [command_text(words)]


def test_only_another_store_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAPIDML_STORE", raising=False)
    assert store_words("rapidml-store") == store_words(tmp_path / "rapidml-store") == []
    assert store_words("other") == ["--store", "other"]
    monkeypatch.setenv("RAPIDML_STORE", str(tmp_path / "other"))
    assert store_words("other") == []
    assert store_words("rapidml-store") == ["--store", "rapidml-store"]


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), (1, float("inf"))], "b": None, "c": 1.5})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [1, None]], "b": None, "c": 1.5}


def test_numbers_of_things() -> None:
    assert [count_text(n, "fit") for n in (0, 1, 2, 1200)] == ["0 fits", "1 fit", "2 fits", "1,200 fits"]


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert terminal_width() is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert terminal_width() == 50
