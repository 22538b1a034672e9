"""What Faust does after a rebalance, which it calls the recovery of its tables: here, the seek to the checkpoints."""
# pyright: basic
# The classes here derive from Faust's, whose types are loose.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery, ServiceStopped

from aion_store.errors import UnavailableError

if TYPE_CHECKING:
    from aion_projectors.faust_app import ProjectorApp


class SeekRecovery(Recovery):
    """Faust's, which would end without a word after a seek that took longer than a request may.

    After one that found a partition unassigned it would wait for another rebalance, whether or not there is one.
    """

    app: ProjectorApp

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        try:
            await super()._wait(coro, timeout)
        except ServiceStopped:
            if not self.should_stop:
                self.app.fail(UnavailableError("The projector", "a rebalance took too long"))
            raise
        except IllegalStateError as error:
            raise UnavailableError("The projector", f"a seek failed: {error}") from error


class NoTables(TableManager):
    """No tables: only the rebalances that Faust hands to whoever manages them."""

    @property
    def recovery(self) -> Recovery:
        """Faust's, of the kind above."""
        if self._recovery is None:
            self._recovery = SeekRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """As Faust's, without the second that it gives tables to register: there are none."""
        await self._update_channels()
        await self.recovery.start()
