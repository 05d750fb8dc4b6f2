"""The bounds of a request, at the classes that both services give uvicorn."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from support.raw_websocket import handshake
from support.watchers import TIMEOUT
from unit.gateway.uvicorn.test_hook import Recorder, gateway, serving
from vidferry_api.http.protocol import ApiProtocol
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import request_bounds
from vidferry_common.http.request_bounds import MAX_HEAD, BoundedRequests

pytestmark = pytest.mark.anyio

START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = START + b"\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
SOON = 0.2
CLASSES: dict[str, type[asyncio.Protocol]] = {"api": ApiProtocol, "gateway": gateway().uvicorn_options["http"]}


class Application:
    """Answers with the length of a request's body, when it may."""

    def __init__(self) -> None:
        self.may_answer, self.left = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        size, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        await self.may_answer.wait()
        await PlainTextResponse(str(size))(scope, receive, send)


class Client:
    """A connection, and what came on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def heard(self) -> tuple[int, bytes]:
        """The next answer's status and body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), await self._reader.readexactly(length)

    async def refused(self, code: ProblemCode) -> None:
        """The next answer is that problem, and the connection's last."""
        status, body = await self.heard()
        assert (status, json.loads(body)["code"]) == (code.status, code)
        await self.ended()

    async def ended(self) -> None:
        assert await self._reader.read() == b""

    async def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected(kind: type[asyncio.Protocol], application: Application) -> AsyncIterator[Client]:
    async with serving(app=application, http=kind) as uvicorn_here, asyncio.timeout(TIMEOUT):
        client = Client(*await asyncio.open_connection("127.0.0.1", uvicorn_here.port))
        try:
            yield client
        finally:
            application.may_answer.set()
            await client.close()


@pytest.fixture(params=CLASSES)
def kind(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    return CLASSES[request.param]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bounds, "REQUEST_SECONDS", SOON)


def called(monkeypatch: pytest.MonkeyPatch, name: str) -> asyncio.Event:
    """Set once that method of the bounds has run."""
    done, method = asyncio.Event(), getattr(BoundedRequests, name)

    def run(self: BoundedRequests, *arguments: object) -> None:
        method(self, *arguments)
        done.set()

    monkeypatch.setattr(BoundedRequests, name, run)
    return done


LARGE: dict[str, Sequence[bytes]] = {
    "one header": [START, b"X: ", b"a" * MAX_HEAD],
    "many headers": [START, *[b"X-%d: y\r\n" % number * 100 for number in range(100)]],
    "many headers in one segment": [START + b"a:\r\n" * 15_000 + b"\r\n"],
    "many empty headers": [START + b"a:\r\n" * 300 + b"\r\n"],
    "the target": [b"GET /", b"a" * MAX_HEAD],
    "the method": [b"GET", b"", b" /" + b"a" * MAX_HEAD],
    "lines before it": [b"\r\n" * MAX_HEAD],
    "trailers": [CHUNKED, b"X: ", b"a" * MAX_HEAD],
}


@pytest.mark.parametrize("name", LARGE)
async def test_a_head_is_bounded_in_size(kind: type[asyncio.Protocol], name: str) -> None:
    """RFC 6585 §5; it is answered before it has come whole, also to a client that goes on sending."""
    async with connected(kind, Application()) as client:
        await client.say(*LARGE[name], *[b"a" * MAX_HEAD] * 8)
        await client.refused(ProblemCode.HEAD_TOO_LARGE)


@pytest.mark.parametrize("size", [8 * 1024, 60 * 1024])
async def test_what_is_within_the_bound_is_answered(kind: type[asyncio.Protocol], size: int) -> None:
    async with connected(kind, Application()) as client:
        for _ in range(3):  # on one connection
            await client.say(START + b"X: ", b"a" * size, b"\r\n\r\n")
            assert await client.heard() == (200, b"0")
        await client.say(CHUNKED + b"X: trailer\r\n\r\n")
        assert await client.heard() == (200, b"2")
        await client.say(POST + b"Content-Length: 200000\r\n\r\n", b"a" * 200_000)
        assert await client.heard() == (200, b"200000")


@pytest.mark.parametrize(
    "body", [b"Content-Length: 2\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("pieces", [1, 2])
async def test_an_offer_of_http_2_is_passed_over(kind: type[asyncio.Protocol], body: bytes, pieces: int) -> None:
    """Java's HttpClient offers it with each request, also with a POST; and the connection goes on."""
    request = POST + OFFER + body
    async with connected(kind, Application()) as client:
        for _ in range(2):
            await client.say(*([request] if pieces == 1 else [request[:-1], request[-1:]]))
            assert await client.heard() == (200, b"2")
        await client.say(START + OFFER + b"\r\n" + WHOLE)
        assert await client.heard() == await client.heard() == (200, b"0")


async def test_so_are_thousands_in_one_segment(kind: type[asyncio.Protocol]) -> None:
    """More than the interpreter's stack has frames."""
    count = 2 * sys.getrecursionlimit()
    async with connected(kind, Application()) as client:
        await client.say((START + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n") * count)
        assert [await client.heard() for _ in range(count)] == [(200, b"0")] * count


SLOW: dict[str, bytes] = {
    "a head": START,
    "a body": POST + b"Content-Length: 100\r\n\r\n{",
    "a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhi",
    "an empty line": b"\r\n",
}


@pytest.mark.parametrize(("name", "before"), [*((name, b"") for name in SLOW), ("a head", WHOLE), ("a body", WHOLE)])
@pytest.mark.usefixtures("soon")
async def test_a_request_is_bounded_in_time(kind: type[asyncio.Protocol], name: str, before: bytes) -> None:
    """RFC 9110 §15.5.9"""
    application = Application()
    async with connected(kind, application) as client:
        if before:
            await client.say(before)
            assert await client.heard() == (200, b"0")
        await client.say(SLOW[name])
        await client.refused(ProblemCode.REQUEST_TIMEOUT)
        if name in {"a body", "a chunk"}:
            await application.left.wait()


async def test_connections_are_bounded(kind: type[asyncio.Protocol], monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is ended; where another ends there is room again."""
    monkeypatch.setattr(kind, "max_connections", 2)
    async with serving(app=Application(), http=kind) as here, asyncio.timeout(TIMEOUT):
        clients = [Client(*await asyncio.open_connection("127.0.0.1", here.port)) for _ in range(2)]
        for client in clients:
            await client.say(WHOLE)
            assert await client.heard() == (200, b"0")
        further = Client(*await asyncio.open_connection("127.0.0.1", here.port))
        with contextlib.suppress(ConnectionResetError):
            await further.ended()
        left = called(monkeypatch, "connection_lost")
        await clients[0].close()
        await left.wait()
        clients[0] = Client(*await asyncio.open_connection("127.0.0.1", here.port))
        for client in clients:
            await client.say(WHOLE)
            assert await client.heard() == (200, b"0")
            await client.close()
        await further.close()


async def test_what_has_become_a_websocket_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = CLASSES["gateway"]
    monkeypatch.setattr(kind, "max_connections", 1)
    async with serving(app=Application(), http=kind, ws=Recorder) as here, asyncio.timeout(TIMEOUT):
        for _ in range(2):
            await here.upgraded(handshake("some-job"))
        client = Client(*await asyncio.open_connection("127.0.0.1", here.port))
        await client.say(WHOLE)
        assert await client.heard() == (200, b"0")
        await client.close()


@pytest.mark.usefixtures("soon")
async def test_who_says_nothing_is_told_nothing(kind: type[asyncio.Protocol]) -> None:
    async with connected(kind, Application()) as client:
        await client.ended()


@pytest.mark.usefixtures("soon")
async def test_an_answer_may_take_longer(kind: type[asyncio.Protocol], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the next request has begun meanwhile, whose time begins with the answer's end."""
    application, late = Application(), called(monkeypatch, "_too_late")
    application.may_answer.clear()
    async with connected(kind, application) as client:
        await client.say(WHOLE + START)
        await late.wait()
        application.may_answer.set()
        assert await client.heard() == (200, b"0")
        await client.refused(ProblemCode.REQUEST_TIMEOUT)


@pytest.mark.usefixtures("soon")
async def test_nothing_follows_an_answer_that_did_not_wait_for_the_body(kind: type[asyncio.Protocol]) -> None:
    async with connected(kind, Application()) as client:
        await client.say(POST.replace(b" / ", b" /unread ") + b"Content-Length: 100\r\n\r\n{")
        assert await client.heard() == (200, b"0")
        await client.ended()


@pytest.mark.parametrize("rest", [b"\x00nonsense\r\n\r\n", START + b"X: " + b"a" * MAX_HEAD])
async def test_an_answer_that_is_owed_comes_before_the_end(
    kind: type[asyncio.Protocol], rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be read behind a request spoils nothing of its answer."""
    application, refused = Application(), called(monkeypatch, "refuse")
    application.may_answer.clear()
    async with connected(kind, application) as client:
        await client.say(WHOLE, *[rest] * 4)
        await refused.wait()
        application.may_answer.set()
        assert await client.heard() == (200, b"0")
        await client.ended()


async def test_uvicorn_itself_still_has_no_bounds() -> None:
    """When this fails, BoundedRequests may have become needless."""
    async with connected(HttpToolsProtocol, Application()) as client:
        await client.say(START + b"X: ", b"a" * MAX_HEAD * 4, b"\r\n\r\n")
        assert await client.heard() == (200, b"0")
        await client.say(b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await client.heard() == (400, b"Invalid HTTP request received.")


async def test_uvicorn_itself_still_loses_the_body_behind_an_offer() -> None:
    """When this fails, it need not be parsed anew any more."""
    async with connected(HttpToolsProtocol, Application()) as client:
        await client.say(POST + OFFER + b"Content-Length: 2\r\n\r\nhi")
        assert await client.heard() == (200, b"0")
