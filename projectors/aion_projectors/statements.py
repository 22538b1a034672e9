"""The statements of `statements/` with their schemas put in, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from aion_store.postgres.sql_files import SqlFile, read_sql_files


@cache
def _files() -> Mapping[str, SqlFile]:
    return read_sql_files("aion_projectors", "statements")


@cache
def statement(name: str, *, generation: str = "", control: str = "") -> bytes:
    """The statement of `statements/<name>.sql` on these schemas."""
    return _files()[name].bind(generation=generation, control=control)
