"""Tells Redis what this worker runs: Vidferry, yt-dlp with yt-dlp-ejs, deno, ffmpeg."""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from vidferry_common.contract.bundles import Versions, parse_told_version
from vidferry_common.store import Store, StoreUnavailable
from vidferry_worker.children.engine import Engine

logger = logging.getLogger(__name__)

REPORT_INTERVAL = 60.0
"""seconds between two reports of the same; a report counts for three times as long"""
PROGRAM_SECONDS = 20.0
"""within which a program has to tell its version"""
_DENO, _FFMPEG = re.compile(r"deno (\S+)"), re.compile(r"ffmpeg version (\S+)")


class VersionReporter:
    """Reports what the worker runs, every minute and whenever that changes."""

    def __init__(
        self, store: Store, worker: str, engine: Callable[[], Engine], note_ffmpeg: Callable[[str], object]
    ) -> None:
        """engine: the yt-dlp that new downloads run. note_ffmpeg: called once, with the version of ffmpeg."""
        self._store, self._worker, self._engine, self._note_ffmpeg = store, worker, engine, note_ffmpeg
        self._problem = ""
        self._changed = asyncio.Event()

    def note_change(self, problem: str = "") -> None:
        """Has a report sent at once. problem: why the worker does not run the fleet's bundle; empty where it does."""
        self._problem = problem
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        deno, ffmpeg = await find_version("deno", "--version", _DENO), await find_version("ffmpeg", "-version", _FFMPEG)
        self._note_ffmpeg(ffmpeg)
        vidferry = version("vidferry-worker")
        while True:
            self._changed.clear()
            yt_dlp, ejs = self._engine()
            try:
                await self._store.bundles.report(
                    self._worker, Versions(vidferry, yt_dlp, ejs, deno, ffmpeg), self._problem
                )
            except StoreUnavailable as error:
                logger.debug("the report of versions waits for Redis", extra={"error": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_INTERVAL):
                    await self._changed.wait()


async def find_version(program: str, option: str, pattern: re.Pattern[str]) -> str:
    """What a program says of its version; empty where it is missing, or says nothing of the kind."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}")
    if path is None:
        return ""
    try:
        process = await asyncio.create_subprocess_exec(
            path, option, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )  # fmt: skip
    except OSError:  # a program for another machine
        return ""
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = pattern.match(output.decode(errors="replace"))
    return parse_told_version(found[1]) if found else ""
