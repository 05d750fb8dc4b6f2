"""A server that does what a test tells it: the page below a path prefix, the REST API, and the WebSockets."""

import json
import mimetypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

import vidferry_api

PAGE = Path(vidferry_api.__file__).parent / "page"
PREFIX = "/below/a/prefix"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
PICTURE = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 180"><defs><linearGradient id="a" x2="0" y2="1">
<stop stop-color="#f7b267"/><stop offset=".6" stop-color="#f4845f"/><stop offset="1" stop-color="#5b4b8a"/>
</linearGradient></defs><rect width="320" height="180" fill="url(#a)"/><circle cx="225" cy="85" r="30" fill="#ffe3b3"/>
<path d="M0 150l70-62 55 48 40-30 60 50 45-28 50 34v30H0z" fill="#2b2d54"/></svg>"""
TIMEOUT = 10.0


def state(seq: int, stage: str, progress: float, message: str, **more: Any) -> dict[str, Any]:
    """A job's state, as records and messages carry it; `status` is processing unless told."""
    return {
        "status": "processing",
        "stage": stage,
        "progress": progress,
        "message": message,
        "seq": seq,
        "attempt": 1,
        "timestamp": "2026-11-23T10:00:00.123Z",
        "downloaded_bytes": None,
        "total_bytes": None,
        "speed": None,
        "eta": None,
        "title": None,
        "thumbnail": None,
        "retries": 0,
        "retry_at": None,
        **more,
    }


class Socket:
    """One accepted WebSocket, in the test's hands."""

    def __init__(self, connection: ServerConnection, path: str) -> None:
        self._connection = connection
        parts = urlsplit(path)
        self.job_id = parts.path.rpartition("/")[2]
        self.after = parse_qs(parts.query).get("after", [None])[0]
        self.ticket = parse_qs(parts.query).get("ticket", [None])[0]
        self.received: Queue[dict[str, Any]] = Queue()
        """what the page has sent, which it does over a socket of many jobs"""

    def send(self, data: dict[str, Any]) -> None:
        """A status message, with a cursor that names its seq. Over a socket of many jobs, data has the job's id."""
        data = {"job_id": self.job_id, **data}
        self.send_json({"v": 1, "type": "status", "cursor": f"0000e1e1-{data['seq']}", "data": data})

    def send_json(self, message: Any) -> None:
        self._connection.send(json.dumps(message))

    def receive(self) -> dict[str, Any]:
        return self.received.get(timeout=TIMEOUT)

    def close(self, code: int) -> None:
        self._connection.close(code)

    def cut(self) -> None:
        """As when a network goes away: no close frame, a reset."""
        sock = self._connection.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)


@dataclass
class Order:
    """One POST that arrived."""

    body: dict[str, Any]
    key: str | None
    path: str


@dataclass
class Scripted:
    """The script: what is answered, and what arrived."""

    url: str
    ws_root: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """what GET api/jobs/{id} answers; 404 where there is nothing"""
    children: dict[str, list[str]] = field(default_factory=dict)
    """ids of the jobs of each batch, which GET api/jobs?batch= lists, in pages of page_size"""
    page_size: int = 2
    refusals: list[dict[str, Any]] = field(default_factory=list)
    """problem documents for the next POSTs and DELETEs"""
    deaf: bool = False
    """POSTs and DELETEs are hung up on"""
    orders: Queue[Order] = field(default_factory=Queue)
    retries: Queue[Order] = field(default_factory=Queue)
    cancels: Queue[str] = field(default_factory=Queue)
    """ids of jobs"""
    desk: threading.Event = field(default_factory=threading.Event)
    """while it is clear, DELETEs and retries wait for their answer"""
    sockets: Queue[Socket] = field(default_factory=Queue)
    door: threading.Event = field(default_factory=threading.Event)
    """while it is clear, handshakes of WebSockets wait"""
    accepted: int = 0
    access: dict[str, Any] | None = field(default_factory=lambda: {"mode": "none"})
    """what GET api/access answers; None: 404, as an older api"""
    versions: dict[str, Any] | None = field(default_factory=lambda: {"vidferry": "0.3.0", "workers": []})
    """what GET api/version answers; None: 404, as an older api"""
    scopes: dict[str, str] = field(default_factory=dict)
    """the keys that are asked for where the mode is another one, each with the scope that it lacks"""
    ticket: str = "first"
    """the one that opens files and thumbnails"""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """method, path with query, and Authorization of each request, but for the versions and the page's own files"""

    def order(self) -> Order:
        return self.orders.get(timeout=TIMEOUT)

    def retry(self) -> Order:
        return self.retries.get(timeout=TIMEOUT)

    def cancelled(self) -> str:
        return self.cancels.get(timeout=TIMEOUT)

    def socket(self) -> Socket:
        return self.sockets.get(timeout=TIMEOUT)

    def accept(self, body: dict[str, Any]) -> dict[str, Any]:
        self.accepted += 1
        job_id = f"job-{self.accepted}"
        self.add_job(job_id, url=body.get("url", body.get("playlist")), format=body.get("format"))
        return {
            "job_id": job_id,
            "status": "queued",
            "status_url": f"{self.url}api/jobs/{job_id}",
            "ws_url": f"{self.ws_root}/ws/download/{job_id}",
            "events_url": f"{self.url}sse/download/{job_id}",
        }

    def add_job(self, job_id: str, **more: Any) -> dict[str, Any]:
        """A job that waits."""
        ws_url = f"{self.ws_root}/ws/download/{job_id}"
        waiting = state(0, "queued", 0, "Waiting", status="queued")
        self.jobs[job_id] = {"job_id": job_id, "ws_url": ws_url, **waiting, **more}
        return self.jobs[job_id]

    def page_of(self, batch: str, token: str) -> dict[str, Any]:
        """A page of a batch's jobs, as `GET api/jobs` lists them."""
        begin = int(token or 0)
        end = begin + self.page_size
        found = self.children[batch]
        return {
            "jobs": [self.jobs[job_id] for job_id in found[begin:end]],
            "next_page_token": str(end) if end < len(found) else "",
        }

    def publish(self, socket: Socket, data: dict[str, Any]) -> None:
        """A state that the job's record has too. Over a socket of many jobs, data has the job's id."""
        self.jobs[data.get("job_id", socket.job_id)] |= data
        socket.send(data)

    def cancel(self, job_id: str) -> dict[str, Any]:
        """The job, cancelled: its state is newer than all that was sent."""
        ended = {"stage": "cancelled", "status": "cancelled", "message": "Cancelled", "seq": 1000}
        self.jobs[job_id] |= ended
        return self.jobs[job_id]


@contextmanager
def scripted_server() -> Iterator[Scripted]:
    """Both ports on loopback, gone at the end."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    script = Scripted(f"http://127.0.0.1:{http.server_port}{PREFIX}/")
    script.door.set()
    script.desk.set()
    http.script = script  # type: ignore[attr-defined]
    sockets = _socket_server(script)
    script.ws_root = f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
    threads = [threading.Thread(target=server.serve_forever) for server in (http, sockets)]
    for thread in threads:
        thread.start()
    try:
        yield script
    finally:
        script.door.set()
        script.desk.set()
        http.shutdown()
        sockets.shutdown()
        for thread in threads:
            thread.join()
        http.server_close()


def _socket_server(script: Scripted) -> Server:
    def wait_at_door(_: ServerConnection, __: Request) -> Response | None:
        script.door.wait(TIMEOUT)
        return None

    def handle(connection: ServerConnection) -> None:
        assert connection.request
        socket = Socket(connection, connection.request.path)
        script.sockets.put(socket)
        try:
            for message in connection:
                socket.received.put(json.loads(message))
        except ConnectionClosed:
            pass  # cut, or left by the browser

    return serve(handle, "127.0.0.1", 0, process_request=wait_at_door)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def script(self) -> Scripted:
        script: Scripted = self.server.script  # type: ignore[attr-defined]
        return script

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        inside = path.removeprefix(PREFIX)
        self._note()
        if inside == "/api/access" and self.script.access:
            self._json(HTTPStatus.OK, self.script.access)
        elif inside == "/api/version" and self.script.versions:
            if self._allowed("jobs:read"):
                self._json(HTTPStatus.OK, self.script.versions)
        elif inside.startswith("/api/jobs") and not self._allowed("jobs:read"):
            return
        elif inside == "/api/jobs":
            query = parse_qs(urlsplit(self.path).query)
            self._json(HTTPStatus.OK, self.script.page_of(query["batch"][0], query.get("page_token", [""])[0]))
        elif inside.startswith("/api/jobs/"):
            self._job(inside.removeprefix("/api/jobs/"))
        elif path == f"{PREFIX}/" or inside.startswith("/static/"):
            self._file(PAGE / (inside.removeprefix("/static/").strip("/") or "index.html"))
        else:
            self._json(HTTPStatus.NOT_FOUND, {"detail": f"nothing at {path}"})

    def _note(self) -> None:
        if "/static/" not in self.path and self.path not in {f"{PREFIX}/", f"{PREFIX}/api/version"}:
            self.script.requests.append((self.command, self.path.removeprefix(PREFIX), self.headers["Authorization"]))

    def _allowed(self, scope: str) -> bool:
        """Whether the request has a key with that scope, or the ticket of a file or thumbnail; else it is refused."""
        if not self.script.access or self.script.access["mode"] == "none":
            return True
        if parse_qs(urlsplit(self.path).query).get("ticket") == [self.script.ticket]:
            return True
        lacking = self.script.scopes.get((self.headers["Authorization"] or "").removeprefix("Bearer "))
        if lacking is None:
            refusal: dict[str, Any] = {"status": 401, "code": "unauthenticated", "detail": "Send an API key."}
        elif lacking == scope:
            refusal = {"status": 403, "code": "forbidden", "detail": f"Use an API key or token with the scope {scope}."}
        else:
            return True
        self._json(HTTPStatus(refusal["status"]), refusal, "application/problem+json")
        return False

    def do_POST(self) -> None:
        self._note()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == f"{PREFIX}/api/tickets":
            if self._allowed("jobs:read"):
                ws_url = f"{self.script.ws_root}/ws/downloads?ticket=of-an-owner"
                self._json(HTTPStatus.OK, {"ticket": "of-an-owner", "ws_url": ws_url})
            return
        if not self._allowed("jobs:write"):
            return
        order = Order(json.loads(content or b"{}"), self.headers["Idempotency-Key"], self.path)
        retried = self.path.removesuffix("/retry").rpartition("/")[2] if self.path.endswith("/retry") else ""
        (self.script.retries if retried else self.script.orders).put(order)
        if retried:
            self.script.desk.wait(TIMEOUT)
        wanted = self.script.jobs.get(retried, order.body)
        if not self._refused():
            self._json(HTTPStatus.ACCEPTED, self.script.accept(wanted))

    def do_DELETE(self) -> None:
        self._note()
        if not self._allowed("jobs:write"):
            return
        job_id = self.path.rpartition("/")[2]
        self.script.cancels.put(job_id)
        self.script.desk.wait(TIMEOUT)
        if not self._refused():
            self._json(HTTPStatus.OK, self.script.cancel(job_id))

    def _refused(self) -> bool:
        if self.script.deaf:
            self.close_connection = True
        elif self.script.refusals:
            refusal = self.script.refusals.pop(0)
            self._json(HTTPStatus(refusal["status"]), refusal, "application/problem+json")
        else:
            return False
        return True

    def _job(self, rest: str) -> None:
        job_id, _, part = rest.partition("/")
        if part == "thumbnail":
            self._answer(HTTPStatus.OK, "image/svg+xml", PICTURE)
        elif part == "file":
            self._answer(
                HTTPStatus.OK, "video/mp4", b"a video", {"Content-Disposition": 'attachment; filename="a.mp4"'}
            )
        elif job_id in self.script.jobs:
            self._json(HTTPStatus.OK, self.script.jobs[job_id])
        else:
            problem = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "job_not_found"}
            self._json(HTTPStatus.NOT_FOUND, problem, "application/problem+json")

    def _file(self, file: Path) -> None:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        self._answer(HTTPStatus.OK, kind, file.read_bytes(), {"Content-Security-Policy": POLICY})

    def _json(self, status: HTTPStatus, document: Any, kind: str = "application/json") -> None:
        self._answer(status, kind, json.dumps(document).encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Quiet."""
