"""A checking layer before fake-gcs-server: the same HTTP API, with the documented rules that the fake leaves out.

One loopback server answers as Cloud Storage (JSON API and links), as IAM's signBlob, and as the metadata server that
Workload Identity asks. Sessions are held here, and a finished object goes on to the fake as one upload.
"""

import json
from datetime import UTC, datetime, timedelta
from email.message import Message
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

from support.faults import Call, Fault
from support.gcs_faults import OBJECT, UPLOAD, kind_of
from support.gcs_iam import metadata, sign_blob
from support.gcs_rules import Account, Refused, Rules, check_signed_link
from support.gcs_sessions import Session
from support.layer import LOOPBACK, Answer, Layer, LayerHandler


class GcsLayer(Layer):
    """The server; rules may be changed while it runs, as may what every layer has."""

    def __init__(self, backend: int, account: Account, listen: tuple[str, int] = LOOPBACK, url: str = "") -> None:
        super().__init__(_Handler, backend, listen, url)
        self.account = account
        self.rules = Rules()
        self.sessions: dict[str, Session] = {}
        self.patches: dict[str, int] = {}
        """how often the metadata of a generation was changed"""

    def forget(self) -> None:
        super().forget()
        self.rules = Rules()


class _Handler(LayerHandler):
    server: GcsLayer

    def respond(self) -> None:
        self._body = self.read_body(self.length)
        self.reply(self._answer())

    def _answer(self) -> Answer:
        call = Call(self.command, self.path, kind_of(self.command, self.path, self.headers.get("Content-Range", "")))
        self.server.calls.append(call)
        fault = self.server.faults.take(call)
        if call.kind in {"chunk", "last"}:
            self.server.received += len(self._body)
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

    def _carried_out(self, kind: str, fault: Fault | None) -> Answer:
        if kind == "token":
            return metadata(self.server.account, self.path)
        if kind == "link":
            now = datetime.now(UTC) + timedelta(seconds=self.server.clock_ahead)
            check_signed_link(
                self.server.rules, self.server.account, self.command, self.path, _lower(self.headers), now
            )
            return self._passed_on()
        if self.server.rules.authentication and not self.server.account.knows(self.headers.get("Authorization", "")):
            raise Refused(401, "Invalid Credentials")
        if kind == "sign":
            return sign_blob(self.server.account, self.path, self._body)
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
        self.server.sessions[upload_id] = session
        return 200, {"Location": f"{self.server.url}{parts.path}?uploadType=resumable&upload_id={upload_id}"}, b""

    def _session(self, kind: str, fault: Fault | None) -> Answer:
        (upload_id,) = parse_qs(urlsplit(self.path).query)["upload_id"]
        session = self.server.sessions.get(upload_id)
        if session is None:
            raise Refused(404, "no such session")
        if session.finished is not None:
            return 200, {"Content-Type": "application/json"}, session.finished
        if kind == "abort":
            del self.server.sessions[upload_id]
            return 499, {}, b""
        if session.take(self.server.rules, self.headers["Content-Range"], self._body):
            return self._finished(session, fault)
        held = session.range()
        return 308, {"Range": held} if held else {}, b""

    def _finished(self, session: Session, fault: Fault | None) -> Answer:
        with self.server.committing:
            self._require(session.bucket, session.resource["name"], session.if_generation)
            if fault and fault.corrupt:
                session.data[0] ^= 1
            session.check(self.server.rules, self.headers.get("X-Goog-Hash", ""))
            resource = {key: value for key, value in session.resource.items() if key != "crc32c"}
            mark = uuid4().hex
            head = f"--{mark}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            kind = f"--{mark}\r\ncontent-type: {resource['contentType']}\r\n\r\n"
            whole = head.encode() + kind.encode() + bytes(session.data) + f"\r\n--{mark}--".encode()
            answer = self.ask(
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
                seconds=self.server.older.get(item["name"], 0)
            )
            item["timeCreated"] = made.isoformat().replace("+00:00", "Z")
        return status, headers, json.dumps(listing).encode()

    def _changed(self, kind: str) -> Answer:
        """Deletes an object, or patches its metadata: the fake keeps its metageneration at 1."""
        parts = urlsplit(self.path)
        with self.server.committing:
            bucket, _, name = parts.path.removeprefix(OBJECT).partition("/o/")
            current, query = self._generation(bucket, name), dict(parse_qsl(parts.query))
            patched = self.server.patches.get(current, 0)
            holds = query.get("ifGenerationMatch") in {None, current} and query.get("ifMetagenerationMatch") in {
                None, str(1 + patched),
            }  # fmt: skip
            if current != "0" and self.server.rules.preconditions and not holds:
                raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
            answer = self._passed_on()
            if kind == "patch" and answer[0] == 200:
                self.server.patches[current] = patched + 1
            return self._known_bucket(self._with_metageneration(answer) if kind == "patch" else answer)

    def _with_metageneration(self, answer: Answer) -> Answer:
        status, headers, body = answer
        if status != 200 or "json" not in headers.get("Content-Type", ""):  # a read may be of an object's bytes
            return answer
        resource = json.loads(body)
        resource["metageneration"] = str(1 + self.server.patches.get(str(resource["generation"]), 0))
        return status, headers, json.dumps(resource).encode()

    def _require(self, bucket: str, name: str, wanted: str | None) -> None:
        if self.ask("GET", f"/storage/v1/b/{bucket}", {}, b"")[0] != 200:
            raise Refused(404, "The specified bucket does not exist.")
        if self.server.rules.preconditions and wanted not in {None, self._generation(bucket, quote(name, safe=""))}:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _generation(self, bucket: str, quoted: str) -> str:
        status, _, body = self.ask("GET", f"{OBJECT}{bucket}/o/{quoted}", {}, b"")
        return str(json.loads(body)["generation"]) if status == 200 else "0"

    def _known_bucket(self, answer: Answer) -> Answer:
        """The fake says "Not Found" for a bucket and an object alike; Cloud Storage tells them apart."""
        bucket = urlsplit(self.path).path.partition("/b/")[2].partition("/")[0]
        if answer[0] == 404 and self.ask("GET", f"/storage/v1/b/{bucket}", {}, b"")[0] == 404:
            raise Refused(404, "The specified bucket does not exist.")
        return answer

    def _passed_on(self) -> Answer:
        target = self.path
        if "X-Goog-Signature" in target:  # checked here; the fake would look for parameters of its own
            parts = urlsplit(target)
            kept = [(key, value) for key, value in parse_qsl(parts.query) if not key.startswith("X-Goog-")]
            target = f"{parts.path}?{urlencode(kept)}"
        sent = {key: value for key, value in self.headers.items() if key.lower() not in {"host", "authorization"}}
        return self.ask(self.command, target, sent, self._body)

    def _keep_part(self, fault: Fault) -> None:
        if fault.keep is None:
            return
        (upload_id,) = parse_qs(urlsplit(self.path).query)["upload_id"]
        session = self.server.sessions[upload_id]
        start = int(self.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
        session.data += self._body[len(session.data) - start :][: fault.keep]


def _refusal(refused: Refused) -> Answer:
    return refused.status, {"Content-Type": "application/json"}, refused.body


def _lower(headers: Message) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}
