"""Switches this worker to the bundle that is published: new downloads run on it, running ones end on the one before."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vidferry_common.bucket import BucketError
from vidferry_common.contract.bundles import Bundle
from vidferry_common.store import Store, StoreUnavailable
from vidferry_worker.bundles.library import BadBundle, Library
from vidferry_worker.children.engine import Engine
from vidferry_worker.children.work_dir import clear_folder_in_thread
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import BROKEN, Zygotes

logger = logging.getLogger(__name__)

INTERVAL = 2.0
"""seconds between two looks at what is published"""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 3600.0
"""seconds between two tries to load the same bundle; each pause is twice as long as the one before"""

MakeZygote = Callable[[Path, Path, Engine], Zygote]
"""of a bundle's code, the folder for its children's folders, and its versions"""


class BundleSwitch:
    """The task that keeps a worker on the bundle that is published. If it can't, the worker stays on what it has."""

    def __init__(
        self, store: Store, library: Library, zygotes: Zygotes, *, folder: Path, room: asyncio.Lock,
        make_zygote: MakeZygote, suits: Callable[[str], bool], on_change: Callable[[str], object],
        count_load: Callable[[str], object],
    ) -> None:  # fmt: skip
        """folder: for the code of bundles. room: held while a bundle is loaded. suits: whether this worker
        may run that version of yt-dlp instead of its image's.

        on_change is called after a switch, and with the problem where one fails. count_load is called with what came of
        each try: `loaded` or `failed`.
        """
        self._store, self._library, self._zygotes, self._folder = store, library, zygotes, folder
        self._room, self._make_zygote, self._suits = room, make_zygote, suits
        self._on_change, self._count_load = on_change, count_load
        self._homes: dict[str, Path] = {}
        """by the digest of the bundle: the folder with its code, and those of its children"""
        self._failed = ""
        """the digest of the bundle that could not be loaded last"""
        self._pause, self._next_try = FIRST_PAUSE, 0.0
        zygotes.on_fall_back = self._note_failure

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.check_published()
            except StoreUnavailable as error:
                logger.debug("the look at the published bundle waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(INTERVAL)

    async def check_published(self) -> None:
        """Switches to what is published, unless this worker runs it; StoreUnavailable."""
        bundle = await self._store.bundles.current()
        if bundle and not self._suits(bundle.version):
            bundle = None
        await self._remove_homes()
        digest = bundle.digest if bundle else ""
        if digest == self._zygotes.bundle or (digest == self._failed and time.monotonic() < self._next_try):
            return
        async with self._room:
            try:
                if not await self._switch(bundle):
                    return
            except (BadBundle, BucketError, *BROKEN) as error:
                self._note_failure(digest, str(error) or type(error).__name__)
                return
            except Exception as error:
                logger.exception("a bundle can't be loaded, for an unexpected reason")
                self._note_failure(digest, type(error).__name__)
                return
        self._failed, self._pause = "", FIRST_PAUSE
        self._count_load("loaded")
        self._on_change("")
        logger.info("new downloads run on another yt-dlp", extra=self._zygotes.current.engine._asdict())

    async def _switch(self, bundle: Bundle | None) -> bool:
        """False where the zygote before the current one has children still: it is tried again soon."""
        if bundle is None:
            return await self._zygotes.switch_to_image()
        if bundle.digest not in self._homes:
            await self._zygotes.close_former()
            if self._zygotes.has_former:
                return False
            await self._fetch(bundle)
        home = self._homes[bundle.digest]
        engine = Engine(bundle.version, bundle.ejs_version)
        make = partial(self._make_zygote, home / "code", home / "work", engine)
        return await self._zygotes.switch(bundle.digest, make)

    async def _fetch(self, bundle: Bundle) -> None:
        home = self._folder / f"bundle-{secrets.token_hex(8)}"
        await asyncio.to_thread(partial(home.mkdir, mode=0o700))
        try:
            await asyncio.to_thread(partial((home / "work").mkdir, mode=0o700))
            await self._library.load(bundle, home / "code")
        except BaseException:
            await asyncio.shield(clear_folder_in_thread(home))
            raise
        self._homes[bundle.digest] = home

    def _note_failure(self, digest: str, problem: str) -> None:
        self._pause = FIRST_PAUSE if digest != self._failed else min(2 * self._pause, LONGEST_PAUSE)
        self._failed, self._next_try = digest, time.monotonic() + self._pause
        self._count_load("failed")
        self._on_change(problem)
        logger.error(
            "a bundle can't be loaded; this worker stays on the yt-dlp that it has",
            extra={"bundle": digest, "problem": problem, "seconds": self._pause},
        )

    async def _remove_homes(self) -> None:
        """Removes the files of bundles that no zygote has loaded."""
        for digest in self._homes.keys() - self._zygotes.bundles:
            await clear_folder_in_thread(self._homes.pop(digest))
