"""A generation that is swapped in while a worker applies to the old one, and while somebody reads it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from aion_projectors.rebuild import Rebuild
from tests.faults.test_projector import Histories, stuck_in_copy
from tests.projected_log import TIMEOUT_S, Projected, make_projected, worker_process
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 2)


@contextmanager
def rebuilding(projected: Projected, deadline_s: float = TIMEOUT_S) -> Generator[None]:
    """A rebuild beside the block, which ends by itself once the block has."""
    settings = projected.settings
    work = Rebuild(settings.kafka, projected.dsn, settings.schema_name, projected.log)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work.run(lambda *_: None, resume=False))
        except BaseException as error:  # noqa: BLE001 - raised below, in the test
            failures.append(error)

    thread = threading.Thread(target=run, name="rebuild")
    thread.start()
    try:
        yield
    finally:
        thread.join(deadline_s)
        assert not thread.is_alive(), "the rebuild doesn't end"
    if failures:
        raise failures[0]


def test_a_swap_inside_an_apply_leaves_nothing_out_and_nothing_twice(projected: Projected, tmp_path: Path) -> None:
    histories = Histories(projected)
    with worker_process(projected.settings, tmp_path / "worker.log"):
        histories.go_on()
        projected.wait_for_end()
        with rebuilding(projected):
            with stuck_in_copy(projected, histories):
                wait_until(lambda: projected.live_schema == "aion_g2", "the new generation is live")
            histories.go_on()
            projected.wait_for_end()
        assert assert_clean(projected) == histories.written
        histories.go_on()
        projected.wait_for_end()
        assert assert_clean(projected) == histories.written


def test_a_worker_killed_inside_its_apply_lets_the_swap_through(projected: Projected, tmp_path: Path) -> None:
    histories = Histories(projected)
    with worker_process(projected.settings, tmp_path / "first.log") as first:
        histories.go_on()
        projected.wait_for_end()
        with rebuilding(projected), stuck_in_copy(projected, histories):
            first.kill()
            first.wait()
    assert projected.live_schema == "aion_g2"
    assert assert_clean(projected) == histories.written  # what the dead worker never applied
    with worker_process(projected.settings, tmp_path / "second.log"):
        histories.go_on()
        projected.wait_for_end()
    assert assert_clean(projected) == histories.written


def test_a_swap_inside_a_read_doesnt_change_its_answer(projected: Projected, tmp_path: Path) -> None:
    histories = Histories(projected)
    count = b"select count(*) from aion_g1.events"
    with worker_process(projected.settings, tmp_path / "worker.log"):
        histories.go_on()
        projected.wait_for_end()
        with rebuilding(projected), psycopg.connect(projected.dsn) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            assert reader.execute(count).fetchall() == [(histories.written,)]
            wait_until(lambda: projected.live_schema == "aion_g2", "the new generation is live")
            before = histories.written
            histories.go_on()
            projected.wait_for_end()
            assert reader.execute(count).fetchall() == [(before,)]
    assert projected.rows("select to_regnamespace('aion_g1')") == [(None,)]
    assert assert_clean(projected) == histories.written
