"""The kinds of requests to S3, for faults, and the errors that S3 documents for them."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

SLOW_DOWN = {"status": 503, "code": "SlowDown"}
UNAVAILABLE = {"status": 503, "code": "ServiceUnavailable"}
INTERNAL = {"status": 500, "code": "InternalError"}
TIMED_OUT = {"status": 400, "code": "RequestTimeout"}
EXPIRED = {"status": 400, "code": "ExpiredToken"}
SKEWED = {"status": 403, "code": "RequestTimeTooSkewed"}
DENIED = {"status": 403, "code": "AccessDenied"}
NO_UPLOAD = {"status": 404, "code": "NoSuchUpload"}
CONFLICT = {"status": 409, "code": "ConditionalRequestConflict"}
NOT_IMPLEMENTED = {"status": 501, "code": "NotImplemented"}

_PARTS = {"PUT": "part", "POST": "complete", "DELETE": "abort", "GET": "parts"}


def kind_of(method: str, target: str, headers: Mapping[str, str]) -> str:
    """What a request is about; headers by names in lower case.

    begin, part, complete, abort, parts (which there are); put, copy, head, get, delete, link; list, uploads, bucket;
    sts.
    """
    path, query = split_target(target)
    named = dict(query)
    if "X-Amz-Signature" in named:
        return "link"
    if "uploadId" in named:
        return _PARTS[method]
    if "uploads" in named:
        return "begin" if method == "POST" else "uploads"
    if path == "/":
        return "sts"
    if not path.strip("/").partition("/")[2]:
        return "list" if "list-type" in named else "delete" if "delete" in named else "bucket"
    return "copy" if "x-amz-copy-source" in headers else method.lower()


def split_target(target: str) -> tuple[str, list[tuple[str, str]]]:
    """The path, and the parameters as they mean."""
    parts = urlsplit(target)
    return parts.path, parse_qsl(parts.query, keep_blank_values=True)
