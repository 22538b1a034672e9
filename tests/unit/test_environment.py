"""The settings' names in the environment: a misspelt one is refused, with the one that was meant."""

from __future__ import annotations

import os

import pytest

from aion_service.settings import Settings
from aion_store.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AION_STORE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AION_STORE_BOOTSTRAP_SERVERS", "127.0.0.1:9092")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AION_STORE_OWNERSIP", "AION_STORE_OWNERSHIP is"),
        ("AION_STORE_KAFKA_FILES", "AION_STORE_KAFKA_FILE is"),
        ("AION_STORE_OWNERSHIP_FILE", "AION_STORE_OWNERSHIP is"),
        ("aion_store_topics_prefix", "AION_STORE_TOPIC_PREFIX is"),
        ("AION_STORE_XYZ", "unset it"),
    ],
)
def test_a_name_that_nothing_reads_is_refused(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "group")
    for load in (Settings.load, lambda: Settings.from_url("kafka://127.0.0.1:1"), Settings):
        with pytest.raises(
            ConfigurationError, match=f"^{name} in the environment is no setting of the store; .*{meant}"
        ):
            load()


@pytest.mark.parametrize(
    "name",
    [
        "AION_STORE_PROJECTOR",
        "AION_STORE_FILLING",
        "AION_STORE_SERVICE_HOST",
        "AION_STORE_PORT",
        "AION_STORE_METRICS_SERVICE_PORT_HTTP",
        "AION_STORE_METRICS_PORT_9464_TCP_ADDR",
        "AION_DEMO_TARGET",
    ],
)
def test_what_others_name_so_is_let_be(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "something")
    assert Settings.load().ownership == "all"


def test_names_in_lower_case_are_settings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("aion_store_topic_prefix", "other")
    assert Settings.load().topic_prefix == "other"
