"""Nothing that is said anywhere, by whatever means and at whatever level, has a secret in it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import threading
import traceback
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from aion_projectors.settings import ProjectorSettings
from aion_service.access.roles import Role
from aion_service.audit.signed_note import SignerKey
from aion_service.backends import kafka_store, projector_settings
from aion_service.cli.commands import app
from aion_service.settings import Settings
from aion_store import open_store
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import WriteToken
from aion_store.errors import StoreError
from tests.projected_log import running_worker
from tests.security.deeds import COMMAND, DEED_S
from tests.security.world import World

WRONG = "a-secret-that-is-wrong"
ORDER = workflow(1_000_000)
SIGNER = SignerKey.generate("example.com/orders")
COMMANDS: dict[str, list[tuple[Role, str]]] = {
    "config": [(Role.READER, "")],
    "doctor": [(Role.AUDITOR, ""), (Role.READER, ""), (Role.READER, "--json")],
    "lag": [(Role.READER, "")],
    "metrics": [(Role.READER, "")],
    "acls": [(Role.READER, "")],
    "grants": [(Role.READER, "")],
    "migrate": [(Role.READER, ""), (Role.ADMIN, "")],
    "verify": [(Role.AUDITOR, ""), (Role.READER, "")],
    "tail": [(Role.READER, "--from beginning")],
    "export": [(Role.AUDITOR, "{folder}/none --store {dsn}"), (Role.AUDITOR, "{folder}/export")],
    "import": [(Role.READER, "{folder}/export"), (Role.WRITER, "{folder}/export")],
    "quarantine list": [(Role.READER, "")],
    "quarantine show": [(Role.READER, str(ORDER))],
    "quarantine refold": [(Role.READER, "--all"), (Role.PROJECTOR, "--all")],
    "unhalt": [(Role.READER, ""), (Role.PROJECTOR, "")],
    "rebuild": [(Role.READER, ""), (Role.ADMIN, "")],
    "reanchor": [(Role.READER, ""), (Role.ADMIN, "")],
    "upgrade status": [(Role.READER, "")],
    "upgrade finalize": [(Role.READER, ""), (Role.ADMIN, "")],
    "audit key": [
        (Role.AUDITOR, "example.com/orders --out {folder}/key"),
        (Role.AUDITOR, "other --out {folder}/other"),
    ],
    "audit rotate": [(Role.AUDITOR, "--old {folder}/key --new {folder}/other")],
    "audit checkpoint": [(Role.AUDITOR, "--key-file {folder}/key --directory {folder}/notes")],
    "audit verify": [(Role.AUDITOR, "--key {signer} --from {folder}/notes")],
    "audit replay": [(Role.AUDITOR, "--store {dsn}"), (Role.AUDITOR, "")],
    "archive write": [
        (Role.READER, "--directory {folder}/archive --key-file {folder}/key --before 2100-01-01T00:00:00Z")
    ],
    "archive verify": [(Role.AUDITOR, "--directory {folder}/archive --key {signer}")],
    "projector": [(Role.READER, ""), (Role.AUDITOR, "")],
    "version": [(Role.READER, "")],
}
"""Every command but `up`, which needs no settings and prints its own password on purpose; `{signer}` is a secret one
where a public one belongs."""


def commands_of(group: Any, *names: str) -> list[str]:
    """All commands below one."""
    if not hasattr(group, "commands"):
        return [" ".join(names)]
    return [name for each, command in group.commands.items() for name in commands_of(command, *names, each)]


def test_every_command_is_listened_to() -> None:
    assert {*COMMANDS, "up"} == set(commands_of(get_command(app)))


def run_commands(world: World, folder: Path) -> list[str]:
    """What the commands say, and their tracebacks. The last way of each does its work, but for those that get a secret
    key in the place of a public one, a projector that would go on for ever, and what looks for a quarantined workflow.
    """
    said: list[str] = []
    failed: dict[str, str] = dict.fromkeys(COMMANDS, "")
    for name, ways in COMMANDS.items():
        for role, arguments in ways:
            words = arguments.format(folder=folder, dsn=world.dsn(role), signer=SIGNER.text()).split()
            if name == "tail":
                said += first_line([name, *words], world.environment(role))
                continue
            done = CliRunner().invoke(app, [*name.split(), *words], env=world.environment(role))
            said.append(done.output)
            if done.exception is not None:
                said += traceback.format_exception(done.exception)
            failed[name] = "" if done.exit_code == 0 else done.output
    not_done = {name for name, why in failed.items() if why}
    assert not_done == {"projector", "audit verify", "archive verify", "quarantine show"}, failed
    return said


def first_line(arguments: list[str], environment: dict[str, str]) -> list[str]:
    """What a command that goes on for ever says until it is told to stop."""
    with subprocess.Popen([COMMAND, *arguments], env=environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        deadline = threading.Timer(DEED_S, process.kill)
        deadline.start()
        line = process.stdout.readline() if process.stdout else ""
        process.terminate()
        out, err = process.communicate()
        deadline.cancel()
    assert line, err
    return [line, out, err]


async def use_the_store(world: World) -> list[str]:
    """A store is opened, written to and read; how its parts show themselves."""
    settings = world.settings(Role.WRITER)
    async with kafka_store(settings) as store:
        await store.append(WriteToken.recorder(), ORDER, [HistoryBuilder(ORDER).started()], 0)
        assert len(await store.read_history(ORDER)) == 1
        return [repr(part) for part in (settings, projector_settings(settings), store, *vars(store).values())]


def failures(world: World, tmp_path: Path) -> list[str]:
    """Everything that can be wrong about settings, each with its whole traceback."""
    good = world.environment(Role.WRITER)
    kafka = json.loads(good["AION_STORE_KAFKA"])
    dsn = good["AION_STORE_POSTGRES_DSN"]
    bad_file = tmp_path / "kafka.json"
    bad_file.write_text(good["AION_STORE_KAFKA"][:-1])
    malformed = [
        dsn.replace("postgresql:", "postgresql"),
        dsn.replace("sslmode=verify-full", "sslmode=nonsense"),
        dsn.replace(f"{world.users[Role.WRITER]}:", "nobody:%zz"),
        dsn.replace("@", "/@"),
        f"host=h password={WRONG} {WRONG}",
    ]
    changes: list[dict[str, str | None]] = [
        {"AION_STORE_KAFKA": json.dumps({**kafka, "sasl.password": WRONG})},
        {"AION_STORE_KAFKA": json.dumps({**kafka, "sasl.mechanism": "PLAIN"})},
        {"AION_STORE_KAFKA": json.dumps({**kafka, "no.such.setting": WRONG})},
        {"AION_STORE_KAFKA": json.dumps({**kafka, "sasl.password": [WRONG]})},
        {"AION_STORE_KAFKA": good["AION_STORE_KAFKA"][:-1]},
        {"AION_STORE_KAFKA_FILE": str(bad_file), "AION_STORE_KAFKA": None},
        {"AION_STORE_POSTGRES_DSN": dsn.replace(f":{world.postgres.port}", ":1")},
        *({"AION_STORE_POSTGRES_DSN": each} for each in malformed),
        *({"AION_STORE_POSTGRES_READ_DSN": each} for each in malformed),
        *({"AION_STORE_POSTGRES_SHARDS": json.dumps({"1": each})} for each in malformed),
        {"AION_STORE_POSTGRES_SHARDS": json.dumps({dsn: "1"})},
        {"AION_STORE_POSTGRES_DSN": dsn.replace(f"{world.users[Role.WRITER]}:", f"nobody:{WRONG}")},
        {"AION_STORE_POSTGRES_DSN": None, "AION_STORE_POSTGRES_DSN_FILE": dsn},
        {"AION_STORE_BOOTSTRAP_SERVERS": f"user:{WRONG}@127.0.0.1:1"},
        {"AION_STORE_ARCHIVE": str(tmp_path), "AION_STORE_ARCHIVE_KEY": SIGNER.text()},
        {"AION_STORE_POSTGRES_DSN": dsn, "AION_STORE_PARTITIONS": "none"},
        {"AION_STORE_BOOTSTRAP_SERVERS": "127.0.0.1:1", "AION_STORE_APPEND_TIMEOUT_S": "2"},
    ]
    said: list[str] = []
    for change in changes:
        for arguments in (["migrate"], ["config"]):
            done = CliRunner().invoke(app, arguments, env={**good, "AION_STORE_APPEND_TIMEOUT_S": "2", **change})
            trace = "".join(traceback.format_exception(done.exception)) if done.exception else ""
            said += [done.output, trace]
    return said


async def failing_urls(world: World) -> list[str]:
    """What a program is told of a URL that can't be opened."""
    dsn = world.dsn(Role.WRITER)
    urls = [
        f"kafka://127.0.0.1:1/path?postgres_dsn={dsn}",
        f"kafka://?postgres_dsn={dsn}&nonsense=1",
        f"{dsn}",
        f"host=h password={WRONG}",
        f"kafkas://127.0.0.1:1?postgres_dsn={dsn}",
    ]
    said: list[str] = []
    for url in urls:
        try:
            async with open_store(url):
                raise AssertionError("it opened")
        except (StoreError, ValueError) as error:
            said.append("".join(traceback.format_exception(error)))
    return said


def test_no_secret_is_said(
    migrated: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """What librdkafka writes to the standard error itself, and what children of the commands do, is `capfd`'s."""
    world = migrated
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        with running_worker(projector_settings(world.settings(Role.PROJECTOR))):
            said += asyncio.run(use_the_store(world))
            said += run_commands(world, tmp_path)
        said += failures(world, tmp_path)
        said += asyncio.run(failing_urls(world))
    said += [record.getMessage() for record in caplog.records]
    said += [record.exc_text or "" for record in caplog.records]
    said += capfd.readouterr()
    everything = "\n".join(said)
    assert len(caplog.records) > len(COMMANDS)
    hidden = (*world.secrets, WRONG, SIGNER.text().rpartition("+")[2], (tmp_path / "key").read_text().strip())
    assert not [line[:300] for line in everything.splitlines() if any(secret in line for secret in hidden)]


def test_settings_from_files_are_those_of_the_environment(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = world.dsn(Role.WRITER)
    environment = {**world.environment(Role.READER), "AION_STORE_POSTGRES_SHARDS": json.dumps({"0": shard})}
    for name in ("KAFKA", "POSTGRES_DSN", "POSTGRES_SHARDS"):
        file = tmp_path / name
        file.write_text(environment.pop(f"AION_STORE_{name}") + "\n")
        environment[f"AION_STORE_{name}_FILE"] = str(file)
        monkeypatch.delenv(f"AION_STORE_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    loaded = Settings.load()
    assert loaded.write_dsn == world.dsn(Role.READER)
    assert loaded.shards == {shard: frozenset({0})}
    assert loaded.client == world.kafka.scram(world.users[Role.READER])
    monkeypatch.setenv("AION_STORE_POSTGRES_DSN", "x")
    with pytest.raises(StoreError, match="Both"):
        Settings.load()


def test_the_projectors_own_form_does_not_show_it(world: World) -> None:
    text = projector_settings(world.settings(Role.PROJECTOR)).to_json()
    with pytest.raises(StoreError) as refused:
        ProjectorSettings.from_json(text.replace('"dsn":', '"dns":'))
    assert not any(secret in "".join(traceback.format_exception(refused.value)) for secret in world.secrets)


def test_wrong_values_given_in_code_are_not_quoted() -> None:
    values = (
        {"postgres_dsn": WRONG},  # Kafka is missing
        {"postgres_dsn": [WRONG], "bootstrap_servers": "kafka:9092"},
        {"kafka": WRONG, "bootstrap_servers": "kafka:9092"},
    )
    for wrong in values:
        with pytest.raises(ValueError, match="validation error") as refused:
            Settings(**wrong)  # pyright: ignore[reportArgumentType]
        assert WRONG not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(ValueError, match="validation error") as refused:
        ProjectorSettings.model_validate({"dsn": WRONG})
    assert WRONG not in str(refused.value)
