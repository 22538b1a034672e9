"""`aion-store doctor`, `lag` and `metrics`: how the store is, for a person, a script and a scraper."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from aion_projectors.settings import ProjectorSettings
from aion_service.backends import projector_settings
from aion_service.cli.output import put, say
from aion_service.cli.running import FAILED, OK
from aion_service.doctor import Health, examine
from aion_service.metrics import CONTENT_TYPE, metrics
from aion_service.observation import PartitionState, observe
from aion_service.settings import Settings
from aion_store.errors import ConfigurationError, StoreError, UnavailableError

_LISTEN: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")
_LAST_PORT: Final = 65_535


async def doctor(*, as_json: bool) -> int:
    """Print a line a finding; 1 when something is bad."""
    settings = await asyncio.to_thread(Settings.load)

    def examined() -> bool:
        bad = False
        for finding in examine(settings):
            bad = bad or finding.health is Health.BAD
            line = f"{finding.health:<4}  {finding.subject}: {finding.says}"
            put(json.dumps(finding._asdict()) if as_json else line)
        return bad

    return FAILED if await asyncio.to_thread(examined) else OK


async def lag(*, as_json: bool) -> int:
    """Print how far each partition's tables are behind."""
    observation = await asyncio.to_thread(observe, await _settings())
    for state in observation.partitions:
        put(json.dumps(_plain(state)) if as_json else _line(state))
    return OK


async def show_metrics(listen: str | None) -> int:
    """Print the metrics once, or serve them until cancelled."""
    address = None if listen is None else _address(listen)
    settings = await _settings()
    if address is None:
        put((await asyncio.to_thread(_metrics, settings, UnavailableError)).rstrip("\n"))
        return OK
    try:
        server = _server(address)(address, _handler(lambda: _metrics(settings, StoreError)))
    except OSError as error:
        raise ConfigurationError(f"Nothing can be served on {listen}: {error}. Name another address.") from error
    serving = asyncio.get_running_loop().run_in_executor(None, server.serve_forever)
    say(f"Metrics on http://{listen}/metrics until Ctrl-C.")
    try:
        await asyncio.shield(serving)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    return OK


async def _settings() -> ProjectorSettings:
    return projector_settings(await asyncio.to_thread(Settings.load))


def _metrics(settings: ProjectorSettings, down: type[StoreError]) -> str:
    """The metrics; those of a store that is down after an error of the kind `down`."""
    try:
        return metrics(observe(settings))
    except down as error:
        say(f"aion-store: {error}")
        return metrics(None)


def _address(text: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ConfigurationError(f"{text!r} isn't an address to listen on: give HOST:PORT, as in 127.0.0.1:9464.")
    return match["six"] or match["host"], int(match["port"])


def _server(address: tuple[str, int]) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

    return Server


def _handler(text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Requests aren't logged."""

    return Handler


def _line(state: PartitionState) -> str:
    place = f"{state.place.log:<8} {state.place.partition:>4}"
    if state.behind_s is None:
        return f"{place}  unknown: run aion-store doctor"
    halted = "  HALTED" if state.checkpoint.halted else "  STALLED" if state.stalled else ""
    behind = "?" if state.behind is None else state.behind
    return f"{place}  {behind:>10} records  {state.behind_s:>8.1f} s{halted}"


def _plain(state: PartitionState) -> dict[str, object]:
    return {
        "log": state.place.log,
        "partition": state.place.partition,
        "records": state.behind,
        "seconds": state.behind_s,
        "position": state.checkpoint.position,
        "end": state.bounds.end,
        "halted": state.checkpoint.halted,
        "stalled": state.stalled,
    }
