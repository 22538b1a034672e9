"""Records that the broker refuses, among a thousand that it takes: they fail, and nothing else does."""

from __future__ import annotations

import asyncio
import io
import random
import secrets
from collections import Counter
from typing import NamedTuple

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_store.append_rules import PreparedAppend
from aion_store.errors import InvalidAppendError, SequenceConflictError
from aion_store.model.ids import WorkflowId
from tests.faults.log_check import check_log
from tests.faults.recorded_calls import ACKNOWLEDGED, CONFLICT, NOT_WRITTEN, Call, check_calls
from tests.faults.rounds import LONG_S, rounds
from tests.faults.writer_child import Record
from tests.producing import Log, make_log, prepare
from tests.servers import Servers

GOOD, WORKFLOWS = 1_000, 100
LARGEST_BYTES, TOO_LARGE_BYTES = 300_000, 400_000
RECORDS_AT_ONCE = (50, 200, 2_000)
"""The last makes transactions whose records are too large together, and not one by one. It takes long."""
ANSWER_S = 120.0


class Offered(NamedTuple):
    """An append, and what must become of it."""

    append: PreparedAppend
    outcome: str


def make_appends(chance: random.Random) -> list[Offered]:
    """Good ones and a few that are refused; of these some have a follower that builds on what isn't written."""
    heads = dict.fromkeys((WorkflowId.random() for _ in range(WORKFLOWS)), 0)
    refused = set(chance.sample(range(GOOD), chance.randint(1, 5)))
    offered: list[Offered] = []
    for number in range(GOOD):
        workflow_id, count = chance.choice(list(heads)), chance.randint(1, 3)
        head = heads[workflow_id]
        if number in refused:
            too_large = prepare(workflow_id, head, count, f"refused-{number}", TOO_LARGE_BYTES)
            offered.append(Offered(too_large, NOT_WRITTEN))
            if chance.random() < 0.5:
                offered.append(Offered(prepare(workflow_id, head + count, 1, f"misled-{number}"), CONFLICT))
        offered.append(Offered(prepare(workflow_id, head, count, f"good-{number}"), ACKNOWLEDGED))
        heads[workflow_id] += count
    return offered


async def call(writer: LogWriter, record: Record, append: PreparedAppend) -> Call:
    """Append, and record the answer."""
    begun, found, ordinal = record.begin(append, ANSWER_S), 0, 0
    try:
        token = await writer.append(append, ANSWER_S)
        outcome, ordinal = ACKNOWLEDGED, token.ordinal
    except SequenceConflictError as error:
        outcome, found = CONFLICT, error.found
    except InvalidAppendError:
        outcome = NOT_WRITTEN
    return record.end(begun, outcome, found, ordinal)


async def offer(log: Log, offered: list[Offered], records_at_once: int) -> list[Call]:
    """All at once, in their order, to a log that was just told to take less."""
    record = Record(io.StringIO())
    async with log.writer(WriterSettings(max_transaction_records=records_at_once)) as writer:
        first = await call(writer, record, prepare(WorkflowId.random(), 0))
        await asyncio.to_thread(log.lower_max_message_bytes, LARGEST_BYTES)
        calls = await asyncio.gather(*[call(writer, record, each.append) for each in offered])
    return [first, *calls]


def test_of_a_thousand_appends_only_those_fail_that_the_broker_refuses(
    servers: Servers, topic_prefix: str, chance: random.Random
) -> None:
    for _ in rounds():
        log = make_log(servers.bootstrap_servers, f"{topic_prefix}-{secrets.token_hex(4)}")
        offered = make_appends(chance)
        records_at_once = chance.choice(RECORDS_AT_ONCE if LONG_S else RECORDS_AT_ONCE[:2])
        calls = asyncio.run(offer(log, offered, records_at_once))
        topic = log.topics.events
        found = check_log(servers.bootstrap_servers, topic.name, topic.topic_id, 0)
        check_calls(calls, found.appends)
        assert found.dropped == 0
        assert [call.outcome for call in calls[1:]] == [each.outcome for each in offered]
        assert len(found.appends) == 1 + GOOD
        print(f"{records_at_once} records at once: {dict(Counter(call.outcome for call in calls))}")
