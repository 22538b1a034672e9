"""Who writes what, as settings say it: values, and errors that say what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from aion_producers.ownership import LogPartition
from aion_service.settings import Settings
from aion_service.shares import parse_share
from aion_store.errors import ConfigurationError

SERVERS = {"bootstrap_servers": "127.0.0.1:1", "postgres_dsn": "postgresql://"}


def events(*numbers: int) -> set[LogPartition]:
    return {LogPartition("events", number) for number in numbers}


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("all", "all"),
        ("group", "group"),
        ("none", frozenset()),
        ("0", events(0)),
        ("0-2,7", events(0, 1, 2, 7)),
        (" 3 , packages", events(3) | {LogPartition("packages", 0)}),
        ("1,0-1", events(0, 1)),
    ],
)
def test_a_share_is_all_of_them_none_the_groups_or_what_is_named(text: str, share: object) -> None:
    assert parse_share(text, 8) == share


@pytest.mark.parametrize("text", ["", "ALL", "0,", "a", "-1", "0-", "0--1", "1.5", "0 1", "all,0", "0-3-5"])
def test_a_text_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ownership is all, group, none, or partitions such as"):
        parse_share(text, 8)


@pytest.mark.parametrize("text", ["8", "0-8", "5-3", "99999"])
def test_partitions_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"but the partitions go from 0 to 7"):
        parse_share(text, 8)


@pytest.mark.parametrize("address", ["db-1.example:7000", "10.0.0.1:80", "[::1]:65535", "a_b:1"])
def test_a_member_has_an_address(address: str) -> None:
    settings = Settings.load({**SERVERS, "ownership": "group", "advertised_address": address})
    assert settings.share == "group"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ownership": "group"}, "ownership=group needs advertised_address"),
        ({"ownership": "some"}, "ownership is all, group, none, or partitions"),
        ({"ownership": "0-64"}, "the partitions go from 0 to 63"),
        ({"advertised_address": "nowhere"}, "an advertised address is host:port"),
        ({"advertised_address": "a b:1"}, "an advertised address is host:port"),
        ({"advertised_address": "host:0"}, "a port from 1 to 65535"),
        ({"advertised_address": "host:70000"}, "a port from 1 to 65535"),
        ({"advertised_address": "[::g]:1"}, "an advertised address is host:port"),
        ({"advertised_address": "[1:2]:1"}, "advertised_address"),
        ({"writer_session_timeout_s": 0.5}, "writer_session_timeout_s"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.load({**SERVERS, **values})
    assert reason in str(refused.value)
