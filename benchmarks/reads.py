"""What reads cost: through the store, and as the bare SQL of the same rows in the same run.

`python benchmarks/reads.py [--workflows N] [--history N] [--rounds N] [--json FILE]`, on embedded servers of its own.
The tables are filled in one go with rows as the projector leaves them (workflows of some types and states, one long
history, one of 1,000 events), analyzed, and then asked: pages of a list near its start and far behind, common counts, a
range of the long history, a cold history of 1,000 events and a list of 10,000 active ids. Reads are eventual, so that
only the store's own work is compared; what a strong read adds is printed once. The table shows medians in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from aion_service.backends import kafka_store, prepare
from aion_service.embedded.stack import embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import Consistency, WorkflowId
from aion_store.conformance.events import HistoryBuilder
from aion_store.log.codec import encode_event
from aion_store.log.partitioning import partition_of

EVENTUAL = Consistency.EVENTUAL
PARTITIONS = 4
SCHEMA = "aion_g1"
LONG, THOUSAND = WorkflowId(int=2**127), WorkflowId(int=2**127 + 1)
ACTIVE = 10_000
LIMIT = 100
FAR_PAGE = 1_000
WORKFLOWS = """
insert into aion_g1.workflows (partition, workflow_id, head, last_event_at, status, workflow_type, started_at,
    search_attributes)
select w % 4, lpad(to_hex(w), 32, '0')::uuid, 14, now(),
    case when w <= {active} then 'Running' when w % 10 = 0 then 'Failed' else 'Completed' end, 'type' || w % 20,
    '2026-01-01Z'::timestamptz + make_interval(secs => w),
    jsonb_build_object('customer', jsonb_build_object('type', 'String', 'data', 'customer ' || w % 1000))
from generate_series(1, {workflows}) as w
"""
COUNTS = """
insert into aion_g1.workflow_counts
select partition, workflow_type, status, count(*) from aion_g1.workflows where workflow_type is not null
group by partition, workflow_type, status
"""
EVENT = """
insert into aion_g1.events (partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index,
    append_count, record_offset, ordinal, chain, body) values (%s, %s, %s, %s, now(), now(), 'a', 1, 1, %s, %s, '', %s)
"""
Call = Callable[[], Awaitable[Any]]


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workflows", type=int, default=1_000_000)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def fill(dsn: str, workflows: int, history: int) -> None:
    """Rows as the projector leaves them."""
    with psycopg.connect(dsn) as connection:
        connection.execute(WORKFLOWS.format(active=ACTIVE, workflows=workflows).encode())
        for workflow_id, count in ((LONG, history), (THOUSAND, 1_000)):
            partition, build = partition_of(workflow_id, PARTITIONS), HistoryBuilder(workflow_id)
            with connection.cursor() as cursor:
                cursor.executemany(
                    EVENT.encode(),
                    (
                        (partition, workflow_id, event.seq, event.kind, event.seq, event.seq, encode_event(event))
                        for event in (build.signal("x" * 200) for _ in range(count))
                    ),
                )
            connection.execute(
                b"insert into aion_g1.workflows (partition, workflow_id, head, last_event_at, status)"
                b" values (%s, %s, %s, now(), 'Completed')",
                (partition, workflow_id, count),
            )
        connection.execute(COUNTS.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum analyze")


async def milliseconds(call: Call, rounds: int) -> float:
    """The median of that many calls, after two that aren't counted."""
    times: list[float] = []
    for number in range(rounds + 2):
        began = time.perf_counter()
        await call()
        if number >= 2:
            times.append((time.perf_counter() - began) * 1_000)
    return statistics.median(times)


async def far_cursor(store: KafkaEventStore, text: str) -> str | None:
    """The cursor before page 1,000."""
    cursor: str | None = None
    for _ in range(FAR_PAGE - 1):
        page = await store.list(text, limit=LIMIT, cursor=cursor, consistency=EVENTUAL)
        cursor = page.cursor or cursor
        if page.cursor is None:
            break
    return cursor


async def measure(store: KafkaEventStore, dsn: str, rounds: int) -> dict[str, tuple[float, float | None]]:
    """Each read's median, and that of its bare SQL."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=0) as bare:

        def sql(text: str, *values: Any) -> Call:
            async def run() -> None:
                await (await bare.execute(text.encode(), values)).fetchall()

            return run

        found: dict[str, tuple[float, float | None]] = {}

        async def compare(name: str, call: Call, statement: Call | None = None) -> None:
            measured = await milliseconds(call, rounds)
            found[name] = measured, None if statement is None else await milliseconds(statement, rounds)
            print(f"{name}: {measured:.2f}", file=sys.stderr)

        columns = (
            "workflow_id, workflow_type, status, started_at, ended_at, failed_step, failure_reason, quarantined,"
            " head, last_event_at, search_attributes::text"
        )
        newest = (
            f"select {columns} from {SCHEMA}.workflows where workflow_type is not null"
            " order by started_at desc, workflow_id desc limit 100"
        )
        for text in ("", "WorkflowType = 'type7'"):
            far = await far_cursor(store, text)
            what = text or "all"
            await compare(
                f"page 1 of {what}",
                lambda text=text: store.list(text, limit=LIMIT, consistency=EVENTUAL),
                sql(newest) if not text else None,
            )
            await compare(
                f"page {FAR_PAGE} of {what}, or the last",
                lambda text=text, far=far: store.list(text, limit=LIMIT, cursor=far, consistency=EVENTUAL),
            )
        await compare("count of all", lambda: store.count(consistency=EVENTUAL))
        await compare("count by status", lambda: store.count_by("Status", consistency=EVENTUAL))
        await compare(
            "count of running of a type",
            lambda: store.count("Status = 'Running' AND WorkflowType = 'type7'", consistency=EVENTUAL),
            sql(f"select count(*) from {SCHEMA}.workflows where status = 'Running' and workflow_type = 'type7'"),
        )
        body = f"select seq, kind, body, record_offset from {SCHEMA}.events where partition = %s and workflow_id = %s"
        place = partition_of(LONG, PARTITIONS), LONG
        await compare(
            "100 events in the middle of the long history",
            lambda: store.read_history_page(LONG, 50_000, 100, consistency=EVENTUAL),
            sql(f"{body} and seq > 50000 order by seq limit 100", *place),
        )
        await compare(
            "the last 100 of the long history",
            lambda: store.read_history_page(LONG, limit=100, reverse=True, consistency=EVENTUAL),
            sql(f"{body} order by seq desc limit 100", *place),
        )
        place = partition_of(THOUSAND, PARTITIONS), THOUSAND
        await compare(
            "a history of 1,000 events, decoded",
            lambda: store.read_history(THOUSAND, consistency=EVENTUAL),
            sql(f"{body} order by seq", *place),
        )
        await compare("the same, strong", lambda: store.read_history(THOUSAND))
        await compare(
            "10,000 active ids",
            lambda: store.list_active(consistency=EVENTUAL),
            sql(f"select workflow_id from {SCHEMA}.workflows where status in ('Running', 'Paused') order by 1"),
        )
        await compare("describe", lambda: store.describe(THOUSAND, consistency=EVENTUAL))
        return found


@asynccontextmanager
async def filled_servers(workflows: int, history: int) -> AsyncGenerator[Settings]:
    """The settings of a store on servers of its own, whose tables hold so many workflows and the long history."""
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            settings = Settings(
                bootstrap_servers=stack.bootstrap_servers,
                postgres_dsn=SecretStr(stack.postgres_dsn),
                partitions=PARTITIONS,
            )
            await prepare(settings)
            await asyncio.to_thread(fill, settings.write_dsn, workflows, history)
            yield settings


async def main() -> None:
    """Fill, measure, print."""
    wanted = arguments()
    async with filled_servers(wanted.workflows, wanted.history) as settings, kafka_store(settings) as store:
        found = await measure(store, settings.write_dsn, wanted.rounds)
    print("| read | ms | of its bare SQL |\n|---|---|---|")
    for name, (measured, bare) in found.items():
        print(f"| {name} | {measured:.2f} | {'' if bare is None else f'{measured / bare:.2f} × {bare:.2f}'} |")
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
