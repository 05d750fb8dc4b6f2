"""What Cloud Storage documents and fake-gcs-server does not do, each a rule that can be switched off."""

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import uuid4

import google_crc32c
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

WEEK = 7 * 86400


@dataclass
class Rules:
    """All on, as in Cloud Storage."""

    authentication: bool = True
    """calls of the JSON API carry a token"""
    signatures: bool = True
    """links carry a valid V4 signature of the account's key"""
    expiry: bool = True
    """links end"""
    checksums: bool = True
    """a wrong x-goog-hash, or crc32c in the metadata, refuses the object"""
    chunks: bool = True
    """a chunk sent again is kept once; all but the last are multiples of 256 KiB; no gaps"""
    status_queries: bool = True
    """`Content-Range: bytes */N` asks and does not finish"""
    preconditions: bool = True
    """ifGenerationMatch holds when a resumable upload begins and when it ends, and for DELETE"""


class Refused(Exception):
    """An HTTP status with a message, as the JSON API words it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"error": {"code": status, "message": message}}).encode()


@dataclass
class Account:
    """A service account with a key of its own, made for one test run."""

    email: str = "worker@vidferry-test.iam.gserviceaccount.com"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    tokens: set[str] = field(default_factory=set)

    def key_file(self) -> str:
        """JSON as Google hands it out. The made-up universe keeps google-auth from asking Google about the account."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "vidferry-test",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": self.email,
                "token_uri": "http://127.0.0.1:9/token",
                "universe_domain": "vidferry.test",
            }
        )

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def signed(self, message: bytes, signature: bytes) -> bool:
        try:
            self.key.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def new_token(self) -> str:
        token = f"token-{uuid4().hex}"
        self.tokens.add(token)
        return token

    def knows(self, authorization: str) -> bool:
        """A token given out here, or a JWT that the key signed and that has not ended."""
        token = authorization.removeprefix("Bearer ")
        if token in self.tokens:
            return True
        head, _, rest = token.partition(".")
        claims, _, signature = rest.partition(".")
        try:
            valid = self.signed(f"{head}.{claims}".encode(), _unpadded(signature))
        except binascii.Error:
            return False
        return valid and bool(json.loads(_unpadded(claims))["exp"] > time.time())


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_signed_link(
    rules: Rules, account: Account, method: str, target: str, headers: Mapping[str, str], now: datetime
) -> None:
    """Builds the canonical request anew from what arrived (V4 signing process) and checks signature and end."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(query)
    if rules.signatures:
        _check_signature(account, method, parts.path, query, headers)
    if rules.expiry:
        began = datetime.strptime(given["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = int(given["X-Goog-Expires"])
        if lifetime > WEEK:
            raise Refused(400, "Invalid expiration")
        if now >= began + timedelta(seconds=lifetime):
            raise Refused(400, "ExpiredToken")


def _check_signature(
    account: Account, method: str, path: str, query: list[tuple[str, str]], headers: Mapping[str, str]
) -> None:
    given = dict(query)
    needed = {"X-Goog-Credential", "X-Goog-Date", "X-Goog-Expires", "X-Goog-SignedHeaders", "X-Goog-Signature"}
    if given.get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256" or not needed <= given.keys():
        raise Refused(403, "Anonymous caller does not have storage.objects.get access")
    names = given["X-Goog-SignedHeaders"]
    others = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in query if k != "X-Goog-Signature")
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(f"{key}={value}" for key, value in others),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names.split(";")),
            "",
            names,
            "UNSIGNED-PAYLOAD",
        ]
    )
    email, _, scope = given["X-Goog-Credential"].partition("/")
    message = "\n".join(
        ["GOOG4-RSA-SHA256", given["X-Goog-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    if email != account.email or not account.signed(message.encode(), bytes.fromhex(given["X-Goog-Signature"])):
        raise Refused(403, "SignatureDoesNotMatch")


def check_crc32c(rules: Rules, data: bytes, *claims: str | None) -> None:
    """claims: what x-goog-hash or the metadata say, None where they say nothing."""
    actual = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
    if rules.checksums and any(claim not in {None, actual} for claim in claims):
        raise Refused(400, f"Provided CRC32C doesn't match calculated CRC32C {actual!r}.")
