"""The checks that `helm test` runs against an installed Vidferry. They need only the standard library.

They check that the services answer, that a download from a private address is refused, and that an unknown job is
reported as such. If ORIGIN is set, they download that URL. If PUBLIC is set, they create and watch a job at that URL of
Vidferry; CONNECT_TO (`host:port`) replaces the address that its host name resolves to. Jobs are watched over the
gateway's WebSocket.

If ACCESS is not `none`, they check that requests without a key are refused, and send KEY with all others. Without a KEY
they check nothing else than that and that the services answer.
"""

import base64
import http.client
import json
import os
import secrets
import socket
import ssl
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Endpoints:
    """The URLs of api and gateway, and optionally the address to connect to instead."""

    api: str
    gateway: str
    connect_to: str = ""

    def connect(self, address: str) -> socket.socket:
        parts = urlsplit(address)
        default = 443 if parts.scheme == "https" else 80
        host, _, port = (self.connect_to or f"{parts.hostname}:{parts.port or default}").rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        if parts.scheme == "https":
            return TLS.wrap_socket(connection, server_hostname=parts.hostname)
        return connection


IN_CLUSTER = Endpoints(os.environ["API"], os.environ["GATEWAY"])
PUBLIC = Endpoints(os.environ.get("PUBLIC", ""), os.environ.get("PUBLIC", ""), os.environ.get("CONNECT_TO", ""))
TLS = ssl.create_default_context()
if os.environ.get("CHECK_CERTIFICATE") == "false":
    TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
ORIGIN = os.environ.get("ORIGIN", "")
OPEN = os.environ.get("ACCESS", "none") == "none"
KEY = os.environ.get("KEY", "")
SECONDS = float(os.environ.get("SECONDS", "180"))

NEVER_PUBLIC = "http://169.254.169.254/video.mp4"
"""the metadata server of every cloud"""
NO_SUCH_JOB, NO_TICKET = 4504, 4501
ENDED = 1000
CLOSE, PING, PONG = 8, 9, 10
SHORT, MIDDLE = 126, 127
"""length bytes of a frame that stand for: the length follows in 2 bytes, in 8 bytes"""


class CheckFailed(Exception):
    """A check failed. The text says what is wrong."""


def main() -> None:
    checks = [services_answer, *([] if OPEN else [key_required])]
    if OPEN or KEY:
        checks += [address_refused, unknown_job]
        checks += [whole_download] if ORIGIN else []
        checks += [public_address] if PUBLIC.api else []
    else:
        print("no job is tried, because there is no key: set tests.accessKey.existingSecret, or access.firstKey=true")
    failures = 0
    for check in checks:
        begun = time.monotonic()
        try:
            check()
        except (CheckFailed, OSError) as error:
            failures += 1
            print(f"FAILED {check.__name__}: {error}")
        else:
            print(f"passed {check.__name__} in {time.monotonic() - begun:.1f} s")
    sys.exit(failures)


def services_answer() -> None:
    for address in (IN_CLUSTER.api, IN_CLUSTER.gateway):
        for path in ("/healthz", "/readyz"):
            status, _ = send_request(IN_CLUSTER, address + path)
            require(status == 200, f"{address}{path} answers with {status}")


def key_required() -> None:
    body = json.dumps({"url": NEVER_PUBLIC}).encode()
    for path, sent in (("/api/download", body), (f"/api/jobs/{uuid.uuid4()}", None)):
        for key in ("", "vf_" + "0" * 43):
            status, _ = send_request(IN_CLUSTER, IN_CLUSTER.api + path, sent, key)
            what = f"{'POST' if sent else 'GET'} {path} with {'a wrong' if key else 'no'} key"
            require(status == 401, f"{what} is answered with {status}")
    _, code = watch_job(f"/ws/download/{uuid.uuid4()}")
    require(code == NO_TICKET, f"the gateway closes a socket without a ticket with {code}")


def address_refused(endpoints: Endpoints = IN_CLUSTER) -> None:
    job = create_job(NEVER_PUBLIC, endpoints)
    last, code = watch_job(socket_path(job), endpoints)
    require(code == ENDED, f"the socket was closed with {code}")
    error = (last.get("error") or {}).get("code")
    require(error == "forbidden_address", f"the job ended as {last.get('status')}, {error}, not as forbidden_address")
    path = f"{endpoints.api}/api/jobs/{job['job_id']}"
    status, answer = send_request(endpoints, path)
    require(status == 200, f"the api answers for it with {status}: {answer}")
    require(answer["status"] == "failed", f"the api says that it is {answer['status']}")
    if not OPEN:
        status, _ = send_request(endpoints, path, key="")
        require(status == 401, f"the api answers for it without a key with {status}")


def unknown_job() -> None:
    unknown = str(uuid.uuid4())
    status, _ = send_request(IN_CLUSTER, f"{IN_CLUSTER.api}/api/jobs/{unknown}")
    require(status == 404, f"the api answers for an unknown job with {status}")
    if OPEN:
        _, code = watch_job(f"/ws/download/{unknown}")
        require(code == NO_SUCH_JOB, f"the gateway closes the socket of an unknown job with {code}")


def whole_download() -> None:
    job = create_job(ORIGIN)
    last, code = watch_job(socket_path(job))
    require(code == ENDED, f"the socket was closed with {code}")
    require(last.get("status") == "completed", f"{ORIGIN} ended as {last.get('status')}: {last.get('error')}")
    require(last["result"]["size"] > 0, "the file is empty")
    status, answer = send_request(IN_CLUSTER, f"{IN_CLUSTER.api}/api/jobs/{job['job_id']}")
    require(status == 200, f"the api answers for it with {status}: {answer}")
    require(answer["status"] == "completed", f"the api says that it is {answer['status']}")


def public_address() -> None:
    try:
        address_refused(PUBLIC)
    except (CheckFailed, OSError) as error:
        raise CheckFailed(
            f"{PUBLIC.api}: {error}. Where it can't be reached from within the cluster, name the ingress controller's "
            "Service by tests.public.connectTo, or set tests.public.enabled=false"
        ) from None


def create_job(url: str, endpoints: Endpoints = IN_CLUSTER) -> dict[str, Any]:
    """The new job's document."""
    status, answer = send_request(endpoints, f"{endpoints.api}/api/download", json.dumps({"url": url}).encode())
    require(status == 202, f"POST /api/download is answered with {status}: {answer}")
    return dict(answer)


def socket_path(job: dict[str, Any]) -> str:
    """The path of a job's WebSocket, with the ticket where there is one. Its URL names Vidferry's public host."""
    return f"/ws/{job['ws_url'].rpartition('/ws/')[2]}"


def send_request(endpoints: Endpoints, url: str, body: bytes | None = None, key: str = KEY) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = endpoints.connect(url)
    try:
        headers = {"Host": parts.netloc, "Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        connection.request("POST" if body else "GET", parts.path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        return answer.status, json.loads(text or "null") if answer.status < 300 else text
    except http.client.HTTPException as error:
        raise CheckFailed(f"{url} answers with what is no HTTP: {error!r}") from None
    finally:
        connection.close()


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise CheckFailed(sentence)


def watch_job(path: str, endpoints: Endpoints = IN_CLUSTER) -> tuple[dict[str, Any], int]:
    """The last message of a job's socket and its close code."""
    last: dict[str, Any] = {}
    for kind, payload in read_frames(path, endpoints):
        if kind == CLOSE:
            return last, int.from_bytes(payload[:2], "big")
        last = json.loads(payload)["data"]
    raise CheckFailed("the job's socket was cut")


def read_frames(path: str, endpoints: Endpoints) -> Iterator[tuple[int, bytes]]:
    """What the gateway sends, answering its pings (RFC 6455; it sends no fragments)."""
    parts = urlsplit(endpoints.gateway)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    deadline = time.monotonic() + SECONDS
    with endpoints.connect(endpoints.gateway) as connection:
        connection.sendall(
            f"GET {parts.path}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        stream = connection.makefile("rb")
        status = stream.readline()
        require(b" 101 " in status, f"the gateway answers the handshake with {status!r}")
        while stream.readline().strip():
            pass
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            head = stream.read(2)
            if len(head) < 2:
                return
            kind, length = head[0] & 15, head[1]
            if length >= SHORT:
                length = int.from_bytes(stream.read(2 if length < MIDDLE else 8), "big")
            payload = stream.read(length)
            if kind == PING:
                mask = secrets.token_bytes(4)
                masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
                connection.sendall(bytes((128 | PONG, 128 | len(payload))) + mask + masked)
            else:
                yield kind, payload
    raise CheckFailed(f"the job has not ended in {SECONDS:.0f} s")


if __name__ == "__main__":
    main()
