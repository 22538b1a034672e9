"""The files in `deploy/` are what the commands print, and every setting that a file names is one."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from aion_service.cli.commands import app
from aion_service.environment import check_names
from aion_service.settings import FROM_FILES, Settings
from tests.servers import ROOT


def test_the_grants_of_the_compose_file_are_those_that_the_command_prints() -> None:
    """After a change: `AION_STORE_BOOTSTRAP_SERVERS=x aion-store grants > deploy/postgres/grants.sql`."""
    printed = CliRunner().invoke(app, ["grants"], env={"AION_STORE_BOOTSTRAP_SERVERS": "x"})
    assert printed.exit_code == 0, printed.output
    assert (ROOT / "deploy/postgres/grants.sql").read_text() == printed.stdout


def test_every_setting_that_a_file_names_is_one() -> None:
    files = [
        *ROOT.glob("docker-compose*.yml"),
        *(ROOT / "Makefile", ROOT / "README.md", ROOT / "Dockerfile"),
        *(ROOT / "docs").rglob("*.md"),
        *(file for file in (ROOT / "deploy").rglob("*") if file.is_file()),
    ]
    names = {name for file in files for name in re.findall(r"\bAION_STORE_[A-Z0-9_]+\b", file.read_text())}
    assert len(names) > 10
    check_names(names, Settings.model_fields, FROM_FILES)
