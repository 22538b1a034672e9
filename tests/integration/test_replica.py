"""Reads from a streaming replica: fresh as asked for, whatever it lags, and never half of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.embedded.stack import embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import Consistency, NamedTimer, StaleProjectionError
from aion_store.conformance.checks import record
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.model.consistency import ReadConsistency
from aion_store.postgres.announcing import announced
from tests.projected_log import projecting
from tests.replica import held_back, replica_of

ONE = workflow(1)
SOON_S = 0.4
STALE_S = 3.0
"""Time enough to ask for the end of the log, without which nothing is known to be stale."""
Read = Callable[[KafkaEventStore, ReadConsistency, float], Awaitable[Any]]


async def streamed(store: KafkaEventStore, level: ReadConsistency, within_s: float) -> int:
    pages = store.stream_history(ONE, page_size=2, consistency=level, timeout_s=within_s)
    return sum([len(page) async for page in pages])


async def described(store: KafkaEventStore, level: ReadConsistency, within_s: float, **options: Any) -> int:
    found = await store.describe(ONE, consistency=level, timeout_s=within_s, **options)
    return 0 if found is None else found.head


async def listed(store: KafkaEventStore, level: ReadConsistency, within_s: float) -> int:
    page = await store.list(f"WorkflowId = '{ONE}'", consistency=level, timeout_s=within_s)
    return sum(each.head for each in page.workflows)


HEADS: dict[str, Read] = {
    "read_history": lambda s, c, t: _length(s.read_history(ONE, consistency=c, timeout_s=t)),
    "read_history as of a sequence": lambda s, c, t: _length(s.read_history(ONE, as_of=99, consistency=c, timeout_s=t)),
    "read_history_page": lambda s, c, t: _length(s.read_history_page(ONE, consistency=c, timeout_s=t)),
    "read_run": lambda s, c, t: _length(s.read_run(ONE, consistency=c, timeout_s=t)),
    "read_histories": lambda s, c, t: _length_of_one(s.read_histories([ONE], consistency=c, timeout_s=t)),
    "stream_history": streamed,
    "head": lambda s, c, t: s.head(ONE, consistency=c, timeout_s=t),
    "describe": described,
    "describe as of a sequence": lambda s, c, t: described(s, c, t, as_of=99),
    "list": listed,
}
"""Reads that show the workflow's head."""
COUNTS: dict[str, Read] = {
    "count": lambda s, c, t: s.count(consistency=c, timeout_s=t),
    "count_by": lambda s, c, t: _running(s.count_by("Status", consistency=c, timeout_s=t)),
    "list_active": lambda s, c, t: _length(s.list_active(consistency=c, timeout_s=t)),
    "next_timers": lambda s, c, t: _length(s.next_timers(10, consistency=c, timeout_s=t)),
}
"""Reads that show how many workflows there are, each of which has a timer."""


async def _length(read: Awaitable[list[Any]]) -> int:
    return len(await read)


async def _length_of_one(read: Awaitable[dict[Any, list[Any]]]) -> int:
    return len((await read)[ONE])


async def _running(read: Awaitable[dict[str, int]]) -> int:
    return (await read).get("Running", 0)


async def answers(store: KafkaEventStore, level: ReadConsistency, within_s: float = 10.0) -> dict[str, Any]:
    """What each read gives, or that it was stale."""

    async def ask(read: Read) -> Any:
        try:
            return await read(store, level, within_s)
        except StaleProjectionError:
            return "stale"

    reads = {**HEADS, **COUNTS}
    found = await asyncio.gather(*(ask(read) for read in reads.values()))
    return dict(zip(reads, found, strict=True))


def all_of(head: Any, count: Any) -> dict[str, Any]:
    return {**dict.fromkeys(HEADS, head), **dict.fromkeys(COUNTS, count)}


def test_every_read_of_a_replica_is_as_fresh_as_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with embedded_stack(tmp_path / "primary") as stack, replica_of(stack.postgres_dsn, tmp_path / "r") as dsn:
            settings = Settings(
                bootstrap_servers=stack.bootstrap_servers,
                postgres_dsn=SecretStr(stack.postgres_dsn),
                postgres_read_dsn=SecretStr(dsn),
                partitions=2,
            )
            async with projecting(settings), kafka_store(settings) as store:
                await check(store, dsn, settings)

    async def check(store: KafkaEventStore, dsn: str, settings: Settings) -> None:
        async with announced(dsn, settings.schema_name, "reader") as finalized:  # which a standby can't note
            assert finalized == 1
        one, two = HistoryBuilder(ONE), HistoryBuilder(workflow(2))
        await record(store, one.started(), *one.signals(2))
        await store.schedule_timer(ONE, NamedTimer("t"), START)
        assert await answers(store, Consistency.STRONG) == all_of(3, 1)
        on_primary = settings.model_copy(update={"postgres_read_dsn": None})
        with held_back(dsn):
            token = await record(store, *one.signals(2))
            await record(store, two.started())
            last = await store.schedule_timer(workflow(2), NamedTimer("t"), START)
            async with kafka_store(on_primary) as primary:
                assert await answers(primary, Consistency.STRONG) == all_of(5, 2)
            assert await answers(store, Consistency.EVENTUAL) == all_of(3, 1)
            for level in (Consistency.STRONG, token):
                assert await answers(store, level, STALE_S) == all_of("stale", "stale")
            waiting = asyncio.create_task(answers(store, Consistency.STRONG))
            await asyncio.wait([waiting], timeout=SOON_S)
            assert not waiting.done()
        assert await waiting == all_of(5, 2)
        await store.wait_for(last)
        for level in (token, last, Consistency.EVENTUAL):
            found = await answers(store, level)
            assert {name: found[name] for name in HEADS} == dict.fromkeys(HEADS, 5)
        assert await answers(store, Consistency.EVENTUAL) == all_of(5, 2)

    asyncio.run(main())
