"""Events to JSON bytes and back.

`{"type": KIND, "data": {"envelope": {...}, ...fields}}`. What was decoded is encoded again as the very bytes it came
from; unknown fields and finer digits of times survive in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema, from_json, to_json

from aion_store.log.decoding import body_schema, fast_validators
from aion_store.log.encoding import encode_built
from aion_store.model.events import ENGINE_KIND, EVENT_TYPES, Event, OtherEvent
from aion_store.model.recorded_event import keep_body
from aion_store.model.times import rfc3339


class DecodeError(ValueError):
    """The bytes aren't an event; `str(error)` says why in one line, without quoting the payload."""


_FAST: dict[str, Callable[[bytes], Any]] = {kind: each.validate_json for kind, each in fast_validators().items()}
_VALIDATORS = {
    kind: SchemaValidator(body_schema(kind, event.__pydantic_core_schema__), core_schema.CoreConfig(strict=True))
    for kind, event in EVENT_TYPES.items()
}
_N, _I = b"NI"
_OPENINGS = {kind: b'{"type":"' + kind.encode() + b'","data":' for kind in EVENT_TYPES}


def encode_event(event: Event, at: str | None = None) -> bytes:
    """The event's stored form: the bytes it was decoded from, else compact JSON; `at` saves writing recorded_at again.

    Raises ValueError for one that JSON can't hold: text with lone surrogates, a field changed behind its validation.
    """
    if (body := event.body) is not None:
        return body
    try:
        built = encode_built(event, at or rfc3339(event.envelope.recorded_at))
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"a field was changed behind its validation: {error}") from error
    if built is not None:
        return built
    if isinstance(event, OtherEvent):
        form: dict[str, Any] = {"type": event.event_kind}
        if event.ignorable:
            form["ignorable"] = True
        form["data"] = {"envelope": event.envelope.model_dump(mode="json"), **event.data}
        return to_json(form)
    return _OPENINGS[event.kind] + event.__pydantic_serializer__.to_json(event, warnings="error") + b"}"


def decode_event(body: bytes, kind: str | None = None) -> Event:
    """The event that the bytes hold; `kind` (the record's header) saves a look and must agree with them.

    Raises DecodeError for bytes that aren't JSON, an unknown kind, a missing or ill-typed field.
    """
    try:
        if (_N in body and b"NaN" in body) or (_I in body and b"Infinity" in body):  # one byte is found much faster
            _check_finite(body)  # they may be in a text; as numbers no other JSON reader takes them
        event = _decode_kind(body, kind) if kind in _VALIDATORS else _decode_by_type(body, kind)
    except ValidationError as error:
        raise DecodeError(first_fault(error)) from error
    except (ValueError, RecursionError) as error:
        raise DecodeError(str(error) if isinstance(error, DecodeError) else f"not JSON: {error}") from error
    keep_body(event, body)
    return event


def _decode_kind(body: bytes, kind: str) -> Event:
    fast = _FAST.get(kind)
    if fast is not None:
        try:
            return fast(body)["data"]
        except ValidationError:
            pass  # of a form that isn't the usual one, or wrong
    return cast("Event", _VALIDATORS[kind].validate_json(body, extra="ignore")["data"])


def _check_finite(body: bytes) -> None:
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise DecodeError("not JSON, or one of its numbers isn't finite") from error


def _decode_by_type(body: bytes, kind: str | None) -> Event:
    form = from_json(body)
    if not isinstance(form, dict):
        raise DecodeError("not a JSON object")
    members = cast("dict[str, Any]", form)
    found, data = members.get("type"), members.get("data")
    if not isinstance(found, str) or not isinstance(data, dict):
        raise DecodeError("no type and data")
    if kind is not None and found != kind:
        raise DecodeError(f"the record says {kind}, its body {found}")
    if found in _VALIDATORS:
        return _decode_kind(body, found)
    ignorable = members.get("ignorable") is True
    if not ignorable and not ENGINE_KIND.fullmatch(found):
        raise DecodeError(f"unknown kind {found[:64]!r}")
    fields = dict(cast("dict[str, Any]", data))
    other = {
        "event_kind": found,
        "ignorable": ignorable,
        "envelope": fields.pop("envelope", None),
        "data": fields,
    }
    return OtherEvent.model_validate_json(to_json(other), extra="ignore")


def first_fault(error: ValidationError) -> str:
    """The first thing wrong, in one line: where and why, without quoting what was found."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
