"""The JSON Schema of the files, for editors: the same descriptions in another form."""

from __future__ import annotations

from typing import Any, Final

from .forms import REFERENCE, Schema
from .outline import OUTLINE
from .types import all_types
from .wiring import NAME

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """The schema of a file, with the settings of every type that can be had here."""
    types = dict(all_types())
    outline = OUTLINE.schema()
    outline["properties"]["stages"] = {
        "type": "object",
        "description": OUTLINE.settings["stages"].description,
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": {"$ref": "#/$defs/stage"},
        "minProperties": 1,
    }
    definitions = {word: of_type(word, kind.record) for word, kind in types.items()}
    return {
        "$schema": DIALECT,
        "title": "A sluiceway pipeline",
        **outline,
        "$defs": {"stage": any_stage(list(types)), **definitions},
    }


def any_stage(words: list[str]) -> Schema:
    """A stage: its type, and then that type's settings."""
    reference = {"type": "string", "pattern": REFERENCE}
    cases = [
        {
            "if": {"properties": {"type": {"const": word}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{word}"},
        }
        for word in words
    ]
    kind = {"anyOf": [{"enum": words}, reference], "description": "what it is"}
    return {
        "type": "object",
        "properties": {"type": kind},
        "required": ["type"],
        "allOf": cases,
    }


def of_type(word: str, record: Any) -> Schema:
    """One type's settings."""
    made: Schema = record.schema()
    made["properties"] = {"type": {"const": word}, **made["properties"]}
    return made
