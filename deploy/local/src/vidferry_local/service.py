"""One program under the supervisor: started, watched, started again where it dies, stopped."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidferry_local.parent import die_with_parent

logger = logging.getLogger("vidferry_local")

MAX_DEATHS = 5
DEATH_WINDOW = 60.0
"""seconds in which that many deaths end all"""
RESTART_DELAY = 0.5
WRONG_SETTING = 2
"""the exit code of a program that must be told something else: a repetition would say the same"""
READY_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServiceFailed(Exception):
    """A program did not start, or dies again and again; the text is for a person."""


@dataclass(slots=True)
class Service:
    """A program and how it is run."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()
    process: asyncio.subprocess.Process | None = None
    _deaths: deque[float] = field(default_factory=deque)

    async def start(self) -> None:
        """Starts it once; its output goes to this terminal."""
        self.process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=dict(self.env),
            pass_fds=tuple(self.pass_fds),
            start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone, which stops all in order
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )

    async def keep(self) -> None:
        """Starts it again whenever it dies; ServiceFailed where that happens too often."""
        while True:
            assert self.process is not None
            code = await self.process.wait()
            if code == WRONG_SETTING:
                raise ServiceFailed(f"{self.name} was told something wrong; its last line above says what is right.")
            now = time.monotonic()
            self._deaths.append(now)
            while self._deaths[0] < now - DEATH_WINDOW:
                self._deaths.popleft()
            if len(self._deaths) >= MAX_DEATHS:
                raise ServiceFailed(f"{self.name} died {MAX_DEATHS} times within a minute, the last time {_how(code)}.")
            logger.warning("%s died %s; starting it again", self.name, _how(code))
            await asyncio.sleep(RESTART_DELAY)
            await self.start()

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL where that is not enough."""
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


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
