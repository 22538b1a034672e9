"""A stock Faust agent that inserts row by row, each in a transaction of its own, as Faust's guide would have one do it.

Faust's own settings throughout, but for its web server, which would need a port. It ends by itself: a program of its
own, which prints the events per second between the first row and the last. It is told what to do by its environment.
"""
# pyright: basic

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import faust
import psycopg

from aion_projectors.record_times import recorded_at
from aion_store.log.record import LogRecord, parse_record
from benchmarks.projection_log import BenchLog

DEADLINE_S = 180.0
COLUMNS = (
    "partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index, append_count,"
    " record_offset, ordinal, chain, body"
)


def row_of(partition: int, record: LogRecord) -> tuple[object, ...]:
    """A record as a row of the events table."""
    logged_at = datetime.fromtimestamp(record.logged_at_ms / 1000, UTC)
    workflow_id = (record.key or b"").decode()
    place = (record.append_id, record.append_index, record.append_count, record.offset, record.ordinal)
    return (
        *(partition, workflow_id, record.seq, record.kind, recorded_at(record), logged_at),
        *(*place, record.chain, record.value),
    )


async def run(bootstrap_servers: str, topic_name: str, dsn: str, table: str, events: int) -> float:
    """Events per second of so many."""
    app = faust.App(f"stock.{topic_name}", broker=f"kafka://{bootstrap_servers}", web_enabled=False)
    topic = app.topic(topic_name, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
    times: list[float] = []
    done = asyncio.Event()
    statement = f"insert into {table} ({COLUMNS}) values ({', '.join(['%s'] * 13)})"
    async with await psycopg.AsyncConnection.connect(dsn) as connection:

        @app.agent(topic)
        async def insert(stream):
            async for event in stream.events():
                message = event.message
                headers = list(dict(message.headers).items())
                timestamp_ms = int(message.timestamp * 1000)
                record = parse_record(message.offset, timestamp_ms, message.key, message.value, headers)
                await connection.execute(statement, row_of(message.partition, record))
                await connection.commit()
                times.append(time.perf_counter())
                if len(times) == events:
                    done.set()

        await app.start()
        await asyncio.wait_for(done.wait(), DEADLINE_S)
        await app.stop()
    return (events - 1) / (times[events - 1] - times[0])


def stock_faust(log: BenchLog, table: str, events: int) -> float:
    """Events per second of a stock agent on a log that is there, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    bootstrap_servers = str(log.settings.kafka["bootstrap.servers"])
    arguments = [bootstrap_servers, log.settings.events_topic, log.settings.dsn, table, str(events)]
    with tempfile.TemporaryDirectory() as directory:  # Faust writes to where it is started
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, *arguments],
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE_S + 60,
            check=True,
        )
    return float(ended.stdout.split()[-1])


if __name__ == "__main__":
    print(asyncio.run(run(*sys.argv[1:5], int(sys.argv[5]))))
