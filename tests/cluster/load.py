"""People who use Vidferry without a break, each with one job after the other, while something is done to it."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster.around import ORIGIN
from cluster.client import Client, Watched

RATE = 160_000
"""bytes a second at which the origin sends: a clip takes 14 s, less than the workers' grace and more than a gateway
goes on after it was told to stop"""


@dataclass
class Load:
    seen: list[Watched] = field(default_factory=list)
    jobs: int = 0
    faults: list[BaseException] = field(default_factory=list)

    @property
    def ended(self) -> int:
        """completed, and its watcher has seen it"""
        return sum(watched.ended and watched.data[-1]["status"] == "completed" for watched in self.seen)

    @property
    def silence(self) -> float:
        return max((watched.silence for watched in self.seen), default=0)

    @property
    def reconnections(self) -> int:
        return sum(len(watched.broken) for watched in self.seen)


def address(rate: int = RATE) -> str:
    """Nobody else's: no two jobs share a download."""
    return f"{ORIGIN}/u/{uuid.uuid4().hex}/slow/clip.mp4?rate={rate}"


@contextmanager
def load(client: Client, people: int = 6) -> Iterator[Load]:
    """The body runs from when each has a job that runs; afterwards each sees its last job through."""
    result, stop = Load(), threading.Event()
    started = threading.Barrier(people + 1)

    def use() -> None:
        first = True
        while first or not stop.is_set():
            job = client.post(address())
            result.jobs += 1
            if first:
                started.wait(60)
            first = False
            result.seen.append(client.watch(job))

    with ThreadPoolExecutor(people) as pool:
        futures: list[Future[None]] = [pool.submit(use) for _ in range(people)]
        try:
            started.wait(60)
            yield result
        finally:
            stop.set()
            result.faults += [error for future in futures if (error := future.exception())]
