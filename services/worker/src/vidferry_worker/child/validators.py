"""Reads the validators of a response (ETag, Last-Modified, length), and digests URLs without their signatures."""

import hashlib
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

MAX_VALIDATOR = 200
"""characters of a validator"""
# Query parameters with which storage services and CDNs sign a URL for a while, by their documentation: Amazon S3 and
# Google Cloud Storage (X-…), CloudFront, Akamai. The rest of the URL names the file.
SIGNATURES = frozenset({"expires", "signature", "key-pair-id", "policy", "hdnts", "hdnea", "hdntl"})
SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")

Validators = dict[str, str]
"""a digest of the URL as `url`, and the validators of its response"""


def read_validators(url: str, headers: Any) -> Validators:
    """The validators of a response. A weak ETag counts like a strong one, as for a cache (RFC 9110 §13.1.2)."""
    validators = {
        "etag": _read_header(headers, "ETag").removeprefix("W/"),
        "last-modified": "" if _has_just_changed(headers) else _read_header(headers, "Last-Modified"),
        "content-length": _read_header(headers, "Content-Range").rpartition("/")[2].strip("*")
        or _read_header(headers, "Content-Length"),
    }
    return {"url": digest_lines([without_signature(url)])} | {name: text for name, text in validators.items() if text}


def has_validator(validators: Validators) -> bool:
    """Whether there is more than a length, which is not a validator."""
    return bool(validators.keys() & {"etag", "last-modified"})


def without_signature(url: str) -> str:
    """The URL without its fragment and without the signature of a storage service."""
    if "?" not in url and "#" not in url:
        return url
    split = urlsplit(url)
    pairs = parse_qsl(split.query, keep_blank_values=True)
    kept = [pair for pair in pairs if not _is_signature(pair[0].lower())]
    query = urlencode(kept) if len(kept) < len(pairs) else split.query
    return split._replace(query=query, fragment="").geturl()


def digest_lines(lines: Iterable[str]) -> str:
    """A digest of 40 hexadecimal digits."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:40]


def _read_header(headers: Any, name: str) -> str:
    return str(headers.get(name) or "")[:MAX_VALIDATOR].encode(errors="replace").decode()


def _is_signature(name: str) -> bool:
    return name in SIGNATURES or name.startswith(SIGNATURE_PREFIXES)


def _has_just_changed(headers: Any) -> bool:
    """Whether the file may have changed again within the second of Last-Modified (RFC 9110 §8.8.2.2)."""
    try:
        date, modified = (parsedate_to_datetime(_read_header(headers, name)) for name in ("Date", "Last-Modified"))
        age = date - modified
    except (TypeError, ValueError):  # one is missing or invalid
        return False
    return age.total_seconds() < 1
