"""Postgres grants as SQL that `psql` runs, or any client in one go, as often as one likes.

Its first run makes the users, before the tables are there; one after `aion-store migrate` narrows the rights on what
names the live tables. The tables of later rebuilds come with their rights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from aion_service.access.roles import PROCESS_RIGHTS, TABLE_RIGHTS, Role, TableRights
from aion_store.errors import ConfigurationError

_USER: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)


def script(schema: str, users: Mapping[Role, str], wanted: Collection[Role]) -> str:
    """The SQL for the wanted roles; a superuser runs it in the store's database.

    Raises ConfigurationError for a user's name that isn't a plain one.
    """
    for user in users.values():
        if not _USER.fullmatch(user):
            raise ConfigurationError(f"{user!r} can't be a Postgres user here: give lower-case letters, digits and _.")
    admin = users[Role.ADMIN]
    parts = ["begin;", _do("execute format('revoke all on database %I from public', current_database());")]
    parts += [_make_user(users[role]) for role in wanted if role is not Role.AUDITOR]
    for role in wanted:
        if role is Role.ADMIN:
            parts.append(_own(schema, admin))
        elif role in TABLE_RIGHTS:
            parts.append(_use(schema, admin, users[role], TABLE_RIGHTS[role]))
        else:
            parts.append(f"-- {role}: nothing; it has no user here and can't connect.")
    return "\n\n".join([*parts, "commit;"])


def _make_user(user: str) -> str:
    body = f"if to_regrole('{user}') is null then create role {user} login; end if;"
    return f"-- {user}: give it a password with \\password, or let pg_hba.conf take its certificate.\n{_do(body)}"


def _own(schema: str, admin: str) -> str:
    return _do(
        f"execute format('grant connect, create on database %I to {admin}', current_database());",
        f"if to_regnamespace('{schema}') is null then create schema {schema} authorization {admin}; end if;",
    )


def _use(schema: str, admin: str, user: str, rights: TableRights) -> str:
    schemas = _do(
        f"for s in select nspname from pg_namespace where nspname ~ '^{schema}(_g[0-9]+)?$' loop",  # noqa: S608
        f"  execute format('grant usage on schema %I to {user}', s);",
        f"  execute format('revoke all on all tables in schema %I from {user}', s);",
        "end loop;",
        f"for s in select nspname from pg_namespace where nspname ~ '^{schema}_g[0-9]+$' loop",  # noqa: S608
        f"  execute format('grant {rights.generations} on all tables in schema %I to {user}', s);",
        "end loop;",
        declare="s name;",
    )
    parts = [
        _do(f"execute format('grant connect on database %I to {user}', current_database());"),
        f"alter default privileges for role {admin} grant usage on schemas to {user};",
        f"alter default privileges for role {admin} grant {rights.generations} on tables to {user};",
        schemas,
        f"grant {rights.control} on all tables in schema {schema} to {user};",
    ]
    announce = f"grant {PROCESS_RIGHTS} on {schema}.processes to {user};"
    parts.append(_do(f"if to_regclass('{schema}.processes') is not null then {announce} end if;"))
    if rights.holds_generation:
        hold = f"grant update (only_row) on {schema}.generation to {user};"
        parts.append(_do(f"if to_regclass('{schema}.generation') is not null then {hold} end if;"))
    return "\n".join(parts)


def _do(*body: str, declare: str = "") -> str:
    head = f"declare {declare} " if declare else ""
    return "\n".join([f"do $$ {head}begin", *(f"  {line}" for line in body), "end $$;"])
