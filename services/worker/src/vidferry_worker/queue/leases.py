"""What this worker runs: its leases are renewed, and what nobody wants any more is stopped."""

import asyncio
import logging
from collections.abc import Callable

from vidferry_common.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

RENEWALS = 3
"""in one lease"""
LISTEN_SECONDS = 5
OUTAGE_SECONDS = 0.5


class Leases:
    """The attempts that this worker holds."""

    def __init__(self, store: Store, worker: str, lease: float) -> None:
        self._store, self._worker, self._lease = store, worker, lease
        self._held: dict[str, tuple[int, Callable[[], None]]] = {}

    def hold(self, download_id: str, attempt: int, on_lost: Callable[[], None]) -> None:
        self._held[download_id] = (attempt, on_lost)

    def release(self, download_id: str, attempt: int) -> None:
        if self._held.get(download_id, (0,))[0] == attempt:
            del self._held[download_id]

    async def renew(self) -> None:
        """Until cancelled: the attempts whose lease is another worker's now learn it."""
        while True:
            held = {id_: attempt for id_, (attempt, _) in self._held.items()}
            pause = self._lease / RENEWALS
            try:
                for download_id in await self._store.leases.renew(held, self._lease) if held else ():
                    self._abandon(download_id, held[download_id])
            except StoreUnavailable as error:
                logger.warning("leases wait for Redis", extra={"error": str(error)})
                pause = min(OUTAGE_SECONDS, pause / 2)  # when it is back, they are renewed before they are missed
            await asyncio.sleep(pause)

    async def listen_for_cancellations(self) -> None:
        """Until cancelled: the attempts that nobody wants any more learn it at once.

        One that is not held yet learns it by the fence, from its first message.
        """
        while True:
            try:
                unwanted = await self._store.leases.wait_for_cancellation(self._worker, LISTEN_SECONDS)
            except StoreUnavailable:
                await asyncio.sleep(OUTAGE_SECONDS)
            else:
                if unwanted:
                    self._abandon(*unwanted)

    def _abandon(self, download_id: str, attempt: int) -> None:
        held = self._held.get(download_id)
        if held and held[0] == attempt:
            del self._held[download_id]
            held[1]()
