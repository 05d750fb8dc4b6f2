"""A program under the supervisor: starts it, restarts it when it dies, stops it."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidferry_common.settings import WRONG_SETTING
from vidferry_local.errors import CannotRun
from vidferry_local.parent_death import die_with_parent

logger = logging.getLogger("vidferry_local")

MAX_DEATHS = 5
DEATH_WINDOW = 60.0
"""seconds; after MAX_DEATHS within them the supervisor gives up"""
RESTART_DELAY = 0.5
READY_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(slots=True)
class Service:
    """A program that the supervisor keeps running."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()
    process: asyncio.subprocess.Process | None = None
    _deaths: deque[float] = field(default_factory=deque)

    async def start(self) -> None:
        """Starts the program. Its output goes to this terminal."""
        self.process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=dict(self.env),
            pass_fds=tuple(self.pass_fds),
            start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops all in order
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )

    async def supervise(self) -> None:
        """Restarts the program whenever it dies. Raises CannotRun if it dies too often, or of a wrong setting."""
        while True:
            assert self.process is not None
            code = await self.process.wait()
            if code == WRONG_SETTING:
                raise CannotRun(f"{self.name} was told something wrong; its last line above says what is right.")
            now = time.monotonic()
            self._deaths.append(now)
            while self._deaths[0] < now - DEATH_WINDOW:
                self._deaths.popleft()
            if len(self._deaths) >= MAX_DEATHS:
                raise CannotRun(
                    f"{self.name} died {MAX_DEATHS} times within a minute, the last time {_describe_exit(code)}."
                )
            logger.warning("%s died %s; starting it again", self.name, _describe_exit(code))
            await asyncio.sleep(RESTART_DELAY)
            await self.start()

    async def stop(self) -> None:
        """Sends SIGTERM, then SIGKILL if the program does not end in time."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            logger.warning("%s did not stop in %d s and is killed", self.name, STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


def _describe_exit(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
