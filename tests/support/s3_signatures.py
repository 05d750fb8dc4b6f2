"""Signature Version 4, written from its documentation and not from a client's library, which it checks.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from support.s3_faults import split_target

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STAMP = "%Y%m%dT%H%M%SZ"
REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    """An access key; with a token where it is temporary."""

    access: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Claim:
    """What a request says of its own signature."""

    access: str
    scope: str
    """date/region/service/aws4_request"""
    stamp: str
    names: str
    """the headers that are signed, with semicolons"""
    payload: str
    """the hash of the body, or a word in its place"""
    signature: str
    token: str = ""
    lifetime: int | None = None
    """seconds, of a link"""

    @property
    def made(self) -> datetime:
        return datetime.strptime(self.stamp, STAMP).replace(tzinfo=UTC)


def claim_of(target: str, headers: Mapping[str, str]) -> Claim | None:
    """None where the request is not signed. Headers by names in lower case."""
    query = dict(split_target(target)[1])
    if "X-Amz-Signature" in query:
        access, _, scope = query["X-Amz-Credential"].partition("/")
        return Claim(
            access, scope, query["X-Amz-Date"], query["X-Amz-SignedHeaders"], UNSIGNED, query["X-Amz-Signature"],
            query.get("X-Amz-Security-Token", ""), int(query["X-Amz-Expires"]),
        )  # fmt: skip
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    if algorithm != ALGORITHM:
        return None
    said = dict(each.strip().split("=", 1) for each in rest.split(","))
    access, _, scope = said["Credential"].partition("/")
    return Claim(
        access, scope, headers.get("x-amz-date", ""), said["SignedHeaders"],
        headers.get("x-amz-content-sha256", ""), said["Signature"], headers.get("x-amz-security-token", ""),
    )  # fmt: skip


def signature(secret: str, method: str, target: str, headers: Mapping[str, str], claim: Claim) -> str:
    """As it must be for what the claim says."""
    path, query = split_target(target)
    pairs = sorted((quote(key, safe="~"), quote(value, safe="~")) for key, value in query if key != "X-Amz-Signature")
    lines = [
        method,
        path,
        "&".join(f"{key}={value}" for key, value in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in claim.names.split(";")),
        "",
        claim.names,
        claim.payload,
    ]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in claim.scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{hashed}".encode(), "sha256").hex()


def signed(keys: Keys, method: str, target: str, headers: Mapping[str, str], payload: str = UNSIGNED) -> dict[str, str]:
    """The headers, which name the host, with a signature of those keys and without any other."""
    stamp = datetime.now(UTC).strftime(STAMP)
    dropped = {"authorization", "x-amz-security-token"}
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in dropped}
    kept |= {"x-amz-date": stamp, "x-amz-content-sha256": payload}
    if keys.token:
        kept["x-amz-security-token"] = keys.token
    names = ";".join(sorted(name for name in kept if name == "host" or name.startswith("x-amz-")))
    claim = Claim(keys.access, f"{stamp[:8]}/{REGION}/s3/aws4_request", stamp, names, payload, "")
    value = signature(keys.secret, method, target, kept, claim)
    credential = f"Credential={keys.access}/{claim.scope}"
    return {**kept, "authorization": f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={value}"}


def without_signature(target: str) -> str:
    """The target of a link, for who signs it by headers."""
    path, query = split_target(target)
    if not any(name == "X-Amz-Signature" for name, _ in query):
        return target
    kept = [(name, value) for name, value in query if not name.startswith("X-Amz-")]
    return f"{path}?{urlencode(kept, quote_via=quote)}" if kept else path


def link(keys: Keys, host: str, path: str, lifetime: int, **query: str) -> str:
    """A signed target, made without a client's library."""
    stamp = datetime.now(UTC).strftime(STAMP)
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    said = {
        "X-Amz-Algorithm": ALGORITHM, "X-Amz-Credential": f"{keys.access}/{scope}", "X-Amz-Date": stamp,
        "X-Amz-Expires": str(lifetime), "X-Amz-SignedHeaders": "host", **query,
    }  # fmt: skip
    target = f"{path}?{urlencode(said, quote_via=quote)}"
    claim = Claim(keys.access, scope, stamp, "host", UNSIGNED, "", lifetime=lifetime)
    return f"{target}&X-Amz-Signature={signature(keys.secret, 'GET', target, {'host': host}, claim)}"
