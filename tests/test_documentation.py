"""The documentation is true: its recipes are valid, its commands and links exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from docs.make_reference import make_pages
from rapidml.dataset.expression import parse_expression
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
    assert not re.search(r"^[^#]*:\s*[\[{]", text, re.MULTILINE)


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
