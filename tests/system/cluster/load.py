"""People who use Vidferry without a break, each with one job after the other, while something is done to it.

Each has the job open in several windows. A request that is refused, or finds nobody, is sent again with its
Idempotency-Key, as a careful client's is.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx2

from support.origin.media import CLIP_BYTES
from system.cluster.around import ORIGIN
from system.cluster.client import ENDS, NO_SUCH_JOB, Client, Watcher

SECONDS = 12
"""that a clip takes at least: more than a gateway goes on after it was told to stop. Each person's take a second longer
than those of the one before, so that not all end, and are stored, at the same moment; the longest take less than the
workers' grace."""
PEOPLE = 6
WINDOWS = 2
PAUSE = 0.5
"""seconds from a refusal, or an answer that there is no such job, to the next try"""


@dataclass(frozen=True)
class Refusal:
    at: float
    """by the monotonic clock"""
    why: str


@dataclass
class Job:
    """One accepted job, and what its windows see of it."""

    accepted: float
    """when, by the monotonic clock"""
    document: dict[str, Any]
    windows: list[Watcher] = field(default_factory=lambda: [Watcher() for _ in range(WINDOWS)])
    left: float = float("inf")
    """when its last window was closed"""

    @property
    def ended(self) -> bool:
        """Whether each window saw one end, and the same."""
        ends = [[data["status"] for data in window.data if data["status"] in ENDS] for window in self.windows]
        return all(end == ends[0] and len(end) == 1 for end in ends)

    @property
    def completed(self) -> bool:
        return self.ended and all(window.data[-1]["status"] == "completed" for window in self.windows)

    @property
    def unknown(self) -> bool:
        """Whether a gateway said that there is no such job, to one window at least: the other may have seen its end."""
        return any(window.close_code == NO_SUCH_JOB for window in self.windows)


@dataclass
class Load:
    jobs: list[Job] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)


def address(seconds: int = SECONDS) -> str:
    """Nobody else's: no two jobs share a download."""
    return f"{ORIGIN}/u/{uuid.uuid4().hex}/slow/clip.mp4?rate={CLIP_BYTES // seconds}"


def accepted(client: Client, url: str, note: Callable[[Refusal], None], give_up: threading.Event) -> Job | None:
    """The job, as soon as it is accepted."""
    key = uuid.uuid4().hex
    while not give_up.is_set():
        try:
            answer = client.request("POST", "/api/download", json={"url": url}, headers={"Idempotency-Key": key})
        except httpx2.HTTPError as error:
            why = type(error).__name__
        else:
            if answer.status_code == HTTPStatus.ACCEPTED:
                return Job(time.monotonic(), dict(answer.json()))
            why = f"{answer.status_code} {code_of(answer)}"
        note(Refusal(time.monotonic(), why))
        give_up.wait(PAUSE)
    return None


def code_of(answer: httpx2.Response) -> str:
    """A problem's code; empty where somebody else than the api has answered."""
    is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    return str(answer.json()["code"]) if is_problem else ""


@contextmanager
def load(client: Client, people: int = PEOPLE) -> Iterator[Load]:
    """They work while the body runs; afterwards each sees its last job through."""
    result, stop = Load(), threading.Event()

    def use(seconds: int) -> None:
        while not stop.is_set():
            job = accepted(client, address(seconds), result.refusals.append, stop)
            if job is not None:
                result.jobs.append(job)
                client.watch_by(job.windows, job.document)
                job.left = time.monotonic()
                if job.unknown:
                    stop.wait(PAUSE)

    with ThreadPoolExecutor(people) as pool:
        futures: list[Future[None]] = [pool.submit(use, SECONDS + person) for person in range(people)]
        try:
            yield result
        finally:
            stop.set()
            result.faults += [error for future in futures if (error := future.exception())]
