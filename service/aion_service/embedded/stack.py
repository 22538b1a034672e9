"""The embedded stack: a real Kafka and a real Postgres in one directory, started by one process, shared by many.

The lock on the directory is the truth about who runs the servers; what the holder wrote down counts only as long as
that lock is held. Whoever finds it held attaches: it connects to the holder's servers and starts nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aion_service.embedded import kafka, postgres
from aion_service.embedded.directory import StackDirectory, check_free_space, explained, prepare_directory
from aion_service.embedded.facts import ConnectionFacts, read_facts
from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.lock_file import Holder, LockFile
from aion_service.embedded.process_table import ProcessTable
from aion_service.embedded.server_log import last_words
from aion_service.embedded.writer_claim import claim_writer_lock, give_back_writer_lock
from aion_store.errors import NotOwnerError, UnavailableError

ATTACH_DEADLINE_S: Final = 300.0
POLL_S: Final = 0.1
SERVERS: Final = (kafka.NAME, postgres.NAME)

Say = Callable[[str], None]


class EmbeddedStack:
    """A stack that is ready. `failure` is set when one of its servers has ended on its own; `failure_reason` says how.

    Only the process that started the servers notices; one that is attached sees its calls fail instead.
    """

    def __init__(
        self, home: StackDirectory, facts: ConnectionFacts, holder: Holder, processes: ProcessTable | None
    ) -> None:
        self.directory: Path = home.path
        self.bootstrap_servers: str = facts.bootstrap_servers
        self.postgres_dsn: str = facts.postgres_dsn
        self.holder: str = str(holder)
        self.failure = asyncio.Event()
        self.failure_reason: str | None = None
        self._home, self._processes = home, processes
        self._claims = 0

    @property
    def attached(self) -> bool:
        """Whether the servers are another holder's."""
        return self._processes is None

    @property
    def processes(self) -> Mapping[str, GuardedProcess]:
        """The processes of this stack by name, `kafka` and `postgres` among them; none when attached."""
        return self._processes.by_name if self._processes else {}

    def spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> GuardedProcess:
        """Start a program that ends before the servers do; its output goes to `logs/<name>.log`.

        `env` is added to this process's environment. It is stopped with SIGTERM. Who wants to know of its end
        awaits `ended()`; the same name may then be used again. Raises NotOwnerError on an attached stack.
        """
        if self._processes is None:
            raise NotOwnerError(0, self.holder)
        environment = {**os.environ, **env}
        return self._processes.start(name, argv, env=environment, directory=self.directory)

    def claim_writer(self) -> None:
        """Become the one process that may write to this stack's log; again is no error.

        The claim ends with this stack's context (the last one of this process), or with the process. Raises
        NotOwnerError, naming the other process, while that one has it.
        """
        if not self._claims:
            claim_writer_lock(self._home.writer_lock)
            self._claims = 1

    def give_back_writer(self) -> None:
        """Give the claim up early; nothing happens without one."""
        if self._claims:
            self._claims = 0
            give_back_writer_lock(self._home.writer_lock)


@asynccontextmanager
async def embedded_stack(directory: Path, *, progress: Say | None = None) -> AsyncGenerator[EmbeddedStack]:
    """Kafka and Postgres in `directory`: started if nobody holds it, attached to otherwise; ready when entered.

    `progress` gets a short sentence about each step that takes time. On leaving, the process that started the
    servers stops what it spawned in reverse order and then both servers; data stays. Raises ConfigurationError when
    the machine or the directory doesn't allow a start, UnavailableError when something took too long.
    """
    say: Say = progress or (lambda _: None)
    home = prepare_directory(directory)
    lock = LockFile(home.stack_lock)
    with explained(home.stack_lock):
        found = await _take_or_attach(home, lock, say)
    if isinstance(found, EmbeddedStack):
        try:
            yield found
        finally:
            found.give_back_writer()
        return
    processes = ProcessTable(home.logs)
    try:
        check_free_space(home.path)
        stack = await _start(home, found, processes, say)
        try:
            with _watched(stack):
                yield stack
        finally:
            stack.give_back_writer()
            home.facts.unlink(missing_ok=True)
    finally:
        try:
            await processes.stop(SERVERS)
        finally:
            lock.release()


async def _take_or_attach(home: StackDirectory, lock: LockFile, say: Say) -> Holder | EmbeddedStack:
    """This process as the holder, or the stack of the other one as soon as that is ready."""
    deadline = time.monotonic() + ATTACH_DEADLINE_S
    told = False
    while True:
        if (holder := lock.take()) is not None:
            home.facts.unlink(missing_ok=True)
            return holder
        other = lock.holder()
        facts = read_facts(home.facts, other.token) if other else None
        if other and facts:
            return EmbeddedStack(home, facts, other, None)
        if time.monotonic() > deadline:
            raise UnavailableError(
                "The embedded stack", f"{other or 'another process'} holds {home.path}, but its servers aren't ready"
            )
        if not told:
            say(f"waiting for the servers of {other or 'another process'}")
            told = True
        await asyncio.sleep(POLL_S)


async def _start(home: StackDirectory, holder: Holder, processes: ProcessTable, say: Say) -> EmbeddedStack:
    try:
        async with asyncio.TaskGroup() as both:
            started_kafka = both.create_task(kafka.start_kafka(home, processes, say))
            started_postgres = both.create_task(postgres.start_postgres(home, processes, say))
    except BaseExceptionGroup as group:
        first = group.exceptions[0]
        raise first from first.__cause__
    facts = ConnectionFacts(holder.token, started_kafka.result(), started_postgres.result())
    with explained(home.facts):
        facts.write(home.facts)
    return EmbeddedStack(home, facts, holder, processes)


@contextmanager
def _watched(stack: EmbeddedStack) -> Generator[None]:
    """Within, the end of a server is noted as the stack's failure."""

    def note(process: GuardedProcess) -> None:
        if not stack.failure.is_set():
            stack.failure_reason = f"{process.name} ended; its log {process.log} ends with: {last_words(process.log)}"
            stack.failure.set()

    with ExitStack() as watches:
        for process in (stack.processes[name] for name in SERVERS):
            watches.enter_context(process.watched(partial(note, process)))
        yield
