"""One job, and what its watcher saw of it, whatever happened meanwhile."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from support.watchers import TERMINAL
from system.chaos.caller import AGAIN_SECONDS, Caller
from vidferry_common.contract.webhooks import EventType, event_id

Data = dict[str, Any]


@dataclass(frozen=True)
class Webhook:
    """Where the events of a person's jobs go."""

    url: str
    events: frozenset[EventType]


@dataclass
class WatchedJob:
    """A job of which there is a watcher, from its beginning to its end."""

    caller: Caller
    rng: random.Random
    document: Data
    """as the api told it first"""
    webhook: Webhook | None
    ends: list[Data] = field(default_factory=list)
    """the terminal messages that came, each seq once"""
    steps: dict[int, str] = field(default_factory=dict)
    """the stage of each step, by its seq"""
    attempts: set[int] = field(default_factory=set)
    reconnected: int = 0
    shrank: list[str] = field(default_factory=list)
    """where progress or seq went back within an attempt"""
    _last: tuple[int, int, float] = (0, 0, 0.0)
    _cursor: str = ""

    @property
    def id(self) -> str:
        return str(self.document["job_id"])

    @property
    def status(self) -> str:
        """By which it ended."""
        return str(self.ends[0]["status"])

    async def watch(self, on_message: Callable[[Data], Awaitable[None]] | None = None) -> None:
        """To its end. on_message is called with what each message tells of the job."""
        while not self.ends:
            try:
                await self._connect(on_message)
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake, EOFError):
                self.reconnected += 1
                await asyncio.sleep(self.rng.uniform(0, AGAIN_SECONDS))

    async def _connect(self, on_message: Callable[[Data], Awaitable[None]] | None) -> None:
        gateway = self.rng.choice(self.caller.cast.gateways)
        query = "?" + urlsplit(self.document["ws_url"]).query + (f"&after={self._cursor}" if self._cursor else "")
        async with connect(gateway.uri(self.id, query), open_timeout=5, ping_interval=5, ping_timeout=5) as socket:
            async for raw in socket:
                message = json.loads(raw)
                self._see(message)
                if on_message:
                    await on_message(message["data"])

    def _see(self, message: Data) -> None:
        data, self._cursor = message["data"], message["cursor"]
        now = (data["attempt"], data["seq"], data["progress"])
        # A batch has the progress of its jobs, of which some may begin again.
        fell = not data.get("batch") and now[0] == self._last[0] and now[2] < self._last[2]
        if data["seq"] < self._last[1] or fell:
            self.shrank.append(f"{self._last} -> {now}")
        self._last = now
        self.attempts.add(data["attempt"])
        if message.get("step"):
            self.steps[data["seq"]] = data["stage"]
        if data["status"] in TERMINAL and data["seq"] not in {end["seq"] for end in self.ends}:
            self.ends.append(data)

    def due_events(self) -> dict[str, EventType]:
        """The events that its life demands, by their ids, in their order."""
        if self.webhook is None:
            return {}
        found: dict[EventType, int] = {}
        for seq, stage in sorted(self.steps.items()):
            if stage in ("started", "info"):
                found.setdefault(EventType(f"job.{stage}"), seq)
        is_batch = self.document["kind"] == "batch"
        end = EventType.BATCH_COMPLETED if is_batch else EventType(f"job.{self.status}")
        found[end] = self.ends[0]["seq"]
        return {event_id(self.id, seq): event for event, seq in found.items() if event in self.webhook.events}

    async def read(self) -> Data:
        """The job as the api tells it."""
        return await self.caller.ask("GET", f"/api/jobs/{self.id}")

    async def read_deliveries(self) -> list[Data]:
        """What the api tells of its events."""
        return list((await self.caller.ask("GET", f"/api/jobs/{self.id}/deliveries"))["events"])
