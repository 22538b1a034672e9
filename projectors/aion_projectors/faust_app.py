"""The Faust app: membership, assignment and lifecycle around the projection. It writes nothing to Kafka.

One agent applies at once what was fetched while it applied what came before: under load in few big transactions instead
of many small ones that wait for one another. Faults of a partition (a gap, a database that went back) end in another
seek; a gap that persists halts the partition, for all workers.
"""
# pyright: basic
# faust.App's own types are loose: settings, channels and services come as Any.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, cast

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.types import TP

from aion_projectors import halts
from aion_projectors.apply import Applied
from aion_projectors.checkpoints import CheckpointRow
from aion_projectors.fetched import Fetched, follow
from aion_projectors.kafka_security import KafkaSecurity, kafka_security
from aion_projectors.plan import Behind, Gap
from aion_projectors.settings import ProjectorSettings
from aion_projectors.sharded_projection import ShardedProjection
from aion_projectors.transport import Fetch, ProjectorConsumer, ProjectorTransport
from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.reader import TopicIdentity, describe_topic, offset_bounds
from aion_store.postgres.generation import LogPartition
from aion_store.projected import LogName

MAX_RECORDS: Final = 10_000
"""Of a fetch; as many may wait for the agent before the next fetch has to."""
MAX_PARTITION_BYTES: Final = 4 * 1024 * 1024
GAPS_UNTIL_HALT: Final = 3
WATCH_S: Final = 3.0
"""How often the tables are looked at: a Postgres that lost its latest commits must not wait for the next event."""

TOPIC_WATCH_S: Final = 5.0
LOOKS_UNTIL_DELETED: Final = 3
"""A broker that has just started may not know a topic yet."""

SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_S: Final = 0.5
REBALANCE_TIMEOUT_S: Final = 6.0
REQUEST_TIMEOUT_S: Final = 10.0
MAX_POLL_INTERVAL_S: Final = 300.0
START_S: Final = 5.0
"""How long a start that isn't wanted any more may take to finish."""

_log: Final = logging.getLogger(__name__)


class _Boot(BootStrategy):
    enable_kafka_producer = False
    enable_web = False
    enable_sensors = False


class _NoTables(TableManager):
    async def on_start(self) -> None:
        """As Faust's, without the second that it gives tables to register: there are none."""
        await self._update_channels()
        await self.recovery.start()


class ProjectorApp(faust.App):
    """One worker's app. `failure` is set when it can't go on: then stop it."""

    BootStrategy = _Boot

    settings: ProjectorSettings
    projection: ShardedProjection
    formats: RecordFormats
    failure: asyncio.Future[BaseException]
    _logs: Mapping[str, LogName]
    _calls: Any
    _waiting: dict[TP, Fetched]
    _room: asyncio.Event
    _gaps: dict[TP, tuple[Gap, int]]
    _reached: dict[TP, int]

    def attach(self, settings: ProjectorSettings, projection: ShardedProjection, formats: RecordFormats) -> None:
        """Give the app what it works on, and its agent."""
        self.settings, self.projection, self.formats = settings, projection, formats
        self.failure = asyncio.get_running_loop().create_future()
        self._logs = {settings.events_topic: "events", settings.packages_topic: "packages"}
        self._gaps, self._reached = {}, {}
        self._calls, self._waiting, self._room = self.channel(maxsize=0), {}, asyncio.Event()
        self._room.set()
        self.agent(self._calls, name=f"{settings.group_id}.project")(self._project)

    async def _project(self, calls: Any) -> None:
        try:
            async for _ in calls:
                fetch, self._waiting = self._waiting, {}
                self._room.set()
                await self.take(fetch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker is to stop and say so
            self.fail(error)

    def _new_transport(self) -> ProjectorTransport:
        return ProjectorTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Faust's working directory isn't needed."""

    async def on_start(self) -> None:
        await super().on_start()
        for topic in self._logs:
            self.topics.add(self.topic(topic, key_type=bytes, value_type=bytes, acks=False))
        self.add_future(self._watch())
        self.add_future(self._watch_topics())

    async def crash(self, reason: BaseException) -> None:
        self.fail(reason)
        await super().crash(reason)

    def fail(self, error: BaseException) -> None:
        """Note why the app can't go on; the first reason stays."""
        if not self.failure.done():
            self.failure.set_result(error)

    async def put(self, fetch: Fetch) -> None:
        """Add a fetch to what waits for the agent, once there is room, and call the agent.

        Each time: a rebalance drops calls, and the agent passes over those that find nothing.
        """
        if not self._room.is_set():
            await self._calls.put(True)
            await self._room.wait()
        for tp, fetched in fetch.items():
            self._waiting[tp] = follow(self._waiting.get(tp), fetched)
        if sum(len(fetched.stretch.records) for fetched in self._waiting.values()) >= MAX_RECORDS:
            self._room.clear()
        await self._calls.put(True)

    async def read_checkpoints(self, partitions: set[TP]) -> Mapping[TP, CheckpointRow]:
        """Where the tables of these partitions stand."""
        places = {self._place(tp): tp for tp in partitions}
        rows = await self.projection.read_checkpoints(list(places))
        return {places[place]: row for place, row in rows.items()}

    def on_seek(self, rows: Mapping[TP, CheckpointRow]) -> None:
        """Tell from where which partitions are read on."""
        self._reached.update((tp, row.checkpoint.position) for tp, row in rows.items())
        for tp, row in sorted(rows.items()):
            _log.info("%s [%s]: from offset %s%s", *tp, row.checkpoint.position, " (halted)" if row.halted else "")

    async def take(self, fetch: Fetch) -> None:
        """Apply a fetch, and see to the partitions that it couldn't bring forward."""
        consumer = cast("ProjectorConsumer", self.consumer)
        wanted = {tp: fetched for tp, fetched in fetch.items() if consumer.is_current(tp, fetched)}
        places = {self._place(tp): tp for tp, (_, stretch, lost) in wanted.items() if stretch.records or not lost}
        stretches = {place: wanted[tp].stretch for place, tp in places.items()}
        for place, applied in (await self.projection.apply(stretches)).items():
            await self._see_to(places[place], applied)
        for tp, fetched in wanted.items():
            if fetched.lost and consumer.is_current(tp, fetched):
                await self._halt_lost(tp, fetched.stretch.position)

    async def _see_to(self, tp: TP, applied: Applied) -> None:
        consumer = cast("ProjectorConsumer", self.consumer)
        self._reached[tp] = applied.checkpoint.position
        match applied:
            case Applied(halted=str()):
                await consumer.hold(tp)
            case Applied(fault=Gap() as gap):
                known, times = self._gaps.get(tp, (gap, 0))
                times = times + 1 if known == gap else 1
                self._gaps[tp] = (gap, times)
                _log.error("%s [%s]: ordinal %s is missing before %s at offset %s", *tp, *gap)
                if times < GAPS_UNTIL_HALT:
                    await consumer.seek_to_checkpoints({tp})
                else:
                    await self._halt(tp, halts.gap(gap))
            case Applied(fault=Behind()):
                _log.warning("%s [%s]: the tables went back to offset %s", *tp, applied.checkpoint.position)
                await consumer.seek_to_checkpoints({tp})
            case _:
                self._gaps.pop(tp, None)

    async def _watch(self) -> None:
        """Read on from the checkpoints of partitions whose tables stand below what was applied to them."""
        consumer = cast("ProjectorConsumer", self.consumer)
        while not self.should_stop:
            await self.sleep(WATCH_S)
            await self._check_membership(consumer)
            reached = {tp: self._reached[tp] for tp in consumer.assignment() if tp in self._reached}
            rows = await self.read_checkpoints(set(reached)) if reached else {}
            behind = {tp for tp, row in rows.items() if row.checkpoint.position < reached[tp]}
            for tp in sorted(behind):
                _log.warning("%s [%s]: the tables went back to offset %s", *tp, rows[tp].checkpoint.position)
            freed = {tp for tp, row in rows.items() if row.halted is None and consumer.is_held(tp)}
            await consumer.seek_to_checkpoints((behind | freed) & consumer.assignment())

    async def _check_membership(self, consumer: ProjectorConsumer) -> None:
        try:
            await consumer.check_membership()
        except AccessDeniedError as error:
            self.fail(error)

    async def _watch_topics(self) -> None:
        """Stop, for good and loudly, when a topic isn't the one any more that the tables are made from."""
        missing: dict[str, int] = dict.fromkeys(self._logs, 0)
        while not self.should_stop:
            await self.sleep(TOPIC_WATCH_S)
            for topic in self._logs:
                try:
                    found = await self._describe(topic)
                except UnavailableError as error:
                    _log.warning("topic %s can't be looked at: %s", topic, error)
                    continue
                missing[topic] = missing[topic] + 1 if found is None else 0
                if self._is_other(topic, found) or missing[topic] >= LOOKS_UNTIL_DELETED:
                    await self._refuse(topic, found)
                    return

    async def _describe(self, topic: str) -> TopicIdentity | None:
        return await asyncio.to_thread(describe_topic, self.settings.kafka, topic, REQUEST_TIMEOUT_S)

    def _is_other(self, topic: str, found: TopicIdentity | None) -> bool:
        return found is not None and found.topic_id != self.projection.topic_ids[self._logs[topic]]

    async def _refuse(self, topic: str, found: TopicIdentity | None) -> None:
        reason = halts.other_topic(topic, self.projection.topic_ids[self._logs[topic]], found)
        consumer = cast("ProjectorConsumer", self.consumer)
        _log.critical("%s. Its tables no longer move.", reason)
        await self.projection.halt_log(self._logs[topic], reason)
        for tp in consumer.assignment():
            if tp.topic == topic:
                await consumer.hold(tp)
        self.fail(SchemaMismatchError("the topic that the tables are made from", reason, f"Topic {topic}"))

    async def _halt_lost(self, tp: TP, position: int) -> None:
        try:
            found = await self._describe(tp.topic)
            bounds = await asyncio.to_thread(offset_bounds, self.settings.kafka, *tp, REQUEST_TIMEOUT_S)
        except UnavailableError as error:
            _log.warning("%s [%s] doesn't hold offset %s, and can't be asked what it holds: %s", *tp, position, error)
            await cast("ProjectorConsumer", self.consumer).seek_to_checkpoints({tp})
        else:
            if self._is_other(tp.topic, found):
                await self._refuse(tp.topic, found)
            else:
                await self._halt(tp, halts.lost(position, bounds))

    async def _halt(self, tp: TP, reason: str) -> None:
        _log.critical("%s [%s] is HALTED: %s. Its tables no longer move.", *tp, reason)
        await self.projection.halt(self._place(tp), reason)
        await cast("ProjectorConsumer", self.consumer).hold(tp)

    def _place(self, tp: TP) -> LogPartition:
        return LogPartition(self._logs[tp.topic], tp.partition)


def build_app(
    settings: ProjectorSettings, projection: ShardedProjection, formats: RecordFormats = BUILD_FORMATS
) -> ProjectorApp:
    """The app for these settings, not started. Needs a running event loop; several may share one.

    Static membership isn't used: it would slow a graceful leave down to the session time-out.
    """
    app = ProjectorApp(
        settings.group_id,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers],
        broker_credentials=_credentials(kafka_security(settings.kafka)),
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        consumer_auto_offset_reset="none",
        consumer_max_fetch_size=MAX_PARTITION_BYTES,
        broker_max_poll_records=MAX_RECORDS,
        broker_max_poll_interval=MAX_POLL_INTERVAL_S,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        broker_request_timeout=REQUEST_TIMEOUT_S,
        TableManager=_NoTables,
    )
    app.attach(settings, projection, formats)
    return app


def _credentials(security: KafkaSecurity) -> faust.auth.Credentials | None:
    if (login := security.login) is not None:
        return faust.SASLCredentials(
            username=login.username, password=login.password, mechanism=login.mechanism, ssl_context=security.tls
        )
    return None if security.tls is None else faust.SSLCredentials(security.tls)


async def run_app(app: ProjectorApp, stop: asyncio.Event) -> None:
    """Run the app until `stop` is set. Raises what made it fail; it is stopped in any case."""
    starting = asyncio.ensure_future(app.start())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping, app.failure}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait({stopping, app.failure}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        await asyncio.wait({starting}, timeout=START_S)  # what was begun and not finished would be left open
        starting.cancel()
        await app.stop()
        await app.projection.close()
    if app.failure.done() and not stop.is_set():
        raise app.failure.result()
