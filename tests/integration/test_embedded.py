"""The embedded stack as its users meet it: real servers, real signals, real restarts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import stat
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from aion_service.embedded.jars import jar_folder
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_store.errors import ConfigurationError, NotOwnerError
from tests.integration.stack_holder import holding, is_running
from tests.waiting import wait_until

TOPIC = "kept"
SERVER_DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the tests that don't mind what the others left in it: a restart is faster than a new one."""
    return tmp_path_factory.mktemp("stack") / "home"


def write(stack: EmbeddedStack, text: str) -> None:
    producer = Producer({"bootstrap.servers": stack.bootstrap_servers, "acks": "all"})
    producer.produce(TOPIC, text.encode())
    assert producer.flush(SERVER_DEADLINE_S) == 0
    with psycopg.connect(stack.postgres_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (text,))


def read(stack: EmbeddedStack, expected: int) -> tuple[list[str], list[str]]:
    """What the log and the table hold, in order."""
    consumer = Consumer({"bootstrap.servers": stack.bootstrap_servers, "group.id": "none"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    log: list[str] = []

    def all_read() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            log.append(message.value().decode())
        return len(log) >= expected

    wait_until(all_read, f"{expected} records", SERVER_DEADLINE_S)
    consumer.close()
    with psycopg.connect(stack.postgres_dsn) as connection:
        return log, [row[0] for row in connection.execute("SELECT text FROM kept ORDER BY ctid")]


def create_topic(stack: EmbeddedStack) -> None:
    admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(SERVER_DEADLINE_S)


@contextlib.contextmanager
def occupied(*ports: int) -> Generator[None]:
    """Others listen on these ports."""
    with contextlib.ExitStack() as listeners:
        for port in ports:
            listener = listeners.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield


def ports_of(stack: EmbeddedStack) -> list[int]:
    return [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", f"{stack.bootstrap_servers} {stack.postgres_dsn}")]


def test_data_outlives_a_stop_a_change_of_ports_and_a_kill_of_the_servers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for unfinished in ("kafka.new", "postgres.new"):
        (home / unfinished / "half").mkdir(parents=True)

    async def scenario() -> None:
        async with embedded_stack(home) as stack:
            assert not stack.attached
            create_topic(stack)
            write(stack, "first")
            ports = ports_of(stack)
        assert not (home / "stack.json").exists()

        with occupied(*ports):
            async with embedded_stack(home) as stack:
                assert not set(ports) & set(ports_of(stack))
                assert read(stack, 1) == (["first"], ["first"])
                write(stack, "second")
                for server in stack.processes.values():
                    server.kill()
                await asyncio.wait_for(stack.failure.wait(), SERVER_DEADLINE_S)
                assert "ended; its log" in (stack.failure_reason or "")

        async with embedded_stack(home) as stack:
            assert read(stack, 2) == (["first", "second"], ["first", "second"])
            assert not stack.failure.is_set()

    asyncio.run(scenario())


def test_a_second_process_attaches_and_may_not_write_until_the_first_is_gone(home: Path) -> None:
    async def scenario() -> None:
        with holding(home, "--write") as holder:
            async with embedded_stack(home) as stack:
                assert stack.attached
                assert stack.bootstrap_servers == holder.facts["bootstrap_servers"]
                assert stack.postgres_dsn == holder.facts["postgres_dsn"]
                assert f"process {holder.process.pid} " in stack.holder
                with pytest.raises(NotOwnerError, match=f"process {holder.process.pid} "):
                    stack.claim_writer()
                with pytest.raises(NotOwnerError, match=f"process {holder.process.pid} "):
                    stack.spawn("anything", ["true"], {})
                assert all(is_running(pid) for pid in holder.pids)

                holder.process.kill()
                wait_until(lambda: not any(is_running(pid) for pid in holder.pids), "the end of the holder's servers")
                stack.claim_writer()
                stack.claim_writer()

            async with embedded_stack(home) as stack:
                assert not stack.attached

    asyncio.run(scenario())


def test_a_kill_of_everything_at_once_leaves_a_directory_that_starts(home: Path) -> None:
    async def scenario() -> None:
        with holding(home) as holder:
            assert not holder.facts["attached"]
            holder.kill_everything()
            async with embedded_stack(home) as stack:
                assert not stack.attached
                assert stack.bootstrap_servers != holder.facts["bootstrap_servers"]

    asyncio.run(scenario())


def test_ctrl_c_stops_all_in_order_and_nobody_else_could_read_anything(home: Path) -> None:
    with holding(home) as holder:
        assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600
        folders = [path for path in (home, *home.iterdir()) if path.is_dir()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}

        os.killpg(holder.process.pid, signal.SIGINT)

        assert holder.process.wait(SERVER_DEADLINE_S) == -signal.SIGINT
        assert not any(is_running(pid) for pid in holder.pids)
        assert not (home / "stack.json").exists()
        assert "database system is shut down" in (home / "logs" / "postgres.log").read_text()


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    photo = tmp_path / "kafka" / "franz.jpg"
    photo.parent.mkdir()
    photo.touch()

    with pytest.raises(ConfigurationError, match=r"expected to hold Kafka's data, but it has no meta\.properties"):
        asyncio.run(enter(tmp_path))

    assert list(photo.parent.iterdir()) == [photo]


def test_damaged_data_is_reported_with_the_servers_own_words(home: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(home, damaged, ignore=shutil.ignore_patterns("postgres", "run"))
    (damaged / "kafka" / "meta.properties").write_text("version=1\n")

    with pytest.raises(
        ConfigurationError, match=r"Kafka ended with exit code 1 .*kafka\.log ends with: .*meta\.properties"
    ):
        asyncio.run(enter(damaged))


def test_a_jar_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = jar_folder(os.environ)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(genuine, jar_folder(os.environ))
    with (jar_folder(os.environ) / "snakeyaml-2.5.jar").open("ab") as jar:
        jar.write(b"x")

    with pytest.raises(
        ConfigurationError, match=r"snakeyaml-2\.5\.jar isn't the jar it should be: found \w{64}, expected"
    ):
        asyncio.run(enter(tmp_path / "home"))


async def enter(directory: Path) -> None:
    async with embedded_stack(directory):
        pytest.fail("it started")
