"""A member of a group: it notes every event that it is handed, on disk at once, and acknowledges now and then.

python -m tests.faults.subscriber_child SERVERS TOPIC TOPIC_ID PARTITIONS GROUP FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TextIO

from aion_store.kafka.topic import TopicIdentity
from aion_store.streams.position import Start
from aion_store.streams.subscription import LogStreams
from tests.streaming import log_streams

EVERY = 7


async def follow(streams: LogStreams, group: str, notes: TextIO) -> None:
    """Note and acknowledge until killed."""
    async with streams.subscribe(Start.BEGINNING, None, None, None, group) as events:
        count = 0
        async for event in events:
            notes.write(f"{event.workflow_id} {event.seq}\n")
            count += 1
            if count % EVERY == 0:
                await events.acknowledge(event)


def main(servers: str, name: str, topic_id: str, partitions: str, group: str, file: str) -> None:
    """Follow the log with these names."""
    with (
        log_streams({"bootstrap.servers": servers}, TopicIdentity(name, topic_id, int(partitions))) as streams,
        Path(file).open("a", buffering=1) as notes,
    ):
        asyncio.run(follow(streams, group, notes))


if __name__ == "__main__":
    main(*sys.argv[1:])
