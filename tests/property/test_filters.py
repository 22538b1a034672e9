"""Filters as text: what is read becomes text of ours and bound values, what isn't is refused with its position."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aion_store.model.ids import WorkflowId
from aion_store.postgres.visibility_sql import after, order_by, where
from aion_store.visibility.cursors import Place, _check, decode_cursor, encode_cursor
from aion_store.visibility.errors import CursorError, FilterError
from aion_store.visibility.fields import BUILTIN, AttributeType
from aion_store.visibility.filters import Field, Filter, Order, StartsWith
from aion_store.visibility.parsing import parse_filter
from aion_store.visibility.resolving import resolve

REGISTERED = {f"{of.value.lower()}s": of for of in AttributeType}
WORDS = [
    *(
        *BUILTIN,
        *REGISTERED,
        "other",
        '"odd ""name%s{0}"',
        "w.status",
        "started_at",
        "'x'",
        "'it''s'",
        "'50%'",
        "'a\\_%'",
    ),
    *("'Running'", "'2026-01-31'", "'2026-01-31T12:00:00Z'", "'00000000-0000-4000-8000-000000000001'", "5", "-2.5"),
    *("1e400", "99999999999999999999", "TRUE", "NULL", "TIMESTAMP '2026-01-31'", "=", "!=", "<>", "<", "<=", ">", ">="),
    *("AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "(", ")", ",", "ORDER BY", "StartedAt", "DESC", "ASC", ";"),
    *("--", "/*", "*/", "$1", "%(v0)s", "%s", "{generation}", "{}", "::text", "||", "SELECT", "UNION", "FROM", "LIMIT"),
    *(
        "CASE",
        "WHEN",
        "END",
        "CAST",
        "AS",
        "lower",
        "pg_sleep(9)",
        "E'\\n'",
        "$$",
        "'",
        '"',
        "\\",
        "\x00",
        "\ud800",
        "😀",
    ),
]
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
names = st.sampled_from([*BUILTIN, *REGISTERED, "other", '"odd name"'])
values = st.sampled_from(
    [word for word in WORDS if word[0] in "'5-T" and word not in ("'", "--")] + ["'zz'", "7", "0.5", "FALSE"]
)
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
leaves = st.one_of(
    st.builds("{} {} {}".format, names, operators, values),
    st.builds("{} IN ({}, {})".format, names, values, values),
    st.builds("{} NOT BETWEEN {} AND {}".format, names, values, values),
    st.builds("{} LIKE 'a{}%'".format, names, st.sampled_from(["", "b", "\\%", "\\_", "\\\\", "😀", "''"])),
    st.builds("{} IS {} NULL".format, names, st.sampled_from(["", "NOT"])),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        inner.map("NOT ({})".format),
    ),
    max_leaves=8,
)

OURS = re.compile(
    r"""%\(v\d+\)s::(text|bigint|float8|boolean|timestamptz|uuid)(\[\])?
    |w\.(workflow_id|workflow_type|status|started_at|ended_at|last_event_at|failed_step|quarantined|search_attributes)
    |\{generation\}\.attribute_(text|int|float|bool|time|keywords)\(|'(String|Int|Float|Bool|Datetime|KeywordList)'|'type'
    |collate\ "C"|->>|->|&&|<=|>=|[=<>(),]|\b(and|or|not|is|null|any|case|when|then|end|true)\b|\s""",
    re.VERBOSE,
)
"""Everything that a condition's SQL may be made of."""


def check_is_ours(text: str) -> None:
    """Parse and compile a text: it is refused, with its place, or nothing of it is in the SQL."""
    try:
        parsed = parse_filter(text)
        clause = where(resolve(parsed.filter, REGISTERED))
    except FilterError as error:
        if error.position is not None and not 0 <= error.position <= len(text):
            raise AssertionError(f"{error.position} isn't in the text") from error
        return
    assert OURS.sub("", clause.text) == ""
    assert len(re.findall(r"%\(v\d+\)s", clause.text)) == len(clause.parameters)


@settings(max_examples=600, deadline=None)
@given(texts)
@example("(" * 4_000 + "Status='Failed'" + ")" * 4_000)
@example("NOT " * 2_400 + "Status='Failed'")
@example(" AND ".join(["Status='Failed'"] * 400))
@example("Status IN (" + ",".join(["'Failed'"] * 900) + ")")
@example("WorkflowType = '" + "x" * 2_000 + "'")
@example("a" * 10_001)
@example("Status='Failed' AND other = '\ud800'")
def test_no_text_crashes_and_none_reaches_the_sql(text: str) -> None:
    check_is_ours(text)


@settings(max_examples=400, deadline=None)
@given(filters, st.sampled_from(["", " ORDER BY StartedAt", " ORDER BY WorkflowId DESC", " LIMIT 3", "; DROP TABLE x"]))
def test_whatever_is_read_is_compiled_of_our_own_text(text: str, rest: str) -> None:
    check_is_ours(text + rest)
    assert parse_filter(text).filter is not None
    if rest in (" LIMIT 3", "; DROP TABLE x"):
        with pytest.raises(FilterError):
            parse_filter(text + rest)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
@example("\\")
@example("a\\")
@example("50%_\\\\''")
def test_like_finds_any_prefix_written_with_escapes(prefix: str) -> None:
    pattern = re.sub(r"([%_\\])", r"\\\1", prefix).replace("'", "''")
    assert parse_filter(f"WorkflowType LIKE '{pattern}%'").filter == StartsWith("WorkflowType", prefix)
    with pytest.raises(FilterError):
        parse_filter(f"WorkflowType LIKE '{pattern}\\%'")


@given(st.sampled_from(["StartedAt", "WorkflowId"]), st.booleans(), st.integers(0, 2**128 - 1), st.datetimes())
def test_a_cursor_is_read_back_by_its_own_list_only(by: str, descending: bool, number: int, at: datetime) -> None:
    order = Order("StartedAt" if by == "StartedAt" else "WorkflowId", descending)
    wanted: Filter | None = parse_filter("Status = 'Failed'").filter
    place = Place(at.replace(tzinfo=UTC), WorkflowId(int=number))
    cursor = encode_cursor(place, wanted, order)
    assert decode_cursor(cursor, wanted, order) == place
    assert set(after(place, order).parameters) <= {"after_at", "after_id"}
    assert order_by(order)
    for changed in (cursor[:-1], cursor[1:], cursor.swapcase(), f"{cursor}=", cursor.replace(cursor[20], "-", 1)):
        if changed != cursor:
            with pytest.raises(CursorError):
                decode_cursor(changed, wanted, order)
    with pytest.raises(CursorError):
        decode_cursor(cursor, None, order)


@pytest.mark.parametrize("micros", [2**64 - 1, 10**18, 315_537_897_600_000_000])
def test_a_cursor_of_no_time_is_refused(micros: int) -> None:
    content = b"\x01" + micros.to_bytes(8, "big") + bytes(16)
    text = urlsafe_b64encode(content + _check(content, None, Order())).decode()
    with pytest.raises(CursorError, match="no time"):
        decode_cursor(text, None, Order())


@pytest.mark.parametrize("name", ["date", "TYPE", "case", "Any", "é", '"a b"', '"IS"', '"INT["'])
def test_a_name_is_any_word_or_in_quotes(name: str) -> None:
    assert parse_filter(f"{name} IN (5)").filter == Field(name.strip('"')).one_of(5)


@pytest.mark.parametrize(
    "name", ["double precision", "timestamp with time zone", "IS", "NULL", "a.b", "$1", "'a'", "INT[]"]
)
def test_what_is_no_word_is_no_name(name: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse_filter(f"Status = 'Failed' AND {name} IN (5)")
    assert refused.value.position is not None
    assert 22 <= refused.value.position < 40


def test_a_chain_built_of_operators_is_the_chain_of_the_text() -> None:
    first, second, third = (Field("a").equals(number) for number in range(3))
    assert first & second & third == first & (second & third) == parse_filter("a = 0 AND (a = 1 AND a = 2)").filter
    assert first | second | third == first | (second | third) == parse_filter("(a = 0 OR a = 1) OR a = 2").filter
    assert (first & second) | third == parse_filter("a = 0 AND a = 1 OR a = 2").filter
