"""An event stream as a browser's EventSource reads it (HTML standard §9.2.6)."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2

from support.watchers import TIMEOUT


@dataclass
class Event:
    """What came between two blank lines, or a comment line."""

    id: str = ""
    name: str = "message"
    data: str = ""
    retry: int | None = None
    comment: bool = False

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.data))


@dataclass
class Stream:
    """The answer to one request."""

    status: int
    headers: httpx2.Headers
    body: str
    """where it is no stream"""
    events: AsyncIterator[Event]
    seen: list[Event] = field(default_factory=list)

    async def until(self, enough: Callable[[Event], bool] = lambda _: False) -> list[Event]:
        """The events up to one like that, or to the stream's end."""
        got = []
        async for event in self.events:
            got.append(event)
            self.seen.append(event)
            if enough(event):
                break
        return got


def messages(events: list[Event]) -> list[Event]:
    """Those with a job's message, without comments and closes."""
    return [event for event in events if event.data and event.name == "message"]


def progress(events: list[Event]) -> list[float]:
    return [event.json["data"]["progress"] for event in messages(events)]


def close_code(events: list[Event]) -> int | None:
    closes = [event.json["code"] for event in events if event.name == "close"]
    assert len(closes) <= 1
    return closes[0] if closes else None


class Served(Protocol):
    """A gateway, by itself or behind something."""

    @property
    def url(self) -> str: ...


@asynccontextmanager
async def stream(
    gateway: Served, job_id: str, query: str = "", prefix: str = "", method: str = "GET", **headers: str
) -> AsyncIterator[Stream]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{gateway.url}{prefix}/sse/download/{job_id}{query}"
    async with (
        httpx2.AsyncClient(timeout=TIMEOUT, verify=False) as client,
        client.stream(method, url, headers=named) as response,
    ):
        plain = not response.headers.get("content-type", "").startswith("text/event-stream")
        body = (await response.aread()).decode() if plain else ""
        yield Stream(response.status_code, response.headers, body, _events(response))


async def _events(response: httpx2.Response) -> AsyncIterator[Event]:
    event = Event()
    async for line in response.aiter_lines():
        match line.partition(":"):
            case ("", "", _):
                yield event
                event = Event()
            case ("", ":", _):  # a line of its own, of no event
                yield Event(comment=True)
            case ("id", _, value):
                event.id = value.strip()
            case ("event", _, value):
                event.name = value.strip()
            case ("retry", _, value):
                event.retry = int(value)
            case ("data", _, value):
                event.data += ("\n" if event.data else "") + value.removeprefix(" ")
            case other:
                raise AssertionError(other)


async def follow(gateway: Served, job_id: str, query: str = "", **headers: str) -> Stream:
    """From the request to the end."""
    async with stream(gateway, job_id, query, **headers) as opened:
        if not opened.body:
            await opened.until()
        return opened
