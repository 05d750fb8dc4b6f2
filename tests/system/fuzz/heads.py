"""Requests as bytes, at the ports of an api, which serves a folder's links too, and of a gateway."""

import json
import re
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import strategies as st

from support.redis_server import redis_server
from support.services import Api, Gateway
from system.fuzz.target import Check, Target

SECONDS = 60
"""for an answer or the connection's end: twice what a request may take"""
EVERY = 20
"""examples: then an ordinary request is sent"""
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_FAULTS = {b"500", b"502", b"504"}
BODY = json.dumps({"url": "https://site.example/v"}).encode()
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"DELETE", b"PUT", b"CONNECT", b"get", b"", b"\xff"])
PATHS = st.sampled_from(
    [
        b"/",
        b"*",
        b"/api/download",
        b"/api/jobs/x",
        b"/api/jobs/%00",
        b"/files/a/b?expires=1&signature=v1.x",
        b"/files/..%2f..",
        b"/ws/download/x",
        b"/sse/download/x",
        b"/ws/downloads",
        b"http://other.example/",
        b"//",
        b"/%ff%fe",
        b"/healthz",
    ]
)
TARGETS = st.one_of(PATHS, st.binary(max_size=30), st.builds(bytes.__add__, PATHS, st.binary(max_size=10)))
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"ICY"])
HEADERS = st.one_of(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Length: 33",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Upgrade: h2c",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Expect: 100-continue",
            b"Range: bytes=0-,-1",
            b"If-None-Match: *",
            b"Origin: null",
            b"X-Forwarded-For: 1,2",
            b"Idempotency-Key: \xff",
            b" folded",
            b"Host: a, b",
            b"Host: [",
            b"Last-Event-ID: \xff",
            b"traceparent: 00-0-0-0",
            b"Connection: close",
        ]
    ),
    st.builds(lambda name, value: name + b": " + value, st.binary(max_size=12), st.binary(max_size=20)),
    st.integers(1, 70_000).map(lambda size: b"X: " + b"a" * size),
)
BODIES = st.one_of(
    st.just(b""),
    st.just(BODY),
    st.binary(max_size=60),
    st.integers(0, 100_000).map(bytes),
    st.sampled_from(
        [
            b"5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\nX: y\r\n\r\n",
            b"[" * 60_000,
            b'{"url": "\\ud800"}',
        ]
    ),
)
REQUESTS = st.builds(
    lambda method, target, version, headers, end, body: (
        b" ".join([method, target, version]) + end + end.join([b"Host: localhost", *headers]) + end * 2 + body
    ),
    METHODS,
    TARGETS,
    VERSIONS,
    st.lists(HEADERS, max_size=6),
    st.sampled_from([b"\r\n"] * 5 + [b"\n", b"\r"]),
    BODIES,
)
TALKS = st.lists(REQUESTS | st.binary(max_size=200), min_size=1, max_size=3)


@contextmanager
def _open() -> Iterator[Check]:
    with (
        redis_server() as server,
        tempfile.TemporaryDirectory() as home,
        Api(server.url, Path(home), queue_cap="100") as api,
        Gateway(server.url, log_level="info") as gateway,
    ):
        ports, count = {"api": api.port, "gateway": gateway.port}, 0

        def check(example: tuple[str, list[bytes]]) -> None:
            nonlocal count
            service, pieces = example
            _check_answer(_talk(ports[service], pieces))
            count += 1
            if count % EVERY == 0:
                for port in ports.values():
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS) as answer:
                        assert answer.status == 200
            assert api.process.poll() is None
            assert gateway.process.poll() is None

        yield check


def _talk(port: int, pieces: list[bytes]) -> bytes:
    """All that is answered until the connection's end; TimeoutError where it does not come."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection, suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
        with suppress(OSError):  # it has been reset
            connection.shutdown(socket.SHUT_WR)
        while block := connection.recv(65536):
            heard += block
    return bytes(heard)


def _check_answer(heard: bytes) -> None:
    """Nothing, or HTTP; never a fault of the service's own."""
    if not heard:
        return
    assert _STATUS.match(heard), heard[:200]
    for status in _STATUS.findall(heard):
        assert status not in _FAULTS, heard[:500]


TARGET = Target(st.tuples(st.sampled_from(["api", "gateway"]), TALKS), _open, round_size=15)
