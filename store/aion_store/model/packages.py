"""Packages: the code that runs are pinned to, and the routes from workflow types to packages."""

from __future__ import annotations

import base64
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, PlainSerializer

from aion_store.model.ids import Name
from aion_store.model.payload import VALUE_CONFIG, from_base64
from aion_store.model.times import UtcTime


def _from_json_form(value: Any) -> Any:
    return from_base64(value) if isinstance(value, str) else value


def _as_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


ArchiveBytes: TypeAlias = Annotated[
    bytes, BeforeValidator(_from_json_form), PlainSerializer(_as_base64, return_type=str, when_used="json")
]


class PackageRecord(BaseModel):
    """A deployed package: its archive, byte for byte, and when it was deployed."""

    model_config = VALUE_CONFIG

    workflow_type: Name
    content_hash: Name
    archive: ArchiveBytes
    deployed_at: UtcTime


class PackageRouteRecord(BaseModel):
    """Which package new runs of a workflow type use; the archive need not exist."""

    model_config = VALUE_CONFIG

    workflow_type: Name
    content_hash: Name
