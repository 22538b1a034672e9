"""Scenarios of what is known of a workflow: its description, its children, and what it waits for."""

from __future__ import annotations

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.model.description import ChildWorkflow, PendingActivity, WorkflowDescription
from aion_store.model.events import ActivityStarted, SearchAttributesUpdated, WorkflowPaused, WorkflowResumed
from aion_store.model.ids import ActivityId, NamedTimer, WorkflowId
from aion_store.model.search_attributes import (
    BoolAttribute,
    DatetimeAttribute,
    FloatAttribute,
    IntAttribute,
    KeywordListAttribute,
    SearchAttributeValue,
    StringAttribute,
)
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import RunSummary, WorkflowStatus

ONE, CHILD, UNKNOWN = workflow(1), workflow(2), workflow(9)
_ATTRIBUTES: dict[str, SearchAttributeValue] = {
    "text": StringAttribute(data="é 😀"),
    "count": IntAttribute(data=2**53 + 1),
    "ratio": FloatAttribute(data=0.1),
    "flag": BoolAttribute(data=True),
    "when": DatetimeAttribute(data=START + SECOND / 8),
    "tags": KeywordListAttribute(data=("b", "a", "b")),
}


async def described(store: EventStore, workflow_id: WorkflowId) -> WorkflowDescription:
    """The description of a workflow that is there."""
    found = await store.describe(workflow_id)
    if found is None:
        raise AssertionError(f"describe: expected workflow {workflow_id}, found none")
    return found


async def s80_a_description_has_all_that_is_known(store: EventStore) -> None:
    """Summary, head, run, attributes, pending activities and timers, children and parent, from one moment."""
    same(await store.describe(ONE), None, "the description of an unknown workflow")
    order = HistoryBuilder(ONE)
    events = [order.started(run_id=run(1)), order.scheduled(1), order.scheduled(2, "ship"), order.scheduled(3)]
    events += [order.scheduled(4), order.build(ActivityStarted, activity_id=ActivityId(2), attempt=3)]
    events += [order.activity_completed(1), order.activity_failed(4)]
    events += [order.build(SearchAttributesUpdated, workflow_id=ONE, attributes=_ATTRIBUTES)]
    count = {"count": IntAttribute(data=-1)}
    events += [order.build(SearchAttributesUpdated, workflow_id=ONE, attributes=count)]
    events += [order.child(CHILD), order.child(UNKNOWN), order.timer_started(NamedTimer("b"), START)]
    await record(store, *events)
    await store.schedule_timer(ONE, NamedTimer("a"), START)
    await record(store, HistoryBuilder(CHILD).started("parcel"))
    found = await described(store, ONE)
    [summary] = [each for each in await store.query() if each.workflow_id == ONE]
    same(found.summary, summary, "the summary, as query returns it")
    same((found.head, found.status), (len(events), WorkflowStatus.RUNNING), "head and status")
    same(found.last_event_at, events[-1].envelope.recorded_at, "when the last event was recorded")
    same(found.run, RunSummary(run(1), None, WorkflowStatus.RUNNING, START, None), "the current run")
    same(dict(found.search_attributes), _ATTRIBUTES | count, "the search attributes")
    pending = (
        PendingActivity(ActivityId(2), "ship", 3, "Started", 3),
        PendingActivity(ActivityId(3), "charge", 4, "Scheduled", None),
        PendingActivity(ActivityId(4), "charge", 5, "Failed", 1),
    )
    same(found.activities, pending, "the pending activities")
    timers = (TimerEntry(ONE, NamedTimer("a"), START), TimerEntry(ONE, NamedTimer("b"), START))
    same(found.timers, timers, "the pending timers")
    children = (
        ChildWorkflow(CHILD, "parcel", 11, WorkflowStatus.RUNNING),
        ChildWorkflow(UNKNOWN, "parcel", 12, None),
    )
    same(found.children, children, "the children")
    same(await store.list_children(ONE), list(children), "the children alone")
    same((found.parent, found.quarantine), (None, None), "parent and quarantine")
    same((await described(store, CHILD)).parent, ONE, "the child's parent")


async def s81_a_new_run_starts_with_nothing_pending(store: EventStore) -> None:
    """Activities of a former run are forgotten, children and attributes stay; before a start there is no summary."""
    order = HistoryBuilder(ONE)
    attributes: dict[str, SearchAttributeValue] = {"text": StringAttribute(data="x")}
    before = [order.scheduled(1), order.build(SearchAttributesUpdated, workflow_id=ONE, attributes=attributes)]
    await record(store, *before)
    found = await described(store, ONE)
    same((found.summary, found.run, found.status), (None, None, WorkflowStatus.RUNNING), "a workflow before its start")
    same(len(found.activities), 1, "its pending activities")
    await record(store, order.started(run_id=run(1)), order.scheduled(2), order.child(CHILD), order.continued(run(1)))
    same(len((await described(store, ONE)).activities), 1, "the pending activities of an ended run")
    await record(store, order.started(run_id=run(2), parent=run(1)))
    found = await described(store, ONE)
    same((found.activities, len(found.children)), ((), 1), "activities and children of the new run")
    same(dict(found.search_attributes), attributes, "the search attributes of the new run")
    same(found.run and found.run.run_id, run(2), "the current run")


async def s82_paused_workflows_are_listed(store: EventStore) -> None:
    """Those whose status is Paused, in id order; resumed and ended ones aren't."""
    same(await store.list_paused(), [], "the paused workflows of an empty store")
    for number in (4, 3, 2, 1):
        history = HistoryBuilder(workflow(number))
        await record(store, history.started(), history.build(WorkflowPaused, run_id=run(1)))
        match number:
            case 2:
                await record(store, history.build(WorkflowResumed, run_id=run(1)))
            case 3:
                await record(store, history.completed())
            case _:
                pass
    same(await store.list_paused(), [workflow(1), workflow(4)], "the paused workflows")
    same(await store.list_paused(partitions=()), [], "the paused workflows of no partitions")


async def s83_what_is_due_next_comes_first(store: EventStore) -> None:
    """The earliest armed timers of all workflows, due or not, and a workflow's own, in their order."""
    same(await store.next_timers(5), [], "the next timers of an empty store")
    timers = [TimerEntry(workflow(1 + late % 2), NamedTimer(f"t{late}"), START + late * SECOND) for late in range(6)]
    for timer in timers[::-1]:
        await store.schedule_timer(timer.workflow_id, timer.timer_id, timer.fire_at)
    same(await store.next_timers(4), timers[:4], "the next four")
    for limit in (100, 2**63, 2**70):
        same(await store.next_timers(limit), timers, f"the next {limit}")
    same(await store.next_timers(1, partitions=()), [], "the next of no partitions")
    same(await store.pending_timers(ONE), timers[::2], "the timers of a workflow")
    same(await store.pending_timers(UNKNOWN), [], "the timers of an unknown workflow")


async def s84_a_cancelled_timer_is_not_due(store: EventStore) -> None:
    """However it was armed; scheduled or started again it is armed; one that was never armed is fine."""
    name, other = NamedTimer("t"), NamedTimer("u")
    order = HistoryBuilder(ONE)
    await record(store, order.timer_started(name, START))
    await store.schedule_timer(ONE, other, START)
    for timer in (name, other, NamedTimer("never")):
        await store.cancel_timer(ONE, timer)
    await store.cancel_timer(UNKNOWN, name)
    same(await store.expired_timers(START), [], "the due timers after cancelling")
    await store.schedule_timer(ONE, name, START + SECOND)
    token = await record(store, order.timer_started(other, START))
    wanted = [TimerEntry(ONE, other, START), TimerEntry(ONE, name, START + SECOND)]
    same(await store.pending_timers(ONE, consistency=token), wanted, "the timers armed again")
    await record(store, order.timer_fired(name))
    await store.cancel_timer(ONE, name)
    await store.schedule_timer(ONE, name, START)
    same(await store.pending_timers(ONE), wanted[:1], "one that fired before it was cancelled stays disarmed")
