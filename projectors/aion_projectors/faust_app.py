"""The Faust app: membership, assignment and lifecycle around the projection. It writes nothing to Kafka.

Each database has a task, which applies at once what was fetched while it applied what came before: under load in few
big transactions instead of many small ones that wait for one another. No database waits for another: of one that
is away so much is fetched as may wait for it. Faults of a partition (a gap, a database that went back) end in another
seek; a gap that persists halts the partition, for all workers.
"""
# pyright: basic
# faust.App's own types are loose: settings, channels and services come as Any.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

import faust
from faust.app.base import BootStrategy
from faust.types import TP

from aion_projectors import halts
from aion_projectors.apply import Applied
from aion_projectors.backlog import Backlog
from aion_projectors.checkpoints import CheckpointRow
from aion_projectors.plan import Behind, Gap
from aion_projectors.projection import Projection
from aion_projectors.settings import ProjectorSettings
from aion_projectors.together import all_of
from aion_projectors.topic_watch import OtherTopic, TopicWatch
from aion_projectors.transport import Fetch, ProjectorConsumer, ProjectorTransport
from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.log.format import RecordFormats
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.shards import Shards
from aion_store.projected import LogName

MAX_RECORDS: Final = 10_000
"""Of a fetch; as many may wait for a database before the next fetch has to."""
PATIENCE_S: Final = 2.0
"""How long one of several databases may keep the others waiting: for room in what waits for it, for its checkpoints."""
SEEK_DEADLINE_S: Final = 6.0
"""Below Faust's own deadline for a seek, past which the worker begins anew whatever the other databases do."""
GAPS_UNTIL_HALT: Final = 3
WATCH_S: Final = 3.0
"""How often the tables are looked at: a Postgres that lost its latest commits must not wait for the next event."""

TOPIC_WATCH_S: Final = 5.0

_log: Final = logging.getLogger(__name__)


class _Boot(BootStrategy):
    enable_kafka_producer = False
    enable_web = False
    enable_sensors = False


@dataclass(frozen=True, slots=True, eq=False)
class _Database:
    """One database: its tables, and what waits to be applied to them."""

    projection: Projection
    backlog: Backlog[TP]


class ProjectorApp(faust.App):
    """One worker's app. `failure` is set when it can't go on: then stop it."""

    BootStrategy = _Boot

    settings: ProjectorSettings
    formats: RecordFormats
    failure: asyncio.Future[BaseException]
    _databases: Shards[_Database]
    _logs: Mapping[str, LogName]
    _topic_watch: TopicWatch
    _gaps: dict[TP, tuple[Gap, int]]
    _reached: dict[TP, int]
    _held_up: set[TP]

    def attach(self, settings: ProjectorSettings, projections: Shards[Projection], formats: RecordFormats) -> None:
        """Give the app what it works on."""
        self.settings, self.formats = settings, formats
        self.failure = asyncio.get_running_loop().create_future()
        self._logs = {settings.events_topic: "events", settings.packages_topic: "packages"}
        topic_ids = projections.default.topic_ids
        self._topic_watch = TopicWatch(settings.kafka, {topic: topic_ids[log] for topic, log in self._logs.items()})
        self._gaps, self._reached, self._held_up = {}, {}, set()
        self._databases = projections.map(lambda projection: _Database(projection, Backlog(MAX_RECORDS)))

    async def _project(self, database: _Database) -> None:
        """Apply what waits, until the app stops. Faust's channels don't do for this: a rebalance empties them."""
        try:
            while True:
                await database.backlog.wait()
                was_set_aside = database.backlog.is_set_aside
                fetch = database.backlog.take()
                if was_set_aside:
                    await self._reader.settle(self._assigned(database))
                await self._take(database, fetch)
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
        for database in self._databases.databases:
            self.add_future(self._project(database))
            self.add_future(self._watch(database))
        self.add_future(self._watch_membership())
        self.add_future(self._watch_topics())

    def _crash(self, reason: BaseException) -> None:
        """As Faust's, which calls this whatever part of the app failed, also from the consumer's thread."""
        super()._crash(reason)
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self.fail, reason)

    def fail(self, error: BaseException) -> None:
        """Note why the app can't go on; the first reason stays."""
        if not self.failure.done():
            self.failure.set_result(error)

    async def put(self, fetch: Fetch) -> None:
        """Add a fetch to what waits for the databases, each part once there is room for it.

        Where no room is made in time, no more is fetched until there is some.
        """
        parts = [(database, {tp: fetch[tp] for tp in tps}) for database, tps in self._by_database(fetch).items()]
        for database, part in sorted(parts, key=lambda each: not each[0].backlog.has_room):
            await self._make_room(database)
            database.backlog.add(part)

    async def _make_room(self, database: _Database) -> None:
        backlog = database.backlog
        if backlog.has_room or backlog.is_set_aside:
            return
        await backlog.wait_for_room(PATIENCE_S)
        if backlog.is_set_aside:
            _log.warning("a database applies nothing: its partitions are read no further until it does")
            await self._reader.settle(self._assigned(database))

    def drop_waiting(self) -> None:
        """Forget what waits: after a rebalance nothing of it is current."""
        for database in self._databases.databases:
            database.backlog.take()

    def is_set_aside(self, tp: TP) -> bool:
        """Whether nothing more of a partition can be applied for now: another session holds it, or there is no room."""
        return tp in self._held_up or self._database(tp).backlog.is_set_aside

    def by_database(self, partitions: set[TP]) -> list[set[TP]]:
        """The partitions of each database that has any of them."""
        return list(self._by_database(partitions).values())

    @property
    def seek_deadline_s(self) -> float:
        """How long a rebalance may wait for a database's checkpoints."""
        return SEEK_DEADLINE_S if self._is_on_one_database else PATIENCE_S

    def on_late_seek(self, partitions: set[TP]) -> None:
        """Note that the checkpoints of a database couldn't be read in time.

        Whoever has one database only leaves the group: another worker may reach it.
        """
        if self._is_on_one_database:
            self.fail(UnavailableError("Postgres", "the checkpoints couldn't be read in time"))
        else:
            waiting = ", ".join(f"{tp.topic} [{tp.partition}]" for tp in sorted(partitions))
            _log.warning("a database doesn't answer: the others go on without %s", waiting)

    async def read_checkpoints(self, partitions: set[TP]) -> Mapping[TP, CheckpointRow]:
        """Where the tables of these partitions stand, which are all of one database."""
        places = {self._place(tp): tp for tp in partitions}
        ((database, _),) = self._by_database(partitions).items()
        rows = await database.projection.read_checkpoints(list(places))
        return {places[place]: row for place, row in rows.items()}

    def on_seek(self, rows: Mapping[TP, CheckpointRow]) -> None:
        """Tell from where which partitions are read on."""
        self._reached.update((tp, row.checkpoint.position) for tp, row in rows.items())
        for tp, row in sorted(rows.items()):
            _log.info("%s [%s]: from offset %s%s", *tp, row.checkpoint.position, " (halted)" if row.halted else "")

    async def _take(self, database: _Database, fetch: Fetch) -> None:
        """Apply what was fetched for a database, and see to the partitions that it couldn't bring forward.

        What became of a partition that was sought or taken away meanwhile is of no interest.
        """
        is_current = self._reader.is_current
        wanted = {tp: fetch[tp] for tp in fetch.keys() - self._held_up if is_current(tp, fetch[tp])}
        places = {self._place(tp): tp for tp, (_, stretch, lost) in wanted.items() if stretch.records or not lost}
        stretches = {place: wanted[tp].stretch for place, tp in places.items()}

        def is_wanted(place: LogPartition) -> bool:
            return is_current(tp := places[place], wanted[tp])

        outcomes = await database.projection.apply(stretches, is_wanted)
        for place in filter(is_wanted, places):
            if place in outcomes:
                await self._see_to(places[place], outcomes[place])
            else:
                await self._set_aside(database, places[place])
        for tp, fetched in wanted.items():
            if fetched.lost and is_current(tp, fetched):
                await self._halt_lost(tp, fetched.stretch.position)

    async def _set_aside(self, database: _Database, tp: TP) -> None:
        """Read a partition no further whose checkpoint another session holds, until it doesn't any more."""
        _log.warning("%s [%s]: another session holds its checkpoint: it is read on once that is over", *tp)
        self._held_up.add(tp)
        await self._reader.settle({tp})
        self.add_future(self._go_on(database, tp))

    async def _go_on(self, database: _Database, tp: TP) -> None:
        await database.projection.wait_for_checkpoint(self._place(tp))
        self._held_up.discard(tp)
        await self._reader.seek_to_checkpoints({tp} & self._reader.assignment())

    async def _see_to(self, tp: TP, applied: Applied) -> None:
        consumer = self._reader
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
            case _:  # it may be the part before a gap that is read again
                known = self._gaps.get(tp)
                if known is not None and applied.checkpoint.ordinal >= known[0].expected:
                    del self._gaps[tp]

    async def _watch(self, database: _Database) -> None:
        """Read on from their checkpoints a database's partitions that must be.

        Those whose tables stand below what was applied to them, those that are no longer halted, and those whose
        checkpoints couldn't be read when they were assigned.
        """
        consumer = self._reader
        while not self.should_stop:
            await self.sleep(WATCH_S)
            partitions = self._assigned(database)
            reached = {tp: self._reached[tp] for tp in partitions if tp in self._reached}
            rows = await self.read_checkpoints(set(reached)) if reached else {}
            behind = {tp for tp, row in rows.items() if row.checkpoint.position < reached[tp]}
            for tp in sorted(behind):
                _log.warning("%s [%s]: the tables went back to offset %s", *tp, rows[tp].checkpoint.position)
            freed = {tp for tp, row in rows.items() if row.halted is None and consumer.is_held(tp)}
            late = {tp for tp in partitions if not consumer.is_sought(tp)}
            await consumer.seek_to_checkpoints((behind | freed | late) & consumer.assignment())

    async def _watch_membership(self) -> None:
        while not self.should_stop:
            await self.sleep(WATCH_S)
            try:
                await self._reader.check_membership()
            except AccessDeniedError as error:
                self.fail(error)

    async def _watch_topics(self) -> None:
        """Stop, for good and loudly, when a topic isn't the one any more that the tables are made from."""
        while not self.should_stop:
            await self.sleep(TOPIC_WATCH_S)
            if (other := await self._topic_watch.look()) is not None:
                await self._refuse(other)
                return

    async def _refuse(self, other: OtherTopic) -> None:
        topic, reason = other
        _log.critical("%s. Its tables no longer move.", reason)
        await all_of(self._halt_log(database, topic, reason) for database in self._databases.databases)
        self.fail(SchemaMismatchError("the topic that the tables are made from", reason, f"Topic {topic}"))

    async def _halt_log(self, database: _Database, topic: str, reason: str) -> None:
        await database.projection.halt_log(self._logs[topic], reason)
        for tp in self._assigned(database):
            if tp.topic == topic:
                await self._reader.hold(tp)

    async def _halt_lost(self, tp: TP, position: int) -> None:
        try:
            found = await self._topic_watch.find_lost(*tp)
        except UnavailableError as error:
            _log.warning("%s [%s] doesn't hold offset %s, and can't be asked what it holds: %s", *tp, position, error)
            await self._reader.seek_to_checkpoints({tp})
        else:
            if isinstance(found, OtherTopic):
                await self._refuse(found)
            elif found.start <= position <= found.end:
                _log.warning("%s [%s] didn't hold offset %s, and holds it again", *tp, position)
                await self._reader.seek_to_checkpoints({tp})
            else:
                await self._halt(tp, halts.lost(position, found))

    async def _halt(self, tp: TP, reason: str) -> None:
        _log.critical("%s [%s] is HALTED: %s. Its tables no longer move.", *tp, reason)
        await self._database(tp).projection.halt(self._place(tp), reason)
        await self._reader.hold(tp)

    async def close(self) -> None:
        """End the sessions with the databases."""
        await all_of(database.projection.close() for database in self._databases.databases)

    @property
    def _reader(self) -> ProjectorConsumer:
        return cast("ProjectorConsumer", self.consumer)

    @property
    def _is_on_one_database(self) -> bool:
        return len(self._databases.databases) == 1

    def _database(self, tp: TP) -> _Database:
        return self._databases.of(*self._place(tp))

    def _by_database(self, partitions: Iterable[TP]) -> dict[_Database, set[TP]]:
        found: dict[_Database, set[TP]] = {}
        for tp in partitions:
            found.setdefault(self._database(tp), set()).add(tp)
        return found

    def _assigned(self, database: _Database) -> set[TP]:
        return self._by_database(self._reader.assignment()).get(database, set())

    def _place(self, tp: TP) -> LogPartition:
        return LogPartition(self._logs[tp.topic], tp.partition)
