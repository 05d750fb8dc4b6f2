"""HTTP on the gateway's port: what asks for no stream and no WebSocket, and what breaks the rules."""

import json

import httpx2
import pytest

from support.jobs import Job
from support.raw_websocket import RawClient, handshake
from support.services import Gateway
from support.sse import stream
from vidferry_common.contract.errors import ProblemCode

pytestmark = pytest.mark.usefixtures("anyio_backend")

UNKNOWN = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"
PROBLEM = "application/problem+json"


def is_problem(content: bytes, code: ProblemCode) -> None:
    """As the api's: tests/support/answers.py."""
    body = json.loads(content)
    assert body.keys() == {"type", "title", "status", "detail", "code"}
    assert (body["type"], body["code"], body["status"]) == (f"urn:vidferry:problem:{code}", code, code.status)
    assert body["title"] == code.summary
    assert body["detail"].endswith(".")


def answered(gateway: Gateway, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of the answer to exactly these bytes, when the connection has ended."""
    with RawClient(gateway) as client:
        client.send(request)
        status, head = client.response()
        body = b""
        while chunk := client.socket.recv(65536):
            body += chunk
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return status, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


def text(method: str, path: str, *headers: str, host: str = "Host: localhost") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", host, *headers, "Connection: close", "", ""]).encode()


@pytest.mark.parametrize("path", [f"/ws/download/{UNKNOWN}", "/ws/downloads", f"/below/ws/download/{UNKNOWN}?after=x"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_websockets_path_asks_for_an_upgrade(shared_gateway: Gateway, method: str, path: str) -> None:
    """RFC 9110 §15.5.22"""
    status, headers, body = answered(shared_gateway, text(method, path))
    assert (status, headers["upgrade"], headers["content-type"]) == (426, "websocket", PROBLEM)
    assert "upgrade" in headers["connection"].lower()
    if method == "GET":
        is_problem(body, ProblemCode.UPGRADE_REQUIRED)
    else:
        assert body == b""


@pytest.mark.parametrize("count", [1, 3])
def test_a_websocket_begins_not_before_earlier_requests_are_answered(shared_gateway: Gateway, count: int) -> None:
    """Their answers would come within it; they are the connection's last."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    status, _, rest = answered(shared_gateway, request * count + handshake(UNKNOWN))
    assert (status, rest.count(b"HTTP/1.1 200 ")) == (200, count - 1)
    assert b"HTTP/1.1 101" not in rest


def test_another_protocol_is_no_websocket(shared_gateway: Gateway) -> None:
    """Java's HttpClient, and curl --http2, offer HTTP/2 with each request."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    request = "\r\n".join([f"GET /ws/download/{UNKNOWN} HTTP/1.1", "Host: localhost", *offer, "", ""])
    status, headers, _ = answered(shared_gateway, request.encode())
    assert (status, headers["upgrade"]) == (426, "websocket")
    request = request.replace("/ws/", "/sse/")
    status, _, body = answered(shared_gateway, request.encode())
    assert status == 404
    is_problem(body, ProblemCode.JOB_NOT_FOUND)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [(f"/ws/download/{UNKNOWN}", {"GET", "OPTIONS"}), ("/ws/downloads", {"GET", "OPTIONS"}),
     (f"/sse/download/{UNKNOWN}", {"GET", "HEAD", "OPTIONS"}), ("/healthz", {"GET", "HEAD", "OPTIONS"})],
)  # fmt: skip
def test_methods_of_a_path(shared_gateway: Gateway, path: str, allowed: set[str]) -> None:
    status, headers, body = answered(shared_gateway, text("OPTIONS", path))
    assert (status, body) == (204, b"")
    assert set(headers["allow"].split(", ")) == allowed
    status, headers, body = answered(shared_gateway, text("DELETE", path))
    assert (status, set(headers["allow"].split(", "))) == (405, allowed)
    is_problem(body, ProblemCode.METHOD_NOT_ALLOWED)


def test_options_of_the_server(shared_gateway: Gateway) -> None:
    """RFC 9110 §9.3.7"""
    status, headers, _ = answered(shared_gateway, text("OPTIONS", "*"))
    assert (status, "GET" in headers["allow"]) == (204, True)


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        (handshake(UNKNOWN, version="12"), ProblemCode.INVALID_HANDSHAKE),
        (handshake(UNKNOWN).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), ProblemCode.INVALID_HANDSHAKE),
        (handshake(UNKNOWN, method="POST"), ProblemCode.METHOD_NOT_ALLOWED),
        (handshake(UNKNOWN, path="/ws/upload/"), ProblemCode.NOT_FOUND),
        (handshake(UNKNOWN, "Host: other"), ProblemCode.INVALID_HOST),
        (text("GET", "/nowhere"), ProblemCode.NOT_FOUND),
        (text("GET", f"/sse/download/{UNKNOWN}"), ProblemCode.JOB_NOT_FOUND),
        (text("GET", "/sse/download/nonsense"), ProblemCode.JOB_NOT_FOUND),
        (text("BREW", f"/sse/download/{UNKNOWN}"), ProblemCode.UNKNOWN_METHOD),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ProblemCode.MALFORMED_REQUEST),
        (b"GET /healthz HTTP/1.1\nHost : localhost\r\n\r\n", ProblemCode.MALFORMED_REQUEST),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", ProblemCode.MALFORMED_REQUEST),
    ],
)
def test_each_refusal_is_a_problem_document(shared_gateway: Gateway, request_text: bytes, code: ProblemCode) -> None:
    status, headers, body = answered(shared_gateway, request_text)
    assert (status, headers["content-type"]) == (code.status, PROBLEM)
    is_problem(body, code)
    assert ("sec-websocket-version" in headers) == (code is ProblemCode.INVALID_HANDSHAKE)
    assert ("allow" in headers) == (code in {ProblemCode.METHOD_NOT_ALLOWED, ProblemCode.UNKNOWN_METHOD})


@pytest.mark.parametrize(
    ("host", "code"),
    [("Host: a\r\nHost: a", ProblemCode.INVALID_HOST), ("X: y", ProblemCode.INVALID_HOST),
     ("Host: evil.example", ProblemCode.UNKNOWN_HOST),
     ("Host: localhost\r\nX-Forwarded-Host: evil.example", ProblemCode.UNKNOWN_HOST)],
)  # fmt: skip
def test_a_request_names_a_host_that_is_known(shared_gateway: Gateway, host: str, code: ProblemCode) -> None:
    """tests/unit/common/http/test_known_hosts.py has which are."""
    paths = ("/healthz", f"/sse/download/{UNKNOWN}", f"/ws/download/{UNKNOWN}")
    handshaken = handshake(UNKNOWN).replace(b"Host: localhost", host.encode())
    for request in (*(text("GET", path, host=host) for path in paths), handshaken):
        status, _, body = answered(shared_gateway, request)
        assert status == code.status
        is_problem(body, code)


@pytest.mark.parametrize(("target", "status"), [("http://evil.example", 421), ("HTTP://LOCALHOST:80", 200)])
def test_a_target_that_is_a_whole_url_names_the_host(shared_gateway: Gateway, target: str, status: int) -> None:
    """RFC 9112 §3.2.2"""
    assert answered(shared_gateway, text("GET", f"{target}/healthz"))[0] == status
    handshaken = handshake(UNKNOWN).replace(b"GET ", f"GET {target}".encode())
    with RawClient(shared_gateway) as client:
        client.send(handshaken)
        assert client.response()[0] == (421 if status == 421 else 101)


def test_http_1_0_need_not_name_it(shared_gateway: Gateway) -> None:
    """As health checks of load balancers still ask."""
    assert answered(shared_gateway, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200


@pytest.mark.anyio
async def test_the_head_of_a_stream(shared_gateway: Gateway, job: Job) -> None:
    """That of the stream, and nothing of it is held."""
    async with stream(shared_gateway, job.id) as opened:
        expected = dict(opened.headers)
        async with stream(shared_gateway, job.id, method="HEAD") as head:
            assert (head.status, dict(head.headers), head.body) == (200, expected, "")
            assert [event async for event in head.events] == []
        assert expected["content-type"] == "text/event-stream; charset=utf-8"
        await opened.until(lambda event: bool(event.data))
        await job.steps(0, 2)
        await opened.until(lambda event: bool(event.data) and event.json["data"]["progress"] > 5)
    async with stream(shared_gateway, UNKNOWN, method="HEAD") as head:
        assert (head.status, head.headers["content-type"]) == (404, PROBLEM)
        assert int(head.headers["content-length"]) > 0
    forwarded = shared_gateway.logged("forwarded to socket", job_id=job.id)
    assert len(forwarded) <= 5


def test_a_connection_goes_on_after_a_refusal(shared_gateway: Gateway) -> None:
    with httpx2.Client(base_url=shared_gateway.url) as client:
        for path, status in (("/nowhere", 404), ("/healthz", 200), ("/ws/downloads", 426), ("/healthz", 200)):
            assert client.get(path).status_code == status
