"""What names suggest, and what they do not."""

from __future__ import annotations

import pytest

from rapidml.draft import names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("is_signal", ["is", "signal"]),
        ("isSignal", ["is", "signal"]),
        ("TreeS", ["tree", "s"]),
        ("KaggleSet", ["kaggle", "set"]),
        ("MCWeight", ["mc", "weight"]),
        ("jet2-pt", ["jet", "2", "pt"]),
        ("", []),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert names.list_words(name) == words


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("Label", 100), ("is_signal", 100), ("Survived", 100), ("target_class", 100), ("customer_churn", 60),
        ("median_house_value", 40), ("Pclass", 0), ("pt", 0), ("weight", 0),
    ],
)  # fmt: skip
def test_targets(name: str, rate: int) -> None:
    assert names.rate_target(name) == rate


@pytest.mark.parametrize(
    ("name", "rate"), [("Weight", 100), ("gen_weight", 100), ("KaggleWeight", 60), ("w", 80), ("width", 0), ("ww", 0)]
)
def test_weights(name: str, rate: int) -> None:
    assert names.rate_weight(name) == rate


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("TreeS", "signal"), ("sig_tree", "signal"), ("bkg_tree", "background"), ("Bkg", "background"),
        ("hh-signal-2018", "signal"), ("t10k-images-idx3-ubyte.gz", "test"), ("train", "train"), ("Events", None),
        ("latest", None), ("bjets", None),
    ],
)  # fmt: skip
def test_roles(name: str, role: str | None) -> None:
    assert names.find_role(name) == role


def test_events() -> None:
    assert names.find_event_columns(["pt", "event", "run", "luminosityBlock"]) == ["run", "luminosityBlock", "event"]
    assert names.find_event_columns(["EventId"]) == ["EventId"]
    assert names.find_event_columns(["run", "pt"]) == []
