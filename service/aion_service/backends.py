"""The composition root: opens everything a store stands on, in order, and lets go of it in reverse.

Order of opening: topics, tables, (embedded: the projector process), the announcement, the end-of-log client, heads for
the writers, the read pool with its watcher, the writers. Leaving drains the writers first, so that every caller has its
answer. A store that only reads makes no topics and tables, and doesn't ask Kafka while it opens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_producers.topics import PartitionCountError, ensure_topics
from aion_projectors import folds
from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings, ShardSettings
from aion_service.background import background
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.read_only import admit, recorded
from aion_service.session_cache import SessionCache
from aion_service.settings import Settings
from aion_service.writing import writing
from aion_store.contract import EventStore
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity, cluster_id
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.open import open_store
from aion_store.postgres.announcing import announced
from aion_store.postgres.attribute_registry import AttributeRegistry, ShardedRegistry
from aion_store.postgres.consistency import ConsistentReads, LogView, ReadDatabase, SessionMarks
from aion_store.postgres.freshness import CheckpointWatcher, SharedEndOfLog
from aion_store.postgres.heads import PostgresHeads, ShardedHeads
from aion_store.postgres.lag import LagReader
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import migrate
from aion_store.postgres.pool import ReadPool
from aion_store.postgres.shards import mapped
from aion_store.postgres.stream_tables import PostgresStreamTables
from aion_store.projected import LogName
from aion_store.streams.subscription import LogStreams

DEFAULT_TARGET: Final = "embedded:./.aion"
EMBEDDED_PARTITIONS: Final = 4
ENVIRONMENT: Final = "AION_STORE_BOOTSTRAP_SERVERS"
OWNERSHIP: Final = "AION_STORE_OWNERSHIP"
PROJECTOR: Final = "projector"
RESTART_S: Final = 1.0

logger = logging.getLogger(__name__)


def open_kafka(target: str | Settings) -> AbstractAsyncContextManager[EventStore]:
    """The backend of `kafka://…` URLs and of Settings: the servers they name, and nothing is started."""
    return kafka_store(Settings.from_url(target) if isinstance(target, str) else target)


def open_embedded(target: str) -> AbstractAsyncContextManager[EventStore]:
    """The backend of `embedded:DIRECTORY`; the default directory gives way to servers named in the environment."""
    if target == DEFAULT_TARGET and (os.environ.get(ENVIRONMENT) or os.environ.get(OWNERSHIP) == "none"):
        return kafka_store(Settings.load())
    return embedded_store(_directory(target))


def open_reader(target: str) -> AbstractAsyncContextManager[EventStore]:
    """The store of a target for who only reads: it takes nothing from those who write, whatever the settings say."""
    if target.startswith("kafka:"):
        return kafka_store(Settings.from_url(target, ownership="none"))
    if target == DEFAULT_TARGET and os.environ.get(ENVIRONMENT):
        return kafka_store(Settings.load({"ownership": "none"}))
    if target.startswith("embedded:"):
        return embedded_store(_directory(target), claiming=False)
    return open_store(target)


def _directory(target: str) -> Path:
    directory = target.removeprefix("embedded:")
    if not directory:
        raise ConfigurationError("embedded: needs a directory, as in embedded:./.aion.")
    return Path(directory)


@asynccontextmanager
async def kafka_store(
    settings: Settings,
    claim: Callable[[], None] | None = None,
    *,
    sole_writer: bool = False,
    formats: RecordFormats = BUILD_FORMATS,
) -> AsyncGenerator[KafkaEventStore]:
    """A store on the servers that the settings name. `claim` may refuse the first write with NotOwnerError.

    A sole writer settles at once what a dead one before it left open; others wait for their first write. `formats` are
    the record formats that the build reads; what is finalized when the store opens is written until it closes.
    """
    log = await (recorded(settings) if settings.read_only else prepare(settings, formats))
    role = "writer" if settings.share else "reader"
    async with AsyncExitStack() as exits:
        written = await exits.enter_async_context(announced(settings.write_dsn, settings.schema_name, role, formats))
        tuned = WriterSettings(
            session_timeout_s=settings.writer_session_timeout_s, record_format=written, formats=formats
        )
        store, writer = await _assemble(settings, log, claim, exits, tuned)
        if sole_writer:
            await writer.become_writer(settings.append_timeout_s)
        yield store


@asynccontextmanager
async def embedded_store(
    directory: Path, *, progress: Callable[[str], None] | None = None, claiming: bool = True
) -> AsyncGenerator[KafkaEventStore]:
    """A store on servers of its own under `directory`, started or attached to, with one projector process.

    The process that starts the servers is the one that writes, unless it isn't `claiming` that; one that attaches
    reads, and may write only while nobody else does.
    """
    async with (
        embedded_stack(directory, progress=progress) as stack,
        projecting(stack),
        embedded_kafka_store(stack, claiming=claiming) as store,
    ):
        yield store


def embedded_kafka_store(
    stack: EmbeddedStack, *, claiming: bool = True
) -> AbstractAsyncContextManager[KafkaEventStore]:
    """A store on a stack. The process that runs the servers is their writer, if it is `claiming` that; another one
    becomes it by its first write.
    """
    claiming = claiming and not stack.attached
    if claiming:
        stack.claim_writer()
    return kafka_store(embedded_settings(stack), stack.claim_writer, sole_writer=claiming)


@asynccontextmanager
async def projecting(stack: EmbeddedStack) -> AsyncGenerator[None]:
    """Topics, tables and a projector that is kept running, where this process holds the stack."""
    if stack.attached:
        yield
        return
    settings = embedded_settings(stack)
    await prepare(settings)
    async with background(_keep_projecting(stack, settings), "aion-projector-keeper"):
        yield


def embedded_settings(stack: EmbeddedStack) -> Settings:
    """How to connect to a stack."""
    return Settings.load(
        {
            "bootstrap_servers": stack.bootstrap_servers,
            "postgres_dsn": stack.postgres_dsn,
            "partitions": EMBEDDED_PARTITIONS,
            "ownership": "all",
        }
    )


def projector_settings(settings: Settings) -> ProjectorSettings:
    """What a projector of this store needs to know."""
    return ProjectorSettings(
        kafka=settings.client,
        events_topic=settings.events_topic,
        packages_topic=settings.packages_topic,
        dsn=settings.write_dsn,
        shards=tuple(ShardSettings(partitions=held, dsn=dsn) for dsn, held in settings.shards.items()),
        schema_name=settings.schema_name,
        group_id=settings.projector_group,
    )


async def prepare(settings: Settings, formats: RecordFormats = BUILD_FORMATS) -> LogIdentity:
    """Make the topics and tables where they are missing and check them where they are there.

    Raises SchemaMismatchError when they contradict the settings, UnavailableError when a server doesn't answer.
    """
    try:
        events, packages = await asyncio.to_thread(
            ensure_topics, settings.client, settings.topic_prefix, settings.partitions, settings.append_timeout_s
        )
    except PartitionCountError as error:
        expected = f"{error.expected} (set AION_STORE_PARTITIONS to what was found, if this is the log you mean)"
        raise SchemaMismatchError(expected, error.found, error.subject) from error
    cluster = await asyncio.to_thread(cluster_id, settings.client, settings.append_timeout_s)
    log = LogIdentity(cluster, events, packages)
    for dsn, held in mapped(settings.write_dsn, settings.shards).held(log):
        await migrate(dsn, schema=settings.schema_name, log=log, held=held, formats=formats, folds=folds.VERSION)
    return log


async def _assemble(
    settings: Settings,
    log: LogIdentity,
    claim: Callable[[], None] | None,
    exits: AsyncExitStack,
    tuned: WriterSettings,
) -> tuple[KafkaEventStore, LogWriter]:
    client: ClientSettings = settings.client if settings.bootstrap_servers else {}
    end_of_log = EndOfLog(client, partial(admit, settings, log) if settings.read_only else None)
    exits.callback(end_of_log.close)
    schema, pooler = settings.schema_name, settings.postgres_read_pooler
    written = mapped(settings.write_dsn, settings.shards)
    heads = written.map(lambda dsn: PostgresHeads(dsn, schema))
    for each in heads.databases:
        each.open()
        exits.callback(each.close)
    shards = mapped(settings.read_dsn, settings.shards).map(
        lambda dsn: ReadDatabase(ReadPool(dsn, schema, pooler=pooler), CheckpointWatcher(dsn, schema, pooler=pooler))
    )
    for database in shards.databases:
        await database.pool.open()
        exits.push_async_callback(database.pool.close)
        await exits.enter_async_context(background(database.watcher.run(), "aion-checkpoint-watcher"))
    marks = SessionMarks()
    views: dict[LogName, LogView] = {
        "events": _view("events", log.events, end_of_log),
        "packages": _view("packages", log.packages, end_of_log),
    }
    cache = SessionCache(settings.session_cache_bytes)
    writer = await exits.enter_async_context(writing(settings, client, log, ShardedHeads(heads), claim, cache, tuned))
    reads = ConsistentReads(shards, views, marks)
    tables = PostgresStreamTables(reads, log.events.partitions, settings.read_timeout_s)
    store = KafkaEventStore(
        writer,
        reads,
        marks,
        cache,
        LagReader(client, log.events.name, end_of_log, shards),
        ShardedRegistry(written.map(lambda dsn: AttributeRegistry(dsn, schema))),
        LogStreams(client, log.events, end_of_log, tables, tuned.formats),
        partitions=log.events.partitions,
        read_timeout_s=settings.read_timeout_s,
        append_timeout_s=settings.append_timeout_s,
    )
    return store, writer


def _view(name: LogName, topic: TopicIdentity, end_of_log: EndOfLog) -> LogView:
    end = SharedEndOfLog(end_of_log, topic.name)
    return LogView(name, topic.topic_id, topic.partitions, end)


async def _keep_projecting(stack: EmbeddedStack, settings: Settings) -> None:
    """Run a projector as a child process of the stack; one that ends is started again."""
    while True:
        environment = {ENVIRONMENT_VARIABLE: projector_settings(settings).to_json()}
        process = stack.spawn(PROJECTOR, [sys.executable, "-m", "aion_projectors.worker"], environment)
        code = await process.ended()
        logger.error("the projector ended with code %s; its log is %s; it starts again", code, process.log)
        await asyncio.sleep(RESTART_S)
