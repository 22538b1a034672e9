"""JSON Schemas of the values in the log, generated from the model: `python -m aion_store.log.json_schema DIRECTORY`.

They describe what a reader accepts: fields that they don't name are allowed, since readers ignore them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from aion_store.log.package_record import RECORD_KIND
from aion_store.log.timer_record import TIMER_CALLS
from aion_store.model.events import ENGINE_KIND, EVENT_TYPES
from aion_store.model.recorded_event import EventEnvelope

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{model}"


def schemas() -> dict[str, dict[str, Any]]:
    """Each schema by its file's name."""
    return {
        "event-v1.json": _event_schema(),
        "timer-v1.json": _tagged_schema("A call of schedule_timer or cancel_timer", TIMER_CALLS),
        "packages-v1.json": _tagged_schema("A change of packages or routes", RECORD_KIND),
    }


def _event_schema() -> dict[str, Any]:
    models = [(model, "validation") for model in (*EVENT_TYPES.values(), EventEnvelope)]
    _, found = models_json_schema(cast("Any", models), ref_template=_REF)
    others = {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "type": {"type": "string", "not": {"enum": list(EVENT_TYPES)}},
            "ignorable": {"type": "boolean"},
            "data": {
                "type": "object",
                "required": ["envelope"],
                "properties": {"envelope": {"$ref": "#/$defs/EventEnvelope"}},
            },
        },
        "anyOf": [
            {"properties": {"type": {"pattern": f"^{ENGINE_KIND.pattern}$"}}},
            {"properties": {"ignorable": {"const": True}}, "required": ["ignorable"]},
        ],
    }
    kinds = [_tagged(kind) for kind in EVENT_TYPES]
    return _finished("An event of the log", {"oneOf": [*kinds, others], "$defs": found["$defs"]})


def _tagged_schema(title: str, kinds: Iterable[type[BaseModel]]) -> dict[str, Any]:
    models = [(model, "validation") for model in kinds]
    _, found = models_json_schema(cast("Any", models), ref_template=_REF)
    return _finished(title, {"oneOf": [_tagged(model.__name__) for model, _ in models], "$defs": found["$defs"]})


def _tagged(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "data"],
        "properties": {"type": {"const": kind}, "data": {"$ref": f"#/$defs/{kind}"}},
    }


def _finished(title: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": title, **_open({"title": title, **schema})}


def _open(schema: Any) -> Any:
    """Without what the model says of its own construction: that it has no other fields, its title, discriminators."""
    if isinstance(schema, Mapping):
        members = dict(cast("Mapping[str, Any]", schema))
        if members.pop("title", None) is not None and members.get("additionalProperties") is False:
            del members["additionalProperties"]
        members.pop("discriminator", None)
        return {
            name: _properties(value) if name in ("properties", "$defs") else _open(value)
            for name, value in members.items()
        }
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_open(each) for each in cast("Sequence[Any]", schema)]
    return schema


def _properties(named: Mapping[str, Any]) -> dict[str, Any]:
    """Properties may be named like keywords."""
    return {name: _open(schema) for name, schema in named.items()}


def text_of(schema: Mapping[str, Any]) -> str:
    """The text of a schema's file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file_name, content in schemas().items():
        (Path(sys.argv[1]) / file_name).write_text(text_of(content))
