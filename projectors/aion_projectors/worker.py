"""A projector worker as a process: waits for its servers, runs the app, begins anew after failures, stops on a signal.

`python -m aion_projectors.worker` takes its settings as JSON from the environment (see `settings`). It logs to
stderr. Exit codes: 0 stopped by SIGTERM or SIGINT; 1 can't work as things are, which the last paragraph on stderr
explains; 2 no usable settings, or a server refuses the log-in or a right.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from typing import Final

import psycopg

from aion_projectors.kafka_security import kafka_security
from aion_projectors.logs import describe_log
from aion_projectors.program import MISCONFIGURED, run_program
from aion_projectors.projection import Projection
from aion_projectors.running import build_app, run_app
from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from aion_projectors.together import all_of
from aion_store.errors import ConfigurationError, StoreError, UnavailableError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.announcing import announced
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import check_schema
from aion_store.postgres.shards import Shards
from aion_store.projected import LogName

_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_WELL_S: Final = 10.0
"""Pauses grow while the app fails sooner than that: each beginning is a rebalance for all workers."""

_log: Final = logging.getLogger(__name__)


async def run_worker(settings: ProjectorSettings, stop: asyncio.Event, formats: RecordFormats = BUILD_FORMATS) -> None:
    """Project until `stop` is set; servers that are away are waited for. `formats` is what the build reads.

    Of several databases only the first is waited for: another one's partitions are projected once it is there.

    Raises ConfigurationError for settings that a client can't use, SchemaMismatchError when the tables or topics aren't
    what the settings say or too new for the build, AccessDeniedError, and psycopg's errors that trying again doesn't
    mend. After any other failure, of whatever part of the app, it begins anew.
    """
    kafka_security(settings.kafka)
    pause_s = _PAUSE_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            log = await describe_log(settings)
            projections = _projections(settings, log, formats)
            await _check(projections)
            async with announced(settings.dsn, settings.schema_name, "projector", formats):
                await run_app(build_app(settings, projections, formats), stop)
        except StoreError as error:
            if not error.retryable:
                raise
            _log.warning("%s", error)
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - a client library's; all that is fatal is named above
            _log.exception("the projector failed and begins anew")
        if time.monotonic() - began > _WELL_S:
            pause_s = _PAUSE_S
        await _wait(stop, pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _projections(settings: ProjectorSettings, log: LogIdentity, formats: RecordFormats) -> Shards[Projection]:
    schema, dsns = settings.schema_name, settings.dsns
    topic_ids: dict[LogName, str] = {"events": log.events.topic_id, "packages": log.packages.topic_id}

    def of(dsn: str, held: frozenset[LogPartition]) -> Projection:
        return Projection(
            dsn, schema, topic_ids, lambda: check_schema(dsn, schema=schema, log=log, held=held, formats=formats)
        )

    return Shards(tuple(of(dsn, held) for dsn, held in dsns.held(log)), dsns.numbers)


async def _check(projections: Shards[Projection]) -> None:
    """Check the tables. Raises as `check_schema`, UnavailableError for the first database only."""
    await all_of(_check_one(number, projection) for number, projection in enumerate(projections.databases))


async def _check_one(number: int, projection: Projection) -> None:
    try:
        await projection.check()
    except UnavailableError as error:
        if number == 0:
            raise
        _log.warning("the partitions of database %s are projected once it is there: %s", number, error)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def _until_signalled(settings: ProjectorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_worker(settings, stop)


def run(settings: ProjectorSettings) -> int:
    """Run a worker in this process until a signal; the exit code. Says on stderr why it can't go on."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return run_program(_until_signalled(settings), "projector")


def main() -> int:
    """The program: settings from the environment."""
    text = os.environ.get(ENVIRONMENT_VARIABLE)
    if text is None:
        print(f"Set {ENVIRONMENT_VARIABLE} to the projector's settings as JSON.", file=sys.stderr)  # noqa: T201
        return MISCONFIGURED
    try:
        settings = ProjectorSettings.from_json(text)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return MISCONFIGURED
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
