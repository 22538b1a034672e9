"""Making workflows anew from the log, each in the database that holds its partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aion_projectors.refold import Refolded, refold
from aion_service.cli.opened import Opened
from aion_service.cli.progress import bars
from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId


async def refold_each(store: Opened, wanted: Iterable[WorkflowId], take: Callable[[Refolded], None]) -> None:
    """Refold these workflows, and show how far that is; `take` is told of each."""
    dsns, by_database = store.settings.dsns, dict[str, list[WorkflowId]]()
    for workflow_id in wanted:
        dsn = dsns.of("events", partition_of(workflow_id, store.log.events.partitions))
        by_database.setdefault(dsn, []).append(workflow_id)
    with bars() as shown:
        for dsn, workflow_ids in by_database.items():
            await refold(
                *(store.settings.kafka, dsn, store.settings.schema_name, store.log, workflow_ids, take),
                lambda partition, done, total: shown.move(f"events {partition}", done, total),
                store.archive,
            )
