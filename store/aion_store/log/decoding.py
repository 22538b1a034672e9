"""How events are read from JSON in the form that `encoding` and pydantic write, the fast way.

pydantic's own schemas of the model take every form there is, with a call into Python for each time, payload, id and
name. Those made here of the same classes take what is nearly always there (all members and no others, plain times, ids
in lower case, names that are clearly short enough) without leaving pydantic's core, save for a lookup of each id.
Whatever they refuse is for the model's own schemas to read, or to say what is wrong with it. A property test holds what
both make of the same bytes together.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from types import NoneType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from aion_store.limits import MAX_INTEGER, MAX_NAME_BYTES
from aion_store.model.events import EVENT_TYPES, Attempt
from aion_store.model.ids import (
    ActivityId,
    AnonymousTimer,
    Name,
    NamedTimer,
    RunId,
    ScheduleId,
    TimerId,
    WorkflowId,
    id_reader,
)
from aion_store.model.payload import AnyPayload, EncryptedPayload, Payload, payload_from_json
from aion_store.model.recorded_event import Sequence
from aion_store.model.times import DueTime, UtcTime

_STRICT: Final = core_schema.CoreConfig(strict=True, extra_fields_behavior="forbid")
_Members: TypeAlias = dict[str, CoreSchema]


def body_schema(kind: str, data: CoreSchema) -> CoreSchema:
    """The schema of an event's whole JSON: `{"type": KIND, "data": …}`."""
    members = {"type": core_schema.literal_schema([kind]), "data": data}
    return core_schema.typed_dict_schema({name: core_schema.typed_dict_field(each) for name, each in members.items()})


def fast_validators() -> dict[str, SchemaValidator]:
    """By kind, for those whose fields are all of types that are known here."""
    schemas = {kind: _model_schema(event) for kind, event in EVENT_TYPES.items()}
    return {
        kind: SchemaValidator(body_schema(kind, schema), _STRICT, _use_prebuilt=False)  # else they're the model's own
        for kind, schema in schemas.items()
        if schema is not None
    }


def _model_schema(model: type[BaseModel]) -> CoreSchema | None:
    """The model with all of its fields given; None when one of them is of a type that isn't known here."""
    types = get_type_hints(model, include_extras=True)
    fields: _Members = {}
    for name in model.model_fields:
        schema = _schema_of(types[name])
        if schema is None:
            return None
        fields[name] = schema
    members = core_schema.model_fields_schema({name: core_schema.model_field(each) for name, each in fields.items()})
    return core_schema.model_schema(model, members, config=_STRICT)


def _schema_of(annotation: Any) -> CoreSchema | None:
    for known, schema in _SCHEMAS:
        if annotation == known:
            return schema
    members = get_args(annotation)
    if get_origin(annotation) is Literal:
        return core_schema.literal_schema([*members])
    if NoneType in members:
        [inner, *more] = [member for member in members if member is not NoneType]
        schema = None if more else _schema_of(inner)
        return None if schema is None else core_schema.nullable_schema(schema)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _model_schema(annotation)
    return None


def _dataclass_schema(of_type: type, **fields: tuple[str, CoreSchema]) -> CoreSchema:
    """One of the model's dataclasses, past its constructor; each field with its name in JSON."""
    members = [
        core_schema.dataclass_field(name, each, validation_alias=alias) for name, (alias, each) in fields.items()
    ]
    args = core_schema.dataclass_args_schema(of_type.__name__, members, extra_behavior="forbid")
    return core_schema.dataclass_schema(of_type, args, [*fields], slots=True, frozen=True, config=_STRICT)


def _first_of(*choices: CoreSchema) -> CoreSchema:
    return core_schema.union_schema([*choices], mode="left_to_right")


def _id_schema(of_type: type[WorkflowId | RunId | ScheduleId]) -> CoreSchema:
    read = core_schema.no_info_plain_validator_function(id_reader(of_type))
    return core_schema.chain_schema([_TEXT, read])


_TEXT: Final = core_schema.str_schema()
_NAME: Final = core_schema.str_schema(min_length=1, max_length=MAX_NAME_BYTES // 4, pattern=r"^[^\x00]+$")
_INTEGER: Final = core_schema.int_schema(ge=0, le=MAX_INTEGER)
_TIME: Final = core_schema.chain_schema(
    [
        core_schema.str_schema(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z$"),
        core_schema.no_info_plain_validator_function(datetime.fromisoformat),
    ]
)
_SCHEMAS: Final[list[tuple[object, CoreSchema]]] = [
    (str, _TEXT),
    (Name, _NAME),
    (Sequence, core_schema.int_schema(ge=1, le=MAX_INTEGER)),
    (Attempt, _INTEGER),
    (ActivityId, core_schema.no_info_after_validator_function(partial(int.__new__, ActivityId), _INTEGER)),
    (UtcTime, _TIME),
    (DueTime, _TIME),
    (
        AnyPayload,
        _first_of(
            _dataclass_schema(
                Payload, data=("text", core_schema.bytes_schema(strict=False)), content_type=("content_type", _TEXT)
            ),
            _dataclass_schema(
                EncryptedPayload,
                content_type=("content_type", _TEXT),
                key_id=("key_id", _TEXT),
                ciphertext=("ciphertext", _TEXT),
            ),
            core_schema.no_info_plain_validator_function(payload_from_json),
        ),
    ),
    (
        TimerId,
        _first_of(
            _dataclass_schema(NamedTimer, name=("Named", _NAME)),
            _dataclass_schema(AnonymousTimer, position=("Anonymous", _INTEGER)),
        ),
    ),
    *((of_type, _id_schema(of_type)) for of_type in (WorkflowId, RunId, ScheduleId)),
]
"""By the types of fields, which say what values must keep."""
