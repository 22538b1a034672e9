"""No input from outside crashes a parser, makes it take memory out of proportion, or gets another error than its own.

`make fuzz` gives this FUZZ_SECONDS; without them each target gets a few hundred inputs.
"""

from __future__ import annotations

import json
import os
import re
import time
import tracemalloc
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from aion_service.audit.signed_note import SignerKey, VerifierKey
from aion_service.transfer.export import MANIFEST
from aion_service.transfer.sources import MAX_LINE_BYTES, appends_in
from aion_store.errors import ConfigurationError
from aion_store.visibility.parsing import MAX_CHARS, parse_filter
from tests.fuzz.inputs import AWKWARD, KEY, MANIFEST_TEXT
from tests.fuzz.targets import TARGETS, Target

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
EXAMPLES = 40
MEMORY_FLOOR_BYTES = 16 * 2**20
MEMORY_FACTOR = 200
"""Python's values of a JSON array of nothing are that much larger than its text."""
CPU_SECONDS = 5.0
"""For one input, of 200 kB at most, while memory is traced."""
NESTED = [
    *("(", "NOT ", "NOT (", "a = 1 AND (", "a IN (", "a = (", "ARRAY[", "a = ARRAY[", "INT[", "DATE[", "a.", "a = -"),
    *("TIMESTAMP(", "DATE(", "DECIMAL(", "STRUCT(", "STRUCT<", "CHAR(", "OBJECT(", "ENUM(", "CAST(", "CASE WHEN "),
    *("a = 1 AND ", "a BETWEEN 1 AND ", "DATE 'x' ", "[", "{", "$", "'x' || ", "SELECT (", "INTERVAL ", "a::"),
]
RESIDENT_FLOOR_BYTES = 96 * 2**20
"""For what tracing doesn't see: compiled code has allocators of its own (pyarrow's for archives), which keep some."""


@pytest.fixture(scope="module", autouse=True)
def _memory_is_traced() -> Generator[None]:
    parse_filter("Status = 'Failed'")  # what is imported by the first call isn't the input's memory
    look_for_constants()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@settings(max_examples=20, database=None)
@given(text=st.text(), number=st.integers())
def look_for_constants(text: str, number: int) -> None:
    """Hypothesis reads the source of every module for constants, once: much longer while memory is traced."""


def size_of(given: object) -> int:
    """How large an input is, in bytes."""
    if isinstance(given, bytes | str):
        return len(given)
    parts = given.values() if isinstance(given, dict) else given
    return sum(map(size_of, parts)) if isinstance(parts, Iterable) else 0


def greatest_resident_bytes() -> int:
    """The most memory that this process has had since `forget_the_greatest`, whoever allocated it."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1_024


def forget_the_greatest() -> None:
    """The greatest is what there is now. Where the kernel can't, it is that of the process's life, which only grows."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def try_one(target: Target, given: object) -> None:
    """Run the target; only its own errors are let through, within bounded memory: Python's, and the whole process's."""
    forget_the_greatest()
    resident = greatest_resident_bytes()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    began = time.thread_time()
    try:
        target.run(given)
    except target.refuses_with as error:
        text = str(error)
        assert text
        assert len(text) < 4_000, "the error quotes the input"
    assert time.thread_time() - began < CPU_SECONDS
    _, peak = tracemalloc.get_traced_memory()
    assert peak - before < MEMORY_FLOOR_BYTES + MEMORY_FACTOR * size_of(given)
    assert greatest_resident_bytes() - resident < RESIDENT_FLOOR_BYTES + MEMORY_FACTOR * size_of(given)


def test_memory_that_is_not_pythons_counts() -> None:
    def take(_: object) -> None:
        zeros = pa.nulls(RESIDENT_FLOOR_BYTES // 4, pa.int64())
        assert len(zeros.fill_null(0)) == len(zeros)

    greedy = Target([], TARGETS["filters"].inputs, take, ())
    with pytest.raises(AssertionError):
        try_one(greedy, "")


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_answers_or_refuses(name: str) -> None:
    target = TARGETS[name]
    deadline = time.monotonic() + SECONDS / len(TARGETS)
    number = 0
    while number == 0 or time.monotonic() < deadline:
        quiet = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )

        @seed(number if SECONDS == 0 else time.monotonic_ns())
        @quiet
        @given(target.inputs)
        def check(given: object) -> None:
            try_one(target, given)

        check()
        number += 1


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_accepts_its_good_input(name: str) -> None:
    target = TARGETS[name]
    for good in target.good:
        target.run(good)


@pytest.mark.parametrize("piece", AWKWARD, ids=lambda piece: repr(piece[:12]))
def test_a_great_deal_of_the_same(piece: bytes) -> None:
    data = piece * (200_000 // max(1, len(piece)))
    for target in TARGETS.values():
        for flood in target.floods(data):
            try_one(target, flood)


@pytest.mark.parametrize("piece", NESTED)
def test_a_filter_that_nests_takes_no_longer_the_deeper_it_is(piece: str) -> None:
    for times in (8, 12, 16, 20, 30, MAX_CHARS // 2 // len(piece)):
        for closing in ("", ")", "]", ">"):
            try_one(TARGETS["filters"], (piece * times + "Status = 'Failed'" + closing * times)[:MAX_CHARS])


@pytest.mark.parametrize("name", ["S" + "9" * 5_000, '"' + "\x01" * 900 + '"', '"' + "é" * 500 + '"'])
def test_a_long_name_is_not_quoted(name: str) -> None:
    try_one(TARGETS["filters"], f"{name} = 'a'")
    try_one(TARGETS["filters"], f"{name} LIKE 'a%' ORDER BY StartedAt")


def test_a_file_to_import_is_read_within_bounds(tmp_path: Path) -> None:
    endless = tmp_path / "events"
    for opening in (b"", b'{"append_id":"a"}\n'):
        endless.write_bytes(opening + b"x" * (MAX_LINE_BYTES + 1))
        with pytest.raises(ConfigurationError, match=r"no event is so large|is no line"):
            list(appends_in(endless))


@pytest.mark.parametrize("name", ["../events", "/etc/passwd", "..", "a/b", ""])
def test_a_manifest_names_files_of_its_own_directory_only(tmp_path: Path, name: str) -> None:
    (tmp_path / MANIFEST).write_bytes(MANIFEST_TEXT.replace(b'"name":"events"', b'"name":' + json.dumps(name).encode()))
    with pytest.raises(ConfigurationError):
        list(appends_in(tmp_path))


@pytest.mark.parametrize("text", [KEY.text(), KEY.text()[4:], KEY.text()[:-1], KEY.text().removeprefix("PRIVATE+KEY+")])
def test_a_secret_key_in_the_wrong_place_is_not_quoted(text: str) -> None:
    for parse in (VerifierKey.parse, SignerKey.parse):
        if (parse, text) == (SignerKey.parse, KEY.text()):
            continue
        with pytest.raises(ConfigurationError) as refused:
            parse(text)
        assert KEY.text()[-20:-5] not in str(refused.value)
