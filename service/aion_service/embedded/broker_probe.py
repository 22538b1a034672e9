"""Asks a Kafka broker the one question that tells whether it is ready, in Kafka's own protocol."""

from __future__ import annotations

import socket
import struct
from typing import Final

from aion_service.embedded.ports import LOOPBACK

METADATA_KEY: Final = 3
METADATA_VERSION: Final = 1
CLIENT_ID: Final = b"aion-store"
TIMEOUT_S: Final = 2.0


def is_ready(port: int) -> bool:
    """Whether the broker on that port of loopback answers and counts itself among the usable brokers."""
    no_topics = struct.pack(">i", 0)
    request = struct.pack(">hhih", METADATA_KEY, METADATA_VERSION, 1, len(CLIENT_ID)) + CLIENT_ID + no_topics
    try:
        with socket.create_connection((LOOPBACK, port), TIMEOUT_S) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.sendall(struct.pack(">i", len(request)) + request)
            _size, _correlation, brokers = struct.unpack(">iii", connection.recv(12, socket.MSG_WAITALL))
    except (OSError, struct.error):
        return False
    return brokers > 0
