"""`audit replay` on a real log: the rows are those of a released version, at any position, and what differs is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aion_producers.topics import LogTopics, ensure_topics
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.golden.make_derived_rows import FIRST, write
from tests.projected_log import PlainWriter
from tests.servers import Servers

COMMAND = Path(sys.executable).with_name("aion-store")
TIMEOUT_S = 30.0


class Replaying:
    """A log with its command."""

    def __init__(self, servers: Servers, prefix: str) -> None:
        self.client: Any = {"bootstrap.servers": servers.bootstrap_servers}
        self.topics: LogTopics = ensure_topics(self.client, prefix, 1, TIMEOUT_S)
        self._environment = {
            **os.environ,
            "AION_STORE_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
            "AION_STORE_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:1/none",
            "AION_STORE_TOPIC_PREFIX": prefix,
        }

    def __call__(self, *arguments: str, code: int = 0) -> str:
        command = [str(COMMAND), "audit", "replay", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout if code != 2 else done.stderr


@pytest.fixture
def replay(servers: Servers, topic_prefix: str) -> Replaying:
    return Replaying(servers, topic_prefix)


def test_the_rows_of_a_fixed_log_are_those_of_the_released_version(replay: Replaying, tmp_path: Path) -> None:
    write(replay.client, replay.topics)
    header, *rows = replay().splitlines()
    assert json.loads(header)["fold_version"] == 1
    assert rows == FIRST.read_text().splitlines()
    made = tmp_path / "rows"
    made.write_text("\n".join([header, *FIRST.read_text().splitlines()]) + "\n")
    assert replay("--expect", str(made)) == ""


def test_rows_are_made_as_of_a_position_and_differences_are_told(replay: Replaying, tmp_path: Path) -> None:
    writer = PlainWriter(replay.client, replay.topics)
    one, two = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    with writer.transaction():
        writer.append(workflow(1), [one.started("a\u2028b\x85"), one.scheduled(1)])
        writer.append(workflow(2), [two.started()])
    before = replay()
    with writer.transaction():
        writer.append(workflow(1), [one.activity_completed(1), one.completed()])
    kept = tmp_path / "rows"
    kept.write_text(before)
    until = json.loads(before.splitlines()[0])["until"]
    assert replay("--until", until) == before
    assert replay("--expect", str(kept)) == ""
    of_one = f"{workflow(1)} workflows"
    found = replay("--expect", str(kept), "--until", "end", code=3)
    assert f"{of_one}: status was 'Running', now it is 'Completed'" in found
    assert f"{workflow(1)} activities activity_id=1: isn't there any more" in found
    assert str(workflow(2)) not in found
    assert replay("--expect", str(kept), "--until", "end", "--workflow", str(workflow(2))) == ""
    alone = replay("--workflow", str(workflow(2))).splitlines()[1:]
    assert [json.loads(line)["table"] for line in alone] == ["workflows", "runs"]
    kept.write_text(before.replace('"head":2', '"head":3'))
    assert replay("--expect", str(kept), code=3) == f"{of_one}: head was 3, now it is 2\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "doesn't begin as audit replay does"),
        ('{"aion_store_replay":2,"topic_id":"a","until":"b"}', "doesn't begin as audit replay does"),
        ('{"aion_store_replay":1,"topic_id":"a","until":"end"}\n{"a":1}', "line 2: this isn't a row"),
        ('{"aion_store_replay":1,"topic_id":"a","until":"end"}\nno', "line 2: this isn't a row"),
    ],
)
def test_what_is_not_such_rows_is_refused(replay: Replaying, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "rows").write_text(text)
    assert complaint in replay("--expect", str(tmp_path / "rows"), code=2)
