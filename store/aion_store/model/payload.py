"""Payloads and the errors that carry them: bytes that survive unchanged, whatever they are.

JSON: `{"content_type", "text"}` when the bytes are UTF-8, `{"content_type", "base64"}` when not; Aion's
`{"content_type", "bytes": [...]}` is read as well. `{"content_type", "key_id", "ciphertext"}` is the reserved
encrypted form: kept and returned as it is, never opened here.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema, from_json, to_json

VALUE_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
"""Every value of the model: frozen, strictly typed; unknown fields are refused in Python, ignored in JSON."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A content type and exact bytes."""

    data: bytes
    content_type: str = "Json"

    def __post_init__(self) -> None:
        if type(self.data) is not bytes or type(self.content_type) is not str:
            raise TypeError("a payload's data is bytes, its content_type text")

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """A `Json` payload with the compact JSON of `value`."""
        return cls(to_json(value))

    def to_value(self) -> Any:
        """The value of a JSON payload; raises ValueError when the bytes aren't JSON."""
        return from_json(self.data)


_SLOTS: Any = Payload
_put_data, _put_content_type = _SLOTS.data.__set__, _SLOTS.content_type.__set__


def _payload(data: bytes, content_type: str) -> Payload:
    """One whose types are known: past its constructor, which takes longer than reading the JSON around it."""
    made = object.__new__(Payload)
    _put_data(made, data)
    _put_content_type(made, content_type)
    return made


@dataclass(frozen=True, slots=True)
class EncryptedPayload:
    """A payload that someone else encrypted: kept and returned as it is."""

    content_type: str
    key_id: str
    ciphertext: str

    def __post_init__(self) -> None:
        if not (type(self.content_type) is type(self.key_id) is type(self.ciphertext) is str):
            raise TypeError("an encrypted payload's members are texts")


_FORMS = frozenset({"text", "base64", "bytes"})


def payload_from_json(value: Any) -> Payload | EncryptedPayload:
    """The payload that has this JSON form, whichever of the four; raises ValueError for anything else."""
    if type(value) is dict:
        form = cast("dict[str, Any]", value)
        content_type, text = form.get("content_type"), form.get("text")
        if type(content_type) is str:
            if type(text) is str and "base64" not in form and "bytes" not in form:
                return _payload(text.encode(), content_type)
            key_id, ciphertext = form.get("key_id"), form.get("ciphertext")
            if type(key_id) is str and type(ciphertext) is str:
                return EncryptedPayload(content_type, key_id, ciphertext)
            match [(name, form[name]) for name in _FORMS & form.keys()]:
                case [("base64", str(text))]:
                    return Payload(from_base64(text), content_type)
                case [("bytes", list(items))]:  # pyright: ignore[reportUnknownVariableType]
                    return Payload(_from_numbers(cast("list[Any]", items)), content_type)
                case _:
                    pass
    raise ValueError("a payload has a content_type and one of text, base64, bytes, or key_id with ciphertext")


def from_base64(text: str) -> bytes:
    """The bytes of standard base64; raises ValueError for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("this isn't base64") from error


def _from_numbers(items: list[Any]) -> bytes:
    if not all(type(item) is int and 0 <= item <= 255 for item in items):
        raise ValueError("a payload's bytes are numbers from 0 to 255")
    return bytes(items)


def _as_json_form(payload: Payload | EncryptedPayload) -> dict[str, str]:
    if isinstance(payload, EncryptedPayload):
        members = payload.content_type, payload.key_id, payload.ciphertext
        return dict(zip(("content_type", "key_id", "ciphertext"), members, strict=True))
    try:
        return {"content_type": payload.content_type, "text": payload.data.decode()}
    except UnicodeDecodeError:
        return {"content_type": payload.content_type, "base64": base64.b64encode(payload.data).decode()}


class _PayloadSchema:
    """Tells pydantic how a payload is read from and written to JSON."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(payload_from_json),
            python_schema=core_schema.is_instance_schema((Payload, EncryptedPayload)),
            serialization=core_schema.plain_serializer_function_ser_schema(_as_json_form),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text: JsonSchemaValue = {"type": "string"}
        base64_text: JsonSchemaValue = {"type": "string", "contentEncoding": "base64"}
        numbers: JsonSchemaValue = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}
        exactly_one: list[JsonSchemaValue] = [
            {"required": ["text"]},
            {"required": ["base64"]},
            {"required": ["bytes"]},
            {"required": ["key_id", "ciphertext"]},
        ]
        return {
            "type": "object",
            "required": ["content_type"],
            "properties": {
                "content_type": text,
                "text": text,
                "base64": base64_text,
                "bytes": numbers,
                "key_id": text,
                "ciphertext": text,
            },
            "oneOf": exactly_one,
        }


AnyPayload: TypeAlias = Annotated[Payload | EncryptedPayload, _PayloadSchema]
"""What an event may carry: a payload, or one that is encrypted."""


class WorkflowError(BaseModel):
    """Why a workflow failed."""

    model_config = VALUE_CONFIG

    message: str
    details: AnyPayload | None = None


class ActivityError(BaseModel):
    """Why an activity failed, and whether trying again may help."""

    model_config = VALUE_CONFIG

    kind: Literal["Retryable", "Terminal"]
    message: str
    details: AnyPayload | None = None
