"""Sends one request to a receiver: through the broker, so to no inner address, and within bounds of time and size.

Each request has a connection of its own, to the very address that the broker has checked. No redirect is followed.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import certifi
import h11

from vidferry_worker.network.broker import Broker, ForbiddenAddress
from vidferry_worker.webhooks.schedule import parse_retry_after

TOTAL_SECONDS = 15.0
"""for a request and the head of its answer"""
MAX_HEAD = 16 * 1024
"""of an answer, with the interim answers (1xx) before it"""
MAX_BODY = 64 * 1024
BODY_SECONDS = 1.0
"""An answer's body says nothing that counts. So much of it is read that a receiver can end what it is writing."""
PIECE = 16 * 1024
_PORTS = {"http": 80, "https": 443}

Headers = Sequence[tuple[str, str]]


class DeliveryError(StrEnum):
    """Why a receiver gave no answer."""

    NO_SECRET = "no_secret"  # noqa: S105 - a reason
    """nothing to sign with"""
    INVALID_URL = "invalid_url"
    FORBIDDEN_ADDRESS = "forbidden_address"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    """it can't be reached, or the connection broke"""
    TLS = "tls"
    """its certificate can't be trusted, or it speaks no TLS"""
    INVALID_ANSWER = "invalid_answer"
    """no HTTP, or a head that is too long"""


class NotDelivered(Exception):
    """A receiver gave no answer."""

    def __init__(self, error: DeliveryError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered."""

    status: int
    retry_after: float | None
    """seconds"""


def make_tls_context() -> ssl.SSLContext:
    """Trusts the system's authorities, or those of SSL_CERT_FILE, and certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class WebhookSender:
    """Sends requests to receivers."""

    def __init__(self, broker: Broker, tls: ssl.SSLContext, *, allow_http: bool) -> None:
        self._broker, self._tls, self._allow_http = broker, tls, allow_http

    async def post(self, url: str, headers: Headers, body: bytes) -> Answer:
        """Sends a POST. Raises NotDelivered where there is no answer."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._post(url, headers, body)
        except ForbiddenAddress:
            raise NotDelivered(DeliveryError.FORBIDDEN_ADDRESS) from None
        except TimeoutError:
            raise NotDelivered(DeliveryError.TIMEOUT) from None
        except ssl.SSLError:
            raise NotDelivered(DeliveryError.TLS) from None
        except h11.RemoteProtocolError:
            raise NotDelivered(DeliveryError.INVALID_ANSWER) from None
        except OSError:
            raise NotDelivered(DeliveryError.CONNECTION) from None
        except (ValueError, h11.LocalProtocolError):  # a URL that no request can be made of
            raise NotDelivered(DeliveryError.INVALID_URL) from None

    async def _post(self, url: str, headers: Headers, body: bytes) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not self._allow_http):
            raise ValueError(parts.scheme)
        if not parts.hostname or "@" in parts.netloc:
            raise ValueError("host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        request = h11.Request(
            method="POST",
            target=target,
            headers=[("Host", parts.netloc), *headers, ("Content-Length", str(len(body))), ("Connection", "close")],
        )
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        sent = b"".join(connection.send(event) or b"" for event in (request, h11.Data(data=body), h11.EndOfMessage()))
        sock = await self._broker.connect(host, port, TOTAL_SECONDS, self._broker.new_lookup_quota())
        reader, writer = await _open_streams(sock, self._tls if parts.scheme == "https" else None, host)
        try:
            writer.write(sent)
            await writer.drain()
            answer = await _read_head(connection, reader)
            await _drop_body(connection, reader)
            return answer
        finally:
            writer.transport.abort()


async def _open_streams(
    sock: socket.socket, tls: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname=host if tls else None, limit=PIECE,
            ssl_handshake_timeout=TOTAL_SECONDS if tls else None,
        )  # fmt: skip
    except BaseException:
        sock.close()
        raise


async def _read_head(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    left = MAX_HEAD
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if left <= 0:
                raise h11.RemoteProtocolError("the head is too long")
            received = await reader.read(PIECE)
            if not received:
                raise ConnectionResetError
            left -= len(received)
            connection.receive_data(received)
        elif isinstance(event, h11.Response):
            asked = next((value for name, value in event.headers if name == b"retry-after"), b"")
            return Answer(event.status_code, parse_retry_after(asked.decode("latin-1"), time.time()))
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("no answer")


async def _drop_body(connection: h11.Connection, reader: asyncio.StreamReader) -> None:
    """Reads the body as far as it is short and comes soon. The answer counts as it is, whatever comes of that."""
    left = MAX_BODY
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while left > 0:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(PIECE))
                elif isinstance(event, h11.Data):
                    left -= len(event.data)
                else:
                    return
    except (OSError, TimeoutError, h11.RemoteProtocolError):
        return
