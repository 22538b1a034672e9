"""Projector workers that are killed and frozen inside their transactions, and a Postgres that goes away from them."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from aion_projectors import faust_app, topic_watch
from aion_projectors.settings import ProjectorSettings
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.faults.proxy import Proxy
from tests.log_tables import COLUMNS, check_tables
from tests.projected_log import Projected, make_projected, running_worker, worker_process
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

PARTITIONS = 2
AWAY_S = 20.0
BACK_S = 90.0
"""By then a worker must be back. One that couldn't seek starts anew: up to 5 s of rest, 6 s until the broker has given
up its former membership, and on a busy machine a multiple of that.
"""
WAITING = """
select 1 from pg_locks as l join pg_stat_activity as a using (pid)
where not l.granted and l.relation = to_regclass('events') and a.application_name = 'aion-store projector'
"""


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


class Histories:
    """Workflows that go on, an append each at a time."""

    def __init__(self, projected: Projected, size: int = 8) -> None:
        self._projected = projected
        self._builders = [HistoryBuilder(workflow(number)) for number in range(1, size + 1)]
        self.written = 0

    def go_on(self, text: str = "hello") -> None:
        """`text` is what the last signal of each says."""
        with self._projected.writer.transaction():
            for builder in self._builders:
                events = [builder.signal() if builder.head else builder.started(), builder.signal(text)]
                self._projected.writer.append(builder.workflow_id, events)
                self.written += len(events)


@contextmanager
def stuck_in_copy(projected: Projected, histories: Histories) -> Generator[None]:
    """Within, a worker that has begun to apply waits in its COPY, holding checkpoints; afterwards it could go on."""
    with projected.session() as connection:
        connection.execute(f"lock table {projected.live_schema}.events in access exclusive mode".encode())
        histories.go_on(text="x" * 20_000)  # a few small ones are sent together with the commit, which then is done
        wait_until(lambda: projected.rows(WAITING), "a worker waits in COPY")
        yield


def test_a_worker_killed_inside_its_transaction_leaves_nothing_half_done(projected: Projected, tmp_path: Path) -> None:
    histories = Histories(projected)
    with worker_process(projected.settings, tmp_path / "first.log") as first:
        histories.go_on()
        projected.wait_for_end()
        before = projected.positions()
        with stuck_in_copy(projected, histories):
            first.kill()
            first.wait()
        assert projected.positions() == before
    with worker_process(projected.settings, tmp_path / "second.log"):
        histories.go_on()
        projected.wait_for_end()
    assert check_tables(projected) == assert_clean(projected) == histories.written


def test_a_frozen_worker_that_holds_a_checkpoint_is_ended_by_its_successor(
    projected: Projected, tmp_path: Path
) -> None:
    histories = Histories(projected)
    log = tmp_path / "second.log"
    with worker_process(projected.settings, tmp_path / "first.log") as first:
        histories.go_on()
        projected.wait_for_end()
        with stuck_in_copy(projected, histories):
            first.send_signal(signal.SIGSTOP)
        with worker_process(projected.settings, log) as second:
            projected.wait_for_end(deadline_s=BACK_S)
            assert "ending session" in log.read_text()
            first.send_signal(signal.SIGCONT)  # it has lost its session and its partitions, and joins again
            for _ in range(3):
                histories.go_on()
                projected.wait_for_end(deadline_s=BACK_S)
            second.terminate()
            assert second.wait(20) == 0
        histories.go_on()
        projected.wait_for_end(deadline_s=BACK_S)
        first.terminate()
        assert first.wait(20) == 0
    assert check_tables(projected) == assert_clean(projected) == histories.written


def test_tables_that_went_back_are_caught_up_without_another_event(projected: Projected) -> None:
    histories = Histories(projected)
    with running_worker(projected.settings):
        histories.go_on()
        projected.wait_for_end()
        with projected.session() as connection:
            for table in (*COLUMNS, "checkpoints"):
                connection.execute(f"create table kept_{table} as table {table}".encode())
        for _ in range(2):
            histories.go_on()
            projected.wait_for_end()
        with projected.session() as connection:  # as after a crash of Postgres, which forgets the latest commits
            for table in ("checkpoints", *COLUMNS):
                connection.execute(f"truncate {table}".encode())
                connection.execute(f"insert into {table} table kept_{table}".encode())
        projected.wait_for_end()
    assert check_tables(projected) == assert_clean(projected) == histories.written


class PostgresProxy(Proxy):
    """Falls silent by itself when something is asked that contains `cue`, which has gone through by then."""

    cue: bytes | None = None

    def pump_requests(self, client: socket.socket, broker: socket.socket) -> None:
        """Pass on what is asked, until it ends."""
        while data := client.recv(65536):
            self.wait_while_held()
            if self.cue is not None and self.cue in data:
                self.cue = None
                self.hold()
            broker.sendall(data)


class FarPostgres:
    """A database behind a proxy: what a worker reaches, while the tests look past the proxy."""

    def __init__(self, dsn: str, *, silent: bool) -> None:
        self._parts, self._silent = urlsplit(dsn), silent
        self.proxy = PostgresProxy()
        self.proxy.target_port = self._parts.port or 5432

    @property
    def dsn(self) -> str:
        """How to connect through the proxy."""
        user, _, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}@127.0.0.1:{self.proxy.port}").geturl()

    def go_away(self) -> None:
        """Answer nothing any more, or break every session and refuse new ones."""
        if self._silent:
            self.proxy.hold()
        else:
            self.proxy.target_port = 1
            self.proxy.cut()

    def go_away_in_a_seek(self) -> None:
        """Fall silent as soon as a worker asks where its partitions' tables stand: it waits for an answer then."""
        self.proxy.cue = b"checkpoints as c"

    def come_back(self) -> None:
        """As before; a silent one now takes what was sent to it meanwhile."""
        self.proxy.target_port = self._parts.port or 5432
        self.proxy.release()


def test_workers_go_on_by_themselves_when_postgres_comes_back(
    servers: Servers, database: str, topic_prefix: str
) -> None:
    scenes: list[tuple[Projected, FarPostgres, Histories, str]] = []
    with ExitStack() as stack:
        kinds = [(silent, when) for silent in (True, False) for when in ("at work", "begun")] + [(True, "in a seek")]
        for number, (silent, when) in enumerate(kinds):
            projected = make_projected(servers, database, f"{topic_prefix}-{number}", PARTITIONS, f"aion{number}")
            far = FarPostgres(database, silent=silent)
            stack.callback(far.proxy.close)
            scenes.append((projected, far, Histories(projected), when))
        workers = stack.enter_context(ExitStack())
        for projected, far, histories, when in scenes:
            if when == "in a seek":
                far.go_away_in_a_seek()
            workers.enter_context(running_worker(through(projected, far)))
            histories.go_on()
            if when == "at work":
                projected.wait_for_end(deadline_s=BACK_S)
            elif when == "begun":
                far.go_away()
        for _, far, histories, when in scenes:
            if when == "at work":
                histories.go_on()
                far.go_away()
            histories.go_on()
        time.sleep(AWAY_S)  # what is tested is how long it is away
        for _, far, _, _ in scenes:
            far.come_back()
        for projected, _, histories, when in scenes:
            projected.wait_for_end(deadline_s=BACK_S)
            assert check_tables(projected) == assert_clean(projected) == histories.written, when


def test_a_worker_lives_through_a_server_that_takes_no_writes(
    projected: Projected, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a failover, when the one it is connected to is a standby for a while."""
    histories = Histories(projected)
    name = urlsplit(projected.dsn).path[1:]
    with running_worker(projected.settings), psycopg.connect(projected.dsn, autocommit=True) as admin:
        histories.go_on()
        projected.wait_for_end(deadline_s=BACK_S)
        admin.execute(f"alter database {name} set default_transaction_read_only = on".encode())
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'projector$'")
        histories.go_on()
        wait_until(lambda: "in a read-only transaction" in caplog.text, "the worker is refused", BACK_S)
        admin.execute(f"alter database {name} set default_transaction_read_only = off".encode())
        projected.wait_for_end(deadline_s=BACK_S)
    assert check_tables(projected) == assert_clean(projected) == histories.written


def test_a_worker_whose_rebalance_takes_too_long_begins_anew(
    projected: Projected, database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(faust_app, "SEEK_DEADLINE_S", 2 * topic_watch.REQUEST_TIMEOUT_S)
    histories = Histories(projected)
    far = FarPostgres(database, silent=True)
    with closing(far.proxy):
        far.go_away_in_a_seek()
        with running_worker(through(projected, far)):
            histories.go_on()
            wait_until(lambda: "a rebalance took too long" in caplog.text, "the worker gives up")
            far.come_back()
            projected.wait_for_end(deadline_s=BACK_S)
    assert check_tables(projected) == assert_clean(projected) == histories.written


def through(projected: Projected, far: FarPostgres) -> ProjectorSettings:
    """The settings of a worker that reaches its database this way."""
    return projected.settings.model_copy(update={"dsn": far.dsn})
