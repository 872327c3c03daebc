"""The configuration's JSON Schema, made from the tables the loader reads: editors complete and check with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.config import keys as table
from entrawatch.config.secrets import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.config.keys import SinkTables

_DURATION = {"type": "string", "pattern": r"^(\d+[smhdw])+$"}
_TIME = {"type": "string", "pattern": r"(Z|[+-]\d\d:?\d\d)$"}
_PLAIN: dict[str, dict[str, Any]] = {
    "url": {"type": "string", "format": "uri"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "duration": _DURATION,
    "start": {"anyOf": [_DURATION, _TIME]},
    "sweeps": {"type": "array", "items": _DURATION, "minItems": 1},
    "range": {
        "type": "object", "properties": {"from": _TIME, "to": _TIME}, "required": ["from", "to"],
        "additionalProperties": False,
    },
}  # fmt: skip


def schema(sinks: SinkTables) -> dict[str, Any]:
    """The schema of the file, draft 2020-12, as a JSON-ready object."""
    whole = _object(table.TOP)
    whole["properties"]["sinks"]["items"] = {"oneOf": [_sink(name, sinks.options[name]) for name in sinks.options]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Entrawatch configuration",
        "description": "One YAML file; secrets come from the environment (…_env) or from files (…_file).",
        **whole,
    }


def _sink(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    made = _object({**table.SINK_OWN, **options})
    made["title"] = name
    made["properties"]["type"] = {"const": name, "description": table.SINK_OWN["type"].help}
    return made


def _object(keys: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
    for name, key in keys.items():
        if key.kind == "secret":
            for form, where in zip(FORMS, ("environment variable", "file, readable by its owner only,")):
                help_ = f"{key.help} Name of the {where} that holds it."
                made["properties"][name + form] = {"type": "string", "description": help_}
        else:
            made["properties"][name] = {**_value(key), "description": key.help}
    required = [name for name, key in keys.items() if key.required and key.kind != "secret"]
    return {**made, "required": required} if required else made


def _value(key: Any) -> dict[str, Any]:
    if key.kind == "section":
        return _object(key.keys)
    if key.kind == "list":
        return {"type": "array", "minItems": 1, "items": _object(key.keys or {})}
    if key.kind == "streams":
        return {"type": "array", "minItems": 1, "items": {"enum": list(key.choices)}}
    if key.kind == "choice":
        return {"enum": list(key.choices)}
    made = dict(_PLAIN.get(key.kind, {"type": "string"}))
    bounds = {"minimum": key.least, "maximum": getattr(key, "most", None)}
    numbers = {name: bound for name, bound in bounds.items() if isinstance(bound, (int, float))}
    return {**made, **numbers} if made.get("type") in {"integer", "number"} else made
