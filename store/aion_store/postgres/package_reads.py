"""Reads of packages and routes from the tables."""

from __future__ import annotations

from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.postgres import rows
from aion_store.postgres.pool import Query, Rows
from aion_store.postgres.table_reads import TableReads


class PackageReads(TableReads):
    """Packages and routes; `aion_store.contract` says what each method means."""

    async def list_packages(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRecord]:
        """All packages by deployed_at, then workflow_type, then content_hash."""
        return rows.packages_from(await self._packages("select_packages", consistency, timeout_s))

    async def list_package_routes(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRouteRecord]:
        """All routes by workflow_type."""
        return rows.routes_from(await self._packages("select_package_routes", consistency, timeout_s))

    async def _packages(self, name: str, consistency: ReadConsistency, timeout_s: float | None) -> Rows:
        return (await self._all([Query(name, {})], None, consistency, timeout_s, log="packages"))[0]
