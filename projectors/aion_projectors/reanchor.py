"""Moves tables to a log that was mirrored to other topics: the same records, ordinals and chains at other offsets.

Each checkpoint is found again by its ordinal, and its chain must be the one the tables have: then everything up to it
is what they were made from. Rows keep the offsets and broker times of the former log until the tables are rebuilt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from aion_projectors.checkpoints import place_arrays
from aion_projectors.pg_binary import ByteaArray, Int8Array, TextArray
from aion_projectors.plan import Checkpoint
from aion_projectors.session import connect
from aion_projectors.statements import statement
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import OffsetBounds, offset_bounds
from aion_store.kafka.reader import scan_committed
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.record import LogRecord
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.generations import find_generations, hold_live, make_live
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.shards import check_held, places_of

_WINDOWS: Final = (1_000, 100_000)
"""How far before its end a log is searched first: a mirror ends where the tables stand, or little later."""
_ANSWER_S: Final = 10.0


class Anchors(NamedTuple):
    """A live generation, its checkpoints, and the position of each in another log."""

    live: str
    checkpoints: Mapping[LogPartition, Checkpoint]
    positions: Mapping[LogPartition, int]


async def find_anchors(
    client: ClientSettings, dsn: str, schema: str, log: LogIdentity, held: Collection[LogPartition] | None = None
) -> Anchors:
    """Find every checkpoint of the live tables in `log`, those of the partitions `held` (None: all); changes nothing.

    Raises SchemaMismatchError when the tables hold other partitions, or a partition of `log` doesn't hold what they
    hold, UnavailableError when a server doesn't answer.
    """
    with postgres_errors():
        async with await connect(dsn) as connection:
            found = await find_generations(connection, schema)
            _check_shape(found.log.events, log.events, schema)
            checkpoints = await _checkpoints(connection, found.live)
    check_held(checkpoints, places_of(log) if held is None else held, schema)
    positions = {
        place: await asyncio.to_thread(_find, client, log, place, checkpoint)
        for place, checkpoint in checkpoints.items()
    }
    return Anchors(found.live, checkpoints, positions)


async def reanchor(dsn: str, schema: str, log: LogIdentity, anchors: Anchors) -> None:
    """Let the live tables be those of `log` from now on, where they were found in it.

    Nobody may append to either log meanwhile. Once more on tables that are those of `log` already changes nothing.
    Changes nothing and raises SchemaMismatchError when the tables moved since, UnavailableError.
    """
    checkpoints, positions = anchors.checkpoints, anchors.positions
    with postgres_errors():
        async with await connect(dsn) as connection:
            held = await hold_live(connection, schema)
            if held.live != anchors.live or await _checkpoints(connection, held.live) != checkpoints:
                raise SchemaMismatchError("tables that stand still", "tables that moved meanwhile", _subject(schema))
            await connection.execute(
                statement("reanchor_checkpoints", generation=held.live),
                {
                    **place_arrays(list(positions)),
                    "topic_ids": TextArray(_topic(log, place).topic_id for place in positions),
                    "positions": Int8Array(positions.values()),
                    "chains": ByteaArray(_chain(log, place, checkpoints[place]) for place in positions),
                },
            )
            await make_live(connection, schema, held.live, log)
            await connection.commit()


def _check_shape(former: TopicIdentity, topic: TopicIdentity, schema: str) -> None:
    if former.partitions != topic.partitions:
        raise SchemaMismatchError(
            f"a log with {former.partitions} partitions, as the tables have (mirror it partition by partition)",
            f"topic {topic.name} with {topic.partitions}",
            _subject(schema),
        )


async def _checkpoints(connection: AsyncConnection[Any], generation: str) -> dict[LogPartition, Checkpoint]:
    cursor = await connection.execute(statement("lock_all_checkpoints", generation=generation))
    rows = await cursor.fetchall()
    return {
        LogPartition(log, partition): Checkpoint(position, ordinal, bytes(chain))
        for log, partition, position, ordinal, chain in rows
    }


def _find(client: ClientSettings, log: LogIdentity, place: LogPartition, checkpoint: Checkpoint) -> int:
    """The offset after the record at which the tables stand."""
    topic = _topic(log, place)
    bounds = offset_bounds(client, topic.name, place.partition, _ANSWER_S)
    if checkpoint.ordinal == 0:
        return bounds.start
    last = 0
    for window in (*_WINDOWS, bounds.end):
        start = max(bounds.start, bounds.end - window)
        found, last = _search(client, topic, place, start, bounds, checkpoint.ordinal)
        if found is not None:
            if found.chain != checkpoint.chain:
                raise _refusal(
                    place, topic, f"another chain at ordinal {checkpoint.ordinal}: it isn't a mirror of the log"
                )
            return found.offset + 1
        if start == bounds.start or 0 < last < checkpoint.ordinal:  # 0: nothing but marks in this window
            break
    raise _refusal(place, topic, f"records up to ordinal {last} (is the mirror complete?)", checkpoint.ordinal)


def _chain(log: LogIdentity, place: LogPartition, checkpoint: Checkpoint) -> bytes:
    """The chain that the next record follows: a partition without records begins anew."""
    return checkpoint.chain if checkpoint.ordinal else chain_start(_topic(log, place).topic_id, place.partition)


def _search(
    client: ClientSettings, topic: TopicIdentity, place: LogPartition, start: int, bounds: OffsetBounds, ordinal: int
) -> tuple[LogRecord | None, int]:
    """The record with that ordinal among those from `start` on, and the last ordinal seen."""
    last = 0
    for stretch in scan_committed(client, topic.name, place.partition, start, bounds.end, _ANSWER_S):
        for record in stretch.records:
            if isinstance(record, LogRecord):
                if record.ordinal == ordinal:
                    return record, ordinal
                last = record.ordinal
    return None, last


def _refusal(place: LogPartition, topic: TopicIdentity, found: str, ordinal: int | None = None) -> SchemaMismatchError:
    wanted = "the log that the tables were made from"
    expected = wanted if ordinal is None else f"{wanted}, at least up to ordinal {ordinal}"
    return SchemaMismatchError(expected, found, f"Topic {topic.name}, partition {place.partition}")


def _topic(log: LogIdentity, place: LogPartition) -> TopicIdentity:
    return log.events if place.log == "events" else log.packages


def _subject(schema: str) -> str:
    return f"The tables in schema {schema}"
