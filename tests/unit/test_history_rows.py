"""Rows of events becoming a history."""

from __future__ import annotations

import asyncio
import gc

import pytest

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import UndecodableEventError
from aion_store.log.codec import encode_event
from aion_store.postgres.rows import events_from

LONG = 20_000


def test_a_long_history_lets_others_have_their_turn_while_it_is_decoded() -> None:
    event = HistoryBuilder(workflow(1)).started()
    row = event.seq, event.kind, encode_event(event), 7

    async def main() -> None:
        decoding = asyncio.create_task(events_from(workflow(1), [row] * LONG))
        turns = 0
        while not decoding.done():
            await asyncio.sleep(0)
            turns += 1
        assert await decoding == [event] * LONG
        assert turns > 3

    asyncio.run(main())


def test_the_first_event_that_cannot_be_decoded_is_named() -> None:
    event = HistoryBuilder(workflow(1)).started()
    whole = encode_event(event)
    rows = [(1, event.kind, whole, 7), (2, event.kind, whole[:-1], 8), (3, event.kind, b"", 9)]
    with pytest.raises(UndecodableEventError) as raised:
        asyncio.run(events_from(workflow(1), rows))
    assert (raised.value.sequence, raised.value.offset) == (2, 8)


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_left_as_it_was(*, collects: bool) -> None:
    event = HistoryBuilder(workflow(1)).started()
    row = event.seq, event.kind, encode_event(event), 7
    if not collects:
        gc.disable()
    try:
        assert asyncio.run(events_from(workflow(1), [row])) == [event]
        assert gc.isenabled() is collects
        with pytest.raises(UndecodableEventError):
            asyncio.run(events_from(workflow(1), [(1, event.kind, b"", 7)]))
        assert gc.isenabled() is collects
    finally:
        gc.enable()
