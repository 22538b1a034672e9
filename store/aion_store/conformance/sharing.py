"""Scenarios of partitions: where a workflow belongs, which partitions a store writes, lists of some of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, cast

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.model.events import WorkflowPaused
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.ownership import OwnershipChange
from aion_store.model.timers import TimerEntry

_MANY = 24


async def s106_a_workflow_belongs_to_one_partition(store: EventStore) -> None:
    """The same at every call, from 0, before it exists as after; its writes' tokens name that partition."""
    for number in range(1, 5):
        one = workflow(number)
        partition = store.partition_of(one)
        same(partition >= 0, True, f"whether {partition} may be a partition's number")
        token = await record(store, HistoryBuilder(one).started())
        same(token.partition, partition, f"the partition that workflow {number} was written to")
        same(store.partition_of(one), partition, f"the partition of workflow {number}, later")
    for wrong in (str(workflow(1)), None):

        async def call(argument: Any = wrong) -> int:
            return store.partition_of(cast("WorkflowId", argument))

        await refused(TypeError, call(), f"partition_of({wrong!r})")


async def s107_a_store_tells_what_it_writes(store: EventStore) -> None:
    """One that was just opened, alone: every partition of a workflow is owned, and a listener is told so first."""
    owned = store.owned_partitions()
    needed = {store.partition_of(workflow(number)) for number in range(1, _MANY)}
    same(needed <= owned, True, f"whether all of {sorted(needed)} are owned, of which there are {sorted(owned)}")
    for listener in ("the first", "another"):
        first = await anext(store.ownership_changes())
        same(first, OwnershipChange("assigned", owned), f"what {listener} listener is told first")
    await record(store, HistoryBuilder(workflow(1)).started())
    same(store.owned_partitions(), owned, "what is owned after a write")


async def s108_lists_of_partitions_are_parts_of_the_list(store: EventStore) -> None:
    """Every read that takes `partitions` gives exactly what belongs to them, in the order of the whole list."""
    parts: dict[int, list[WorkflowId]] = defaultdict(list)
    for number in range(1, _MANY):
        one = HistoryBuilder(workflow(number))
        await record(store, one.started(), one.build(WorkflowPaused, run_id=run(1)))
        await store.schedule_timer(workflow(number), NamedTimer("t"), START + number % 3 * SECOND)
        parts[store.partition_of(workflow(number))].append(workflow(number))
    timers = [
        TimerEntry(workflow(number), NamedTimer("t"), START + late * SECOND)
        for late in range(3)
        for number in range(1, _MANY)
        if number % 3 == late
    ]
    nowhere = max(store.owned_partitions()) + 1
    for asked in [[each] for each in parts] + [list(parts), [nowhere], [*parts, nowhere, -1, 2**40, 2**70]]:
        wanted = sorted(each for partition in asked for each in parts.get(partition, ()))
        some = set(asked)
        where = f"of partitions {asked}"
        same(await store.list_workflow_ids(partitions=some), wanted, f"list_workflow_ids {where}")
        same(await store.list_active(partitions=some), wanted, f"list_active {where}")
        same(await store.list_paused(partitions=some), wanted, f"list_paused {where}")
        same(await _all(store.workflow_id_pages(page_size=5, partitions=some)), wanted, f"workflow_id_pages {where}")
        same(await _all(store.active_pages(page_size=5, partitions=some)), wanted, f"active_pages {where}")
        due = [timer for timer in timers if timer.workflow_id in wanted]
        same(await store.expired_timers(START + 2 * SECOND, partitions=some), due, f"expired_timers {where}")
        same(await store.next_timers(7, partitions=some), due[:7], f"next_timers {where}")


async def _all(pages: AsyncIterator[list[WorkflowId]]) -> list[WorkflowId]:
    return [each async for page in pages for each in page]
