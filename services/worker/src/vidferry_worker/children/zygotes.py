"""The zygotes of a worker: the one whose yt-dlp new downloads get, and the one before it until its last child ends."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from vidferry_worker.children.child import Child, ChildEnded
from vidferry_worker.children.template import Template
from vidferry_worker.children.zygote import BundleBroken, Zygote

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""seconds between two looks whether the former zygote is idle"""
BROKEN = (BundleBroken, ChildEnded, TimeoutError, OSError)
"""what a zygote raises that can't be started"""


class Zygotes:
    """At most two zygotes: the current one and the former one."""

    def __init__(self, make_image_zygote: Callable[[], Zygote]) -> None:
        self._make_image_zygote = make_image_zygote
        self.current = make_image_zygote()
        self.bundle = ""
        """the digest of the current one's bundle; empty: the image's yt-dlp"""
        self.guests: list[Zygote] = []
        """zygotes of somebody else, whose children and memory are watched too"""
        self._former: tuple[str, Zygote] | None = None
        self._lock = asyncio.Lock()
        self.on_fall_back: Callable[[str, str], None] = lambda _bundle, _problem: None
        """called with the digest of a bundle that has died and can't be loaded again, and why"""

    @property
    def watched(self) -> list[Child | Template]:
        """The children of both, and the templates of bundles: everything whose resources are bounded."""
        return [each for zygote in self._all() for each in zygote.watched]

    async def started(self) -> Zygote:
        """The current zygote, which runs. If a bundle's can't be started, it is the image's from then on."""
        zygote, bundle = self.current, self.bundle
        try:
            await zygote.start()
        except BROKEN as error:
            if not bundle:
                raise
            async with self._lock:
                if self.current is zygote:
                    await self._fall_back(str(error) or type(error).__name__)
            await self.current.start()
        return self.current

    async def switch(self, bundle: str, make_zygote: Callable[[], Zygote]) -> bool:
        """Has new children forked by another zygote; False where the former one still has children.

        bundle: the digest of its bundle; empty: the image's yt-dlp. It is the former one again where that is the same.
        Raises one of BROKEN where it can't be started; then nothing has changed.
        """
        async with self._lock:
            if self._former and self._former[0] == bundle:
                zygote = self._former[1]
                await zygote.start()
            else:
                if not await self._close_former():
                    return False
                zygote = make_zygote()
                try:
                    await zygote.start()
                except BaseException:
                    await zygote.close()
                    raise
            self._former = (self.bundle, self.current)
            self.current, self.bundle = zygote, bundle
            return True

    async def switch_to_image(self) -> bool:
        """As switch(), to the image's yt-dlp."""
        return await self.switch("", self._make_image_zygote)

    @property
    def bundles(self) -> set[str]:
        """The digests of the bundles that are loaded."""
        return {self.bundle, *([self._former[0]] if self._former else [])} - {""}

    @property
    def has_former(self) -> bool:
        """Whether there are two."""
        return self._former is not None

    async def run(self) -> None:
        """Ends the former zygote once it is idle, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.close_former()

    async def close_former(self) -> None:
        """Ends the former zygote if it is idle."""
        async with self._lock:
            await self._close_former()

    async def close(self) -> None:
        """Ends both zygotes, and their children."""
        for zygote in (self.current, *([self._former[1]] if self._former else [])):
            await zygote.close()

    async def _close_former(self) -> bool:
        """Whether there is no former zygote any more."""
        if self._former and self._former[1].is_idle:
            (_, former), self._former = self._former, None
            await former.close()
        return self._former is None

    async def _fall_back(self, problem: str) -> None:
        logger.error("a bundle can't be loaded again", extra={"yt_dlp": self.current.engine.yt_dlp, "problem": problem})
        self.on_fall_back(self.bundle, problem)
        broken = self.current
        if self._former and self._former[0] == "":
            (_, self.current), self._former = self._former, None
        else:
            self.current = self._make_image_zygote()
        self.bundle = ""
        with contextlib.suppress(*BROKEN):
            await broken.close()

    def _all(self) -> list[Zygote]:
        return [self.current, *([self._former[1]] if self._former else []), *self.guests]
