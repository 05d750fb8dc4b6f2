"""What `helm test` asks of an installed Vidferry, with the standard library alone.

Whether the services answer, whether an address that isn't public is refused, whether an unknown job is none; and where
ORIGIN names an address, whether it is downloaded wholly. Jobs are watched over the gateway's WebSocket.
"""

import base64
import json
import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

API = os.environ["API"]
GATEWAY = os.environ["GATEWAY"]
ORIGIN = os.environ.get("ORIGIN", "")
SECONDS = float(os.environ.get("SECONDS", "180"))

NEVER_PUBLIC = "http://169.254.169.254/video.mp4"
"""the metadata server of every cloud"""
NO_SUCH_JOB = 4504
ENDED = 1000
CLOSE, PING, PONG = 8, 9, 10
SHORT, MIDDLE = 126, 127
"""a frame's length that says: it follows in 2 bytes, in 8 bytes"""


class Failed(Exception):
    """The sentence says what is wrong."""


def main() -> None:
    checks = [services_answer, address_refused, unknown_job]
    if ORIGIN:
        checks.append(whole_download)
    failures = 0
    for check in checks:
        begun = time.monotonic()
        try:
            check()
        except (Failed, OSError) as error:
            failures += 1
            print(f"FAILED {check.__name__}: {error}")
        else:
            print(f"passed {check.__name__} in {time.monotonic() - begun:.1f} s")
    sys.exit(failures)


def services_answer() -> None:
    for address in (API, f"http://{GATEWAY}"):
        for path in ("/healthz", "/readyz"):
            status, _ = request(address + path)
            require(status == 200, f"{address}{path} answers with {status}")


def address_refused() -> None:
    last, code = watch(post(NEVER_PUBLIC))
    require(code == ENDED, f"the socket was closed with {code}")
    error = (last.get("error") or {}).get("code")
    require(error == "forbidden_address", f"the job ended as {last.get('status')}, {error}, not as forbidden_address")


def unknown_job() -> None:
    unknown = str(uuid.uuid4())
    status, _ = request(f"{API}/api/jobs/{unknown}")
    require(status == 404, f"the api answers for an unknown job with {status}")
    _, code = watch(unknown)
    require(code == NO_SUCH_JOB, f"the gateway closes the socket of an unknown job with {code}")


def whole_download() -> None:
    job = post(ORIGIN)
    last, code = watch(job)
    require(code == ENDED, f"the socket was closed with {code}")
    require(last.get("status") == "completed", f"{ORIGIN} ended as {last.get('status')}: {last.get('error')}")
    require(last["result"]["size"] > 0, "the file is empty")
    status, answer = request(f"{API}/api/jobs/{job}")
    require(status == 200 and answer["status"] == "completed", f"the api answers for it with {status}: {answer}")


def post(url: str) -> str:
    """The new job's id."""
    status, answer = request(f"{API}/api/download", json.dumps({"url": url}).encode())
    require(status == 202, f"POST /api/download answers with {status}: {answer}")
    return str(answer["job_id"])


def request(url: str, body: bytes | None = None) -> tuple[int, Any]:
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Failed(sentence)


def watch(job: str) -> tuple[dict[str, Any], int]:
    """A job's last message and the close code of its socket."""
    last: dict[str, Any] = {}
    for kind, payload in frames(job):
        if kind == CLOSE:
            return last, int.from_bytes(payload[:2], "big")
        last = json.loads(payload)["data"]
    raise Failed(f"the socket of job {job} was cut")


def frames(job: str) -> Iterator[tuple[int, bytes]]:
    """What the gateway sends, answering its pings (RFC 6455; it sends no fragments)."""
    host, _, port = GATEWAY.rpartition(":")
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    deadline = time.monotonic() + SECONDS
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"GET /ws/download/{job} HTTP/1.1\r\nHost: {GATEWAY}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
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
    raise Failed(f"job {job} has not ended in {SECONDS:.0f} s")


if __name__ == "__main__":
    main()
