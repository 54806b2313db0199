"""The recipe as JSON Schema, for editors: it takes what the loader takes, short forms included."""

from __future__ import annotations

from typing import Any

from rapidml.recipe.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def make_json_schema() -> dict[str, Any]:
    """JSON Schema of recipe files.

    Rules over several fields are not in it; ``rapidml check`` knows them all.
    """
    schema = Recipe.model_json_schema(mode="validation")
    for part in (schema, *schema["$defs"].values()):
        _allow_nulls(part)
        part.pop("title", None)
    schema["properties"] = {
        "extends": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "default": None,
            "description": "Another recipe that this one starts from: a path, or `run:ID`.",
        },
        **schema["properties"],
    }
    schema["properties"]["models"]["additionalProperties"]["anyOf"].append({"type": "null"})  # of what is extended
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]
    return {"$schema": DIALECT, "title": "rapidml recipe", **schema}


def _allow_nulls(part: dict[str, Any]) -> None:
    """Null means as if not written, wherever a field may be left out."""
    required = part.get("required", ())
    for name, field in part.get("properties", {}).items():
        field.pop("title", None)
        if name in required or {"type": "null"} in field.get("anyOf", ()):
            continue
        said = {key: field.pop(key) for key in ("description", "default") if key in field}
        inner = dict(field)
        field.clear()
        field.update({"anyOf": [inner, {"type": "null"}], **said})
