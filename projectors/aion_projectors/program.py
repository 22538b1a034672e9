"""How the projector's programs run: their work to its end, and a last word on stderr when it can't go on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final

import psycopg

from aion_projectors.collecting import collecting_rarely
from aion_store.errors import ConfigurationError, StoreError
from aion_store.postgres.errors import one_line

DONE: Final = 0
FAILED: Final = 1
MISCONFIGURED: Final = 2


def run_program(work: Coroutine[Any, Any, None], name: str) -> int:
    """Run the work of the program called so; the exit code. Says on stderr why it can't go on."""
    try:
        with collecting_rarely():
            asyncio.run(work)
    except StoreError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the last word of a program
        return MISCONFIGURED if isinstance(error, ConfigurationError) else FAILED
    except psycopg.Error as error:
        print(f"Postgres refused what the {name} asked: {one_line(error)}.", file=sys.stderr)  # noqa: T201
        return FAILED
    return DONE
