"""Drafted recipes: what is guessed from data, that each passes its check, and the real files."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from rapidml.dataset.problems import FieldError
from rapidml.draft.drafting import Draft, make_draft
from tests.execution.small_runs import run

if TYPE_CHECKING:
    from pathlib import Path

ATLAS = "atlas-higgs-2014-v2-first22889.csv.gz"


def draft(folder: Path, *files: str, target: str | None = None) -> tuple[dict[str, Any], Draft]:
    """The drafted recipe of files in a folder as plain tree, which passes its check; and the draft."""
    made = make_draft([str(folder / name) for name in files], folder / "out.yaml", target)
    assert made.problems == ()
    return YAML(typ="safe", pure=True).load(made.text), made


def write(folder: Path, name: str, rows: int = 300, seed: int = 0, **columns: Any) -> None:
    """A file with two features and columns given as functions of row number, a random generator and x."""
    draw = random.Random(seed)
    lines = [",".join(["x", "y2", *columns])]
    for row in range(rows):
        x = draw.gauss(0, 1)
        cells = [x, draw.gauss(0, 1), *(make(row, draw, x) for make in columns.values())]
        lines.append(",".join(f"{cell:.5g}" if isinstance(cell, float) else str(cell) for cell in cells))
    (folder / name).write_text("\n".join(lines) + "\n")


def noisy(_row: int, draw: random.Random, x: float) -> int:
    return int(x + draw.gauss(0, 1) > 0)


def label(row: int, draw: random.Random, x: float) -> str:
    return "sick" if noisy(row, draw, x - 0.5) else "well"


def uniform(_row: int, draw: random.Random, _x: float) -> float:
    return draw.uniform(0.5, 1.5)


class TestGuesses:
    def test_a_table(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            "a.csv",
            customer_id=lambda row, *_: 1000 + row,
            sample_weight=uniform,
            other_weight=uniform,
            dataset=lambda row, *_: "a" if row % 2 else "b",
            refund=lambda row, draw, x: 0.0,
            always=lambda *_: 3,
            outcome=label,
        )
        recipe, made = draft(tmp_path, "a.csv")
        assert recipe["dataset"] == {
            "path": "a.csv",
            "target": "outcome",
            "positive": "sick",
            "weight": "sample_weight",
            "id": "customer_id",
            "features": {"exclude": ["dataset", "other_weight"]},
        }
        assert "always (constant)" in " ".join(made.text.split())
        assert recipe["split"] == {"test": 0.2, "folds": 5}
        assert list(recipe["models"]) == ["bdt", "logistic"]

    def test_what_gives_the_answer_away_is_left_out(self, tmp_path: Path) -> None:
        answers: dict[int, int] = {}

        def target(row: int, draw: random.Random, x: float) -> int:
            answers[row] = noisy(row, draw, x)
            return answers[row]

        write(tmp_path, "a.csv", label=target, refund=lambda row, draw, x: answers[row] * 100.0 + draw.random())
        recipe, made = draft(tmp_path, "a.csv")
        assert recipe["dataset"]["features"] == {"exclude": ["refund"]}
        assert "- refund                    # gives the answer away: ROC AUC 1.0000 for 1" in made.text

    def test_numbers_that_mean_missing(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", jet=lambda row, draw, x: -999 if row % 3 else draw.randint(20, 90), label=noisy)
        assert draft(tmp_path, "a.csv")[0]["dataset"]["missing"] == -999
        write(tmp_path, "b.csv", depth=lambda row, draw, x: -999 + row % 50, label=noisy)
        assert "missing" not in draft(tmp_path, "b.csv")[0]["dataset"]

    def test_rows_without_a_target_are_dropped(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", label=lambda row, draw, x: "" if row % 9 == 0 else noisy(row, draw, x))
        assert draft(tmp_path, "a.csv")[0]["dataset"]["select"] == "not isnull(label)"

    def test_stray_text_is_left_out(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", usage=lambda row, draw, x: "-" if row == 8 else f"{draw.gauss(0, 1):.4f}", label=noisy)
        recipe, made = draft(tmp_path, "a.csv")
        assert recipe["dataset"]["features"] == {"exclude": ["usage"]}
        assert "record 9 of a.csv has '-'" in made.text

    def test_regression(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            "a.csv",
            price=lambda row, draw, x: 100 * x + draw.gauss(0, 50),
            town=lambda row, *_: "ab"[row % 2],
        )
        recipe, _ = draft(tmp_path, "a.csv")
        assert recipe["dataset"]["target"] == "price"
        assert recipe["models"]["ridge"]["prepare"] == [{"impute": "median"}, "standardize", "one_hot"]
        assert recipe["evaluate"]["rank_by"] == "rmse"

    def test_whole_numbers_need_a_task(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", quality=lambda row, draw, x: draw.randint(3, 8))
        assert draft(tmp_path, "a.csv")[0]["dataset"]["task"] == "classification"
        write(tmp_path, "b.csv", sales=lambda row, draw, x: draw.randint(0, 500))
        assert draft(tmp_path, "b.csv")[0]["dataset"]["task"] == "regression"

    def test_the_last_column_where_no_name_tells(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", kind=lambda row, draw, x: "up" if x + draw.gauss(0, 1) > 0 else "down")
        recipe, made = draft(tmp_path, "a.csv")
        assert recipe["dataset"]["target"] == "kind"
        assert "the last column, 2 values" in made.text

    def test_a_body_has_a_weight_too(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", height=uniform, weight=uniform, label=noisy)
        assert "weight" not in draft(tmp_path, "a.csv")[0]["dataset"]

    def test_negative_weights(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", w=lambda row, draw, x: -0.1 if row % 10 == 0 else draw.uniform(1, 2), label=noisy)
        assert draft(tmp_path, "a.csv")[0]["training"] == {"negative_weights": "drop"}

    def test_names_that_are_no_words(self, tmp_path: Path) -> None:
        columns: dict[str, Any] = {"event weight": uniform, "on: off #1": uniform, "class": noisy}
        write(tmp_path, "a b.csv", **columns)
        recipe, _ = draft(tmp_path, "a b.csv")
        assert recipe["dataset"]["weight"] == "`event weight`"
        assert recipe["dataset"]["path"] == "a b.csv"

    def test_many_rows_need_no_folds(self, tmp_path: Path) -> None:
        draw = np.random.default_rng(1)
        x = draw.normal(size=250_000).astype(np.float32)
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = {"x": x, "z": draw.normal(size=len(x)), "label": x + draw.normal(size=len(x)) > 0}
        pq.write_table(pa.table(table), tmp_path / "a.parquet")
        recipe, _ = draft(tmp_path, "a.parquet")
        assert recipe["split"] == {"test": 0.1, "valid": 0.1}
        assert list(recipe["models"]) == ["bdt"]

    def test_a_named_target(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", label=noisy, other=noisy)
        assert draft(tmp_path, "a.csv", target="other")[0]["dataset"]["target"] == "other"
        with pytest.raises(FieldError, match=r"there is no othr; to fix: --target other"):
            make_draft([str(tmp_path / "a.csv")], tmp_path / "o.yaml", "othr")

    def test_without_a_target(self, tmp_path: Path) -> None:
        write(tmp_path, "a.csv", charge=lambda row, *_: row % 2, mass=uniform)
        made = make_draft([str(tmp_path / "a.csv")], tmp_path / "out.yaml")
        assert not made.plan.is_complete
        assert "target: CHOOSE_A_COLUMN         # to fix: no column looks like a target" in made.text
        assert "# candidates: charge (2 values: 0, 1)" in made.text


class TestSeveralFiles:
    def test_signal_and_background(self, tmp_path: Path) -> None:
        for number, name in enumerate(["hh_signal.csv", "ttbar.csv", "wjets.csv"]):
            write(tmp_path, name, seed=number, weight=uniform)
        recipe, _ = draft(tmp_path, "ttbar.csv", "hh_signal.csv", "wjets.csv")
        assert recipe["dataset"] == {
            "classes": {
                "signal": [{"path": "hh_signal.csv"}],
                "background": [{"path": "ttbar.csv"}, {"path": "wjets.csv"}],
            },
            "weight": "weight",
        }

    def test_a_class_each(self, tmp_path: Path) -> None:
        for number, name in enumerate(["cats_1.csv", "cats_2.csv", "dogs_1.csv"]):
            write(tmp_path, name, seed=number)
        recipe, _ = draft(tmp_path, "cats_1.csv", "cats_2.csv", "dogs_1.csv")
        assert {name: len(files) for name, files in recipe["dataset"]["classes"].items()} == {"cats": 2, "dogs": 1}

    def test_parts_of_one_table(self, tmp_path: Path) -> None:
        for number in range(3):
            write(tmp_path, f"part-{number}.csv", seed=number, label=noisy)
        recipe, _ = draft(tmp_path, "part-0.csv", "part-1.csv", "part-2.csv")
        assert recipe["dataset"]["path"] == "part-*.csv"
        with pytest.raises(FieldError, match=r"part-\*\.csv does not"):
            make_draft([str(tmp_path / f"part-{n}.csv") for n in (0, 2)], tmp_path / "o.yaml")

    def test_train_and_test(self, tmp_path: Path) -> None:
        write(tmp_path, "train.csv", label=noisy)
        write(tmp_path, "test.csv", seed=1, label=noisy)
        recipe, _ = draft(tmp_path, "test.csv", "train.csv")
        assert (recipe["dataset"]["path"], recipe["dataset"]["test"]) == ("train.csv", "test.csv")
        assert recipe["split"] == {"folds": 5}

    def test_unknown_kinds(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("")
        with pytest.raises(FieldError, match=r"a file that ends in .*; not a\.txt"):
            make_draft([str(tmp_path / "a.txt")], tmp_path / "o.yaml")
        with pytest.raises(FieldError, match=r"a file; there is no .*a\.csv"):
            make_draft([str(tmp_path / "a.csv")], tmp_path / "o.yaml")


@pytest.mark.slow
class TestSharedFiles:
    @pytest.fixture
    def shared(self, shared_data: Path, tmp_path: Path) -> Path:
        """Links to the files, in a folder of their own."""
        for path in shared_data.iterdir():
            (tmp_path / path.name).symlink_to(path)
        return tmp_path

    def test_atlas(self, shared: Path) -> None:
        recipe, made = draft(shared, ATLAS)
        assert recipe["dataset"] == {
            "path": ATLAS,
            "target": "Label",
            "positive": "s",
            "weight": "Weight",
            "id": "EventId",
            "missing": -999,
            "features": {"exclude": ["KaggleSet", "KaggleWeight"]},
        }
        assert "KaggleWeight              # gives the answer away: ROC AUC" in made.text
        assert made.plan.profile is not None
        assert len(made.plan.profile.features) == 30

    @pytest.mark.parametrize(
        ("name", "target", "n_features"),
        [
            ("titanic.csv", "Survived", 7),
            ("california-housing.csv.gz", "median_house_value", 9),
            ("uci-higgs-55939.parquet", "label", 28),
            ("uci-higgs-20k.root", None, 28),
            ("tmva-toy.root", None, 4),
        ],
    )
    def test_tables(self, shared: Path, name: str, target: str | None, n_features: int) -> None:
        recipe, made = draft(shared, name)
        assert recipe["dataset"].get("target") == target
        assert made.plan.profile is not None
        assert len(made.plan.profile.features) == n_features

    def test_trees_are_classes(self, shared: Path) -> None:
        recipe, _ = draft(shared, "tmva-toy.root")
        assert recipe["dataset"]["classes"] == {
            "signal": [{"path": "tmva-toy.root", "tree": "TreeS"}],
            "background": [{"path": "tmva-toy.root", "tree": "TreeB", "weight": "weight"}],
        }

    @pytest.mark.parametrize("name", ["HZZ.root", "Zmumu.root"])
    def test_files_without_labels(self, shared: Path, name: str) -> None:
        assert not make_draft([str(shared / name)], shared / "o.yaml").plan.is_complete

    def test_digits(self, shared: Path) -> None:
        names = [
            f"mnist/{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
        ]
        made = make_draft([str(shared / name) for name in names], shared / "o.yaml")
        recipe = YAML(typ="safe", pure=True).load(made.text)["dataset"]
        assert recipe["path"] == {"features": names[0], "target": names[1]}
        assert recipe["test"]["path"] == {"features": names[2], "target": names[3]}
        assert recipe["task"] == "classification"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "metric", "low", "high"),
        [
            ("titanic.csv", "roc_auc", 0.84, 0.89),
            (ATLAS, "roc_auc", 0.920, 0.928),
            ("california-housing.csv.gz", "rmse", 45_000, 49_000),
            ("uci-higgs-20k.root", "roc_auc", 0.775, 0.80),
        ],
    )
    def test_they_reach_published_scores(self, shared: Path, name: str, metric: str, low: float, high: float) -> None:
        made = make_draft([str(shared / name)], shared / "o.yaml")
        (shared / "o.yaml").write_text(made.text)
        result = run(shared / "o.yaml", shared / "store")
        shutil.rmtree(shared / "store")
        assert low < result["models"]["bdt"]["selection"][metric]["value"] < high
