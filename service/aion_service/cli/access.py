"""`aion-store acls`, `grants`, `migrate` and `config`: what a store's servers have to be told before it opens."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from aion_service.access import acls as kafka_acls
from aion_service.access import grants as postgres_grants
from aion_service.access.roles import Role, acls, user_name
from aion_service.backends import prepare, projector_settings
from aion_service.cli.output import put, say
from aion_service.cli.running import OK, run
from aion_service.fold_version import needed_rebuild
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError
from aion_store.postgres.progress import read_progress, together

RoleArgument = Annotated[Role | None, typer.Argument(help="Only this role's.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("acls")(acls_command)
    app.command("grants")(grants_command)
    app.command()(migrate)
    app.command()(config)


def acls_command(
    role: RoleArgument = None,
    principal: Annotated[
        str | None, typer.Option(help="Whom to allow, as User:NAME. Without it User:<schema>_<role>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for an admin client.")] = False,
) -> None:
    """Print the Kafka ACLs that each role needs, as commands of Kafka's kafka-acls.sh."""
    raise typer.Exit(run(_acls(role, principal, as_json=as_json)))


def grants_command(
    role: RoleArgument = None,
    user: Annotated[
        str | None, typer.Option(help="The Postgres user of that role. Without it <schema>_<role>.")
    ] = None,
    admin: Annotated[str | None, typer.Option(help="The Postgres user that owns the tables.")] = None,
) -> None:
    """Print the SQL that gives each role its rights, for psql as a superuser in the store's database."""
    raise typer.Exit(run(_grants(role, user, admin)))


def migrate() -> None:
    """Make topics and tables, or bring the tables to this version: as the admin, before anything else starts."""
    raise typer.Exit(run(_migrate()))


def config() -> None:
    """Print the settings as they are in force, without what may be secret."""
    raise typer.Exit(run(_config()))


async def _acls(role: Role | None, principal: str | None, *, as_json: bool) -> int:
    settings = await asyncio.to_thread(Settings.load)
    if principal is not None and role is None:
        raise ConfigurationError("--principal is one role's: name the role as well.")
    render = kafka_acls.lines if as_json else kafka_acls.commands
    for each in [role] if role else Role:
        for line in render(principal or f"User:{user_name(each, settings)}", acls(each, settings)):
            put(line)
    return OK


async def _grants(role: Role | None, user: str | None, admin: str | None) -> int:
    settings = await asyncio.to_thread(Settings.load)
    if user is not None and role is None:
        raise ConfigurationError("--user is one role's: name the role as well.")
    users = {each: user_name(each, settings) for each in Role}
    if admin is not None:
        users[Role.ADMIN] = admin
    if role is not None and user is not None:
        users[role] = user
    put(postgres_grants.script(settings.schema_name, users, [role] if role else list(Role)))
    return OK


async def _migrate() -> int:
    settings = await asyncio.to_thread(Settings.load)
    log = await prepare(settings)
    say(f"{log.events.name} ({log.events.partitions} partitions), {log.packages.name} and the tables are ready.")
    projector = projector_settings(settings)
    parts = [await asyncio.to_thread(read_progress, dsn, projector.schema_name) for dsn in projector.dsns.databases]
    if (advice := needed_rebuild(together(parts))) is not None:
        say(f"A rebuild must follow: {advice}.")
    return OK


async def _config() -> int:
    settings = await asyncio.to_thread(Settings.load)
    put(json.dumps(settings.model_dump(mode="json"), indent=2))
    return OK
