"""The operator's commands as they are run: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from aion_projectors import folds
from aion_service.cli.commands import app
from aion_service.embedded.ports import free_ports
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.postgres.generations import create_generation
from aion_store.postgres.log_identity import LogIdentity
from tests.integration.test_projected_tables import write_histories
from tests.losing import lose_a_record_between, lose_the_last_record, sequences
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers
from tests.waiting import wait_until

COMMAND = Path(sys.executable).with_name("aion-store")
PARTITIONS = 2
BAD_BODY = b'{"type":"WorkflowStarted","data":{}}'


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


def environment(projected: Projected) -> dict[str, str]:
    """What names a test's store."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AION_STORE_")}
    return clean | {
        "AION_STORE_BOOTSTRAP_SERVERS": str(projected.settings.kafka["bootstrap.servers"]),
        "AION_STORE_POSTGRES_DSN": projected.dsn,
        "AION_STORE_TOPIC_PREFIX": projected.log.events.name.removesuffix(".events"),
        "AION_STORE_PARTITIONS": str(PARTITIONS),
    }


def command(projected: Projected, *arguments: str, code: int = 0) -> str:
    """What a command prints when it is run in this process; it must end with that exit code."""
    done = CliRunner().invoke(app, arguments, env=environment(projected), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_an_operator_finds_repairs_and_rebuilds(projected: Projected) -> None:
    with running_worker(projected.settings):
        write_histories(projected, range(1, 8))
        with projected.writer.transaction():
            projected.writer.append(workflow(99), [("WorkflowStarted", 1, "2026-01-31T12:00:00Z", BAD_BODY)])
        projected.wait_for_end()
    assert command(projected, "verify") == ""
    with projected.session() as connection:
        connection.execute("update workflows set head = head + 1 where workflow_id = %s", (workflow(1),))
        connection.execute("delete from events where seq = 2 and workflow_id = %s", (workflow(2),))
    lines = command(projected, "verify", "--json", code=3).splitlines()
    found = {(line["workflow_id"], line["table"], line["column"]) for line in map(json.loads, lines)}
    assert found == {(str(workflow(1)), "workflows", "head"), (str(workflow(2)), "events", None)}
    assert command(projected, "verify", "--workflow", str(workflow(3))) == ""
    assert str(workflow(1)) in command(projected, "verify", "--repair")
    assert command(projected, "verify", "--sample", "2") == ""
    for wrong in (["--partition", "7"], ["--workflow", "no id"], ["--workflow", str(workflow(1)), "--partition", "0"]):
        command(projected, "verify", *wrong, code=2)

    assert str(workflow(99)) in command(projected, "quarantine", "list")
    shown = json.loads(command(projected, "quarantine", "show", str(workflow(99)), "--json"))
    assert (shown["seq"], shown["kind"], shown["body"]) == (1, "WorkflowStarted", BAD_BODY.decode())
    command(projected, "quarantine", "show", str(workflow(1)), code=1)
    assert str(workflow(99)) in command(projected, "quarantine", "refold", "--all", code=3)
    command(projected, "quarantine", "refold", code=2)

    command(projected, "rebuild", "--resume", code=2)
    command(projected, "rebuild")
    assert projected.live_schema == "aion_g2"
    command(projected, "rebuild", "--drop")
    assert command(projected, "verify") == ""
    assert command(projected, "unhalt") == ""


def test_nothing_is_repaired_from_a_log_that_lost_records(projected: Projected) -> None:
    lose_a_record_between(projected, workflow(1))
    lose_the_last_record(projected, workflow(3))
    for number in (1, 3):  # of the second one's partition only the checkpoint tells
        kept = sequences(projected, workflow(number))
        assert "should not be there" in command(
            projected, "verify", "--repair", "--workflow", str(workflow(number)), code=3
        )
        assert sequences(projected, workflow(number)) == kept
    command(projected, "verify", "--repair", code=3)
    command(projected, "quarantine", "refold", str(workflow(1)), code=3)
    command(projected, "quarantine", "refold", str(workflow(3)), code=2)
    assert [len(sequences(projected, workflow(number))) for number in (1, 3)] == [4, 3]


def test_tables_of_older_folds_are_told_until_they_are_rebuilt(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_histories(projected, range(1, 4))
    command(projected, "rebuild")
    with psycopg.connect(projected.dsn, autocommit=True) as connection:  # begun by the older build
        asyncio.run(begin_generation(projected.dsn, "aion_g3", projected.log))
        monkeypatch.setattr(folds, "VERSION", 2)  # a build whose folds give other rows
        command(projected, "rebuild", "--resume", code=2)
        command(projected, "rebuild", "--drop")
        assert connection.execute("select folds from aion.generation").fetchall() == [(1,)]
    told = "made by folds of version 1, this build's are version 2"
    for _ in range(2):
        assert told in CliRunner().invoke(app, ["migrate"], env=environment(projected)).output
        assert told in command(projected, "doctor")
    command(projected, "rebuild")
    assert "folds" not in CliRunner().invoke(app, ["migrate"], env=environment(projected)).output
    assert "folds" not in command(projected, "doctor")


async def begin_generation(dsn: str, generation: str, log: LogIdentity) -> None:
    """Begin a rebuild and stop."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await create_generation(connection, generation, log)


def test_the_doctor_says_what_is_wrong_and_what_to_do(projected: Projected) -> None:
    with running_worker(projected.settings):
        write_histories(projected, range(1, 8))
        projected.wait_for_end()
    assert "BAD" not in command(projected, "doctor")
    for line in map(json.loads, command(projected, "lag", "--json").splitlines()):
        assert (line["records"], line["seconds"], line["halted"], line["stalled"]) == (0, 0.0, None, False)

    with projected.session() as connection:  # as if nothing had been applied for a minute
        connection.execute("update checkpoints set advanced_at = now() - interval '60 s'")
    with projected.writer.transaction():
        projected.writer.append(workflow(50), [HistoryBuilder(workflow(50)).started()])
    waiting = [line for line in map(json.loads, command(projected, "lag", "--json").splitlines()) if line["records"]]
    assert [line["records"] for line in waiting] == [1]
    assert 0 < waiting[0]["seconds"] < 60

    with projected.session() as connection:
        connection.execute("update checkpoints set halted = 'a reason' where log = 'events' and partition = 0")
        connection.execute("update checkpoints set position = 1000000 where log = 'packages'")
        connection.execute("update workflows set quarantined = 'why' where workflow_id = %s", (workflow(1),))
    findings = [json.loads(line) for line in command(projected, "doctor", "--json", code=1).splitlines()]
    told = {finding["subject"]: (finding["health"], finding["says"]) for finding in findings}
    assert told["events 0"] == ("BAD", "halted: a reason")
    assert "--accept-log" in told["packages 0"][1]
    assert told["quarantine"][0] == "look"
    assert "a reason" in command(projected, "unhalt", "--partition", "0")

    away = projected.settings.model_copy(update={"kafka": {"bootstrap.servers": f"127.0.0.1:{free_ports(1)[0]}"}})
    unreachable = Projected(away, projected.log, projected.writer, projected.dsn)
    assert "Kafka is unavailable" in command(unreachable, "doctor", code=1)
    nothing = environment(projected) | {"AION_STORE_TOPIC_PREFIX": "nothing"}
    assert CliRunner().invoke(app, ["doctor"], env=nothing).stdout.count("run aion-store migrate") == 2


def test_metrics_are_printed_and_served(projected: Projected) -> None:
    with running_worker(projected.settings):
        write_histories(projected, range(1, 4))
        projected.wait_for_end()
    printed = command(projected, "metrics")
    assert "aion_store_up 1\n" in printed
    assert 'aion_store_behind_records{log="events",partition="1"} 0\n' in printed
    for line in printed.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) aion_store_\w+ .+|aion_store_\w+(\{[^}]+\})? -?[\d.e+]+", line), line
    (port,) = free_ports(1)
    serve = [str(COMMAND), "metrics", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(serve, env=environment(projected), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "/metrics" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert names(answer.read().decode()) == names(printed)
        process.terminate()
        wait_until(lambda: process.poll() is not None, "it ends")
        assert process.returncode == 0
    command(projected, "metrics", "--listen", "nowhere", code=2)


def test_stalled_and_halted_partitions_are_told_also_while_a_transaction_hangs(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion_service.observation.STALLED_S", 0.1)
    monkeypatch.setattr("aion_service.observation._ANSWER_S", 2.0)
    with running_worker(projected.settings):
        write_histories(projected, range(1, 4))
        projected.wait_for_end()
    with projected.session() as connection:
        connection.execute("update checkpoints set halted = 'a reason' where log = 'packages'")
    writer = projected.writer
    with writer.transaction():
        waiting = writer.append(workflow(50), [HistoryBuilder(workflow(50)).started()])

    def told() -> str:
        printed = command(projected, "metrics")
        assert 'aion_store_halted{log="packages",partition="0"} 1\n' in printed
        assert len(re.findall(r"aion_store_halted{.*} 0", printed)) == PARTITIONS
        return printed

    stalled = f'aion_store_stalled{{log="events",partition="{waiting}"}} 1\n'
    hidden = f'aion_store_behind_records{{log="events",partition="{waiting}"}}'
    wait_until(lambda: stalled in told(), "the partition is stalled")
    assert f"{hidden} 1\n" in told()
    with writer.transaction(abort=True):
        writer.append(workflow(50), [HistoryBuilder(workflow(50), head=1).signal()])
        wait_until(lambda: hidden not in told(), "the transaction has reached the log")
        printed = told()
        assert stalled in printed
        assert f'aion_store_behind_seconds{{log="events",partition="{waiting}"}}' in printed
        assert len(re.findall(r"aion_store_stalled{.*} 1", printed)) == 1
        assert "is aion-store projector running?" in command(projected, "doctor", code=1)
        (line,) = [line for line in command(projected, "lag").splitlines() if "STALLED" in line]
        assert "? records" in line


def test_a_refusal_is_served_as_being_down_and_addresses_may_be_of_ipv6(projected: Projected) -> None:
    refused = f"{projected.dsn}{'&' if '?' in projected.dsn else '?'}user=nobody_{secrets.token_hex(4)}"
    (port,) = free_ports(1)
    serve = [str(COMMAND), "metrics", "--listen", f"[::1]:{port}"]
    named = environment(projected) | {"AION_STORE_POSTGRES_DSN": refused}
    with subprocess.Popen(serve, env=named, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f"http://[::1]:{port}/metrics" in process.stderr.readline()
        with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=20) as answer:
            assert "aion_store_up 0\n" in answer.read().decode()
        process.terminate()
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.fullmatch(r"aion-store: Postgres refused: .*\n", complaint)


def names(text: str) -> set[str]:
    """The names and labels of the samples."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
