"""What a partition writer asks Postgres for: answered or refused in time, whatever becomes of the server."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import psycopg
import pytest

from aion_store.errors import UnavailableError
from aion_store.postgres import heads
from aion_store.postgres.heads import PostgresHeads
from tests.faults.proxy import Proxy
from tests.waiting import wait_until

SILENCE_S, LONGEST_S = 0.5, 5.0


def test_a_server_that_falls_silent_is_not_waited_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_SILENCE_S", SILENCE_S)
    own = urlsplit(database)
    proxy = Proxy(target_port=own.port or 0)
    tables = PostgresHeads(
        own._replace(netloc=f"{own.username}:{own.password}@127.0.0.1:{proxy.port}").geturl(), "aion"
    )
    tables.open()

    def answers() -> bool:
        """Whether it says that it has no tables."""
        try:
            tables.checkpoint("events", 0)
        except UnavailableError:
            return False
        except psycopg.errors.UndefinedTable:
            return True
        raise AssertionError

    try:
        assert answers()
        proxy.hold()
        began_s = time.monotonic()
        assert not answers()
        assert time.monotonic() - began_s < LONGEST_S
        proxy.release()
        wait_until(answers, "it answers again")
    finally:
        tables.close()
        proxy.close()
