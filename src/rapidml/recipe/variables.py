"""``${NAME}`` in dataset paths: which names are allowed. The value is put in where files are opened, not here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rapidml.recipe.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
"""A variable in a path; its first group is the name."""
_BARE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_SECRET_ANYWHERE = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL")
_SECRET_WORDS = frozenset(("KEY", "KEYS", "APIKEY", "PASS", "PWD", "PIN", "AUTH", "COOKIE"))


def is_secret(name: str) -> bool:
    """Whether a variable of this name is likely to hold a secret, which no path may take up."""
    upper = name.upper()
    return any(word in upper for word in _SECRET_ANYWHERE) or not _SECRET_WORDS.isdisjoint(upper.split("_"))


def has_variable(text: str) -> bool:
    """Whether the text has ``${NAME}`` in it."""
    return VARIABLE.search(text) is not None


def check_path_text(text: str, environment: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
    """What is wrong with the variables of a path, as pairs of what was expected and what to do.

    Args:
        text: The path as written.
        environment: Variables that are set; None leaves out whether they are.
    """
    rest = VARIABLE.sub("", text)
    for name in dict.fromkeys(VARIABLE.findall(text)):
        if is_secret(name):
            yield f"a variable that is no secret; {name} may not be put into a path", "use a variable of another name"
        elif environment is not None and not environment.get(name):
            yield _describe_unset(name, environment)
    if "${" in rest:
        yield "variables in the form ${NAME}", "write letters, digits and _ between ${ and }"
    bare = _BARE.search(rest)
    if bare:
        yield "variables in the form ${NAME}", f"write ${{{bare[1]}}}"


def _describe_unset(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    close = suggest(name, [other for other in environment if not is_secret(other)])
    expected = f"a variable that is set; {name} is not"
    fix = f"export {name}=... before you start"
    return expected, f"write ${{{close}}}, or {fix}" if close else fix
