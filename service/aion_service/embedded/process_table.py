"""The processes of one stack, by name: started here, stopped here in reverse order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from aion_service.embedded.guarded_process import GuardedProcess, wait_until_ended
from aion_service.embedded.server_log import start_new


class ProcessTable:
    """Every process that this stack has started and that may still run."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._processes: dict[str, GuardedProcess] = {}

    @property
    def by_name(self) -> Mapping[str, GuardedProcess]:
        """A live view, in the order of starting."""
        return MappingProxyType(self._processes)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        directory: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> GuardedProcess:
        """Start `argv` under that name, whose earlier process must have ended; its output goes to `<name>.log`."""
        earlier = self._processes.pop(name, None)
        if earlier is not None and earlier.poll() is None:
            self._processes[name] = earlier
            raise ValueError(f"{name} still runs")
        log = self.logs / f"{name}.log"
        start_new(log)
        process = GuardedProcess.start(name, argv, env=env, log=log, directory=directory, stop_signal=stop_signal)
        self._processes[name] = process
        return process

    async def run(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], directory: Path, timeout_s: float
    ) -> int:
        """Run a short-lived program to its end; its exit code, or UnavailableError if it takes too long."""
        process = self.start(name, argv, env=env, directory=directory)
        code = await wait_until_ended(process, timeout_s)
        del self._processes[name]
        return code

    async def stop(self, servers: Sequence[str] = ()) -> None:
        """Stop all: the others in reverse order of starting, then those named in `servers` together.

        Cancelled, it asks every process to stop and waits no longer; the guards see to the rest.
        """
        others = [name for name in reversed(self._processes) if name not in servers]
        try:
            for name in others:
                await self._processes[name].stop()
            await asyncio.gather(*(self._processes[name].stop() for name in servers if name in self._processes))
        finally:
            for process in self._processes.values():
                process.request_stop()
        self._processes.clear()
