"""Scenarios of what a summary says of a workflow's end."""

from __future__ import annotations

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.model.events import ActivityCancelled, Event, WorkflowCancelled, WorkflowReopened
from aion_store.model.ids import ActivityId
from aion_store.model.workflow import WorkflowStatus, WorkflowSummary


async def _summary_of(store: EventStore, *events: Event) -> WorkflowSummary:
    await record(store, *events)
    workflow_id = events[0].envelope.workflow_id
    return next(each for each in await store.query() if each.workflow_id == workflow_id)


async def s32_failed_step_and_failure_reason(store: EventStore) -> None:
    """The terminal failure's message, and the type of the activity that failed last and didn't recover."""
    one = HistoryBuilder(workflow(1))
    steps = [one.started(), one.scheduled(1, "reserve"), one.scheduled(2, "charge")]
    failures = [one.activity_failed(1), one.activity_failed(2)]
    end = one.failed("card declined")
    summary = await _summary_of(store, *steps, *failures, end)
    wanted = WorkflowSummary(
        workflow_id=workflow(1),
        workflow_type="order",
        status=WorkflowStatus.FAILED,
        started_at=steps[0].envelope.recorded_at,
        ended_at=end.envelope.recorded_at,
        failed_step="charge",
        failure_reason="card declined",
    )
    same(summary, wanted, "the summary of a failed workflow")

    two = HistoryBuilder(workflow(2))
    summary = await _summary_of(store, two.started(), two.scheduled(1), two.activity_failed(1), two.completed())
    same((summary.failed_step, summary.failure_reason), (None, None), "the failure of a completed workflow")


async def s59_a_step_that_recovered_did_not_fail(store: EventStore) -> None:
    """No failed step: it completed or was cancelled later, its type was never recorded, or no activity failed."""
    one, two, three, four = (HistoryBuilder(workflow(number)) for number in (1, 2, 3, 4))
    completed = [one.started(), one.scheduled(1), one.activity_failed(1), one.activity_completed(1)]
    cancelled = [two.started(), two.scheduled(1), two.activity_failed(1)]
    recovered = two.build(ActivityCancelled, activity_id=ActivityId(1))
    unknown = [three.started(), three.scheduled(1), three.activity_failed(5)]
    summaries = {
        "it completed": await _summary_of(store, *completed, one.failed("reason")),
        "it was cancelled": await _summary_of(store, *cancelled, recovered, two.failed("reason")),
        "its type is unknown": await _summary_of(store, *unknown, three.failed("reason")),
        "no activity failed": await _summary_of(store, four.started(), four.scheduled(1), four.failed("reason")),
    }
    for what, summary in summaries.items():
        same((summary.failed_step, summary.failure_reason), (None, "reason"), f"the failure when {what}")


async def s60_only_the_current_lease_counts(store: EventStore) -> None:
    """An end from before the last start or reopening is forgotten; of several ends in one lease the last counts."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), order.scheduled(1, "charge"), order.activity_failed(1), order.failed("first"))
    reopened = order.build(WorkflowReopened, run_id=run(1), reopened=())
    again = order.failed("second")
    summary = await _summary_of(store, reopened, again)
    found = (summary.ended_at, summary.failed_step, summary.failure_reason)
    same(found, (again.envelope.recorded_at, None, "second"), "a failure after a reopening")
    summary = await _summary_of(
        store,
        order.build(WorkflowReopened, run_id=run(1), reopened=()),
        order.activity_failed(1),
        order.failed("third"),
    )
    found = (summary.failed_step, summary.failure_reason)
    same(found, ("charge", "third"), "a step scheduled before the reopening that failed after it")
    cancelled = order.build(WorkflowCancelled, reason="enough")
    summary = await _summary_of(store, cancelled)
    found = (summary.status, summary.ended_at, summary.failed_step, summary.failure_reason)
    wanted = (WorkflowStatus.CANCELLED, cancelled.envelope.recorded_at, None, None)
    same(found, wanted, "a workflow cancelled after it failed")
    started = order.started("order-v2", run_id=run(2))
    summary = await _summary_of(store, started)
    found = (summary.workflow_type, summary.started_at, summary.status, summary.ended_at)
    wanted = ("order-v2", started.envelope.recorded_at, WorkflowStatus.RUNNING, None)
    same(found, wanted, "a workflow started again")


async def s61_failure_reasons_are_any_text(store: EventStore) -> None:
    """NUL, quotes, line ends, astral characters, or nothing at all: the reason is returned as it was recorded."""
    for number, reason in enumerate(("", "a\x00b", "\x00", 'it\'s "so" \\u0000 \\', "line\r\nline", "😀\u2028ﬁ"), 1):
        history = HistoryBuilder(workflow(number))
        summary = await _summary_of(store, history.started(), history.failed(reason))
        same(summary.failure_reason, reason, "the failure reason")
