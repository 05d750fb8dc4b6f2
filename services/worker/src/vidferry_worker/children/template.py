"""The process that has loaded a bundle, as the worker's monitors see it: as one more child."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode

logger = logging.getLogger(__name__)


class Template:
    """The template of a bundle (child/bundle_zygote.py), and whatever it has started that is no child."""

    folder: Path | None = None
    """none: it may write nowhere but in its children's folders"""
    max_cpu_seconds: float | None = None

    def __init__(self, pid: int, has_foreign_files: Callable[[], bool], kill_zygote: Callable[[], None]) -> None:
        self.pid, self._kill_zygote = pid, kill_zygote
        self.has_foreign_files = has_foreign_files
        """whether it has made files or folders of its own, which it has no reason to"""
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def fail(self, code: ErrorCode, detail: str) -> None:
        """Ends the bundle's zygote with all its children. Their downloads are tried again."""
        logger.warning("a bundle's yt-dlp was ended", extra={"pid": self.pid, "code": code, "why": detail})
        self._kill_zygote()

    def end(self) -> None:
        """The zygote is gone: ends what it may have left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self.exited.done():
            self.exited.set_result(None)
