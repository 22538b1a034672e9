"""A TCP proxy in front of a broker that holds back, swallows and cuts what passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final

from aion_service.embedded.ports import LOOPBACK

_CHUNK: Final = 65536
_CONNECT_S: Final = 2.0


class Proxy:
    """Listens on `port` and passes everything to `target_port`, which may be set later."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.target_port = 0
        self._passing = threading.Event()
        self._passing.set()
        self._swallow = False
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
            _end(connection)
        self._swallow = False
        self._passing.set()

    def close(self) -> None:
        """Listen no more, and break every connection."""
        _end(self._listener)
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection((LOOPBACK, self.target_port), _CONNECT_S)
                except OSError:
                    _end(client)
                    continue
                broker.settimeout(None)
                for end in (client, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets |= {client, broker}
                threading.Thread(target=self._pump, args=(client, broker, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(broker, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._passing.wait()
                if not (answers and self._swallow):
                    sink.sendall(data)
        for connection in (source, sink):
            _end(connection)
        with self._lock:
            self._sockets -= {source, sink}


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
