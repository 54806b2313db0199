"""Keys of rows and columns, which columns are read, and the checks of names and expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rapidml.dataset.checks import add_data_error, check_dataset, check_dataset_text
from rapidml.dataset.columns import TableRequest, request_columns
from rapidml.dataset.files import identify
from rapidml.dataset.header import read_header
from rapidml.errors import DatasetError
from rapidml.recipe.document import Document, parse_document
from rapidml.recipe.schema import Dataset, FoldsBy, Split, SplitColumn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dataset.conftest import Memory, Writes


@pytest.fixture
def base(tmp_path: Path, write_csv: Writes) -> Path:
    write_csv("a.csv", "run,event,m_jj,m_bb,pt_1,gen,xsec,kind,day,y", "1,2,3,4,5,6,7,e,2020-01-01,0")
    write_csv("b.csv", "run,event,m_jj,m_bb,pt_1,gen,xsec,kind,day,y,only_b", "1,3,3,4,5,6,7,m,2020-01-01,1,9")
    return tmp_path


def request_of(base: Path, memory: Memory, split: Split | None = None, **fields: Any) -> TableRequest:
    dataset = Dataset.model_validate({"path": "a.csv", "target": "y", **fields})
    identity = identify(dataset, base, memory)
    return request_columns(dataset, read_header(dataset, identity), identity, split)


def names(request: TableRequest) -> list[str]:
    return [name for name, _ in request.features]


def keys(request: TableRequest) -> dict[str, str]:
    return {f"{column.role} {column.name}": column.key for column in request.columns}


class TestKeys:
    def test_a_new_column_adds_one_key(self, base: Path, memory: Memory) -> None:
        before = request_of(base, memory)
        after = request_of(base, memory, columns={"ratio": "m_jj / m_bb"})
        assert after.rows_key == before.rows_key
        assert set(keys(after).items()) - set(keys(before).items()) == {("column ratio", keys(after)["column ratio"])}

    @pytest.mark.parametrize(
        "fields",
        [
            {"features": ["m_*"]},
            {"spectators": ["m_bb"]},
            {"labels": {"m_bb": "mass"}},
            {"task": "classification"},
            {"weight": "gen"},
            {"missing": -999},
        ],
    )
    def test_what_does_not_change_the_rows(self, fields: dict[str, Any], base: Path, memory: Memory) -> None:
        assert request_of(base, memory, **fields).rows_key == request_of(base, memory).rows_key

    @pytest.mark.parametrize(
        "fields",
        [
            {"select": "m_jj > 1"},
            {"id": ["run", "event"]},
            {"positive": 1},
            {"test": "b.csv"},
            {"path": "b.csv"},
            {"path": "*.csv"},
        ],
    )
    def test_what_changes_the_rows(self, fields: dict[str, Any], base: Path, memory: Memory) -> None:
        assert request_of(base, memory, **fields).rows_key != request_of(base, memory).rows_key

    def test_spaces_in_expressions_do_not_matter(self, base: Path, memory: Memory) -> None:
        one = request_of(base, memory, select="m_jj>1", weight="gen*xsec", columns={"r": "m_jj/(m_bb)"})
        two = request_of(base, memory, select=" (m_jj > 1)", weight="gen * xsec", columns={"r": "m_jj / m_bb"})
        assert one.rows_key == two.rows_key
        assert {column.key for column in one.columns} == {column.key for column in two.columns}

    def test_a_definition_enters_what_reads_it(self, base: Path, memory: Memory) -> None:
        one = request_of(base, memory, select="r > 1", columns={"r": "m_jj / m_bb", "s": "r * 2", "t": "pt_1 * 2"})
        two = request_of(base, memory, select="r > 1", columns={"r": "m_bb / m_jj", "s": "r * 2", "t": "pt_1 * 2"})
        assert one.rows_key != two.rows_key
        assert one.find("s").key != two.find("s").key
        assert one.find("t").key == two.find("t").key

    def test_missing_enters_columns_but_not_target_and_weight(self, base: Path, memory: Memory) -> None:
        one, two = request_of(base, memory, weight="gen"), request_of(base, memory, weight="gen", missing=[-999])
        assert one.find("m_jj").key != two.find("m_jj").key
        assert one.target == two.target
        assert one.weight == two.weight
        swapped = request_of(base, memory, weight="gen", missing=[-999.0, -999])
        assert swapped.find("m_jj").key == two.find("m_jj").key

    def test_class_order_and_names_change_the_rows(self, base: Path, memory: Memory) -> None:
        def rows(classes: dict[str, Any], **fields: Any) -> str:
            return request_of(base, memory, path=None, target=None, classes=classes, **fields).rows_key

        first = rows({"s": "a.csv", "b": "b.csv"})
        assert rows({"s": "a.csv", "b": "b.csv"}, positive="s") == first
        assert rows({"s": "a.csv", "b": "b.csv"}, positive="b") != first
        assert rows({"b": "b.csv", "s": "a.csv"}) != first
        assert rows({"signal": "a.csv", "b": "b.csv"}) != first
        assert rows({"s": "a.csv", "b": [{"path": "b.csv", "select": "m_jj > 0"}]}) != first
        assert rows({"s": "a.csv", "b": [{"path": "b.csv", "weight": 2}]}) == first

    def test_weights_of_samples_enter_the_weight(self, base: Path, memory: Memory) -> None:
        def weight(value: Any) -> Any:
            classes = {"s": "a.csv", "b": [{"path": "b.csv", "weight": value}]}
            return request_of(base, memory, path=None, target=None, classes=classes).weight

        assert weight(2) == weight(2.0) != weight(3)


class TestWhichColumns:
    def test_default(self, base: Path, memory: Memory) -> None:
        request = request_of(base, memory, id=["run", "event"], weight="gen * xsec", spectators=["m_bb"])
        assert names(request) == ["m_jj", "pt_1", "kind"]
        assert dict(request.left_out) == {
            "gen": "the weight reads it", "xsec": "the weight reads it", "day": "is a date",
        }  # fmt: skip
        assert request.spectators == ("m_bb",)
        assert request.find("m_bb").keep_text

    def test_names_and_globs_in_their_order(self, base: Path, memory: Memory) -> None:
        request = request_of(base, memory, features=["pt_1", "m_*", "r", "gen"], columns={"r": "m_jj"}, weight="gen")
        assert request.features == (("pt_1", True), ("m_jj", False), ("m_bb", False), ("r", True), ("gen", True))

    def test_spectators_win_over_globs(self, base: Path, memory: Memory) -> None:
        request = request_of(base, memory, features=["m_*"], spectators=["m_b*"])
        assert names(request) == ["m_jj"]
        assert request.spectators == ("m_bb",)

    def test_exclude(self, base: Path, memory: Memory) -> None:
        request = request_of(base, memory, features={"exclude": ["m_*", "day", "kind"]})
        assert names(request) == ["run", "event", "pt_1", "gen", "xsec"]
        assert request.left_out == ()

    def test_columns_of_the_split(self, base: Path, memory: Memory) -> None:
        split = Split(test=SplitColumn(column="run", train=(1,), test=(2,)), folds=FoldsBy(by="event % 5"))
        request = request_of(base, memory, split, features=["m_jj"])
        assert request.find("run").role == "column"
        assert request.find("event % 5").role == "by"
        with pytest.raises(KeyError):
            request.find("m_bb")

    def test_only_columns_that_all_samples_have(self, base: Path, memory: Memory) -> None:
        request = request_of(base, memory, path=None, target=None, classes={"s": "a.csv", "b": "b.csv"})
        assert "only_b" not in names(request)
        assert dict(request.left_out)["only_b"] == "is not in a.csv"


def document_of(base: Path, text: str) -> Document:
    return parse_document(text + "models: {bdt: xgboost}\n", "r.yaml", base=base)


def check(base: Path, text: str, memory: Memory) -> list[str]:
    """Each problem as ``column-length field: expected; fix``."""
    document = document_of(base, text)
    assert document.problems == []
    check_dataset_text(document)
    if not document.problems and document.dataset is not None:
        check_dataset(document, read_header(document.dataset, identify(document.dataset, base, memory)))
    shown = []
    for problem in document.problems:
        assert problem.place is not None
        start = problem.place.column - 1
        under = problem.place.text[start : start + problem.place.length]
        shown.append(f"{under}| {problem.field}: {problem.expected}; {problem.fix}")
    return shown


PATH = "dataset:\n  path: a.csv\n  target: y\n"
CHECKS = [
    (PATH.replace("target: y", "target: Y"), "Y| dataset.target: the name of a column; there is no Y; write 'y'"),
    (PATH + "  id: [run, evnt]\n", "evnt| dataset.id.1: the name of a column; there is no evnt; write 'event'"),
    (PATH + "  id: evnt\n", "evnt| dataset.id: the name of a column; there is no evnt; write 'event'"),
    (PATH + "  weight: gen * xsecc\n", "xsecc| dataset.weight: the name of a column; there is no xsecc; write 'xsec'"),
    (PATH + "  select: m_jj > 1 and m_b < 2\n", "m_b| dataset.select: the name of a column; there is no m_b; write"),
    (PATH + "  select: m_jj + 1\n", "m_jj + 1| dataset.select: a condition that is true or false; compare it, as in"),
    (PATH + "  select: m_jj > 1 & m_bb > 2\n", "&| dataset.select: "),
    (PATH + "  select: m_jj >\n", "dataset.select: "),
    (PATH + "  select: day > 3\n", "day| dataset.select: a column of numbers or text; day holds dates; name another"),
    (
        PATH + "  columns:\n    r: q\n    q: m_jj\n",
        "q| dataset.columns.r: a column that is defined before; q comes later",
    ),
    (
        PATH + "  columns: {m_jj: m_bb}\n",
        "m_jj| dataset.columns.m_jj: a new name; the files already have a column m_jj",
    ),
    (
        PATH + "  features: [m_jj, pt1]\n",
        "pt1| dataset.features.1: the name of a column; there is no pt1; write 'pt_1'",
    ),
    (PATH + '  features: ["q_*"]\n', '"q_*"| dataset.features.0: a glob that matches at least one column; there are'),
    (PATH + "  features: [M_*]\n", "M_*| dataset.features.0: a glob that matches at least one column; upper and lower"),
    (PATH + "  features: [day]\n", "day| dataset.features.0: a column of numbers or text; day holds dates"),
    (PATH + "  features: {exclude: [mjj]}\n", "mjj| dataset.features.exclude.0: the name of a column; there is no mjj"),
    (PATH + "  spectators: [mbb]\n", "mbb| dataset.spectators.0: the name of a column; there is no mbb; write 'm_bb'"),
    (PATH + "  features: [m_bb]\n  spectators: [m_bb]\n", "m_bb| dataset.spectators.0: a column that is not a feature"),
    (PATH + "split: {folds: {by: evnt % 5}}\n", "evnt| split.folds.by: the name of a column; there is no evnt; write"),
    (
        PATH + "split: {test: {column: runn, train: [1], test: [2]}}\n",
        "runn| split.test.column: the name of a column; there is no runn; write 'run'",
    ),
    (PATH.replace("y", "kind") + "  task: regression\n", "regression| dataset.task: classification; kind holds text"),
    (PATH.replace("a.csv", "a.xlsx"), "a.xlsx| dataset.path: a file that ends in .csv, "),
    (
        "dataset: {builtin: irs}\n",
        "irs| dataset.builtin: one of breast_cancer, diabetes, digits, iris, wine, toy_events; write 'iris'",
    ),
    (
        "dataset: {builtin: {iris: {n: 1}}}\n",
        "dataset.builtin.iris.n: options of the set: none; there is no option 'n'",
    ),
    (
        "dataset:\n  classes:\n    s: {path: a.csv, weight: genn}\n    b: b.csv\n",
        "genn| dataset.classes.s.weight: the name of a column; there is no genn; write 'gen'",
    ),
    (
        "dataset:\n  classes:\n    s: a.csv\n    b: [{path: b.csv, select: only_c > 1}]\n",
        "only_c| dataset.classes.b.0.select: the name of a column; there is no only_c; write 'only_b'",
    ),
    (
        "dataset:\n  classes: {s: a.csv, b: b.csv}\n  weight: only_b\n",
        "only_b| dataset.weight: a column that can be used; only_b is not in a.csv; name another column",
    ),
]


@pytest.mark.parametrize(("text", "expected"), CHECKS)
def test_checks(text: str, expected: str, base: Path, memory: Memory) -> None:
    found = check(base, text, memory)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    "text",
    [
        PATH
        + "  select: m_jj > 1 and kind == 'e'\n  weight: gen * xsec\n  columns:\n    r: m_jj / m_bb\n    q: r + 1\n",
        PATH + "  features: [r, m_*, gen]\n  columns: {r: m_jj}\n  spectators: [pt_*]\n  id: [run, event]\n",
        PATH + "  features: {exclude: [day, 'm_*']}\nsplit: {folds: {by: event % 5}}\n",
        "dataset:\n  classes: {s: a.csv, b: [{path: b.csv, weight: only_b, select: only_b > 1}]}\n  weight: gen\n",
        "dataset: {builtin: {digits: {n_class: 3}}}\n",
        "dataset:\n  builtin: iris\n  select: '`sepal length (cm)` > 1'\n",
        "dataset: {path: '*.csv', target: y}\n",
    ],
)
def test_right_recipes_pass(text: str, base: Path, memory: Memory) -> None:
    assert check(base, text, memory) == []


def test_all_problems_at_once(base: Path, memory: Memory) -> None:
    text = PATH.replace("y", "z") + "  weight: genn\n  features: [mjj, m_*]\n  spectators: [runn]\n"
    found = [line.split("|")[0] for line in check(base, text, memory)]
    assert found == ["z", "genn", "mjj", "runn"]


def test_data_errors_stand_at_their_field(base: Path, memory: Memory) -> None:
    document = document_of(base, "dataset:\n  classes:\n    s: a.csv\n    b: {path: c.csv}\n")
    assert document.dataset is not None
    with pytest.raises(DatasetError) as caught:
        identify(document.dataset, base, memory)
    add_data_error(document, caught.value)
    add_data_error(document, DatasetError("a.csv: is empty"))
    places = [(problem.field, problem.place and problem.place.line) for problem in document.problems]
    assert places == [("dataset.classes", 2), ("dataset.classes.b.path", 4)]


@pytest.mark.parametrize(
    ("dataset", "fields"),
    [
        ("{path: a.csv, target: y, tree: Events}", ["dataset.tree"]),
        ("{path: a.root, target: y, tree: Events}", []),
        ("{path: 'a*', target: y, tree: Events}", []),
        ("{tree: T, classes: {s: a.csv, b: {path: b.parquet, tree: T}}}", ["dataset.tree", "dataset.classes.b.tree"]),
        ("{tree: T, classes: {s: a.root, b: b.csv}}", []),
    ],
)
def test_only_root_files_have_trees(dataset: str, fields: list[str]) -> None:
    document = parse_document(f"dataset: {dataset}\nmodels: {{bdt: xgboost}}\n", "recipe.yaml")
    check_dataset_text(document)
    assert sorted(problem.field for problem in document.problems) == sorted(fields)
    assert {problem.fix for problem in document.problems} <= {"remove it"}
