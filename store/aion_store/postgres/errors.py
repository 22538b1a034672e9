"""The one place where psycopg's exceptions become the store's."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import psycopg

from aion_store.errors import AccessDeniedError, ConfigurationError, UnavailableError
from aion_store.postgres.dsn import EXAMPLE

_NOT_LET_IN: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in"
    r"|role .* does not exist|permission denied for database|requires a valid client certificate"
    r"|server does not support SSL|certificate verify failed|does not match host name|certificate file|private key file"
    r"|SSL error: (unsupported protocol|no protocols available|tlsv1 unrecognized name)"
    r"|SSL error: .* alert (handshake failure|(no|bad|unsupported) certificate|unknown ca|access denied|decrypt error"
    r"|certificate (revoked|expired|unknown|required)|protocol version|insufficient security|no application protocol)"
)
"""How libpq tells of a log-in or a TLS handshake that was refused: such errors carry no code. An SSL error that isn't
here is a connection that broke, as `unexpected eof while reading` is where the server died.
"""
_NO_DSN: Final = (
    f"The Postgres DSN can't be used: give a URL or key=value text as libpq takes it, as in {EXAMPLE} "
    "(libpq's words are left out, they may repeat a password)."
)


@contextmanager
def postgres_errors() -> Generator[None]:
    """Raises UnavailableError for a Postgres that can't be reached or didn't answer in time, AccessDeniedError where
    it refuses the log-in or the role lacks a right, ConfigurationError for a DSN that is none. What only a mistake of
    ours can cause (wrong SQL, a violated constraint) passes unchanged.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise AccessDeniedError("Postgres", one_line(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if _NOT_LET_IN.search(str(error)):
            raise AccessDeniedError("Postgres", one_line(error)) from error
        raise UnavailableError("Postgres", one_line(error)) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None and isinstance(error.__context__, psycopg.OperationalError):  # libpq's parser
            raise ConfigurationError(_NO_DSN) from None
        raise


def one_line(error: BaseException) -> str:
    """What an exception says, in one line and without the position in the SQL."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
