"""A TCP proxy in front of a broker that holds back, swallows and cuts what passes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from aion_service.embedded.ports import LOOPBACK

_CHUNK: Final = 65536
_CONNECT_S: Final = 2.0

_Pump: TypeAlias = Callable[[socket.socket, socket.socket], None]


class Proxy:
    """Listens on `port` of `host` and passes everything to `target_port`, which may be set later."""

    def __init__(self, host: str = LOOPBACK, port: int = 0, target_port: int = 0) -> None:
        self._listener = socket.create_server((host, port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.target_port = target_port
        self._passing = threading.Event()
        self._passing.set()
        self._swallow = False
        self.held = self.swallowed = 0
        """How often something was held back, and an answer vanished: grows if it happens at all."""
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Pass nothing on, in either direction, until `release`."""
        self._passing.clear()

    def swallow_answers(self) -> None:
        """Requests reach the broker, its answers vanish, until `cut`: what succeeded looks as if it had not."""
        self._swallow = True

    def release(self) -> None:
        """Pass on again what was held."""
        self._passing.set()

    def cut(self) -> None:
        """Break every connection; new ones work."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for connection in sockets:
            end_connection(connection)
        self._swallow = False
        self._passing.set()

    def close(self) -> None:
        """Listen no more, and break every connection."""
        end_connection(self._listener)
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection((LOOPBACK, self.target_port), _CONNECT_S)
                except OSError:
                    end_connection(client)
                    continue
                broker.settimeout(None)
                for end in (client, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets |= {client, broker}
                for pump, source, sink in (
                    (self.pump_requests, client, broker),
                    (self.pump_answers, broker, client),
                ):
                    threading.Thread(target=self._run, args=(pump, source, sink), daemon=True).start()

    def _run(self, pump: _Pump, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            pump(source, sink)
        for connection in (source, sink):
            end_connection(connection)
        with self._lock:
            self._sockets -= {source, sink}

    def pump_requests(self, client: socket.socket, broker: socket.socket) -> None:
        """Pass on what the client sends, until it ends."""
        while data := client.recv(_CHUNK):
            self.wait_while_held()
            broker.sendall(data)

    def pump_answers(self, broker: socket.socket, client: socket.socket) -> None:
        """Pass on what comes back, unless it is to vanish."""
        while data := broker.recv(_CHUNK):
            self.wait_while_held()
            if self._swallow:
                self.swallowed += 1
            else:
                client.sendall(data)

    def wait_while_held(self) -> None:
        """Returns once things pass."""
        if not self._passing.is_set():
            self.held += 1
            self._passing.wait()


def end_connection(connection: socket.socket) -> None:
    """Shut it down both ways, broken or not."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
