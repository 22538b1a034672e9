"""Every limit of the store, in one home; topic, producer and fetch sizes are derived from them here.

Only numbers and the checks on plain sizes live here. Whatever depends on an event or a client lives with it.
"""

from __future__ import annotations

import re
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_EVENTS_PER_APPEND: Final = 1_000
MAX_EVENT_BYTES: Final = 1 * MIB
MAX_APPEND_BYTES: Final = 8 * MIB
MAX_ARCHIVE_BYTES: Final = 16 * MIB
MAX_NAME_BYTES: Final = 1 * KIB
MAX_APPEND_ID_CHARS: Final = 64
MAX_QUEUED_APPENDS: Final = 10_000
MAX_QUEUED_BYTES: Final = 64 * MIB
MAX_ROUTES_PER_PUT: Final = 1_000
MAX_HISTORIES_PER_READ: Final = 1_000
MAX_LISTED_PER_PAGE: Final = 1_000
MAX_REGISTERED_ATTRIBUTES: Final = 64
MAX_PAGE_BYTES: Final = 8 * MIB
"""Where a page of a streamed history ends, however few its events."""
MAX_INTEGER: Final = 2**63 - 1
"""The largest integer the formats carry: Postgres bigint and every JSON reader with 64-bit integers hold it."""

RECORD_OVERHEAD_BYTES: Final = 16 * KIB
"""Room for key, headers and batch framing beside a record's value."""

MAX_PACKAGE_RECORD_BYTES: Final = (
    MAX_ARCHIVE_BYTES * 4 // 3 + 4 + MAX_ROUTES_PER_PUT * (MAX_NAME_BYTES * 6 + 3) + RECORD_OVERHEAD_BYTES
)
"""A put of the largest archive in base64, with the longest routes as JSON may escape them."""

EVENTS_TOPIC_MAX_MESSAGE_BYTES: Final = MAX_EVENT_BYTES + RECORD_OVERHEAD_BYTES
PACKAGES_TOPIC_MAX_MESSAGE_BYTES: Final = MAX_PACKAGE_RECORD_BYTES
PRODUCER_MAX_MESSAGE_BYTES: Final = MAX_PACKAGE_RECORD_BYTES
FETCH_MAX_BYTES: Final = 2 * MAX_PACKAGE_RECORD_BYTES

APPEND_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""What an append id looks like; `APPEND_ID_PATTERN.fullmatch(text)` decides."""
