"""Writers that keep few heads, while their Postgres is away, is put back to an older state, and is taken over with."""

from __future__ import annotations

import random
import secrets
from functools import partial
from pathlib import Path

import psycopg

from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.recorded_calls import ACKNOWLEDGED
from tests.faults.rounds import repeat
from tests.faults.write_scene import WriteScene
from tests.kafka_node import KafkaNode
from tests.log_tables import check_tables
from tests.projected_log import Projected, make_projected, worker_process
from tests.servers import Servers
from tests.waiting import wait_until


class OlderState:
    """A copy of a database, as a backup is; putting it back takes the database away for a while."""

    def __init__(self, server_dsn: str, dsn: str) -> None:
        self._server_dsn, self._name = server_dsn, dsn.rpartition("/")[2]
        self._copy = f"{self._name}_before"
        self._run(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{self._name}'",
            f"CREATE DATABASE {self._copy} TEMPLATE {self._name}",
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true",
        )

    def take_away(self) -> None:
        self._run(f"DROP DATABASE {self._name} WITH (FORCE)")

    def put_back(self) -> None:
        self._run(f"ALTER DATABASE {self._copy} RENAME TO {self._name}")

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self._server_dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def test_tables_that_went_back_never_mislead_a_writer(
    servers: Servers, database: str, tmp_path: Path, chance: random.Random
) -> None:
    node, proxy = KafkaNode(tmp_path / "kafka"), KafkaProxy(chance)
    node.start()
    scene = None
    try:
        prefix = f"back-{secrets.token_hex(4)}"
        projected = make_projected(Servers(node.bootstrap_servers, ""), database, prefix, 1)
        scene = WriteScene(node, proxy, tmp_path / "calls", prefix, chance, database)
        with worker_process(projected.settings, tmp_path / "worker.log"):
            scene.spawn()
            faults = repeat(partial(go_back, scene, projected, servers.postgres_dsn, database))
            outcomes = scene.check()
            print(f"{faults} times: {dict(outcomes)}")
            assert outcomes[ACKNOWLEDGED] > 0
            projected.wait_for_end()
        check_tables(projected)
    finally:
        if scene is not None:
            scene.close()
        proxy.close()
        node.kill()


def go_back(scene: WriteScene, projected: Projected, server_dsn: str, dsn: str) -> None:
    """Away for a while, then as it was some hundred events ago; a new writer begins at any moment of it."""
    older = OlderState(server_dsn, dsn)
    scene.await_progress(100)
    ((known,),) = projected.rows("select max(ordinal) from events")
    wait_until(lambda: projected.rows("select max(ordinal) from events")[0][0] > known, "events are projected")
    older.take_away()
    takes_over = scene.chance.choice(("while it is away", "when it is back", "never"))
    if takes_over == "while it is away":
        scene.start()
    scene.pause(2.0)
    older.put_back()
    if takes_over == "when it is back":
        scene.start()
    scene.await_single()
    scene.await_progress(100)
