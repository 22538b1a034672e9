"""Every read of the contract, answered from Postgres: the parts by topic, put together."""

from __future__ import annotations

from aion_store.postgres.description_reads import DescriptionReads
from aion_store.postgres.history_reads import HistoryReads
from aion_store.postgres.list_reads import ListReads
from aion_store.postgres.package_reads import PackageReads
from aion_store.postgres.timer_reads import TimerReads
from aion_store.postgres.visibility_reads import VisibilityReads


class PostgresReads(HistoryReads, DescriptionReads, ListReads, TimerReads, PackageReads, VisibilityReads):
    """Every read of the contract; see `aion_store.contract` and `aion_store.inquiry` for what each means."""
