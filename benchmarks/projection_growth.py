"""One worker's speed with ever more events there: the same order of workflows, some new, some going on."""

from __future__ import annotations

import psycopg

from benchmarks.projection_log import Histories, make_log
from benchmarks.projection_workers import time_commit, workers

WARM_UP = 1_000  # with which a worker has all its statements prepared
LEVELS = (WARM_UP, 10_000, 100_000, 1_000_000)
MEASURED = 10_000
CHUNK = 100_000


def one_round(bootstrap_servers: str, dsn: str, name: str, largest: int) -> dict[int, float]:
    """Events a second by how many events were there before, up to the largest."""
    log, histories = make_log(bootstrap_servers, dsn, name), Histories()
    speeds: dict[int, float] = {}
    with workers(log.settings, 1):
        for level in (level for level in LEVELS if level <= largest):
            while log.events < level:
                log.stage(histories.frames(min(CHUNK, level - log.events)))
                time_commit(log)
            records = histories.frames(MEASURED)
            before = log.events
            log.stage(records)
            speeds[level] = (log.events - before) / time_commit(log)
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(f"drop schema {name}, {log.live} cascade")
    return speeds
