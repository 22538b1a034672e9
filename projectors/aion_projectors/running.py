"""How the app is made, with all that Faust is told, and how it is run until it is to stop or can't go on."""
# pyright: basic
# faust.App's own types are loose.

from __future__ import annotations

import asyncio
from typing import Final

import faust

from aion_projectors import faust_app
from aion_projectors.kafka_security import KafkaSecurity, kafka_security
from aion_projectors.projection import Projection
from aion_projectors.recovery import NoTables
from aion_projectors.settings import ProjectorSettings
from aion_projectors.topic_watch import REQUEST_TIMEOUT_S
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.shards import Shards

MAX_PARTITION_BYTES: Final = 4 * 1024 * 1024
SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_S: Final = 0.5
REBALANCE_TIMEOUT_S: Final = 6.0
MAX_POLL_INTERVAL_S: Final = 300.0
START_S: Final = 5.0
"""How long a start that isn't wanted any more may take to finish."""


def build_app(
    settings: ProjectorSettings, projections: Shards[Projection], formats: RecordFormats = BUILD_FORMATS
) -> faust_app.ProjectorApp:
    """The app for these settings, not started. Needs a running event loop; several may share one.

    Static membership isn't used: it would slow a graceful leave down to the session time-out.
    """
    app = faust_app.ProjectorApp(
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
        broker_max_poll_records=faust_app.MAX_RECORDS,
        broker_max_poll_interval=MAX_POLL_INTERVAL_S,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        broker_request_timeout=REQUEST_TIMEOUT_S,
        TableManager=NoTables,
    )
    app.attach(settings, projections, formats)
    return app


def _credentials(security: KafkaSecurity) -> faust.auth.Credentials | None:
    if (login := security.login) is not None:
        return faust.SASLCredentials(
            username=login.username, password=login.password, mechanism=login.mechanism, ssl_context=security.tls
        )
    return None if security.tls is None else faust.SSLCredentials(security.tls)


async def run_app(app: faust_app.ProjectorApp, stop: asyncio.Event) -> None:
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
        await app.close()
    if app.failure.done() and not stop.is_set():
        raise app.failure.result()
