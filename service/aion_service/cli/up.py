"""`aion-store up`: the embedded stack in the foreground."""

from __future__ import annotations

import shlex
from pathlib import Path

from aion_service.backends import embedded_settings, projecting
from aion_service.cli.output import flush, put, say
from aion_service.cli.running import FAILED
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError


async def up(directory: Path) -> int:
    """Run the stack until cancelled; ends by itself only when one of its servers does."""
    async with embedded_stack(directory, progress=say) as stack:
        if stack.attached:
            raise ConfigurationError(
                f"{stack.holder} already runs the servers in {directory}: use those, end that process, "
                "or choose another --directory."
            )
        async with projecting(stack):
            put(_how_to_connect(stack, embedded_settings(stack)))
            flush()
            await stack.failure.wait()
        say(f"aion-store: {stack.failure_reason}")
        return FAILED


def _how_to_connect(stack: EmbeddedStack, settings: Settings) -> str:
    named = {
        "AION_STORE_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
        "AION_STORE_POSTGRES_DSN": stack.postgres_dsn,
        "AION_STORE_PARTITIONS": str(settings.partitions),
    }
    return (
        f"Kafka     {stack.bootstrap_servers}  (topics {settings.events_topic}, {settings.packages_topic})\n"
        f"Postgres  {stack.postgres_dsn}\n"
        f"Python    async with open_store({f'embedded:{stack.directory}'!r}) as store: ...\n"
        "Commands  in another terminal, after this line:\n"
        f"export {' '.join(f'{name}={shlex.quote(value)}' for name, value in named.items())}\n"
        "Ctrl-C stops everything; the data stays."
    )
