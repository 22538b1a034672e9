"""What fails inside a running worker ends it or begins it anew: it never stands still without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.consumer.consumer import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import CorruptRecordException, IllegalStateError, TopicAuthorizationFailedError

from aion_projectors.worker import run_worker
from aion_store.errors import AccessDeniedError
from tests.integration.test_projected_tables import write_histories
from tests.log_tables import check_tables
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers

DEADLINE_S = 90.0
"""A worker that begins anew joins its group again, on a machine that may be busy."""


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 2)


def once(error: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises this the first time, and then is the other one."""
    left = [error]

    def call(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop()
        return then(*args, **kwargs)

    return call


def test_a_worker_whose_drain_fails_begins_anew(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = write_histories(projected, range(1, 4))
    monkeypatch.setattr(Fetcher, "fetched_records", once(CorruptRecordException("bad CRC"), Fetcher.fetched_records))
    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert "bad CRC" in caplog.text
    assert "begins anew" in caplog.text
    assert check_tables(projected) == written


def test_a_worker_whose_seek_fails_begins_anew(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = write_histories(projected, range(1, 4))
    monkeypatch.setattr(AIOKafkaConsumer, "seek", once(IllegalStateError("not assigned"), AIOKafkaConsumer.seek))
    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert "a seek failed: IllegalStateError: not assigned" in caplog.text
    assert check_tables(projected) == written


def test_a_worker_that_may_no_longer_read_its_topic_ends_and_says_so(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise TopicAuthorizationFailedError(projected.log.events.name)

    monkeypatch.setattr(Fetcher, "fetched_records", refuse)

    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await run_worker(projected.settings, asyncio.Event())

    with pytest.raises(AccessDeniedError, match=f"to let this worker read topic {projected.log.events.name}"):
        asyncio.run(run())
