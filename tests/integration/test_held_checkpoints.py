"""A checkpoint that another session holds stops its own partition only, and a projector that holds it is left time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from aion_projectors import session
from aion_projectors.session import APPLICATION_NAME, REFOLD_NAME
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.partitioning import partition_of
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

PARTITIONS = 2
HELD, FREE = (
    next(workflow(n) for n in range(1, 100) if partition_of(workflow(n), PARTITIONS) == partition)
    for partition in range(PARTITIONS)
)
DEADLINE_S = 90.0
IN_VAIN = "the checkpoint of events [0] can't be locked yet"


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


@contextmanager
def holding(projected: Projected, application_name: str) -> Generator[psycopg.Connection[Any]]:
    """Within, a session of this name holds the checkpoint of partition 0."""
    with projected.session() as connection:
        connection.execute("select set_config('application_name', %s, false)", (application_name,))
        connection.commit()
        connection.execute("select from checkpoints where log = 'events' and partition = 0 for update")
        yield connection


def append(projected: Projected, *builders: HistoryBuilder) -> None:
    with projected.writer.transaction():
        for builder in builders:
            projected.writer.append(builder.workflow_id, [builder.signal() if builder.head else builder.started()])


def head(projected: Projected, builder: HistoryBuilder) -> int:
    """How far the tables know a workflow."""
    found = projected.rows("select head from workflows where workflow_id = %s", builder.workflow_id)
    return found[0][0] if found else 0


@pytest.mark.parametrize("holder", [REFOLD_NAME, APPLICATION_NAME])
def test_other_partitions_go_on_while_a_checkpoint_is_held_and_its_holder_is_left_alone(
    projected: Projected, caplog: pytest.LogCaptureFixture, holder: str
) -> None:
    held, free = HistoryBuilder(HELD), HistoryBuilder(FREE)
    with running_worker(projected.settings):
        append(projected, held, free)
        projected.wait_for_end(deadline_s=DEADLINE_S)
        with holding(projected, holder) as connection:
            for _ in range(3):
                append(projected, held, free)
                wait_until(lambda: head(projected, free) == free.head, "the other partition goes on", DEADLINE_S)
                append(projected, free)
            wait_until(lambda: caplog.text.count(IN_VAIN) >= 3, "it was waited for more than once", DEADLINE_S)
            wait_until(lambda: head(projected, free) == free.head, "the other partition goes on", DEADLINE_S)
            assert head(projected, held) == 1
            connection.execute("select 1")
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert_clean(projected)


def test_a_projector_that_holds_a_checkpoint_for_longer_than_a_transaction_may_take_is_ended(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "HELD_TOO_LONG_S", 3.0)
    held = HistoryBuilder(HELD)
    with running_worker(projected.settings):
        append(projected, held)
        projected.wait_for_end(deadline_s=DEADLINE_S)
        with pytest.raises(psycopg.OperationalError), holding(projected, APPLICATION_NAME) as connection:  # noqa: PT012
            append(projected, held)
            projected.wait_for_end(deadline_s=DEADLINE_S)
            connection.execute("select 1")
    assert "ending session" in caplog.text
    assert_clean(projected)
