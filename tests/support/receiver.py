"""A receiver of webhooks: it answers as a test says, and keeps what it was sent."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from standardwebhooks import Webhook

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + "b3RoZXItc2VjcmV0LW9mLWEtdGVzdC4uLi4u"
ACCEPTED = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
HANG = None
"""in place of an answer"""
PACE = 0.01
"""seconds between the pieces of an answer"""


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@dataclass(frozen=True)
class Received:
    """One request."""

    target: str
    headers: dict[str, str]
    """names in lower case"""
    body: bytes
    at: float
    """of time.monotonic()"""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(orjson.loads(self.body))

    def verify(self, secret: str = SECRET) -> dict[str, Any]:
        """The event, if its signature is one of this secret; WebhookVerificationError otherwise."""
        return dict(Webhook(secret).verify(self.body, self.headers))


Answer = Callable[[Received], bytes | Iterable[bytes] | None]
"""in pieces, it may be endless"""


class Receiver:
    """Listens on a free port of loopback, in a thread of its own; with TLS if it is given a certificate and its key."""

    def __init__(
        self, answer_to: Answer = lambda _: ACCEPTED, certificate: Path | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.answer_to, self._certificate, self.host = answer_to, certificate, host
        self.received: list[Received] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        tls = None
        if self._certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self._certificate)
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=tls, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        """Closes every connection, also one whose client is in a handshake, or has not said that it closes TLS."""
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://{self.host}:{self.port}/hook?key=1"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it is cancelled before it begins

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lasts as long as the connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            received = Received(head[0].split(" ")[1], headers, body, time.monotonic())
            with self._news:
                self.received.append(received)
                self._news.notify_all()
            told = self.answer_to(received)
            if told is None:
                await reader.read()
            else:
                for piece in [told] if isinstance(told, bytes) else told:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0 if isinstance(told, bytes) else PACE)
            writer.close()
            await writer.wait_closed()

    def wait_for(self, count: int, seconds: float = 60) -> list[Received]:
        """What was received, when there is so much."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.received) >= count, seconds), len(self.received)
            return list(self.received)

    async def got(self, count: int, seconds: float = 60) -> list[Received]:
        """The same, within an event loop."""
        return await asyncio.to_thread(self.wait_for, count, seconds)
