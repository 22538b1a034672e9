"""A DSN that can't be is refused while the settings are made, by the setting's name, and nothing of it is repeated."""

from __future__ import annotations

import json
import traceback

import pytest

from aion_projectors.settings import ProjectorSettings, ShardSettings
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError
from aion_store.postgres.dsn import check_dsn

GOOD = (
    "",
    "postgresql://",
    "postgresql://u:p%40ss@h:5432/d?sslmode=verify-full",
    "postgres://u@h1:5432,h2:5433/d?target_session_attrs=read-write",
    "postgresql://u:p?ss@h/d",
    "postgresql://u:p@%2Fvar%2Frun/d",
    "postgresql://u:p@[::1]:5432/d?options=-c%20work_mem%3D4MB",
    "host=/var/run user=u password='hid den' dbname=d",
    "service=orders",
)
BAD = (
    "postgresql//u:hidden@h",
    "postgresql://u:hidden%zz@h/d",
    "postgresql://u:hi@dden@h/d",
    "postgresql://u:hid/den@h/d",
    "postgresql://u:1/hidden@h/d",
    "postgresql://u:hidden@h:0/d",
    "postgresql://u:hidden@h:port/d",
    "postgresql://u:hidden@h/d?sslmode=verify_full",
    "host=h password=hid den",
    "hidden",
)
MARKS = ("hid", "den", "hi@", "u:")
GIVEN = {"bootstrap_servers": "127.0.0.1:1", "postgres_dsn": "postgresql://h/d"}


def repeated(error: ConfigurationError) -> list[str]:
    """Which of the secrets' parts an error says."""
    said = "".join(traceback.format_exception_only(error))
    return [mark for mark in MARKS if mark in said]


@pytest.mark.parametrize("dsn", GOOD)
def test_what_libpq_takes_is_taken(dsn: str) -> None:
    assert check_dsn(dsn) == dsn


@pytest.mark.parametrize("dsn", BAD)
@pytest.mark.parametrize("name", ["postgres_dsn", "postgres_read_dsn", "postgres_shards"])
def test_a_dsn_that_is_none_is_refused_by_its_settings_name(name: str, dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as refused:
        Settings.load({**GIVEN, name: {"0": dsn} if name == "postgres_shards" else dsn})
    assert not repeated(refused.value)


@pytest.mark.parametrize("dsn", BAD)
def test_a_projectors_settings_are_as_careful(dsn: str) -> None:
    good = ProjectorSettings(
        kafka={}, events_topic="e", packages_topic="p", dsn="host=h", schema_name="s", group_id="g",
        shards=(ShardSettings(partitions=frozenset({1}), dsn="host=other"),),
    )  # fmt: skip
    for place in ("host=h", "host=other"):
        with pytest.raises(ConfigurationError, match="dsn") as refused:
            ProjectorSettings.from_json(good.to_json().replace(json.dumps(place), json.dumps(dsn)))
        assert not repeated(refused.value)


def test_a_dsn_in_the_place_of_another_setting_is_not_repeated() -> None:
    dsn = "postgresql://u:hidden@h/d"
    for wrong in ({"postgres_shards": {dsn: "0"}}, {"postgres_shards": {dsn: dsn}}, {dsn: "1"}):
        with pytest.raises(ConfigurationError) as refused:
            Settings.load({**GIVEN, **wrong})
        assert not repeated(refused.value)
