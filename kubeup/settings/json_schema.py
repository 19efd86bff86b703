"""JSON Schema of settings.yaml, for editors: made from the models, so it says what they do."""

from __future__ import annotations

import json
import sys
from typing import Any

from kubeup.settings.model import Keys
from kubeup.settings.tree import SPELLINGS


def json_schema() -> dict[str, Any]:
    keys = Keys.model_json_schema(ref_template="#/$defs/{model}")
    definitions = keys.pop("$defs")
    properties = definitions["Software"]["properties"]
    properties["contained"] = properties[SPELLINGS["software.contained"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kubeup settings",
        **_object({"settings": _settings()}, ["settings"]),
        "$defs": {**definitions, "Profile": _nullable(keys)},
    }


def _settings() -> dict[str, Any]:
    profiles = {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/Profile"}}
    env = {"type": "string", "description": "the profile in use"}
    return _object({"env": env, "users": profiles}, [])


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _nullable(keys: dict[str, Any]) -> dict[str, Any]:
    return {
        **keys,
        "title": "Profile",
        "type": ["object", "null"],
        "description": "the keys of a profile",
    }


def json_schema_text() -> str:
    """As config/settings.schema.json holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema_text())
