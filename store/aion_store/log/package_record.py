"""The values of the packages log: what each change of packages and routes is, to JSON bytes and back.

- `{"type":"PackagePut","data":{"package":{…, "archive": base64},"routes":[workflow types]}}`
- `{"type":"PackageDeleted","data":{"workflow_type","content_hash"}}`
- `{"type":"PackageRoutePut","data":{"workflow_type","content_hash"}}`

The forms are frozen by golden vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from aion_store.limits import MAX_ROUTES_PER_PUT
from aion_store.log.codec import DecodeError, first_fault
from aion_store.log.record import PACKAGE, PACKAGE_DELETE, PACKAGE_ROUTE
from aion_store.model.ids import Name
from aion_store.model.packages import PackageRecord
from aion_store.model.payload import VALUE_CONFIG


class PackagePut(BaseModel):
    """A package was stored, and the routes of these workflow types point at it from now on."""

    model_config = VALUE_CONFIG

    package: PackageRecord
    routes: Annotated[tuple[Name, ...], Field(max_length=MAX_ROUTES_PER_PUT)]


class PackageDeleted(BaseModel):
    """A package's archive was removed; routes stay."""

    model_config = VALUE_CONFIG

    workflow_type: Name
    content_hash: Name


class PackageRoutePut(BaseModel):
    """A workflow type's route points at this package from now on."""

    model_config = VALUE_CONFIG

    workflow_type: Name
    content_hash: Name


PackageChange: TypeAlias = PackagePut | PackageDeleted | PackageRoutePut

RECORD_KIND: Final[Mapping[type[PackageChange], str]] = {
    PackagePut: PACKAGE,
    PackageDeleted: PACKAGE_DELETE,
    PackageRoutePut: PACKAGE_ROUTE,
}
"""Each change's kind in its record's headers."""


def _adapter(change: type[PackageChange]) -> TypeAdapter[Any]:
    tag: Any = Literal[change.__name__]
    return TypeAdapter(
        create_model(f"{change.__name__}Json", __config__=VALUE_CONFIG, type=(tag, ...), data=(change, ...))
    )


_BY_KIND: Final = {kind: _adapter(change) for change, kind in RECORD_KIND.items()}


def encode_package_change(change: PackageChange) -> bytes:
    """The record value of a change."""
    return b'{"type":"%b","data":%b}' % (type(change).__name__.encode(), change.__pydantic_serializer__.to_json(change))


def decode_package_change(value: bytes, kind: str) -> PackageChange:
    """The change that a record of this kind holds; fields it doesn't know are ignored.

    Raises DecodeError for an unknown kind, a value of another kind, a missing or ill-typed field.
    """
    adapter = _BY_KIND.get(kind)
    if adapter is None:
        raise DecodeError(f"{kind[:64]!r} isn't a kind of package record")
    try:
        return adapter.validate_json(value, extra="ignore").data
    except ValidationError as error:
        raise DecodeError(first_fault(error)) from error
