"""Somebody who asks for a video and watches it to its end, whatever happens meanwhile."""

import asyncio
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from system.chaos.cast import Cast

TERMINAL = {"completed", "failed", "cancelled"}
AGAIN_SECONDS = 0.3
REQUEST_SECONDS = 15


@dataclass
class Person:
    """One job, and what its watcher saw."""

    cast: Cast
    rng: random.Random
    url: str
    gives_up: bool
    """cancels it as soon as it runs"""
    job_id: str = ""
    ends: list[dict[str, Any]] = field(default_factory=list)
    """the terminal messages that came, each seq once"""
    attempts: set[int] = field(default_factory=set)
    reconnected: int = 0
    shrank: list[str] = field(default_factory=list)
    """where progress or seq went back within an attempt"""
    _last: tuple[int, int, float] = (0, 0, 0.0)
    _cursor: str = ""

    async def run(self) -> None:
        await self._post()
        while not self.ends:
            try:
                await self._watch()
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake, EOFError):
                self.reconnected += 1
                await asyncio.sleep(self.rng.uniform(0, AGAIN_SECONDS))

    async def _post(self) -> None:
        """Until it is accepted: the key makes one job of all tries."""
        key = str(uuid.UUID(int=self.rng.getrandbits(128)))
        answer = await self._ask("POST", "/api/download", json={"url": self.url}, headers={"Idempotency-Key": key})
        self.job_id = answer["job_id"]

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The answer, once there is one."""
        async with httpx2.AsyncClient(base_url=self.cast.api.url, timeout=REQUEST_SECONDS) as client:
            while True:
                try:
                    response = await client.request(method, path, **options)
                    if response.status_code < 500:
                        return dict(response.json())
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(AGAIN_SECONDS)

    async def _watch(self) -> None:
        gateway = self.rng.choice(self.cast.gateways)
        after = f"?after={self._cursor}" if self._cursor else ""
        async with connect(gateway.uri(self.job_id, after), open_timeout=5, ping_interval=5, ping_timeout=5) as socket:
            async for raw in socket:
                self._see(json.loads(raw))
                if self.gives_up and not self.ends:
                    self.gives_up = False
                    await self._ask("DELETE", f"/api/jobs/{self.job_id}")

    def _see(self, message: dict[str, Any]) -> None:
        data, self._cursor = message["data"], message["cursor"]
        now = (data["attempt"], data["seq"], data["progress"])
        if data["seq"] < self._last[1] or (now[0] == self._last[0] and now[2] < self._last[2]):
            self.shrank.append(f"{self._last} -> {now}")
        self._last = now
        self.attempts.add(data["attempt"])
        if data["status"] in TERMINAL and data["seq"] not in {end["seq"] for end in self.ends}:
            self.ends.append(data)

    async def state(self) -> dict[str, Any]:
        """The job as the api tells it."""
        return await self._ask("GET", f"/api/jobs/{self.job_id}")
