"""Looks for a newer yt-dlp, tries it, and publishes it. Only the leader of all workers does it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vidferry_common.bucket import BucketError
from vidferry_common.contract.bundles import Bundle
from vidferry_common.store import Publishing, Store, StoreUnavailable
from vidferry_worker.bundles.canary import CanaryFailed, CanaryTimedOut
from vidferry_worker.bundles.download import IndexFailed, download_wheel
from vidferry_worker.bundles.library import BadBundle, Library, Wheels, temporary_folder
from vidferry_worker.bundles.policy import BundlePolicy
from vidferry_worker.bundles.versions import image_version
from vidferry_worker.bundles.wheel import BadWheel, read_info

logger = logging.getLogger(__name__)

LONGEST_WAIT = 3.0
"""seconds until a worker checks again whether it leads now, or whether a download asks for a look"""
LOOK_SECONDS = 540.0
"""for one look. The records of bundles expect it to take less than their WATCH_SECONDS."""
JITTER = 0.1
"""of the interval, up or down"""
MAX_TRIES = 8
"""of one version within a day, by one worker: a trial without a verdict is made again at the next look, and downloads
can ask for a look every ten minutes"""
DAY = 86400.0
"""seconds"""


class TriesBundles(Protocol):
    """The canary: code, which is None for the image's yt-dlp, and an empty folder.

    CanaryFailed, CanaryTimedOut, OSError.
    """

    async def __call__(self, code: Path | None, work: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the workers run now, and what they must not run."""

    current: Bundle | None
    held: frozenset[str]


class BundleFinder:
    """The task that looks for a newer yt-dlp while this worker leads."""

    def __init__(
        self, store: Store, library: Library, policy: BundlePolicy, *, interval: float, worker: str, folder: Path,
        has_memory: Callable[[], bool], room: asyncio.Lock, try_bundle: TriesBundles,
        count_look: Callable[[str], object],
    ) -> None:  # fmt: skip
        """folder: for wheels and the canary. has_memory: whether there is enough for a trial beside what is loaded.
        room: held while a bundle is loaded, so that no further one is meanwhile.

        count_look is called with what came of each look: `published`, `nothing_new`, `held`, `refused` or `failed`.
        """
        self._store, self._library, self._policy, self._worker = store, library, policy, worker
        self._folder, self._has_memory, self._room = folder, has_memory, room
        self._try_bundle, self._count_look = try_bundle, count_look
        self._interval = interval
        self._image = image_version()
        self._tries: list[tuple[str, float]] = []
        """of the last day: which version, and when (time.monotonic)"""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait = LONGEST_WAIT
            try:
                wait = await self._look_when_due()
            except StoreUnavailable as error:
                logger.warning("the look for a newer yt-dlp waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(min(wait, LONGEST_WAIT))

    async def _look_when_due(self) -> float:
        """Looks if a look is due. Returns the seconds until the next one may be."""
        interval = self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - to spread requests
        due = await self._store.bundles.check_look_due(self._worker, interval)
        if due is None:
            return LONGEST_WAIT
        if due > 0:
            return due
        self._count_look(await self.look())
        due = await self._store.bundles.check_look_due(self._worker, interval, ended=True)
        return LONGEST_WAIT if due is None else due

    async def look(self) -> str:
        """What came of one look; StoreUnavailable."""
        try:
            async with asyncio.timeout(LOOK_SECONDS), temporary_folder(self._folder) as folder:
                return await self._find_and_publish(folder)
        except (BadBundle, BadWheel, BucketError, CanaryTimedOut, IndexFailed, OSError, TimeoutError) as error:
            logger.warning("the look for a newer yt-dlp failed", extra={"error": str(error) or type(error).__name__})
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("the look for a newer yt-dlp failed with an unexpected error")
        return "failed"

    async def _find_and_publish(self, folder: Path) -> str:
        fleet = await self._read_fleet()
        if fleet.current and self._policy.exact == fleet.current.version:
            return "nothing_new"
        paths = {"yt-dlp": await self._download(self._policy.requirement, folder / "yt-dlp")}
        info = await asyncio.to_thread(read_info, paths["yt-dlp"], "yt-dlp")
        current = fleet.current.version if fleet.current else ""
        if not self._policy.is_new(info.version, self._image, current):
            return "nothing_new"
        if info.version in fleet.held:
            logger.info("a newer yt-dlp is held", extra={"yt_dlp": info.version})
            return "held"
        if not info.ejs_pin:
            raise BadWheel(f"yt-dlp {info.version} pins no yt-dlp-ejs")
        paths["yt-dlp-ejs"] = await self._download(f"yt-dlp-ejs=={info.ejs_pin}", folder / "yt-dlp-ejs")
        wheels = await asyncio.to_thread(Wheels.check, paths)
        await asyncio.to_thread(wheels.unpack, folder / "code")
        if problem := await self._find_problem(wheels.version, folder):
            logger.error("a newer yt-dlp is refused", extra={"yt_dlp": wheels.version, "problem": problem})
            await self._store.bundles.hold(wheels.version, f"its canary failed: {problem}")
            return "refused"
        return await self._publish(wheels, fleet)

    async def _read_fleet(self) -> Fleet:
        """What the fleet runs. It leaves a bundle that the operator does not want any more."""
        current = await self._store.bundles.current()
        if current and current.version in self._policy.hold:
            await self._store.bundles.roll_back(self._worker, current.version, "VIDFERRY_YTDLP_HOLD names it")
            current = await self._store.bundles.current()
        return Fleet(current, self._policy.hold | frozenset(await self._store.bundles.held()))

    async def _download(self, requirement: str, folder: Path) -> Path:
        return await download_wheel(requirement, folder, pre=self._policy.takes_prereleases)

    def _count_try(self, version: str) -> None:
        """OSError where the version can't be tried now."""
        now = time.monotonic()
        self._tries = [each for each in self._tries if each[1] > now - DAY]
        if sum(tried == version for tried, _ in self._tries) >= MAX_TRIES:
            raise OSError(f"yt-dlp {version} was tried {MAX_TRIES} times within a day, without a verdict")
        if not self._has_memory():
            raise OSError(f"there is not enough memory to try yt-dlp {version} beside the two that are loaded")
        self._tries.append((version, now))

    async def _find_problem(self, version: str, folder: Path) -> str:
        """Why the bundle can't be used; empty where it can. OSError, CanaryTimedOut where the fault may not be its own.

        One that fails is tried again after the image's has passed: a busy machine may have been at fault. A time-out
        says nothing of the bundle, however often it comes.
        """
        problem, timed_out = "", None
        async with self._room:
            self._count_try(version)
            for code in (folder / "code", None, folder / "code"):
                async with temporary_folder(folder / "work") as work:
                    try:
                        await self._try_bundle(code, work)
                    except (CanaryFailed, CanaryTimedOut) as error:
                        problem = str(error)
                        if code is None:
                            raise OSError(f"the image's own yt-dlp fails the canary: {problem}") from error
                        if isinstance(error, CanaryTimedOut):
                            timed_out = error
                    else:
                        if code:
                            return ""
        if timed_out:
            raise timed_out
        return problem

    def _find_previous(self, current: Bundle | None) -> str:
        """The version that the workers run, with which a new one is compared."""
        return current.version if current and self._policy.suits(current.version, self._image) else self._image

    async def _publish(self, wheels: Wheels, fleet: Fleet) -> str:
        bundle = await self._library.save(wheels, self._find_previous(fleet.current))
        outcome = await self._store.bundles.publish(self._worker, bundle)
        if outcome is not Publishing.PUBLISHED:
            logger.info("a bundle was not published", extra={"yt_dlp": bundle.version, "outcome": outcome})
            return "held" if outcome is Publishing.HELD else "failed"
        logger.info("a newer yt-dlp was published", extra={"yt_dlp": bundle.version, "before": bundle.previous})
        try:
            await self._library.remove_unused([bundle, *([fleet.current] if fleet.current else [])])
        except (BadBundle, BucketError) as error:
            logger.warning("old bundles could not be removed", extra={"error": str(error)})
        return "published"
