"""What S3 documents and the wheel's server does not check. A strict server checks it itself."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from xml.sax.saxutils import escape

import google_crc32c

from support.layer import Answer
from support.s3_signatures import UNSIGNED, Claim, Keys, signature

WEEK = 7 * 86400
SKEW = 15 * 60
"""seconds that a request may be off the service's clock"""
CHECKSUM = "x-amz-checksum-"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CONDITIONS = {"if-match", "if-none-match", "x-amz-copy-source-if-match"}
"""headers of writes"""

SUMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: google_crc32c.value(data).to_bytes(4, "big"),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


@dataclass
class Rules:
    """As in S3."""

    signatures: bool = True
    """requests and links carry a valid signature of a key that is known"""
    checksums: bool = True
    """a body, and a whole that parts make, have the checksum that is claimed for them"""
    conditions: Literal["kept", "ignored", "refused"] = "kept"
    """those of writes; stores exist that ignore them, and such that answer 501"""


class Refused(Exception):
    """An HTTP status with S3's name of the error."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self._code, self._message = code, message or code

    def answer(self) -> Answer:
        return self.status, {"Content-Type": "application/xml"}, error_document(self._code, self._message)


def error_document(code: str, message: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message><RequestId>test</RequestId></Error>"
    ).encode()


def check_time(claim: Claim, now: datetime) -> None:
    """That a link has not ended, and that a client's clock is near this one."""
    age = (now - claim.made).total_seconds()
    if claim.lifetime is None and abs(age) > SKEW:
        raise Refused(403, "RequestTimeTooSkewed", "The difference between the two clocks is too large.")
    if claim.lifetime is not None and claim.lifetime > WEEK:
        raise Refused(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds)")
    if claim.lifetime is not None and age >= claim.lifetime:
        raise Refused(403, "AccessDenied", "Request has expired")


def check_signature(keys: Keys | None, claim: Claim, method: str, target: str, headers: Mapping[str, str]) -> None:
    """keys: those of the access key that is named."""
    if keys is None:
        raise Refused(403, "InvalidAccessKeyId")
    if claim.token != keys.token:
        raise Refused(400, "InvalidToken")
    names = claim.names.split(";")
    unsigned = {name for name in headers if name.startswith("x-amz-")} - set(names) if claim.lifetime is None else set()
    right = signature(keys.secret, method, target, headers, claim)
    if "host" not in names or unsigned or right != claim.signature:
        raise Refused(403, "SignatureDoesNotMatch")


def check_payload(claim: Claim, body: bytes) -> None:
    if claim.payload not in {UNSIGNED, TRAILER} and claim.payload != hashlib.sha256(body).hexdigest():
        raise Refused(400, "XAmzContentSHA256Mismatch")


def check_sums(pieces: Iterable[bytes], headers: Mapping[str, str]) -> None:
    """That the pieces together have each checksum that the headers claim."""
    claims = {name: headers[CHECKSUM + name] for name in SUMS if CHECKSUM + name in headers}
    if not claims:
        return
    whole = b"".join(pieces)
    for name, claimed in claims.items():
        try:
            is_right = base64.b64decode(claimed, validate=True) == SUMS[name](whole)
        except binascii.Error:
            is_right = False
        if not is_right:
            raise Refused(400, "BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")


def unchunked(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The bytes within aws-chunked ones, and the trailers behind them."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        at = end + 2
        if not size:
            return b"".join(pieces), dict(_trailers(body[at:]))
        pieces.append(body[at : at + size])
        at += size + 2


def _trailers(rest: bytes) -> Iterator[tuple[str, str]]:
    for line in rest.decode().splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.lower(), value.strip()
