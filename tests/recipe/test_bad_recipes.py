"""Bad recipes beside their exact messages: every ``tests/errors/NAME.yaml`` gives what ``NAME.txt`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rapidml.errors import RecipeError
from rapidml.recipe.document import load_document

FOLDER = Path(__file__).resolve().parents[1] / "errors"
JARGON = re.compile(
    r"Input should|\bunion\b|\btuple\b|\bdict\b|\bstr\b|\bNone\b|\bint\b|pydantic|ruamel|while (scanning|parsing)"
    r"|constrained|<block|DocumentStart|Traceback|valid (string|number|integer)|\bNoneType\b"
)


def find_message(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_document(path.name).finish()
    return f"{caught.value}\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_message_is_exactly_as_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    for name in ("TARGET", "API_KEY", "CUT"):
        monkeypatch.delenv(name, raising=False)
    assert find_message(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_message_has_its_recipe() -> None:
    names = [{path.stem for path in FOLDER.glob(f"*.{suffix}")} for suffix in ("yaml", "txt")]
    assert names[0] == names[1]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_messages_are_in_our_own_words(path: Path) -> None:
    said = [line for line in path.read_text(encoding="utf-8").splitlines() if " | " not in line]
    assert [line for line in said if JARGON.search(line)] == []
