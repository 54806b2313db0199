"""The documentation is true: its recipes are valid, its commands and links exist."""

from __future__ import annotations

import importlib
import random
import re
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from docs.make_reference import make_pages
from rapidml.dataset.expression import parse_expression
from rapidml.errors import RecipeError
from rapidml.planning.checking import NoMemory, check_document
from rapidml.recipe.document import parse_document
from rapidml.recipe.jsonschema import make_json_schema

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
EXAMPLES = sorted((ROOT / "recipes").glob("*.yaml"))


def list_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


BLOCKS = [
    pytest.param(text, id=f"{page.stem}-{n}") for page in PAGES for n, text in enumerate(list_blocks(page, "yaml"))
]
RECIPES = [*(pytest.param(path.read_text(encoding="utf-8"), id=path.stem) for path in EXAMPLES), *BLOCKS]


@pytest.mark.parametrize("text", RECIPES)
def test_recipes_are_valid(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGGS_CSV", "higgs.csv")
    monkeypatch.setenv("MNIST", "mnist")
    document = parse_document(text, "example.yaml")
    assert [str(problem) for problem in document.problems] == []
    document.finish()


@pytest.mark.parametrize("text", RECIPES)
def test_recipes_follow_the_json_schema(text: str) -> None:
    jsonschema.validate(YAML(typ="safe", pure=True).load(text), make_json_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_commented_and_in_block_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    text = re.sub(r"\b(any|log|between): \[.*\]", "", text)  # the values of a range stand on one line
    assert not re.search(r"^[^#]*:\s*[\[{]", text, re.MULTILINE)


OWN_DATA = [path for path in EXAMPLES if "${" not in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", OWN_DATA, ids=lambda path: path.stem)
def test_examples_have_no_mistake(path: Path) -> None:
    check_document(parse_document(path.read_text(encoding="utf-8"), path.name), NoMemory())


def test_examples_are_named_as_their_files() -> None:
    assert [YAML(typ="safe", pure=True).load(path)["name"] for path in EXAMPLES] == [path.stem for path in EXAMPLES]


def test_every_field_is_described() -> None:
    schema = make_json_schema()
    parts = {"Recipe": schema, **schema["$defs"]}
    fields = {f"{part}.{field}": text for part in parts for field, text in parts[part].get("properties", {}).items()}
    assert [name for name, text in fields.items() if not text.get("description")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "\n".join([*list_blocks(page, "bash"), *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"\brapidml ([a-z]+)\b", code))
    assert named <= set(importlib.import_module("rapidml.cli").main.commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_exist(page: Path) -> None:
    code = "\n".join([*list_blocks(page, "bash"), *re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))])
    commands = importlib.import_module("rapidml.cli").main.commands
    known = {command: {name for p in commands[command].params for name in p.opts} for command in commands}
    used = re.findall(r"\brapidml ([a-z]+)\b([^#\n]*)", code)
    wrong = [f"{c} {o}" for c, rest in used for o in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest) if o not in known[c]]
    assert wrong == []


MISTAKES = [
    ["models.bdt.params.max_dept=4"],
    ["dataset.target=churn"],
    ["dataset.positive=null"],
    ["dataset.features={exclude: [usage]}"],
    ["dataset.features={exclude: [refund]}"],
    ["models.logistic=sklearn.linear_model.LogisticRegression", "dataset.missing=40"],
    ["models.fisher=sklearn.discriminant_analysis.LinearDiscriminantAnalysis"],
    ["dataset.weight=survey_weight - 1"],
    ["dataset.select=age > 20 && bill > 3"],
    ["dataset.target=calls", "dataset.positive=null"],
]


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe without a mistake, and its data: `usage` has stray text, `refund` gives the target away."""
    folder, draw = tmp_path_factory.mktemp("customers"), random.Random(1)
    lines = ["plan,age,calls,bill,usage,refund,survey_weight,churned"]
    for i in range(400):
        churned = draw.random() < 0.3
        numbers = [draw.randint(18, 80), draw.randint(0, 9) + 2 * churned, round(draw.gauss(40, 9), 2)]
        usage = "-" if i % 40 == 7 else f"{draw.gauss(0, 1):.3f}"
        rest = [usage, round(draw.gauss(100 * churned, 9), 2), round(draw.uniform(0.5, 2), 3)]
        lines.append(",".join(map(str, ["pro", *numbers, *rest, "yes" if churned else "no"])))
    (folder / "customers.csv").write_text("\n".join(lines) + "\n")
    dataset = {"path": "customers.csv", "target": "churned", "positive": "yes", "weight": "survey_weight"}
    recipe = {
        "dataset": {**dataset, "features": {"exclude": ["usage", "refund"]}},
        "models": {"bdt": {"type": "xgboost"}},
    }
    YAML(pure=True).dump(recipe, folder / "customers.yaml")
    return folder / "customers.yaml"


def list_expected(recipe: Path, overrides: list[str]) -> list[str]:
    document = parse_document(recipe.read_text(), str(recipe), overrides, recipe.parent)
    with pytest.raises(RecipeError) as caught:
        check_document(document, NoMemory(), look=True)
    return [problem.expected for problem in caught.value.problems]


def test_the_recipe_before_the_mistakes_has_none(customers: Path) -> None:
    check_document(parse_document(customers.read_text(), str(customers), (), customers.parent), NoMemory(), look=True)


def test_common_mistakes_are_told_in_these_words(customers: Path) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    table = page[page.index("| expected: | |") : page.index("## 4.")]
    shown = [code.strip() for code in re.findall(r"^\| (`` .* ``|`[^`]*`) \|", table, re.MULTILINE)]
    told = [text for overrides in MISTAKES for text in list_expected(customers, overrides)]
    assert len(shown) == len(MISTAKES)
    starts = [(code[2:-2] if code.startswith("``") else code[1:-1]).strip().removesuffix("...") for code in shown]
    assert [start for start in starts if not any(text.startswith(start) for text in told)] == []


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = importlib.import_module("rapidml.cli").main.commands
    assert [name for name in commands if f"`rapidml {name}" not in text] == []


@pytest.mark.parametrize("text", list_blocks(ROOT / "docs" / "expressions.md", "text")[0].splitlines())
def test_expressions_are_valid(text: str) -> None:
    assert parse_expression(text).names


def test_generated_pages_are_current() -> None:
    stale = [path.name for path, text in make_pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`"


def test_the_recipe_of_the_readme_fits_the_first_screen() -> None:
    (recipe,) = list_blocks(ROOT / "README.md", "yaml")
    assert len(recipe.splitlines()) <= 12
