"""A rolling upgrade: builds that read record formats 1, and 1 to 2, on the same log and tables.

Production code reads one version so far. What it reads is a value, so the newer build here is the same code with
another one; what is version 2 in its records is the header `v`, which the chain covers. The old build is this one, as
processes of its own wherever it has to end by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from aion_projectors.settings import ProjectorSettings
from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.cli import upgrade
from aion_service.cli.commands import app
from aion_service.settings import Settings
from aion_store import SchemaMismatchError, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import LogRecord
from aion_store.model.events import Event
from aion_store.postgres.announcing import announced
from aion_store.postgres.migrate import Migration, migrate, migrations
from aion_store.postgres.sql_files import SqlFile
from aion_store.postgres.upgrading import read_status
from aion_store.streams.position import Start
from tests.producing import check_partition, read_partition
from tests.projected_log import running_worker, worker_process
from tests.servers import Servers
from tests.waiting import DEADLINE_S, wait_until

OLD = BUILD_FORMATS
NEW = RecordFormats(1, 2)
KNOWN = len(migrations())
EXPANSION = """
alter table {generation}.events add column shade text;
alter table {generation}.workflows add column shade text not null default 'none';
alter table {control}.generation add column shade text;
create table {generation}.shades (partition integer primary key)
"""
EXPANDED = Migration(KNOWN + 1, KNOWN, SqlFile("expansion", EXPANSION))
TOKEN = WriteToken.recorder()
ONE = workflow(1)


class Site:
    """A store's settings, and what can be looked at past it."""

    def __init__(self, servers: Servers, database: str, prefix: str) -> None:
        self.dsn = database
        self.settings = Settings(
            bootstrap_servers=servers.bootstrap_servers,
            postgres_dsn=SecretStr(database),
            topic_prefix=prefix,
            partitions=1,
        )
        self.environment = {
            "AION_STORE_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
            "AION_STORE_POSTGRES_DSN": database,
            "AION_STORE_TOPIC_PREFIX": prefix,
            "AION_STORE_PARTITIONS": "1",
        }
        self.order = HistoryBuilder(ONE)
        self.log = asyncio.run(prepare(self.settings))

    @property
    def projector(self) -> ProjectorSettings:
        return projector_settings(self.settings)

    def append(self, formats: RecordFormats, events: list[Event]) -> int:
        """Open a store of a build, append, and read back strongly how many events there are."""

        async def main() -> int:
            async with kafka_store(self.settings, formats=formats) as store:
                expected = events[0].envelope.seq - 1
                await store.append(TOKEN, ONE, events, expected)
                return len(await store.read_history(ONE))

        return asyncio.run(main())

    def versions(self) -> list[int]:
        """The versions of the log's events in order, whose chain was checked."""
        records, _ = read_partition(self.settings.client, self.log.events, 0, NEW)
        check_partition(self.log.events, 0, records)
        return [record.version for record in records if isinstance(record, LogRecord)]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, options="-c search_path=aion_g1,aion") as connection:
            return connection.execute(query.encode()).fetchall()

    def processes(self) -> set[tuple[object, ...]]:
        return set(self.rows("select role, pid, newest_format from processes"))

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run this build's command."""
        done = CliRunner().invoke(app, arguments, env=self.environment, catch_exceptions=False)
        return done.exit_code, done.output

    @contextmanager
    def old_projector(self, log: Path) -> Generator[int]:
        """This build's projector as a process, which has said that it is there; its pid."""
        with worker_process(self.projector, log) as process:
            row = ("projector", process.pid, OLD.newest)
            wait_until(lambda: row in self.processes(), "the old projector has announced itself")
            yield process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def site(servers: Servers, database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(servers, database, topic_prefix)
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    return site


def test_a_rolling_upgrade_from_the_old_build_to_what_only_the_new_one_reads(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(migrate(site.dsn, schema="aion", log=site.log, known=[*migrations(), EXPANDED]))
    with running_worker(site.projector, NEW):
        assert site.append(OLD, [site.order.started()]) == 1
    with site.old_projector(tmp_path / "old.log") as old:
        assert site.append(NEW, site.order.signals(2)) == 3
        asyncio.run(refused_for(old, site, capsys))
        assert site.append(OLD, site.order.signals(1)) == 4
    assert site.processes() == set()
    assert site.versions() == [1, 1, 1, 1]
    code, told = site.command("verify")
    assert (code, "4 events" in told, " 0 differences" in told) == (0, True, True)
    code, told = site.command("rebuild")
    assert (code, f"found version {KNOWN + 1}" in told) == (2, True)
    assert site.command("rebuild", "--drop")[0] == 0

    assert asyncio.run(upgrade.status(as_json=False, formats=NEW)) == 0
    assert "next: see to it" in capsys.readouterr().out
    for says in ("is finalized: a writer writes it", "nothing to do"):
        assert asyncio.run(upgrade.finalize(NEW)) == 0
        assert says in capsys.readouterr().err
    with running_worker(site.projector, NEW):
        assert site.append(NEW, site.order.signals(3)) == 7
    assert site.versions() == [1, 1, 1, 1, 2, 2, 2]
    assert site.rows("select count(*) from events") == [(7,)]


async def refused_for(old: int, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a new process that waits for nothing, the old one keeps the format from being finalized."""
    async with announced(site.dsn, "aion", "reader", NEW):
        assert await upgrade.status(as_json=True, formats=NEW) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["finalized"], told["reads"], told["writes"]) == (1, [1, 2], 1)
        assert {(each["pid"], *each["reads"]) for each in told["processes"]} == {(old, 1, 1), (os.getpid(), 1, 2)}
        with pytest.raises(SchemaMismatchError, match="upgrade or stop the others") as refused:
            await upgrade.finalize(NEW)
    for says in (told["next"], refused.value.found):
        assert f":{old} (aion-store " in says
        assert f":{os.getpid()} " not in says
    assert site.rows("select finalized from record_format") == [(1,)]


def test_a_running_writer_goes_on_as_it_opened_and_its_successor_knows_its_appends_again(site: Site) -> None:
    signals, last = [site.order.started(), *site.order.signals(2)][1:], site.order.signals(1)

    async def main() -> None:
        async with kafka_store(site.settings, formats=NEW) as store:
            await store.append(TOKEN, ONE, [HistoryBuilder(ONE).started()], 0)
            await upgrade.finalize(NEW)
            before = await store.append(TOKEN, ONE, signals, 1, append_id="twice")
        async with kafka_store(site.settings, formats=NEW) as store:  # no tables: it reads the log's version 1
            assert await store.append(TOKEN, ONE, signals, 1, append_id="twice") == before
            newer = await store.append(TOKEN, ONE, last, 3, append_id="newer")
            assert await store.append(TOKEN, ONE, last, 3, append_id="newer") == newer
        async with kafka_store(site.settings, formats=NEW) as store:
            assert await store.append(TOKEN, ONE, last, 3, append_id="newer") == newer

    asyncio.run(main())
    assert site.versions() == [1, 1, 1, 2]


def test_an_old_projector_that_nobody_saw_stops_at_the_first_newer_record(site: Site, tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    with worker_process(site.projector, log) as process:
        wait_until(lambda: ("projector", process.pid, 1) in site.processes(), "the old projector is there")
        assert site.append(OLD, [site.order.started()]) == 1
        site.rows("delete from processes returning 1")  # as if it had been cut off from Postgres for a minute
        assert asyncio.run(upgrade.finalize(NEW)) == 0

        async def append() -> None:
            async with kafka_store(site.settings, formats=NEW) as store:
                await store.append(TOKEN, ONE, site.order.signals(2), 1)

        asyncio.run(append())
        assert process.wait(DEADLINE_S) == 1
    last = log.read_text().splitlines()[-1]
    assert "found version 2 at offset" in last
    assert "upgrade this process to an aion-store that reads it" in last
    assert site.rows("select seq, quarantined from events join workflows using (workflow_id)") == [(1, None)]
    assert site.rows("select count(*) from rejected_records") == [(0,)]
    with running_worker(site.projector, NEW):
        assert site.append(NEW, site.order.signals(1)) == 4


def test_once_finalized_an_old_build_is_refused_with_what_to_do(site: Site) -> None:
    assert site.command("upgrade", "finalize") == (
        0,
        "Record format 1 is finalized already, and this build knows no newer one: nothing to do.\n",
    )
    code, told = site.command("upgrade", "status")
    assert (code, "1 is finalized" in told, "nothing: what this build writes" in told) == (0, True, True)

    async def follow() -> None:
        """One that is up already, and that nobody saw: it has to stop by itself."""
        reading = site.settings.model_copy(update={"ownership": "none"})
        async with kafka_store(reading) as store, store.subscribe(start=Start.BEGINNING) as events:
            site.rows("delete from processes returning 1")
            await upgrade.finalize(NEW)
            async with kafka_store(site.settings, formats=NEW) as writer:
                await writer.append(TOKEN, ONE, [site.order.started()], 0)
            await anext(aiter(events))

    with pytest.raises(SchemaMismatchError, match="upgrade this process"):
        asyncio.run(follow())

    with pytest.raises(SchemaMismatchError, match="upgrade this process"):
        site.append(OLD, HistoryBuilder(ONE, head=1).signals(1))
    code, told = site.command("upgrade", "status")
    assert (code, "upgrade this process" in told) == (2, True)
    code, told = site.command("doctor")
    assert (code, "upgrade this process" in told) == (1, True)
    with pytest.raises(SchemaMismatchError, match="version 2, which is finalized"):
        asyncio.run(run_worker(site.projector, asyncio.Event()))
    assert site.versions() == [2]


def test_a_process_that_comes_while_the_format_is_finalized_sees_it(site: Site) -> None:
    with psycopg.connect(site.dsn) as finalizing:
        finalizing.execute("lock table aion.processes in exclusive mode")
        finalizing.execute("update aion.record_format set finalized = 2")

        async def come() -> None:
            async with announced(site.dsn, "aion", "projector", OLD):
                pass

        async def main() -> None:
            coming = asyncio.create_task(come())
            waiting = (
                "select from pg_stat_activity where application_name like '%announcing' and wait_event_type = 'Lock'"
                " and datname = current_database()"
            )
            await asyncio.to_thread(wait_until, lambda: site.rows(waiting), "the process waits")
            finalizing.commit()
            await coming

        with pytest.raises(SchemaMismatchError, match="version 2, which is finalized"):
            asyncio.run(main())
    assert site.processes() == set()


def test_a_process_is_seen_again_and_again_and_what_was_left_long_ago_is_forgotten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion_store.postgres.announcing.BEAT_S", 0.05)

    fresh = "select from processes where seen_at > now() - interval '9 s'"

    async def main() -> None:
        async with announced(site.dsn, "aion", "reader"):
            for age in ("59 s", "2 days"):  # after a day another process could have removed it
                aged = f"update processes set seen_at = now() - interval '{age}' returning 1"
                await asyncio.to_thread(site.rows, aged)
                await asyncio.to_thread(wait_until, lambda: site.rows(fresh), "the process is seen again")

    left = "'left', 'writer', 'h', 1, 'b', 1, 1, 3, now(), now() - interval '25 h'"
    site.rows(f"insert into processes select {left} returning 1")
    asyncio.run(main())
    assert site.processes() == set()


def test_a_process_that_was_killed_counts_for_a_while_and_then_no_more(site: Site) -> None:
    async def status() -> set[int]:
        found = await read_status(site.dsn, "aion")
        return {process.pid for process in found.behind(NEW)}

    async def main() -> None:
        async with announced(site.dsn, "aion", "projector"):
            assert await status() == {os.getpid()}
            await asyncio.to_thread(site.rows, "update processes set seen_at = now() - interval '59 s' returning 1")
            assert await status() == {os.getpid()}
            await asyncio.to_thread(site.rows, "update processes set seen_at = now() - interval '61 s' returning 1")
            assert await status() == set()
            await upgrade.finalize(NEW)

    asyncio.run(main())
