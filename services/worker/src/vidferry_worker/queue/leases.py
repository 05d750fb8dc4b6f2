"""Renews the leases of this worker's attempts, and stops those that were lost or cancelled."""

import asyncio
import logging
from collections.abc import Callable

from vidferry_common.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

RENEWALS = 3
"""within the length of one lease"""
LISTEN_SECONDS = 5
OUTAGE_SECONDS = 0.5


class Leases:
    """The leases of the attempts that this worker runs."""

    def __init__(self, store: Store, worker: str, lease: float) -> None:
        self._store, self._worker, self._lease = store, worker, lease
        self._held: dict[str, tuple[int, Callable[[], None]]] = {}

    def hold(self, download_id: str, attempt: int, on_lost: Callable[[], None]) -> None:
        self._held[download_id] = (attempt, on_lost)

    def release(self, download_id: str, attempt: int) -> None:
        if self._held.get(download_id, (0,))[0] == attempt:
            del self._held[download_id]

    async def renew_leases(self) -> None:
        """Renews all leases until cancelled. Stops attempts whose lease another worker has now."""
        while True:
            held = {id_: attempt for id_, (attempt, _) in self._held.items()}
            pause = self._lease / RENEWALS
            try:
                for download_id in await self._store.leases.renew(held, self._lease) if held else ():
                    self._abandon_attempt(download_id, held[download_id])
            except StoreUnavailable as error:
                logger.warning("leases wait for Redis", extra={"error": str(error)})
                pause = min(OUTAGE_SECONDS, pause / 2)  # so that they are renewed soon after it is back
            await asyncio.sleep(pause)

    async def listen_for_cancellations(self) -> None:
        """Stops an attempt as soon as its download is cancelled. Runs until the task itself is cancelled.

        An attempt without a lease yet is stopped by the fence, at its first message.
        """
        while True:
            try:
                cancelled = await self._store.leases.wait_for_cancellation(self._worker, LISTEN_SECONDS)
            except StoreUnavailable:
                await asyncio.sleep(OUTAGE_SECONDS)
            else:
                if cancelled:
                    self._abandon_attempt(*cancelled)

    def _abandon_attempt(self, download_id: str, attempt: int) -> None:
        held = self._held.get(download_id)
        if held and held[0] == attempt:
            del self._held[download_id]
            held[1]()
