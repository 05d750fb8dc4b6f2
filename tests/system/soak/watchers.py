"""Clients that are cut, come back with their cursor, and check that nothing is missing, until their job has ended."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

_PATIENCE = 60.0
"""seconds without a message after which a client gives up: the end, or a close, must have come long before"""


@dataclass
class Log:
    """What became of all clients."""

    ends: int = 0
    cuts: int = 0
    returns: int = 0
    wrong: list[str] = field(default_factory=list)


class Watcher:
    """One client of one job, whatever its connections."""

    def __init__(self, port: int, job_id: str, rng: random.Random, log: Log) -> None:
        self._port, self._job_id, self._rng, self._log = port, job_id, rng, log
        self._messages: list[dict[str, Any]] = []
        self._cursor = ""

    async def run(self) -> None:
        follow = self._rng.choice([self._socket, self._socket, self._many, self._events])
        while not self._ended:
            # A client that is cut on purpose is cut after a while, at any point.
            life = self._rng.uniform(0.05, 8) if self._rng.random() < 0.7 else _PATIENCE
            try:
                async with asyncio.timeout(life):
                    await self._take(follow())
            except TimeoutError:
                if life == _PATIENCE:
                    self._log.wrong.append(f"{self._job_id}: nothing for {life:g} s after {self._cursor}")
                    return
                self._log.cuts += 1
            except (ConnectionClosed, InvalidHandshake, OSError, EOFError):
                await asyncio.sleep(self._rng.uniform(0.05, 0.5))
            self._log.returns += 1
        self._log.ends += 1

    def check(self, steps: list[int]) -> None:
        """Each step once and in order, nothing twice, the end last."""
        seqs = [message["data"]["seq"] for message in self._messages]
        seen = {message["data"]["seq"] for message in self._messages if message.get("step")}
        if seqs != sorted(set(seqs)):
            self._log.wrong.append(f"{self._job_id}: not in order: {seqs}")
        if missing := set(steps) - seen:
            self._log.wrong.append(f"{self._job_id}: steps {sorted(missing)} missing of {steps}")

    @property
    def _ended(self) -> bool:
        return bool(self._messages) and self._messages[-1]["data"]["status"] == "completed"

    async def _take(self, messages: AsyncIterator[dict[str, Any]]) -> None:
        async with contextlib.aclosing(messages):  # type: ignore[type-var]
            async for message in messages:
                # The state at a cursor is told again where nothing came after it.
                if message["type"] == "status" and message["cursor"] != self._cursor:
                    self._messages.append(message)
                    self._cursor = message["cursor"]
                if self._ended:
                    return

    async def _socket(self) -> AsyncIterator[dict[str, Any]]:
        after = f"?after={self._cursor}" if self._cursor else ""
        async with connect(f"ws://127.0.0.1:{self._port}/ws/download/{self._job_id}{after}") as socket:
            async for raw in socket:
                yield json.loads(raw)

    async def _many(self) -> AsyncIterator[dict[str, Any]]:
        async with connect(f"ws://127.0.0.1:{self._port}/ws/downloads") as socket:
            await socket.send(json.dumps({"type": "subscribe", "jobs": {self._job_id: self._cursor or None}}))
            async for raw in socket:
                yield json.loads(raw)

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            last = f"Last-Event-ID: {self._cursor}\r\n" if self._cursor else ""
            writer.write(f"GET /sse/download/{self._job_id} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
            while line := await reader.readline():
                if line.startswith(b'data: {"v"'):
                    yield json.loads(line.removeprefix(b"data: "))
        finally:
            writer.transport.abort()
