"""What waits for one database."""

from __future__ import annotations

import asyncio

from aion_projectors.backlog import Backlog
from aion_projectors.fetched import Fetched
from aion_projectors.stretch import Stretch
from aion_store.log.record import ForeignRecord, LogRecord


def large(start: int, size: int, epoch: int = 1) -> Fetched:
    """A drain of one record of `size` bytes."""
    record = LogRecord(start, 0, b"key", bytes(size), "kind", 1, "at", "append", 1, 1, 1, b"")
    return Fetched(epoch, Stretch(start, [record], start + 1), lost=False)


def drained(start: int, count: int, epoch: int = 1) -> Fetched:
    """A drain of `count` records from offset `start` on."""
    records = [ForeignRecord(start + number, "no record of ours") for number in range(count)]
    return Fetched(epoch, Stretch(start, records, start + count), lost=False)


def test_what_waits_is_taken_at_once_and_only_then_there_is_room_again() -> None:
    async def main() -> None:
        backlog: Backlog[str] = Backlog(limit=3)
        backlog.add({"a": drained(0, 1), "b": drained(5, 1)})
        assert backlog.has_room
        await backlog.wait_for_room(0)
        assert not backlog.is_set_aside
        backlog.add({"a": drained(1, 1)})
        assert not backlog.has_room
        await backlog.wait_for_room(0)
        assert backlog.is_set_aside
        assert backlog.take() == {"a": drained(0, 2), "b": drained(5, 1)}
        assert backlog.has_room
        assert not backlog.is_set_aside
        assert backlog.take() == {}

    asyncio.run(main())


def test_whoever_applies_is_woken_as_long_as_something_waits() -> None:
    async def main() -> None:
        backlog: Backlog[str] = Backlog(limit=3)
        applying = asyncio.ensure_future(backlog.wait())
        await asyncio.sleep(0)
        assert not applying.done()
        backlog.add({})
        await asyncio.sleep(0)
        assert not applying.done()
        backlog.add({"a": drained(0, 1)})
        async with asyncio.timeout(5):
            await applying
            await backlog.wait()  # it was added before
        backlog.take()
        applying = asyncio.ensure_future(backlog.wait())
        await asyncio.sleep(0)
        assert not applying.done()
        applying.cancel()

    asyncio.run(main())


def test_a_drain_of_another_epoch_takes_the_place_of_what_waits() -> None:
    backlog: Backlog[str] = Backlog(limit=3)
    backlog.add({"a": drained(7, 2)})
    backlog.add({"a": drained(0, 1, epoch=2)})
    assert backlog.has_room
    assert backlog.take() == {"a": drained(0, 1, epoch=2)}


def test_large_records_count_by_size() -> None:
    backlog: Backlog[str] = Backlog(limit=100, max_bytes=1_000)
    backlog.add({"a": large(0, 600)})
    backlog.add({"a": large(0, 500, epoch=2), "b": large(0, 200)})  # the first 600 are forgotten
    assert backlog.has_room
    backlog.add({"a": large(1, 300, epoch=2)})
    assert not backlog.has_room
    backlog.take()
    assert backlog.has_room
    backlog.add({"a": large(2, 900, epoch=2)})
    assert backlog.has_room
