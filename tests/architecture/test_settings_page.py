"""docs/settings.md names every setting there is, and no other."""

from __future__ import annotations

import re

from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from aion_service.settings import ENV_PREFIX, FROM_FILES, Settings
from tests.servers import ROOT

STORE, PROJECTOR = (ROOT / "docs/settings.md").read_text().split("## Projectors")


def shown(default: object) -> str:
    """A default as the page has it."""
    return "–" if default is None or default == {} else f"`{str(default).lower().removesuffix('.0')}`"


def test_the_stores_settings_are_listed_with_their_defaults_and_files() -> None:
    rows = re.findall(rf"^\| `{ENV_PREFIX}([A-Z_]+)` \| (\S+) \| (file)? ?\| .", STORE, re.MULTILINE)
    listed = {name.lower(): (default, file == "file") for name, default, file in rows}
    fields = Settings.model_fields
    assert listed == {
        name: (shown(field.get_default(call_default_factory=True)), name in FROM_FILES)
        for name, field in fields.items()
    }
    assert len(rows) == len(STORE.split("|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()) == len(fields)


def test_the_projectors_settings_are_listed() -> None:
    assert ENVIRONMENT_VARIABLE in PROJECTOR
    cells = re.findall(r"^\| (`.+?`) \| ", PROJECTOR, re.MULTILINE)
    assert re.findall(r"\w+", " ".join(cells)) == list(ProjectorSettings.model_fields)
