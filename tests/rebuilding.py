"""Rebuilds of a test's tables, and which generations there are."""

from __future__ import annotations

import asyncio

from aion_projectors.rebuild import Rebuild, Rebuilt
from tests.projected_log import Projected

WAITING = """
select count(*) from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'
and query_start < clock_timestamp() - interval '200 ms'
"""
"""How many sessions of that name have waited for a lock for a while."""


def rebuild_of(projected: Projected) -> Rebuild:
    """A rebuild of a test's tables."""
    return Rebuild(projected.settings.kafka, projected.dsn, projected.settings.schema_name, projected.log)


def rebuild(projected: Projected, *, resume: bool = False) -> Rebuilt:
    """Rebuild a test's tables."""
    return asyncio.run(rebuild_of(projected).run(lambda *_: None, resume=resume))


def schemas(projected: Projected) -> list[str]:
    """The generations' schemas."""
    rows = projected.rows("select nspname from pg_namespace where nspname like 'aion\\_g%%' order by 1")
    return [row[0] for row in rows]
