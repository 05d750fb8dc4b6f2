"""The public keys of an OpenID Connect issuer: fetched when needed, kept, and fetched again when they are old."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

from vidferry_api.access.discovery import IssuerKey, IssuerUnavailable, fetch_keys

logger = logging.getLogger(__name__)

FETCH_INTERVAL = 10.0
"""Seconds between two fetches, whatever the tokens name: whoever makes up key ids can't have the issuer flooded."""
FRESH_SECONDS = 300.0
"""how long keys are used without a look at whether the issuer has others"""
KEEP_SECONDS = 24 * 3600.0
"""how long keys are used while the issuer can't be reached; a key that the issuer withdrew ends then at last"""


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: str, fetch: Callable[[str], tuple[IssuerKey, ...]] = fetch_keys) -> None:
        self._issuer, self._fetch = issuer, fetch
        self._keys: tuple[IssuerKey, ...] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self.version = 0
        """of the keys; it changes with them"""
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None
        # A thread of its own: an issuer that doesn't answer keeps nothing else waiting.
        self._thread = ThreadPoolExecutor(1, "issuer")

    async def find(self, key_id: str | None, algorithm: str) -> IssuerKey | None:
        """The key with that id, None if the issuer has none. Raises IssuerUnavailable if nobody can tell."""
        age = time.monotonic() - self._fetched_at
        found = self._match(key_id, algorithm) if age < KEEP_SECONDS else None
        if found is None:
            fetching = self.fetch_soon()
            if fetching is not None:
                await asyncio.wait({fetching})
            if self._failed:
                raise IssuerUnavailable("the issuer can't be reached")
            found = self._match(key_id, algorithm)
        elif age > FRESH_SECONDS:
            self.fetch_soon()
        return found

    def are_still(self, version: int) -> bool:
        """Whether the keys are those of that version, and not too old to be used."""
        age = time.monotonic() - self._fetched_at
        if age > FRESH_SECONDS:
            self.fetch_soon()
        return version == self.version and age < KEEP_SECONDS

    def fetch_soon(self) -> asyncio.Task[None] | None:
        """Fetches the keys in the background. Returns None if that was tried a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if time.monotonic() - self._tried_at < FETCH_INTERVAL:
            return None
        self._tried_at = time.monotonic()
        # In a context of its own: in the log it is not one request's.
        self._fetching = asyncio.create_task(self._refresh(), context=Context())
        return self._fetching

    def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _refresh(self) -> None:
        try:
            fetched = await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch, self._issuer)
        except IssuerUnavailable as error:
            self._failed = True
            logger.warning("the issuer's keys can't be fetched", extra={"issuer": self._issuer, "error": str(error)})
        else:
            self._keys, self._failed, self._fetched_at = fetched, False, time.monotonic()
            self.version += 1

    def _match(self, key_id: str | None, algorithm: str) -> IssuerKey | None:
        """The key with that id; without an id the only key of the algorithm."""
        fitting = [key for key in self._keys if algorithm in key.algorithms and key_id in (None, key.key_id)]
        return fitting[0] if len(fitting) == 1 else None
