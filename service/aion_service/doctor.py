"""Looks at everything a store stands on, and says of each thing whether it is well and what to do if not. Blocks.

Nothing is made or changed. A look that fails doesn't keep the others from being made, except those that rest on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from aion_producers.topics import inspect_topic
from aion_projectors.settings import ProjectorSettings
from aion_service.archive.note import archive_of
from aion_service.backends import projector_settings
from aion_service.fold_version import needed_rebuild
from aion_service.observation import STALLED_S, Observation, PartitionState, observe
from aion_service.settings import Settings
from aion_store.archive.archive import Archive
from aion_store.errors import AccessDeniedError, ConfigurationError, StoreError
from aion_store.kafka.topic import cluster_id
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import check_schema
from aion_store.projected import LogName

_ANSWER_S: Final = 10.0
_LOGS: Final[tuple[LogName, ...]] = ("events", "packages")


class Health(StrEnum):
    """`bad` needs somebody now, `look` soon."""

    WELL = "ok"
    LOOK = "look"
    BAD = "BAD"


class Finding(NamedTuple):
    """One thing, how it is, and what to do if it isn't well."""

    health: Health
    subject: str
    says: str


def examine(named: Settings) -> Iterator[Finding]:
    """Look at one thing after the other: Kafka, topics, archive, Postgres, tables, checkpoints, quarantine, folds.

    Raises ConfigurationError for settings that Kafka's client doesn't take.
    """
    settings, topic_prefix = projector_settings(named), named.topic_prefix
    try:
        cluster = cluster_id(settings.kafka, _ANSWER_S)
        found = {log: inspect_topic(settings.kafka, topic_prefix, log, _ANSWER_S) for log in _LOGS}
    except StoreError as error:
        if isinstance(error, ConfigurationError) and not isinstance(error, AccessDeniedError):
            raise  # the settings are wrong, of which nothing can be found out
        yield Finding(Health.BAD, "Kafka", f"{error} Is {', '.join(settings.bootstrap_servers)} right?")
        return
    yield Finding(Health.WELL, "Kafka", f"cluster {cluster}")
    for log, topic in found.items():
        if topic is None:
            yield Finding(Health.BAD, f"topic {topic_prefix}.{log}", "isn't there: run aion-store migrate as the admin")
        elif topic.fault is not None:
            yield Finding(Health.BAD, f"topic {topic.identity.name}", str(topic.fault))
        else:
            says = f"{topic.identity.partitions} partitions, settings as they must be"
            yield Finding(Health.WELL, f"topic {topic.identity.name}", says)
    events, packages = found["events"], found["packages"]
    if events is not None and packages is not None:
        archive: Archive | None = None
        try:
            archive = archive_of(named, events.identity)
        except StoreError as error:
            yield Finding(Health.BAD, "archive", str(error))
        yield from _tables(settings, LogIdentity(cluster, events.identity, packages.identity), archive)


def _tables(settings: ProjectorSettings, log: LogIdentity, archive: Archive | None) -> Iterator[Finding]:
    try:
        for dsn, held in settings.dsns.held(log):
            asyncio.run(check_schema(dsn, schema=settings.schema_name, log=log, held=held))
        observation = observe(settings)
    except StoreError as error:
        yield Finding(Health.BAD, "Postgres", str(error))
        return
    progress = observation.progress
    yield Finding(Health.WELL, "Postgres", f"{progress.server_version}; live tables {progress.live}, of this log")
    yield from _partitions(observation, archive)
    if progress.quarantined:
        advice = "aion-store quarantine list; after an upgrade, quarantine refold --all"
        yield Finding(Health.LOOK, "quarantine", f"{progress.quarantined} workflows: {advice}")
    else:
        yield Finding(Health.WELL, "quarantine", "empty")
    if (advice := needed_rebuild(progress)) is not None:
        yield Finding(Health.LOOK, "folds", advice)
    if progress.rejected:
        says = f"{progress.rejected}: something else writes to our topics; see the table rejected_records"
        yield Finding(Health.LOOK, "rejected records", says)


def _partitions(observation: Observation, archive: Archive | None) -> Iterator[Finding]:
    troubled = 0
    for state in observation.partitions:
        archived = archive.end(state.place.partition) if archive and state.place.log == "events" else 0
        finding = _partition(state, archived)
        if finding is not None:
            troubled += 1
            yield finding
    well = len(observation.partitions) - troubled
    behind = sum(state.behind or 0 for state in observation.partitions)
    oldest = max((state.behind_s or 0.0 for state in observation.partitions), default=0.0)
    if well:
        says = f"{well} partitions are well; {behind} records behind in all, {oldest:.1f} s at most"
        yield Finding(Health.WELL, "projection", says)


def _partition(state: PartitionState, archived: int) -> Finding | None:
    subject = f"{state.place.log} {state.place.partition}"
    position, bounds = state.checkpoint.position, state.bounds
    if state.checkpoint.halted is not None:
        return Finding(Health.BAD, subject, f"halted: {state.checkpoint.halted}")
    if position > bounds.end:
        says = f"the tables stand at offset {position}, past the log's end at {bounds.end}: the log lost records. "
        return Finding(Health.BAD, subject, f"{says}Restore it, or: aion-store rebuild --accept-log")
    if position < bounds.start:
        says = f"the log begins at {bounds.start}, the tables need offset {position}: records were deleted. Restore it"
        return Finding(Health.BAD, subject, says)
    if state.stalled:
        count = "an open transaction hides how many" if state.behind is None else state.behind
        says = f"{count} records behind and unmoved for {state.unmoved_s:.0f} s: is aion-store projector running?"
        return Finding(Health.BAD, subject, says)
    if state.behind is None:
        hidden = "what comes next" if state.behind_s is None else f"the log's end, {state.behind_s:.0f} s behind,"
        says = f"{hidden} is hidden by an open transaction: its writer settles it, or it times out"
        return Finding(Health.LOOK, subject, says)
    if (state.behind_s or 0.0) > STALLED_S:
        says = f"{state.behind} records, {state.behind_s:.0f} s behind, and moving: start more projectors if it grows"
        return Finding(Health.LOOK, subject, says)
    if bounds.start > archived:
        known = f"the archive ends at {archived}" if archived else "no archive of what came before is named"
        advice = "Restore what is missing, or set AION_STORE_ARCHIVE (docs/archive.md)"
        says = f"the log begins at offset {bounds.start}, {known}: the tables can't be rebuilt. {advice}"
        return Finding(Health.LOOK, subject, says)
    return None
