"""What a store that only reads takes from Postgres instead of Kafka, and how it makes sure of Kafka once it asks it."""

from __future__ import annotations

from aion_projectors.logs import find_log
from aion_service.settings import Settings
from aion_store.errors import SchemaMismatchError
from aion_store.postgres.log_identity import LogIdentity, check_identity
from aion_store.postgres.migrate import check_schema, recorded_log
from aion_store.postgres.shards import mapped


async def recorded(settings: Settings) -> LogIdentity:
    """The log that the tables were made from, by their own word.

    Raises SchemaMismatchError when they aren't there, are of another version, or aren't those of the topics that the
    settings name; UnavailableError when Postgres doesn't answer.
    """
    log = (await recorded_log(settings.read_dsn, schema=settings.schema_name)).log
    subject = f"The tables in schema {settings.schema_name}"
    if log.events.name != settings.events_topic:
        raise SchemaMismatchError(
            f"those of topic {settings.events_topic} (use the topic prefix they were made with, or another schema)",
            f"tables made from topic {log.events.name}",
            subject,
        )
    if "partitions" in settings.model_fields_set and settings.partitions != log.events.partitions:
        raise SchemaMismatchError(
            f"those of {settings.partitions} partitions (leave the number of partitions out of a reader's settings)",
            f"tables made from {log.events.partitions} partitions",
            subject,
        )
    for dsn, held in mapped(settings.read_dsn, settings.shards).held(log):
        await check_schema(dsn, schema=settings.schema_name, log=log, held=held)
    return log


def admit(settings: Settings, log: LogIdentity, timeout_s: float) -> None:
    """Return when the settings' Kafka holds the log that the tables were made from. Blocks.

    Raises ConfigurationError when they name none, SchemaMismatchError when it is another one, UnavailableError.
    """
    now = find_log(settings.client, settings.events_topic, settings.packages_topic, timeout_s)
    check_identity(log, now, settings.schema_name)
