"""A proxy that understands enough of Kafka's protocol to strike at a request: around the end of a transaction, say."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from tests.faults.proxy import Proxy, end_connection

PRODUCE: Final = 0
INIT_PRODUCER_ID: Final = 22
ADD_PARTITIONS: Final = 24
END_TRANSACTION: Final = 26

_LINGER_S: Final = 0.5


class Blow(Enum):
    """What becomes of a request."""

    PASS = auto()
    CUT_BEFORE = auto()
    """It never arrives."""
    CUT_AFTER = auto()
    """It arrives, and its answer doesn't."""
    LATE = auto()
    """The client's side is cut at once, and the request arrives some time later, when it may have been sent again."""
    DELAY = auto()
    """It arrives late, and all goes on."""


class KafkaProxy(Proxy):
    """Strikes at requests of one kind while `aim` is set: each with its chance, with a blow drawn at random.

    `seen` counts the requests by kind, `struck` the blows. Its choices are its own, from a seed that it draws from
    `chance`: its threads draw in an order that nothing determines, and leave the choices of others alone.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = random.Random(chance.getrandbits(64))
        self._counting = threading.Lock()
        self.seen: Counter[int] = Counter()
        self._target: int | None = None
        self._probability = 0.0
        self._blows: tuple[Blow, ...] = ()
        self.struck = 0
        super().__init__()

    def aim(self, request: int, probability: float, *blows: Blow) -> None:
        """From now on strike at requests with this API key."""
        self._target, self._probability, self._blows = request, probability, blows

    def rest(self) -> None:
        """Strike no more."""
        self._target = None

    def pump_requests(self, client: socket.socket, broker: socket.socket) -> None:
        """Pass the client's requests on, one at a time."""
        rest = b""
        while data := client.recv(65536):
            self.wait_while_held()
            rest += data
            while len(rest) >= 4 and len(rest) >= (size := 4 + struct.unpack_from(">i", rest)[0]):
                frame, rest = rest[:size], rest[size:]
                if not self._deliver(frame, client, broker):
                    return

    def _deliver(self, frame: bytes, client: socket.socket, broker: socket.socket) -> bool:
        """Whether the connection goes on."""
        blow = self._draw(struct.unpack_from(">h", frame, 4)[0])
        if blow is Blow.DELAY:
            time.sleep(self._chance.uniform(0, _LINGER_S))
        if blow in (Blow.PASS, Blow.DELAY):
            broker.sendall(frame)
            return True
        if blow is Blow.CUT_AFTER:
            broker.sendall(frame)
        end_connection(client)
        if blow is Blow.LATE:
            time.sleep(self._chance.uniform(0, _LINGER_S))
            with suppress(OSError):
                broker.sendall(frame)
        time.sleep(_LINGER_S)  # the broker must read it before it sees the connection's end
        return False

    def _draw(self, request: int) -> Blow:
        with self._counting:
            self.seen[request] += 1
            if request != self._target or self._chance.random() >= self._probability:
                return Blow.PASS
            self.struck += 1
            return self._chance.choice(self._blows)
