"""A layer before an S3 server: faults, clocks and temporary keys before any, and S3's rules before one that has none.

It passes on what a strict server is to judge as it came, with the client's own signature. Where a request can't go on
as it is (a temporary key, a condition taken out), the layer judges the signature and writes a new one.
"""

import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from support.faults import Call, Fault
from support.layer import LOOPBACK, Answer, Layer, LayerHandler
from support.s3_faults import kind_of, split_target
from support.s3_rules import (
    CHECKSUM,
    CONDITIONS,
    SUMS,
    TRAILER,
    Refused,
    Rules,
    check_payload,
    check_signature,
    check_sums,
    check_time,
    error_document,
    unchunked,
)
from support.s3_signatures import Claim, claim_of, signed, without_signature
from support.s3_sts import Accounts

_HOP = {"connection", "content-length", "expect"}
_WRITES = {"put", "copy", "complete", "delete"}
_OF_UPLOADS = {"part", "complete", "abort", "parts"}
_CONTENTS = re.compile(r"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(r"<Key>(.*?)</Key>")
_MODIFIED = re.compile(r"<LastModified>(.*?)</LastModified>")
_UPLOAD_ID = re.compile(r"<UploadId>(.*?)</UploadId>")
_NUMBER = re.compile(r"<PartNumber>(\d+)</PartNumber>")


class S3Layer(Layer):
    """The server; rules and faults may be changed while it runs."""

    def __init__(
        self,
        backend: int,
        accounts: Accounts,
        listen: tuple[str, int] = LOOPBACK,
        url: str = "",
        *,
        is_strict: bool,
    ) -> None:
        """is_strict: whether the server behind judges requests itself."""
        super().__init__(_Handler, backend, listen, url)
        self.accounts = accounts
        self.is_strict = is_strict
        self.rules = Rules()
        self.parts: dict[str, dict[int, bytes]] = {}
        """of each upload under way, by its id and their numbers; unused where the server behind is strict"""
        self.sums: dict[str, dict[str, str]] = {}
        """the checksums of objects that were made of parts, by their paths; unused likewise"""

    def forget(self) -> None:
        super().forget()
        self.rules = Rules()


class _Handler(LayerHandler):
    server: S3Layer

    def respond(self) -> None:
        self._headers = lower(dict(self.headers.items()))
        call = Call(self.command, self.path, kind_of(self.command, self.path, self._headers))
        self.server.calls.append(call)
        fault = self.server.faults.take(call) or Fault(lambda _: True)
        began = self.read_body(min(self.length, fault.keep)) if fault.keep is not None else b""
        if fault.cut and not fault.after:
            self._break()
            return
        self._body = began + self.read_body(self.length - len(began))
        if call.kind == "part":
            self.server.received += len(self._body)
        answer = self._answer(call.kind, fault)
        if fault.cut:
            self._break()
        else:
            self.reply(answer)

    def _break(self) -> None:
        """The connection ends as by a network's fault."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _answer(self, kind: str, fault: Fault) -> Answer:
        if fault.gate and not fault.after:
            fault.gate.hold()
        if fault.status and not fault.after:
            return _injected(fault)
        try:
            answer = self._carried_out(kind, fault)
            if fault.twice:
                self._carried_out(kind, fault)
        except Refused as refused:
            return refused.answer()
        if fault.gate and fault.after:
            fault.gate.hold()
        return _injected(fault) if fault.status else answer

    def _carried_out(self, kind: str, fault: Fault) -> Answer:
        if kind == "sts":
            return self.server.accounts.assume_role(self._body)
        target, headers, body = self._judged(kind)
        if fault.corrupt:
            body = bytes([body[0] ^ 1]) + body[1:]
        if self.server.is_strict:
            return self._aged(kind, self.ask(self.command, target, headers, body))
        with self._committing(kind):
            self._check_conditions(kind)
            self._check_upload(kind)
            answer = self.ask(self.command, target, _without_conditions(kind, headers), body)
            self._keep_parts(kind, answer, body)
        return self._aged(kind, self._with_right_sums(answer))

    def _judged(self, kind: str) -> tuple[str, dict[str, str], bytes]:
        """What the server behind is sent; Refused where S3 refuses it, and that server can't or would not."""
        headers = {name: value for name, value in self._headers.items() if name not in _HOP}
        claim, rules = claim_of(self.path, self._headers), self.server.rules
        if claim:
            check_time(claim, datetime.now(UTC) + timedelta(seconds=self.server.clock_ahead))
        kept = _without_conditions(kind, headers)
        if kept != headers and rules.conditions == "refused":
            raise Refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
        is_changed = kept != headers and rules.conditions == "ignored"
        keys = self.server.accounts.find(claim.access) if claim else None
        is_temporary = keys is not None and bool(keys.token)
        if self.server.is_strict and not is_changed and not is_temporary:
            return self.path, headers, self._body
        return self._judged_here(kind, claim, kept if is_changed else headers)

    def _judged_here(
        self, kind: str, claim: Claim | None, headers: dict[str, str]
    ) -> tuple[str, dict[str, str], bytes]:
        if self.server.rules.signatures:
            if claim is None:
                raise Refused(403, "AccessDenied", "Access Denied")
            keys = self.server.accounts.find(claim.access)
            check_signature(keys, claim, self.command, self.path, self._headers)
            check_payload(claim, self._body)
        body = self._body
        if headers.get("x-amz-content-sha256") == TRAILER:
            body, trailers = unchunked(body)
            headers = _without_chunks(headers) | trailers
        if self.server.rules.checksums and kind in {"put", "part"}:
            check_sums([body], headers)
        if kind == "put" and not self.server.is_strict:
            headers |= _named_sum(headers)
        target = without_signature(self.path)
        return target, signed(self.server.accounts.root, self.command, target, headers), body

    @contextmanager
    def _committing(self, kind: str) -> Iterator[None]:
        """One write after another, so that a condition holds until what it is for is done."""
        if kind in _WRITES:
            with self.server.committing:
                yield
        else:
            yield

    def _check_conditions(self, kind: str) -> None:
        if kind not in _WRITES or self.server.rules.conditions == "ignored":
            return
        for name in CONDITIONS & self._headers.keys():
            wanted = self._headers[name].strip('"')
            of_source = name == "x-amz-copy-source-if-match"
            there = self._etag("/" + self._headers["x-amz-copy-source"].lstrip("/") if of_source else self.path)
            if there is None and name != "if-none-match":
                raise Refused(404, "NoSuchKey")
            if (there is not None) if name == "if-none-match" else wanted not in {"*", there}:
                raise Refused(
                    412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
                )

    def _etag(self, target: str) -> str | None:
        path = target.partition("?")[0]
        headers = signed(self.server.accounts.root, "HEAD", path, {"host": self._headers["host"]})
        status, found, _ = self.ask("HEAD", path, headers, b"")
        return lower(found)["etag"].strip('"') if status == 200 else None

    def _check_upload(self, kind: str) -> None:
        """That there is one of that id, and the checksum that is claimed for all parts together."""
        if kind not in _OF_UPLOADS:
            return
        parts = self.server.parts.get(self._upload_id)
        if parts is None:
            raise Refused(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        if kind == "complete" and self.server.rules.checksums and self._headers.get(f"{CHECKSUM}type") == "FULL_OBJECT":
            listed = [int(number) for number in _NUMBER.findall(self._body.decode())]
            check_sums([parts[number] for number in listed if number in parts], self._headers)

    def _keep_parts(self, kind: str, answer: Answer, body: bytes) -> None:
        if answer[0] >= 300:
            return
        if kind == "begin":
            self.server.parts[_UPLOAD_ID.findall(answer[2].decode())[0]] = {}
        elif kind == "part":
            number = int(dict(split_target(self.path)[1])["partNumber"])
            self.server.parts[self._upload_id][number] = body
        elif kind in {"complete", "abort"}:
            del self.server.parts[self._upload_id]
        if kind in _WRITES:
            claimed = {name: value for name, value in self._headers.items() if name.removeprefix(CHECKSUM) in SUMS}
            self.server.sums[split_target(self.path)[0]] = claimed if kind == "complete" else {}

    def _with_right_sums(self, answer: Answer) -> Answer:
        """The wheel's server tells wrong ones of parts, and no type where an object was put whole."""
        status, headers, body = answer
        told = {name for name in lower(headers) if name.removeprefix(CHECKSUM) in SUMS}
        if not told:
            return answer
        kept = {name: value for name, value in headers.items() if name.lower() not in told}
        right = {name: value for name, value in lower(headers).items() if name in told}
        right |= self.server.sums.get(split_target(self.path)[0], {})
        return status, {f"{CHECKSUM}type": "FULL_OBJECT", **kept, **right}, body

    @property
    def _upload_id(self) -> str:
        return dict(split_target(self.path)[1])["uploadId"]

    def _aged(self, kind: str, answer: Answer) -> Answer:
        """With the times of objects that are said to be older."""
        status, headers, body = answer
        older = self.server.older
        if not older or status >= 300:
            return answer
        if kind == "list":
            return status, headers, _CONTENTS.sub(lambda found: _aged_entry(found[0], older), body.decode()).encode()
        name = unquote(split_target(self.path)[0]).lstrip("/").partition("/")[2]
        aged = {
            key: format_datetime(parsedate_to_datetime(value) - timedelta(seconds=older.get(name, 0)), usegmt=True)
            for key, value in headers.items()
            if key.lower() == "last-modified"
        }
        return status, headers | aged, body


def _injected(fault: Fault) -> Answer:
    body = error_document(fault.code or "InternalError", "injected")
    return 200 if fault.inside else fault.status or 500, {"Content-Type": "application/xml"}, body


def _without_conditions(kind: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if kind not in _WRITES or name not in CONDITIONS}


def _without_chunks(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name not in {"x-amz-trailer", "x-amz-decoded-content-length"}
        and (name, value) != ("content-encoding", "aws-chunked")
    }


def _named_sum(headers: Mapping[str, str]) -> dict[str, str]:
    """The header without which the wheel's server keeps no checksum."""
    named = [name.removeprefix(CHECKSUM).upper() for name in headers if name.removeprefix(CHECKSUM) in SUMS]
    return {"x-amz-sdk-checksum-algorithm": named[0]} if named else {}


def _aged_entry(entry: str, older: Mapping[str, float]) -> str:
    name = unquote(unescape(_KEY.findall(entry)[0]))
    (told,) = _MODIFIED.findall(entry)
    made = datetime.fromisoformat(told) - timedelta(seconds=older.get(name, 0))
    return entry.replace(told, made.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
