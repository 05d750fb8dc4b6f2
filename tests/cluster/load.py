"""People who use Vidferry without a break, each with one job after the other, while something is done to it.

Each has the job open in several windows, so many more sockets are held than a machine could run downloads.
"""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster.around import ORIGIN
from cluster.client import Client, Watched
from support.origin.media import CLIP_BYTES

SECONDS = 12
"""that a clip takes at least: more than a gateway goes on after it was told to stop. Each person's take a second longer
than those of the one before, so that not all end, and are stored, at the same moment; the longest take less than the
workers' grace."""
PEOPLE = 6
WINDOWS = 5


@dataclass
class Load:
    seen: list[list[Watched]] = field(default_factory=list)
    """for each job its windows"""
    jobs: int = 0
    faults: list[BaseException] = field(default_factory=list)

    @property
    def sockets(self) -> list[Watched]:
        return [window for windows in self.seen for window in windows]

    @property
    def ended(self) -> int:
        """completed, and each of its windows has seen it"""
        return sum(all(map(completed, windows)) for windows in self.seen)

    @property
    def silence(self) -> float:
        return self._quietest.silence

    @property
    def silent_at(self) -> str:
        return self._quietest.silent_at

    @property
    def _quietest(self) -> Watched:
        return max(self.sockets, key=lambda window: window.silence, default=Watched())


def completed(window: Watched) -> bool:
    return window.ended and window.data[-1]["status"] == "completed"


def address(seconds: int = SECONDS) -> str:
    """Nobody else's: no two jobs share a download."""
    return f"{ORIGIN}/u/{uuid.uuid4().hex}/slow/clip.mp4?rate={CLIP_BYTES // seconds}"


@contextmanager
def load(client: Client, people: int = PEOPLE) -> Iterator[Load]:
    """The body runs from when each has a job that runs; afterwards each sees its last job through."""
    result, stop = Load(), threading.Event()
    started = threading.Barrier(people + 1)

    def use(seconds: int) -> None:
        first = True
        while first or not stop.is_set():
            job = client.post(address(seconds))
            result.jobs += 1
            if first:
                started.wait(60)
            first = False
            result.seen.append(client.watch_by(WINDOWS, job))

    with ThreadPoolExecutor(people) as pool:
        futures: list[Future[None]] = [pool.submit(use, SECONDS + person) for person in range(people)]
        try:
            started.wait(60)
            yield result
        finally:
            stop.set()
            result.faults += [error for future in futures if (error := future.exception())]
