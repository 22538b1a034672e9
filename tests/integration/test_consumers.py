"""The examples that read the log and its exports without this library do so, on a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.codec import encode_event
from aion_store.log.record import barrier_record
from tests.integration.test_transfer import export_all, make_log
from tests.servers import Servers

CONSUMERS = Path(__file__).parents[2] / "examples" / "consumers"


def run_alone(program: str, *arguments: str, code: int = 0) -> str:
    """Run an example where this project can't be imported."""
    alone = "import sys, runpy; sys.modules.update(dict.fromkeys(['aion_store', 'aion_producers', 'aion_service']));"
    alone += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", alone, str(CONSUMERS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_a_plain_consumer_reads_complete_appends_and_checks_the_chain(servers: Servers, topic_prefix: str) -> None:
    writer, histories = make_log(servers, topic_prefix, 1)
    with writer.transaction():
        writer.part(workflow(5), HistoryBuilder(workflow(5)).signal(), "torn", 1, 2)
        writer.write("events", 0, [barrier_record("later", slot) for slot in ("a", "b")])
    with writer.transaction(abort=True):
        writer.append(workflow(5), HistoryBuilder(workflow(5)).signals(2))
    whole = HistoryBuilder(workflow(5)).signals(2)
    with writer.transaction():
        writer.append(workflow(5), whole)
    topic = writer.topics.events.name
    lines = [json.loads(line) for line in run_alone("read_log.py", servers.bootstrap_servers, topic, "0").splitlines()]
    wanted = [json.loads(encode_event(each)) for history in [*histories.values(), whole] for each in history]
    assert [line["value"] for line in lines] == wanted
    assert [int(line["seq"]) for line in lines[-2:]] == [1, 2]
    writer.skip(0, 1)
    with writer.transaction():
        writer.append(workflow(6), HistoryBuilder(workflow(6)).signals(1))
    missing = run_alone("read_log.py", servers.bootstrap_servers, topic, "0", code=1)
    assert f"ordinal {len(wanted) + 2} is missing" in missing


def test_duckdb_answers_from_an_export(servers: Servers, topic_prefix: str, tmp_path: Path) -> None:
    writer, _ = make_log(servers, topic_prefix, 2)
    for number, end in ((7, "completed"), (8, "failed"), (9, None)):
        order = HistoryBuilder(workflow(number))
        events = [order.started("parcel"), order.scheduled(1, "weigh"), order.activity_completed(1)]
        events += [getattr(order, end)()] if end else []
        with writer.transaction():
            writer.append(workflow(number), events)
    export_all(tmp_path, writer, "parquet")
    rows = [line.split("\t")[1:] for line in run_alone("exported.py", str(tmp_path)).splitlines()]
    for row in (["parcel", "WorkflowCompleted", "1"], ["parcel", "WorkflowFailed", "1"], ["parcel", "open", "1"]):
        assert row in rows
    assert ["weigh", "3", "1.0"] in rows
    assert ["it broke", "1"] in rows


@pytest.mark.parametrize("program", ["read_log.py", "exported.py"])
def test_the_examples_do_not_import_this_project(program: str) -> None:
    lines = (CONSUMERS / program).read_text().splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("import aion", "from aion"))]
