"""`aion-store up`: the embedded stack in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path

from aion_service.backends import embedded_settings, projecting
from aion_service.cli.running import FAILED
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError


async def up(directory: Path) -> int:
    """Run the stack until cancelled; ends by itself only when one of its servers does."""
    async with embedded_stack(directory, progress=_say) as stack:
        if stack.attached:
            raise ConfigurationError(
                f"{stack.holder} already runs the servers in {directory}: use those, end that process, "
                "or choose another --directory."
            )
        async with projecting(stack):
            sys.stdout.write(_how_to_connect(stack, embedded_settings(stack)))
            sys.stdout.flush()
            await stack.failure.wait()
        sys.stderr.write(f"aion-store: {stack.failure_reason}\n")
        return FAILED


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _how_to_connect(stack: EmbeddedStack, settings: Settings) -> str:
    return (
        f"Kafka     {stack.bootstrap_servers}  (topics {settings.events_topic}, {settings.packages_topic})\n"
        f"Postgres  {stack.postgres_dsn}\n"
        f"Python    async with open_store({f'embedded:{stack.directory}'!r}) as store: ...\n"
        "Ctrl-C stops everything; the data stays.\n"
    )
