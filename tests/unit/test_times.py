"""Times: what text becomes, and which way finer digits go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aion_store.model.times import in_utc, parse_due_time, parse_time, rfc3339

AT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "recorded", "due"),
    [
        ("2026-01-31T12:00:00Z", AT, AT),
        ("2026-01-31t12:00:00z", AT, AT),
        ("2026-01-31 12:00:00+00:00", AT, AT),
        ("2026-01-31T13:30:00+01:30", AT, AT),
        ("2026-01-31T12:00:00-00:00", AT, AT),
        ("2026-01-31T12:00:00.5Z", AT.replace(microsecond=500_000), AT.replace(microsecond=500_000)),
        ("2026-01-31T12:00:00.000001000Z", AT.replace(microsecond=1), AT.replace(microsecond=1)),
        ("2026-01-31T12:00:00.000001001Z", AT.replace(microsecond=1), AT.replace(microsecond=2)),
        ("2026-01-31T12:00:00.0000000000001Z", AT, AT.replace(microsecond=1)),
        ("2026-01-31T12:00:00.999999999Z", AT.replace(microsecond=999_999), AT + timedelta(seconds=1)),
    ],
)
def test_recorded_times_are_cut_and_due_times_rounded_up(text: str, recorded: datetime, due: datetime) -> None:
    assert parse_time(text) == recorded
    assert parse_due_time(text) == due
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T24:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        1_769_860_800,
        None,
        True,
    ],
)
def test_other_values_are_no_times(text: object) -> None:
    for parse in (parse_time, parse_due_time):
        with pytest.raises(ValueError):
            parse(text)


def test_a_due_time_past_the_last_microsecond_is_refused() -> None:
    assert parse_time("9999-12-31T23:59:59.9999999Z") == datetime.max.replace(tzinfo=UTC)
    with pytest.raises(ValueError, match="years 1 to 9999"):
        parse_due_time("9999-12-31T23:59:59.9999999Z")


def test_any_zone_becomes_utc_and_none_is_refused() -> None:
    there = AT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert in_utc(there).isoformat() == AT.isoformat()
    assert in_utc(AT) is AT
    with pytest.raises(ValueError, match="zone"):
        in_utc(AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="years"):
        in_utc(datetime.min.replace(tzinfo=timezone(timedelta(hours=1))))


def test_the_text_of_a_time_has_the_digits_it_needs() -> None:
    assert rfc3339(AT) == "2026-01-31T12:00:00Z"
    assert rfc3339(AT.replace(microsecond=120_000)) == "2026-01-31T12:00:00.120000Z"
    assert rfc3339(AT.astimezone(timezone(timedelta(hours=5)))) == "2026-01-31T12:00:00Z"
