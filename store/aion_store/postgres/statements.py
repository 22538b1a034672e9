"""The statements in `queries/`, by name, bound to the schema that they read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from aion_store.postgres.sql_files import SqlFile, read_sql_files


@cache
def _files() -> Mapping[str, SqlFile]:
    return read_sql_files("aion_store.postgres", "queries")


@lru_cache(maxsize=256)
def query(name: str, generation: str, control: str = "") -> bytes:
    """The statement `name` on the tables of a generation, or of the control schema."""
    return _files()[name].bind(generation=generation, control=control)


def query_with_parts(name: str, generation: str, parts: Mapping[str, str]) -> bytes:
    """The statement `name` with parts of its text put in, all of it ours."""
    return _files()[name].with_parts(parts).bind(generation=generation)


@lru_cache(maxsize=16)
def select_generation(control: str) -> bytes:
    """The statement that names the live schema."""
    return _files()["select_generation"].bind(control=control)
