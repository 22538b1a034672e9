"""How a worker is told what to do, and what it says when that is wrong."""

from __future__ import annotations

import pytest

from aion_projectors import worker
from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from aion_store.errors import ConfigurationError

SETTINGS = ProjectorSettings(
    kafka={"bootstrap.servers": "a:1, b:2"},
    events_topic="t.events",
    packages_topic="t.packages",
    dsn="postgresql://nowhere",
    schema_name="aion",
    group_id="t.projectors",
)


def test_settings_survive_their_json_form() -> None:
    assert ProjectorSettings.from_json(SETTINGS.to_json()) == SETTINGS
    assert SETTINGS.bootstrap_servers == ["a:1", "b:2"]


@pytest.mark.parametrize("text", ["", "{}", "[]", SETTINGS.to_json().replace("dsn", "dns")])
def test_settings_that_cannot_be_used_say_what_they_should_be(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"JSON in the environment variable {ENVIRONMENT_VARIABLE}"):
        ProjectorSettings.from_json(text)


def test_a_kafka_must_be_named() -> None:
    with pytest.raises(ConfigurationError, match=r"bootstrap\.servers is missing"):
        _ = SETTINGS.model_copy(update={"kafka": {}}).bootstrap_servers


def test_the_program_ends_with_code_2_without_usable_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert worker.main() == 2
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "{}")
    assert worker.main() == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count(ENVIRONMENT_VARIABLE)) == ("", 2)
