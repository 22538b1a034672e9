"""The files in `deploy/` are what the commands print."""

from __future__ import annotations

from typer.testing import CliRunner

from aion_service.cli.commands import app
from tests.servers import ROOT


def test_the_grants_of_the_compose_file_are_those_that_the_command_prints() -> None:
    """After a change: `AION_STORE_BOOTSTRAP_SERVERS=x aion-store grants > deploy/postgres/grants.sql`."""
    printed = CliRunner().invoke(app, ["grants"], env={"AION_STORE_BOOTSTRAP_SERVERS": "x"})
    assert printed.exit_code == 0, printed.output
    assert (ROOT / "deploy/postgres/grants.sql").read_text() == printed.stdout
