"""The one place where psycopg's exceptions become the store's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from aion_store.errors import ConfigurationError, UnavailableError


@contextmanager
def postgres_errors() -> Generator[None]:
    """Raises UnavailableError for a Postgres that can't be reached or didn't answer in time, ConfigurationError where
    the role lacks a right. What only a mistake of ours can cause (wrong SQL, a violated constraint) passes unchanged.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"Postgres refused: {one_line(error)}. Grant the role what it needs, or use another one."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise UnavailableError("Postgres", one_line(error)) from error


def one_line(error: BaseException) -> str:
    """What an exception says, in one line and without the position in the SQL."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
