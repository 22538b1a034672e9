"""Scenarios of time travel: what the log held after a sequence, or at a time by its own clock; and of tokens."""

from __future__ import annotations

from datetime import datetime, timedelta

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.descriptions import described
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import SchemaMismatchError, StaleProjectionError
from aion_store.model.consistency import Consistency, ConsistencyToken
from aion_store.model.events import Event, SearchAttributesUpdated, WorkflowPaused
from aion_store.model.ids import NamedTimer
from aion_store.model.search_attributes import IntAttribute
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import WorkflowStatus

ONE, CHILD, UNKNOWN = workflow(1), workflow(2), workflow(9)
_TICKS = 2_000


async def _later(store: EventStore, than: datetime) -> datetime:
    """Append to a workflow of its own until the log's clock has moved on; when it took the last of it."""
    ticks = HistoryBuilder(workflow(1_000), head=await store.head(workflow(1_000)))
    for _ in range(_TICKS):
        await record(store, ticks.signal())
        at = (await described(store, ticks.workflow_id)).logged_at
        if at > than:
            return at
    raise AssertionError(f"the log's clock stood still at {than} for {_TICKS} appends")


async def s85_a_history_is_read_as_it_was(store: EventStore) -> None:
    """As of a sequence up to it; as of a time the appends that the log had taken, whole, whatever recorded_at says."""
    order = HistoryBuilder(ONE, at=START + timedelta(days=9_999))
    appends: list[list[Event]] = [[order.started(), *order.signals(2)], [order.signal(at=START)], [*order.signals(3)]]
    times: list[datetime] = []
    for events in appends:
        await record(store, *events)
        times.append((await described(store, ONE)).logged_at)
        await _later(store, times[-1])
    history = [event for events in appends for event in events]
    for seq in range(-1, 9):
        same(await store.read_history(ONE, as_of=seq), history[: max(0, seq)], f"the history as of {seq}")
    for count, at in enumerate(times, 1):
        wanted = [event for events in appends[:count] for event in events]
        same(await store.read_history(ONE, as_of=at), wanted, f"the history as of append {count}")
    same(await store.read_history(ONE, as_of=times[0] - timedelta(days=1)), [], "the history before it began")
    same(await store.read_history(ONE, as_of=times[-1] + timedelta(days=1)), history, "the history as of later")
    same(await store.read_history(UNKNOWN, as_of=1), [], "the past of an unknown workflow")
    await refused(ValueError, store.read_history(ONE, as_of=START.replace(tzinfo=None)), "a time without a zone")


async def s86_a_workflow_is_described_as_it_was(store: EventStore) -> None:
    """At its head or now as describe says; before, by the same definitions, with its relatives as they were then."""
    order, child = HistoryBuilder(ONE), HistoryBuilder(CHILD)
    attributes = {"count": IntAttribute(data=1)}
    first = [order.started(), order.scheduled(1), order.timer_started(NamedTimer("a"), START), order.child(CHILD)]
    await record(store, *first, order.build(SearchAttributesUpdated, workflow_id=ONE, attributes=attributes))
    await store.schedule_timer(ONE, NamedTimer("b"), START + SECOND)
    await record(store, child.started("parcel"))
    early = await described(store, ONE)
    then = await _later(store, (await described(store, CHILD)).logged_at)
    await _later(store, then)
    await store.cancel_timer(ONE, NamedTimer("a"))
    await record(store, child.completed(), child.signal())
    await record(store, order.activity_completed(1), order.continued(run(1)), order.started(run_id=run(2)))
    await record(store, order.build(WorkflowPaused, run_id=run(2)))
    now = await described(store, ONE)
    same(await store.describe(ONE, as_of=then), early, "the description as of a time")
    same((now.status, now.timers), (WorkflowStatus.PAUSED, early.timers[1:]), "what changed since")
    same(await store.describe(ONE, as_of=now.logged_at + timedelta(days=1)), now, "the description as of later")
    same(await store.describe(ONE, as_of=order.head), now, "the description as of the head")
    past = await store.describe(ONE, as_of=3)
    if past is None:
        raise AssertionError("describe as of 3: expected a description, found none")
    same((past.head, past.children, len(past.search_attributes)), (3, (), 0), "head, children, attributes as of 3")
    same(past.timers, (TimerEntry(ONE, NamedTimer("a"), START),), "the timers as of 3")
    same(await store.describe(ONE, as_of=0), None, "the description as of 0")
    same(await store.describe(CHILD, as_of=early.logged_at - timedelta(days=1)), None, "a child before it began")


async def s87_a_token_is_waited_for(store: EventStore) -> None:
    """Afterwards every read sees what it names, eventual ones too; what was changed or is foreign is refused."""
    token = await record(store, HistoryBuilder(workflow(0)).started())
    for number in range(1, 6):
        token = await record(store, HistoryBuilder(workflow(number)).started())
        await store.wait_for(ConsistencyToken.parse(str(token)))
        found = await store.head(workflow(number), consistency=Consistency.EVENTUAL)
        same(found, 1, "the head, eventual, after its token was waited for")
    ahead = ConsistencyToken(token.topic_id, token.partition, token.ordinal + 1_000_000)
    await refused(StaleProjectionError, store.wait_for(ahead, timeout_s=0.2), "a token ahead of the log")
    foreign = ConsistencyToken("A" * 22, token.partition, token.ordinal)
    await refused(SchemaMismatchError, store.wait_for(foreign), "a token of another topic")
    await refused(TypeError, store.wait_for(str(token)), "a token's text")  # pyright: ignore[reportArgumentType]
    text = str(token)
    changed = text[:-1] + ("0" if text[-1] != "0" else "1")
    try:
        ConsistencyToken.parse(changed)
    except ValueError:
        return
    raise AssertionError("a token's text that was changed: expected ValueError, but it was parsed")
