"""People who ask for something and watch it to its end, whatever happens meanwhile."""

import asyncio
import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from system.chaos.caller import Caller
from system.chaos.watched_job import Data, WatchedJob, Webhook

PROBE_SECONDS = 10
"""that one request waits for a probe's end"""


@dataclass
class Person(ABC):
    """Somebody with one request."""

    caller: Caller
    rng: random.Random
    webhook: Webhook | None
    """of the jobs"""
    said_of_webhook: dict[str, Any]
    """what the request says of it: its field, or nothing"""
    gives_up: bool
    """cancels the job as soon as it runs"""
    jobs: list[WatchedJob] = field(default_factory=list)
    """the job that was asked for, and its children"""

    @abstractmethod
    async def run(self) -> None:
        """Until all jobs have ended."""

    @property
    def job(self) -> WatchedJob:
        """That was asked for."""
        return self.jobs[0]

    async def _post(self, path: str, body: Data, **options: Any) -> None:
        """Until it is accepted: the key makes one job of all tries."""
        key = str(uuid.UUID(int=self.rng.getrandbits(128)))
        answer = await self.caller.ask("POST", path, json=body, headers={"Idempotency-Key": key}, **options)
        self._add_job(answer)

    def _add_job(self, document: Data) -> WatchedJob:
        job = WatchedJob(self.caller, random.Random(self.rng.getrandbits(64)), document, self.webhook)
        self.jobs.append(job)
        return job

    async def _cancel_once(self, told: Data) -> None:
        if self.gives_up and told["status"] not in ("completed", "failed", "cancelled"):
            self.gives_up = False
            await self.caller.ask("DELETE", f"/api/jobs/{self.job.id}", may_refuse=True)


@dataclass
class Downloader(Person):
    """Wants a video."""

    url: str = ""

    async def run(self) -> None:
        await self._post("/api/download", {"url": self.url, **self.said_of_webhook})
        await self.job.watch(self._cancel_once)


@dataclass
class Collector(Person):
    """Wants many videos: those of a list of URLs, or of a playlist."""

    source: Data = field(default_factory=dict)
    """what the request names: urls, or a playlist"""
    expected: Sequence[str] = ()
    """the URLs of the children"""
    children: list[asyncio.Task[None]] = field(default_factory=list)
    """what watches them"""

    async def run(self) -> None:
        await self._post("/api/batches", {**self.source, "priority": "interactive", **self.said_of_webhook})
        await self.job.watch(self._on_message)
        await self._watch_children()
        await asyncio.gather(*self.children)

    async def _on_message(self, told: Data) -> None:
        if told["batch"]["counts"]["made"] > len(self.children):
            await self._watch_children()
        await self._cancel_once(told)

    async def _watch_children(self) -> None:
        """Watches those that are not watched yet."""
        for document in (await self.caller.list_children(self.job.id))[len(self.children) :]:
            self.children.append(asyncio.create_task(self._add_job(document).watch()))


@dataclass
class Prober(Person):
    """Wants to know what a URL leads to."""

    url: str = ""
    listed: Sequence[str] = ()
    """the URLs of the list that is there"""
    waits: bool = False
    """asks until the probe has ended, instead of watching it"""
    ended: Data = field(default_factory=dict)
    """the job as the api told it afterwards: it is kept for ten minutes only"""

    async def run(self) -> None:
        seconds = PROBE_SECONDS if self.waits else 0
        await self._post("/api/probes", {"url": self.url}, params={"wait": seconds})
        if self.waits:
            self.ended = self.job.document
            while self.ended["status"] in ("queued", "processing"):
                self.ended = await self.caller.ask("GET", f"/api/jobs/{self.job.id}", params={"wait": seconds})
        await self.job.watch(self._cancel_once)
        self.ended = self.ended or await self.job.read()
