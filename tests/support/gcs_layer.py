"""A checking layer before fake-gcs-server: the same HTTP API, with the documented rules that the fake leaves out.

One loopback server answers as Cloud Storage (JSON API and links), as IAM's signBlob, and as the metadata server that
Workload Identity asks. Sessions are held here, and a finished object goes on to the fake as one upload.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

from support.gcs_faults import OBJECT, UPLOAD, Call, Fault, Faults, kind_of
from support.gcs_iam import metadata, sign_blob
from support.gcs_rules import Account, Answer, Refused, Rules, check_signed_link
from support.gcs_sessions import Session

LOOPBACK = ("127.0.0.1", 0)
PIECE = 64 * 1024
SLACK = 0.1
"""seconds that a reader which was late may make up for"""
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Layer(ThreadingHTTPServer):
    """The server; rules and faults may be changed while it runs."""

    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, backend: int, account: Account, listen: tuple[str, int] = LOOPBACK, url: str = "") -> None:
        super().__init__(listen, _Handler)
        self.url = url or f"http://{listen[0]}:{self.server_port}"
        """how clients name it"""
        self.backend = backend
        self.account = account
        self.rules = Rules()
        self.faults = Faults()
        self.sessions: dict[str, Session] = {}
        self.committing = threading.Lock()
        self.calls: list[Call] = []
        self.clock_ahead = 0.0
        """seconds that this service's clock is ahead: makes links end without waiting"""
        self.older: dict[str, float] = {}
        """seconds by which listings show objects older than they are, by name: the fake takes no time of making"""
        self.patches: dict[str, int] = {}
        """how often the metadata of a generation was changed"""
        self.received = 0
        """bytes of chunks that arrived, sent again or not"""
        self.rate = 0.0
        """bytes/s at which each connection's bodies are read; 0: as quickly as they come"""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""

    def forget(self) -> None:
        """As new, for the next test."""
        self.faults.clear()
        self.rules = Rules()
        self.calls.clear()
        self.older.clear()
        self.received = 0
        self.clock_ahead = 0.0

    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]


@contextmanager
def running(backend: int, account: Account, listen: tuple[str, int] = LOOPBACK, url: str = "") -> Iterator[Layer]:
    layer = Layer(backend, account, listen, url)
    thread = threading.Thread(target=layer.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield layer
    finally:
        layer.faults.clear()
        layer.shutdown()
        layer.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write a reply, not one a header
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        with suppress(ConnectionError):
            self._body = b"".join(self._pieces(int(self.headers.get("Content-Length") or 0)))
            status, headers, body = self._answer()
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            self.wfile.flush()

    def _pieces(self, length: int) -> Iterator[bytes]:
        """The request's body, at the layer's rate."""
        due, rate = time.monotonic(), self.layer.rate
        while length > 0 and (piece := self.rfile.read(min(length, PIECE) if rate else length)):
            length -= len(piece)
            yield piece
            if rate:
                due = max(due + len(piece) / rate, time.monotonic() - SLACK)
                time.sleep(max(0.0, due - time.monotonic()))

    def _answer(self) -> Answer:
        call = Call(self.command, self.path, kind_of(self.command, self.path, self.headers.get("Content-Range", "")))
        self.layer.calls.append(call)
        fault = self.layer.faults.take(call)
        if call.kind in {"chunk", "last"}:
            self.layer.received += len(self._body)
        if fault and fault.gate and not fault.after:
            fault.gate.hold()
        if fault and fault.status and not fault.after:
            self._keep_part(fault)
            return _refusal(Refused(fault.status, "injected"))
        try:
            answer = self._carried_out(call.kind, fault)
        except Refused as refused:
            return _refusal(refused)
        if fault and fault.gate and fault.after:
            fault.gate.hold()
        return _refusal(Refused(fault.status, "injected, after the work")) if fault and fault.status else answer

    @property
    def layer(self) -> Layer:
        return cast("Layer", self.server)

    def _carried_out(self, kind: str, fault: Fault | None) -> Answer:
        if kind == "token":
            return metadata(self.layer.account, self.path)
        if kind == "link":
            now = datetime.now(UTC) + timedelta(seconds=self.layer.clock_ahead)
            check_signed_link(self.layer.rules, self.layer.account, self.command, self.path, _lower(self.headers), now)
            return self._passed_on()
        if self.layer.rules.authentication and not self.layer.account.knows(self.headers.get("Authorization", "")):
            raise Refused(401, "Invalid Credentials")
        if kind == "sign":
            return sign_blob(self.layer.account, self.path, self._body)
        return self._begin() if kind == "begin" else self._worked(kind, fault)

    def _worked(self, kind: str, fault: Fault | None) -> Answer:
        if kind in {"chunk", "last", "query", "abort"}:
            return self._session(kind, fault)
        if kind in {"delete", "patch"}:
            return self._changed(kind)
        answer = self._passed_on()
        return self._known_bucket(self._with_metageneration(answer) if kind == "read" else self._aged(kind, answer))

    def _begin(self) -> Answer:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        bucket = parts.path.removeprefix(UPLOAD).removesuffix("/o")
        if query["uploadType"] != "resumable":
            raise Refused(400, "only resumable uploads are taken here: others can't be gone on with")
        resource = json.loads(self._body)
        resource.setdefault("contentType", self.headers.get("X-Upload-Content-Type", "application/octet-stream"))
        session = Session(bucket, resource, query.get("ifGenerationMatch"))
        self._require(bucket, resource["name"], session.if_generation)
        upload_id = uuid4().hex
        self.layer.sessions[upload_id] = session
        return 200, {"Location": f"{self.layer.url}{parts.path}?uploadType=resumable&upload_id={upload_id}"}, b""

    def _session(self, kind: str, fault: Fault | None) -> Answer:
        (upload_id,) = parse_qs(urlsplit(self.path).query)["upload_id"]
        session = self.layer.sessions.get(upload_id)
        if session is None:
            raise Refused(404, "no such session")
        if session.finished is not None:
            return 200, {"Content-Type": "application/json"}, session.finished
        if kind == "abort":
            del self.layer.sessions[upload_id]
            return 499, {}, b""
        if session.take(self.layer.rules, self.headers["Content-Range"], self._body):
            return self._finished(session, fault)
        held = session.range()
        return 308, {"Range": held} if held else {}, b""

    def _finished(self, session: Session, fault: Fault | None) -> Answer:
        with self.layer.committing:
            self._require(session.bucket, session.resource["name"], session.if_generation)
            if fault and fault.corrupt:
                session.data[0] ^= 1
            session.check(self.layer.rules, self.headers.get("X-Goog-Hash", ""))
            resource = {key: value for key, value in session.resource.items() if key != "crc32c"}
            mark = uuid4().hex
            head = f"--{mark}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            kind = f"--{mark}\r\ncontent-type: {resource['contentType']}\r\n\r\n"
            whole = head.encode() + kind.encode() + bytes(session.data) + f"\r\n--{mark}--".encode()
            answer = self._ask(
                "POST",
                f"{UPLOAD}{session.bucket}/o?uploadType=multipart",
                {"Content-Type": f'multipart/related; boundary="{mark}"'},
                whole,
            )
        session.finished = answer[2]
        session.data.clear()
        return answer

    def _aged(self, kind: str, answer: Answer) -> Answer:
        status, headers, body = answer
        if kind != "list" or status != 200:
            return answer
        listing = json.loads(body)
        for item in listing.get("items", ()):
            made = datetime.fromisoformat(item["timeCreated"]) - timedelta(
                seconds=self.layer.older.get(item["name"], 0)
            )
            item["timeCreated"] = made.isoformat().replace("+00:00", "Z")
        return status, headers, json.dumps(listing).encode()

    def _changed(self, kind: str) -> Answer:
        """Deletes an object, or patches its metadata: the fake keeps its metageneration at 1."""
        parts = urlsplit(self.path)
        with self.layer.committing:
            bucket, _, name = parts.path.removeprefix(OBJECT).partition("/o/")
            current, query = self._generation(bucket, name), dict(parse_qsl(parts.query))
            patched = self.layer.patches.get(current, 0)
            holds = query.get("ifGenerationMatch") in {None, current} and query.get("ifMetagenerationMatch") in {
                None, str(1 + patched),
            }  # fmt: skip
            if current != "0" and self.layer.rules.preconditions and not holds:
                raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
            answer = self._passed_on()
            if kind == "patch" and answer[0] == 200:
                self.layer.patches[current] = patched + 1
            return self._known_bucket(self._with_metageneration(answer) if kind == "patch" else answer)

    def _with_metageneration(self, answer: Answer) -> Answer:
        status, headers, body = answer
        if status != 200 or "json" not in headers.get("Content-Type", ""):  # a read may be of an object's bytes
            return answer
        resource = json.loads(body)
        resource["metageneration"] = str(1 + self.layer.patches.get(str(resource["generation"]), 0))
        return status, headers, json.dumps(resource).encode()

    def _require(self, bucket: str, name: str, wanted: str | None) -> None:
        if self._ask("GET", f"/storage/v1/b/{bucket}", {}, b"")[0] != 200:
            raise Refused(404, "The specified bucket does not exist.")
        if self.layer.rules.preconditions and wanted not in {None, self._generation(bucket, quote(name, safe=""))}:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _generation(self, bucket: str, quoted: str) -> str:
        status, _, body = self._ask("GET", f"{OBJECT}{bucket}/o/{quoted}", {}, b"")
        return str(json.loads(body)["generation"]) if status == 200 else "0"

    def _known_bucket(self, answer: Answer) -> Answer:
        """The fake says "Not Found" for a bucket and an object alike; Cloud Storage tells them apart."""
        bucket = urlsplit(self.path).path.partition("/b/")[2].partition("/")[0]
        if answer[0] == 404 and self._ask("GET", f"/storage/v1/b/{bucket}", {}, b"")[0] == 404:
            raise Refused(404, "The specified bucket does not exist.")
        return answer

    def _passed_on(self) -> Answer:
        target = self.path
        if "X-Goog-Signature" in target:  # checked here; the fake would look for parameters of its own
            parts = urlsplit(target)
            kept = [(key, value) for key, value in parse_qsl(parts.query) if not key.startswith("X-Goog-")]
            target = f"{parts.path}?{urlencode(kept)}"
        sent = {key: value for key, value in self.headers.items() if key.lower() not in {"host", "authorization"}}
        return self._ask(self.command, target, sent, self._body)

    def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.layer.backend, timeout=30)
        try:
            connection.request(method, target, body or None, headers)
            reply: HTTPResponse = connection.getresponse()
            kept = {key: value for key, value in reply.getheaders() if key.lower() not in _HOP}
            return reply.status, kept, reply.read()
        finally:
            connection.close()

    def _keep_part(self, fault: Fault) -> None:
        if fault.keep is None:
            return
        (upload_id,) = parse_qs(urlsplit(self.path).query)["upload_id"]
        session = self.layer.sessions[upload_id]
        start = int(self.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
        session.data += self._body[len(session.data) - start :][: fault.keep]


def _refusal(refused: Refused) -> Answer:
    return refused.status, {"Content-Type": "application/json"}, refused.body


def _lower(headers: Message) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}
