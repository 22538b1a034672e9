"""Whether a text is a DSN that libpq takes, found out before anyone connects: its own words may repeat a password."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

EXAMPLE: Final = "postgresql://user@host:5432/database?sslmode=verify-full"
_SCHEMES: Final = ("postgresql://", "postgres://")
_TLS_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


def check_dsn(text: str) -> str:
    """The text itself. Raises ValueError, which says what is wrong and quotes nothing."""
    if text.startswith(_SCHEMES):
        address = text.partition("://")[2].partition("?")[0]
        login, _, path = address.partition("/")
        if login.count("@") > 1 or "@" in path:
            raise ValueError("a @ or / in a DSN's password is to be percent-encoded")
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise ValueError(f"a DSN is a URL or key=value text as libpq takes it, as in {EXAMPLE}") from None
    ports = str(parts.get("port", "")).split(",")
    if not all(port == "" or (port.isdecimal() and 0 < int(port) < 65_536) for port in ports):
        raise ValueError("a DSN's port is a number from 1 to 65535 (and a / in its password is to be percent-encoded)")
    if (mode := parts.get("sslmode")) is not None and mode not in _TLS_MODES:
        raise ValueError(f"a DSN's sslmode is one of {', '.join(sorted(_TLS_MODES))}")
    return text
