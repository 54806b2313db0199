"""What the data must be: text among numbers, infinite values, weights, ids, columns of later files; found by a look."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapidml.dataset.checks import add_data_error
from rapidml.dataset.preview import make_preview
from rapidml.dataset.problems import FieldError, FileError, TooLittleError
from rapidml.dataset.profile import Profile
from rapidml.dataset.strays import look_at_texts
from rapidml.errors import DatasetError
from rapidml.recipe.document import parse_document
from rapidml.recipe.schema import FoldsBy, Split, SplitColumn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.dataset.conftest import Read, Reads, Writes


def rows(n_rows: int = 200) -> list[list[Any]]:
    """Two honest features and a target."""
    generator = np.random.default_rng(0)
    x = np.round(generator.normal(size=(n_rows, 2)), 3)
    return [[*pair, int(pair[0] + generator.normal() > 0)] for pair in x.tolist()]


def write(write_csv: Writes, name: str, found: Sequence[Sequence[Any]], head: str = "x,z,y") -> None:
    write_csv(name, head, *(",".join(map(str, row)) for row in found))


def look(found: Read) -> Profile | None:
    return make_preview(found.dataset, found.request, found.identity, found.split, 0)


def meant(*texts: str, is_target: bool = False) -> bool:
    labels = tuple(dict.fromkeys(texts))
    codes = np.array([labels.index(text) for text in texts], np.int32)
    found = look_at_texts(codes, labels, np.arange(len(codes)), "a.csv")
    return found is not None and found.is_meant_as_numbers(is_target=is_target)


class TestStrays:
    @pytest.mark.parametrize("text", ["abc", "-", "?", "None", '"1,5"'])
    def test_one_text_among_numbers(self, text: str, read: Reads, write_csv: Writes) -> None:
        found = rows()
        found[150][0] = text
        write(write_csv, "a.csv", found)
        shown = text.strip('"')
        with pytest.raises(FieldError) as caught:
            look(read(path="a.csv", target="y"))
        assert caught.value.path == ("dataset", "features")
        assert caught.value.expected == f"numbers in x (record 151 of a.csv has '{shown}')"
        assert "features: {exclude: [x]}, or list it by its full name to use it as text" in caught.value.fix

    def test_listed_by_its_full_name_it_is_text(self, read: Reads, write_csv: Writes) -> None:
        found = rows()
        found[150][0] = "abc"
        write(write_csv, "a.csv", found)
        profile = read(path="a.csv", target="y", features=["x", "z"]).profile
        assert [feature.kind for feature in profile.features] == ["categorical", "number"]
        with pytest.raises(FieldError, match=r"numbers in x \(record 151"):
            _ = read(path="a.csv", target="y", features=["*"]).profile

    def test_more_values_than_are_stored(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,z,y", *(f"{n + 0.5},{n * 7 % 11},{n % 2}" for n in range(15_000)), "oops,1,0")
        with pytest.raises(FieldError, match=r"numbers in x \(record 15,001 of a\.csv has 'oops'\)"):
            _ = read(path="a.csv", target="y").profile

    def test_below_the_rows_of_a_first_look(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,z,y", *(f"{n + 0.5},{n * 7 % 11},{n % 2}" for n in range(500)), "oops,1,0")
        found = read(path="a.csv", target="y")
        with pytest.raises(FieldError, match=r"numbers in x \(a\.csv has 'oops' in another row\)"):
            make_preview(found.dataset, found.request, found.identity, found.split, 0, n_rows=100)

    def test_in_a_later_file(self, read: Reads, write_csv: Writes) -> None:
        found = rows()
        write(write_csv, "a1.csv", found)
        found[3][0] = "abc"
        write(write_csv, "a2.csv", found)
        with pytest.raises(FileError, match=r"numbers in column x of a2\.csv, as in a1\.csv; record 4 has 'abc'"):
            read(path="a*.csv", target="y")

    def test_a_dropped_row_leaves_text_behind(self, read: Reads, write_csv: Writes) -> None:
        write_csv("a.csv", "x,z,y", *(f"{n % 7}.5,{n * 7 % 11},{n % 2}" for n in range(50)), "abc,77,0")
        with pytest.raises(FieldError, match=r"numbers in x \(a\.csv has 'abc' in another row"):
            _ = read(path="a.csv", target="y", select="z < 70").profile

    def test_the_rule(self) -> None:
        numbers = [f"{n}.5" for n in range(50)]
        assert meant(*numbers, "abc")
        assert meant("1", "2", *["?"] * 50, "-")
        assert not meant("1", "a", "b")
        assert not meant(*numbers, *(f"A/{n}" for n in range(20)))
        assert meant(*numbers * 10, *(f"A/{n}" for n in range(20)))
        assert not meant("s", "b")
        assert meant("1,5", "2,5")
        assert meant("12 %", "3%")
        assert not meant("0", "1", "2")
        assert meant(*(f"{n}.5" for n in range(101)))
        assert not meant(*(str(n) for n in range(101)))
        assert meant(*["0"] * 50, *["1"] * 50, "?", is_target=True)
        assert not meant("0", "1", *["none"] * 50, is_target=True)

    def test_numbers_stored_as_text(self, read: Reads, tmp_path: Path) -> None:
        base = rows()
        table = {
            "x": [str(row[0]) for row in base],
            "code": [str(n) for n in range(200)],
            "y": [row[2] for row in base],
        }
        pq.write_table(pa.table(table), tmp_path / "a.parquet")
        with pytest.raises(FieldError, match=r"numbers in x \(record 1 of a\.parquet has '0\.126'\)"):
            _ = read(path="a.parquet", target="y").profile

    def test_target(self, read: Reads, write_csv: Writes) -> None:
        found = rows()
        found[9][2] = "oops"
        write(write_csv, "a.csv", found)
        with pytest.raises(
            FieldError, match=r"target: expected numbers in y; record 10 of a\.csv has 'oops'; .* task: c"
        ):
            look(read(path="a.csv", target="y"))
        found[10][2] = "oops"
        write(write_csv, "a.csv", found * 5)
        kept = look(read(path="a.csv", target="y", task="classification"))
        assert kept is not None
        assert kept.task.classes == ("0", "1", "oops")

    def test_titles_and_tickets_are_text(self, shared_data: Path, read: Reads) -> None:
        profile = read(shared_data, path="titanic.csv", target="Survived").profile
        assert profile.describe_left_out() == (
            "left out: Name (text with 668 different values), Ticket (text with 543 different values), "
            "Cabin (text with 120 different values)"
        )
        assert profile.describe_left_out(most=1).endswith("different values) and 2 more")


class TestFiles:
    def test_a_test_sample_without_a_column(self, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a.csv", rows())
        write(write_csv, "t.csv", [[1, 0], [2, 1]], "x,y")
        recipe: dict[str, Any] = {"path": "a.csv", "target": "y", "test": "t.csv", "split": Split(folds=2)}
        with pytest.raises(DatasetError, match=r"column z in t\.csv; it has x, y"):
            read(**recipe)
        profile = look(read(features={"exclude": ["z"]}, **recipe))
        assert profile is not None
        assert (
            profile.describe() == f"202 rows (2 of them test) x 1 feature, {profile.describe().partition('ture, ')[2]}"
        )

    def test_found_by_a_look(self, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a.csv", rows())
        write(write_csv, "t.csv", rows(20))
        found = read(path="a.csv", target="y", test="t.csv", split=Split(folds=2))
        write(write_csv, "t.csv", [[1, 0], [2, 1]], "x,y")
        with pytest.raises(FieldError, match=r"dataset\.test: expected column z in t\.csv too, as in a\.csv; .*\[z\]"):
            look(found)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [(["x,y", "1,0"], r"column z in a2\.csv too, as in a1\.csv"), ([], r"column names; a2\.csv is empty")],
    )
    def test_a_later_file_of_a_glob(self, lines: list[str], message: str, read: Reads, write_csv: Writes) -> None:
        for name in ("a1.csv", "a2.csv"):
            write(write_csv, name, rows())
        found = read(path="a*.csv", target="y")
        write_csv("a2.csv", *lines)
        with pytest.raises(FileError, match=message):
            look(found)

    def test_later_files_may_have_other_orders_and_more(self, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a1.csv", rows())
        write(write_csv, "a2.csv", [[row[2], row[1], row[0], 7] for row in rows()], "y,z,x,more")
        assert look(read(path="a*.csv", target="y")) is not None

    def test_places_in_the_recipe(self, tmp_path: Path) -> None:
        text = "dataset:\n  classes:\n    s: a.csv\n    b: [b.csv, {path: c.csv}]\nmodels: {m: xgboost}\n"
        document = parse_document(text, "r.yaml", base=tmp_path)
        for error in (
            FileError(2, "a column", "add it"),
            FileError(2, "another", "dropped: its field has a problem"),
            FieldError(("split", "folds"), "more ids", "write fewer folds"),
            DatasetError("the array is odd; save it again"),
        ):
            add_data_error(document, error)
        shown = {(one.field, one.expected, one.fix) for one in document.problems}
        assert shown == {
            ("dataset.classes.b.1.path", "a column", "add it"),
            ("split.folds", "more ids", "write fewer folds"),
            ("dataset.classes", "data that can be used; the array is odd", "save it again"),
        }

    def test_errors_survive_the_way_from_a_worker(self) -> None:
        for error in (FileError(1, "a file", "write it"), TooLittleError(("split", "folds"), "rows", "add some")):
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


class TestValues:
    def test_infinite_features(self, read: Reads, write_csv: Writes) -> None:
        found = rows()
        found[3][0], found[7][0], found[8][1] = "inf", "-inf", "1e39"
        write(write_csv, "a.csv", found)
        with pytest.raises(
            FieldError, match=r"finite numbers \(below 3\.4e38\); of 200 rows .*: x in 2, z in 1; .*isnull"
        ):
            look(read(path="a.csv", target="y"))
        finite = "(isnull(x) or abs(x) < 1e38) and abs(z) < 1e38"
        assert look(read(path="a.csv", target="y", select=finite)) is not None

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            ("y", "a positive sum in every class; those of class 0 sum to 0 in the training rows"),
            ("0 * x", "in every class; those of class 1 sum to 0"),
            ("1 - 3 * y", "those of class 1 sum to -"),
        ],
    )
    def test_weights_without_a_positive_sum(self, weight: str, message: str, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a.csv", rows())
        with pytest.raises(FieldError, match=message) as caught:
            look(read(path="a.csv", target="y", weight=weight))
        assert caught.value.path == ("dataset", "weight")

    @pytest.mark.parametrize(
        ("split", "message"),
        [
            (Split(folds=FoldsBy(by="n")), r"split\.folds\.by: expected 2 to 100 different values"),
            (Split(folds=FoldsBy(by="n * 0")), "the expression has 1;"),
            (Split(folds=FoldsBy(by="n / 2")), "expected whole numbers; the expression gives"),
            (
                Split(test=SplitColumn(column="z", train=(0,), test=(1,)), folds=2),
                r"split\.test: expected every value of z under train or test; .* rows have others: ",
            ),
        ],
    )
    def test_the_split(self, split: Split, message: str, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a.csv", [[n, *row] for n, row in enumerate(rows())], "n,x,z,y")
        with pytest.raises(FieldError, match=message):
            look(read(path="a.csv", target="y", split=split))

    def test_ids_that_tell_nothing_apart(self, read: Reads, write_csv: Writes) -> None:
        write(write_csv, "a.csv", [[n % 9, n % 10, *row] for n, row in enumerate(rows())], "nine,ten,x,z,y")
        with pytest.raises(
            FieldError, match=r"dataset\.id: expected at least 10 different ids.*; nine gives 9 ids; .*by"
        ):
            look(read(path="a.csv", target="y", id="nine"))
        assert look(read(path="a.csv", target="y", id="ten")) is not None
        write(write_csv, "b.csv", [[n, *row] for n, row in enumerate(rows(8))], "e,x,z,y")
        assert look(read(path="b.csv", target="y", id="e", split=Split(folds=2))) is not None


class TestWords:
    def test_arrays_and_numbers_as_classes(self, read: Reads, tmp_path: Path) -> None:
        generator = np.random.default_rng(0)
        label = np.arange(100) % 5
        np.savez(tmp_path / "a.npz", image=generator.random((100, 4, 3)), label=label)
        profile = read(path="a.npz", target="label", task="classification").profile
        assert profile.describe() == (
            "100 rows x 1 feature of 4x3 numbers, 20 of class 0, 20 of class 1, 20 of class 2, 20 of class 3, "
            "1 more class, no weights"
        )
        assert profile.features[0].shape == (4, 3)
        assert Profile.from_json(profile.to_json()) == profile
        np.savez(tmp_path / "b.npz", image=generator.random((100, 4, 3)), x=generator.random(100), label=label > 2)
        shown = read(path="b.npz", target="label").profile.describe()
        assert shown == "100 rows x 2 features (one of 4x3 numbers), 40 of class true, 60 of class false, no weights"
