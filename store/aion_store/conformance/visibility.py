"""Scenarios of finding workflows: filters as values and as text, pages by cursor, counts, registered attributes."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import LimitExceededError, SchemaMismatchError
from aion_store.limits import MAX_NAME_BYTES
from aion_store.model.events import Event, SearchAttributesUpdated, WorkflowPaused
from aion_store.model.ids import WorkflowId
from aion_store.model.search_attributes import (
    BoolAttribute,
    DatetimeAttribute,
    FloatAttribute,
    IntAttribute,
    KeywordListAttribute,
    SearchAttributeValue,
    StringAttribute,
)
from aion_store.visibility.errors import CursorError, FilterError
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Field, Filter, Order

_COUNT: Final = 8
_TYPES: Final = {
    "channel": AttributeType.STRING,
    "priority": AttributeType.INT,
    "score": AttributeType.FLOAT,
    "urgent": AttributeType.BOOL,
    "due": AttributeType.DATETIME,
    "tags": AttributeType.KEYWORD_LIST,
}
_FILTERS: Final[tuple[tuple[str, set[int]], ...]] = (
    ("", set(range(_COUNT))),
    ("WorkflowType = 'order'", {0, 2, 4, 6}),
    ("WorkflowType != 'order'", {1, 3, 5, 7}),
    ("WorkflowType LIKE 'par%'", {1, 3, 5, 7}),
    ("WorkflowType > 'order' AND WorkflowType <= 'parcel'", {1, 3, 5, 7}),
    ("Status IN ('Completed', 'Paused')", {1, 2, 5, 6}),
    ("Status NOT IN ('Completed', 'Paused') AND NOT Status = 'Failed'", {0, 4}),
    (f"WorkflowId = '{workflow(3)}' OR WorkflowId IN ('{workflow(5)}', '{workflow(99)}')", {3, 5}),
    ("StartedAt >= '2026-01-01T00:00:05Z'", {5, 6, 7}),
    ("StartedAt BETWEEN '2026-01-01' AND '2026-01-01T00:00:01Z'", {0, 1}),
    ("StartedAt NOT BETWEEN TIMESTAMP '2026-01-01T00:00:01Z' AND '2026-01-01T00:00:06Z'", {0, 7}),
    ("EndedAt IS NULL AND StartedAt > '2020-01-01'", {0, 2, 4, 6}),
    ("FailedStep IS NOT NULL AND Status = 'Failed'", {3, 7}),
    ("LastEventAt > '2026-01-01T00:00:06Z' AND StartedAt < '2026-01-01T00:00:06Z'", {3, 5}),
    ("Quarantined IS NULL AND WorkflowType = 'order'", {0, 2, 4, 6}),
    ("channel = 'Internet'", {1, 4, 7}),
    ("NOT channel = 'Internet'", {0, 2, 3, 5}),
    ("channel LIKE 'é\\_\\%%'", {0, 3}),
    ("channel LIKE 'é\\\\%'", set()),
    ("channel < 'a'", {1, 4, 7}),
    ("channel IN ('Internet', 'post')", {1, 2, 4, 5, 7}),
    ("channel IS NULL AND Status IN ('Running', 'Completed', 'Failed', 'Paused')", {6}),
    ("priority >= 2 AND priority < 5", {2, 3, 4}),
    ("priority = -9223372036854775808", {7}),
    ("priority BETWEEN 1 AND 2", {1, 2}),
    ("score > 0.1", {2, 3, 4, 5, 6, 7}),
    ("score = 0.1", {1}),
    ("score < 1 AND score > -1", {0, 1, 2, 3, 4, 5, 6, 7}),
    ("urgent = TRUE", {0, 3, 6}),
    ("urgent != TRUE", {1, 2, 4, 5, 7}),
    ("due < '2026-01-04'", {0, 1, 2}),
    ("due = TIMESTAMP '2026-01-03T01:00:00.000001+01:00'", {2}),
    ("tags = 'even'", {0, 2, 4, 6}),
    ("tags IN ('three', 'none')", {3}),
    ("NOT tags = 'even'", {1, 3, 5}),
    ("tags IS NULL AND Status = 'Failed'", {7}),
    ("note = 'n1' AND StartedAt >= '2026-01-01'", {1}),
    ("NOT note = 'n1' AND StartedAt >= '2026-01-01'", {0, 2, 3, 4, 5, 6}),
    ("note LIKE 'n%' AND WorkflowType = 'parcel'", {1, 3, 5}),
    ("note IS NULL AND WorkflowType = 'parcel'", {7}),
    ('"odd one" >= 3 AND priority < 6', {3, 5, 7}),
    ("\"odd one\" > 3.5 AND StartedAt > '2026-01-01'", {7}),
    ("channel = 'Internet' AND (priority = 1 OR urgent = FALSE) AND NOT (score > 0.5)", {1, 4}),
    ("note > 1 AND Status = 'Running'", set()),
)
"""Filters and the numbers of the workflows that match."""


def _attributes(number: int) -> dict[str, SearchAttributeValue]:
    attributes: dict[str, SearchAttributeValue] = {
        "priority": IntAttribute(data=number if number < 7 else -(2**63)),
        "score": FloatAttribute(data=number / 10),
        "urgent": BoolAttribute(data=number % 3 == 0),
        "due": DatetimeAttribute(data=START + timedelta(days=number, microseconds=number // 2)),
    }
    if number != 6:
        channel = ("é_%1", "Internet", "post")[number % 3]
        attributes["channel"] = StringAttribute(data=channel)
    if number < 7:
        tags = ("even", "x") if number % 2 == 0 else ("odd", "three" if number == 3 else "q")
        attributes["tags"] = KeywordListAttribute(data=tags)
        attributes["note"] = StringAttribute(data=f"n{number}")
    if number % 2:
        attributes["odd one"] = IntAttribute(data=number) if number < 7 else FloatAttribute(data=7.5)
    return attributes


async def _fill(store: EventStore) -> None:
    """Workflow N started N seconds late: N % 4 is running, completed, paused, failed; orders are even."""
    for number in range(_COUNT):
        history = HistoryBuilder(workflow(number), at=START + number * SECOND)
        events: list[Event] = [history.started("parcel" if number % 2 else "order"), history.scheduled(1)]
        events.append(
            history.build(SearchAttributesUpdated, workflow_id=history.workflow_id, attributes=_attributes(number))
        )
        match number % 4:
            case 1:
                events.append(history.completed())
            case 2:
                events.append(history.build(WorkflowPaused, run_id=run(1)))
            case 3:
                events += [history.activity_failed(1), history.failed()]
            case _:
                pass
        await record(store, *events)
    await record(store, HistoryBuilder(workflow(50)).signal())


async def _found(store: EventStore, wanted: Filter | str | None) -> list[WorkflowId]:
    page = await store.list(wanted, order=Order("WorkflowId", descending=False))
    return [each.summary.workflow_id for each in page.workflows]


async def s88_filters_find_what_they_say(store: EventStore) -> None:
    """Every field, type and operator; what has no value is found neither way; counts agree."""
    for name, of in _TYPES.items():
        await store.register_search_attribute(name, of)
    await _fill(store)
    for text, numbers in _FILTERS:
        same(await _found(store, text), [workflow(number) for number in sorted(numbers)], f"what {text!r} finds")
        same(await store.count(text), len(numbers), f"how many {text!r} counts")
    built = (Field("WorkflowType").equals("parcel") & ~Field("channel").one_of("post")) | Field("tags").equals("x")
    wanted = [workflow(number) for number in (0, 1, 2, 3, 4, 6, 7)]
    same(await _found(store, built), wanted, "what a built filter finds")
    many = Field("WorkflowType").equals("order")
    for number in range(150):
        many &= Field("priority").differs(100 + number)
    any_of = Field("WorkflowId").equals(workflow(99).hex)
    for number in range(150):
        any_of |= Field("WorkflowId").equals(workflow(number % 2))
    same(await _found(store, many), [workflow(number) for number in (0, 2, 4, 6)], "what 151 conditions find")
    same(await _found(store, any_of), [workflow(0), workflow(1)], "what any of 151 conditions finds")
    bounded = Field("StartedAt").between(START, START + SECOND) & Field("priority").above(0)
    same(await _found(store, bounded), [workflow(1)], "what a built range finds")


async def s89_a_list_shows_summary_and_attributes(store: EventStore) -> None:
    """The summary that query returns, head, time of the last event, all attributes; none for a store without any."""
    same((await store.list()).workflows, (), "the list of an empty store")
    await _fill(store)
    page = await store.list("ORDER BY StartedAt")
    same([each.summary for each in page.workflows], await store.query(), "the summaries of a list")
    same([dict(each.search_attributes) for each in page.workflows], [*map(_attributes, range(_COUNT))], "attributes")
    same([each.head for each in page.workflows], [3, 4, 4, 5] * 2, "the heads")
    newest = [workflow(number) for number in reversed(range(_COUNT))]
    same([each.summary.workflow_id for each in (await store.list()).workflows], newest, "the order of a list")


async def s90_pages_by_cursor_are_the_list(store: EventStore) -> None:
    """Of any size and order, with starts at one time; what appears meanwhile neither repeats nor hides another."""
    at = {number: START + (number // 3) * SECOND for number in range(10)}
    for number in (3, 1, 9, 4, 0, 8, 5, 2, 7, 6):
        await record(store, HistoryBuilder(workflow(number), at=at[number]).started())
    for order in (Order(), Order(descending=False), Order("WorkflowId"), Order("WorkflowId", descending=False)):
        numbers = sorted(range(10), reverse=order.descending)
        for limit in (1, 3, 10, 99):
            found: list[WorkflowId] = []
            cursor: str | None = None
            while True:
                page = await store.list("Status = 'Running'", order=order, limit=limit, cursor=cursor)
                found += [each.summary.workflow_id for each in page.workflows]
                cursor = page.cursor
                if cursor is None:
                    break
                same(len(page.workflows), limit, f"the size of a page of {limit} that isn't the last")
            same(found, [workflow(number) for number in numbers], f"the pages of {limit} in order {order}")
    page = await store.list(limit=4)
    await record(store, HistoryBuilder(workflow(20), at=START + timedelta(days=1)).started())
    await record(store, HistoryBuilder(workflow(21), at=START - timedelta(days=1)).started())
    rest = await store.list(cursor=page.cursor)
    ids = [each.summary.workflow_id for each in rest.workflows]
    same(ids, [*(workflow(number) for number in range(5, -1, -1)), workflow(21)], "what follows, with a new one behind")


async def s91_cursors_are_checked(store: EventStore) -> None:
    """One that was cut or changed, or that another filter or order made, is refused."""
    for number in range(3):
        await record(store, HistoryBuilder(workflow(number)).started())
    cursor = (await store.list("Status = 'Running'", limit=1)).cursor
    if cursor is None:
        raise AssertionError("the cursor of a page that isn't the last: expected a text, found None")
    same(len((await store.list(Field("Status").equals("Running"), cursor=cursor)).workflows), 2, "the rest of the list")
    changed = ("A" if cursor[8] != "A" else "B").join((cursor[:8], cursor[9:]))
    for text in (changed, cursor[:-4], cursor + "AAAA", "", "é", "x" * 44):
        await refused(CursorError, store.list("Status = 'Running'", cursor=text), f"the cursor {text!r}")
    await refused(CursorError, store.list("Status = 'Paused'", cursor=cursor), "a cursor of another filter")
    await refused(CursorError, store.list(cursor=cursor), "a cursor of another list")
    other = store.list("Status = 'Running'", order=Order("WorkflowId"), cursor=cursor)
    await refused(CursorError, other, "a cursor of another order")
    by_end, neither = Order("EndedAt"), Order(descending="no")  # pyright: ignore[reportArgumentType]
    for unknown in (by_end, neither):
        await refused(FilterError, store.list(order=unknown), f"a list in order {unknown}")
    deep = Field("Status").equals("Running")
    for _ in range(2_000):
        deep = ~deep
    await refused(FilterError, store.list(deep, cursor=cursor), "a filter that nests 2,000 deep")
    await refused(ValueError, store.list(limit=0), "a page of none")
    await refused(LimitExceededError, store.list(limit=1_001), "a page of more than 1,000")


async def s92_filters_that_would_scan_are_refused(store: EventStore) -> None:
    """An attribute that isn't registered, and fields without an index, filter only beside one that has an index."""
    for text, position in (
        ("channel = 'Internet'", 0),
        ("Status = 'Running' OR channel = 'Internet'", 22),
        ("EndedAt > '2026-01-01'", 0),
        ("NOT Status = 'Running' AND FailedStep = 'x'", 27),
        ("Status = 'running'", 0),
        ("Status > 'Running'", 0),
        ("StartedAt > 'soon'", 0),
        ("WorkflowType = 5", 0),
        ("WorkflowType LIKE 'a_b%'", 18),
        ("WorkflowType = 'x' LIMIT 5", 19),
        ("WorkflowType = lower('x')", 15),
        ("WorkflowType = 'x'; select 1", 18),
        ("WorkflowType = 'x", 17),
        ("Status = NULL", 9),
        ("Status IN ('Running', NULL)", 22),
        ("Status = :x", 9),
        ("Status = 'Running' FOR UPDATE", 19),
        ("Status = 'Running' UNION SELECT 1", 19),
        (f"WorkflowType = {'ARRAY[' * 1_600}", 15),
        (f"{'(' * 1_600}Status = 'Running'", 25),
    ):
        for what, call in (("list", store.list), ("count", store.count)):
            error = await refused(FilterError, call(text), f"{what} of {text[:60]!r}")
            same(error.position, position, f"the position in {text[:60]!r}")
    await store.register_search_attribute("channel", AttributeType.STRING)
    same((await store.list("channel = 'Internet'")).workflows, (), "the list once the attribute is registered")
    await refused(FilterError, store.list("channel = 5"), "a registered attribute compared with another type")
    await refused(FilterError, store.count("Status = 'Failed' ORDER BY StartedAt"), "a count with an order")


async def s93_counts_follow_every_change(store: EventStore) -> None:
    """By status and by type, with a filter and without, through starts, ends, reopenings and continuations."""
    same(await store.count(), 0, "the count of an empty store")
    same(await store.count_by("Status"), {}, "the counts of an empty store")
    await _fill(store)
    same(await store.count(), _COUNT, "how many there are")
    statuses = {"Completed": 2, "Failed": 2, "Paused": 2, "Running": 2}
    same(await store.count_by("Status"), statuses, "how many by status")
    same(await store.count_by("WorkflowType"), {"order": 4, "parcel": 4}, "how many by type")
    same(await store.count_by("Status", "WorkflowType = 'order'"), {"Paused": 2, "Running": 2}, "orders by status")
    late = await store.count_by("WorkflowType", "StartedAt > '2026-01-01T00:00:05Z'")
    same(late, {"order": 1, "parcel": 1}, "late ones by type")
    history = HistoryBuilder(workflow(0), head=3)
    await record(store, history.continued(run(1)), history.started("letter", run_id=run(2), parent=run(1)))
    same(await store.count_by("WorkflowType"), {"letter": 1, "order": 3, "parcel": 4}, "by type after a continuation")
    await record(store, history.completed())
    wanted = statuses | {"Completed": 3, "Running": 1}
    same(await store.count_by("Status"), wanted, "by status after an end")
    same(await store.count("Status = 'Completed' AND NOT WorkflowType = 'parcel'"), 1, "a count of both")
    await refused(ValueError, store.count_by("channel"), "a count by anything else")  # pyright: ignore[reportArgumentType]


async def s94_attributes_are_registered_once_with_one_type(store: EventStore) -> None:
    """Again is fine, with another type it is refused, and so are built-in fields; long texts aren't found."""
    same(await store.list_search_attributes(), {}, "the attributes of an empty store")
    name = "%s {x} \"'\\ 😀"
    quoted = '"' + name.replace('"', '""') + '"'
    for number, text in enumerate(("a", "b" * MAX_NAME_BYTES, "c" * (MAX_NAME_BYTES + 1))):
        history = HistoryBuilder(workflow(number))
        attributes = {name: StringAttribute(data=text), "tags": KeywordListAttribute(data=(text, "t"))}
        update = (
            history.started(),
            history.build(SearchAttributesUpdated, workflow_id=history.workflow_id, attributes=attributes),
        )
        await record(store, *update)
    for _ in range(2):
        await store.register_search_attribute(name, AttributeType.STRING)
        await store.register_search_attribute("tags", AttributeType.KEYWORD_LIST)
    registered = {name: AttributeType.STRING, "tags": AttributeType.KEYWORD_LIST}
    same(await store.list_search_attributes(), registered, "the registered attributes")
    await refused(SchemaMismatchError, store.register_search_attribute(name, AttributeType.INT), "another type")
    await refused(ValueError, store.register_search_attribute("Status", AttributeType.STRING), "a built-in field")
    await refused(ValueError, store.register_search_attribute("", AttributeType.STRING), "no name")
    same(await _found(store, f"{quoted} >= 'a'"), [workflow(0), workflow(1)], "texts that are short enough")
    same(await _found(store, "tags = 't'"), [workflow(number) for number in range(3)], "lists with a long keyword")
    history = HistoryBuilder(workflow(9))
    other = {name: IntAttribute(data=1)}
    await record(
        store,
        history.started(),
        history.build(SearchAttributesUpdated, workflow_id=history.workflow_id, attributes=other),
    )
    found = await _found(store, f"{quoted} IS NULL AND WorkflowType = 'order'")
    same(found, [workflow(2), workflow(9)], "those that have no value of the registered type")
