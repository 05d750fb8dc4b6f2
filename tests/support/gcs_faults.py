"""The kinds of requests to Cloud Storage, for faults."""

from urllib.parse import urlsplit

OBJECT = "/storage/v1/b/"
UPLOAD = "/upload/storage/v1/b/"
MEDIA = "/download/storage/v1/b/"
SIGN = "/v1/projects/-/serviceAccounts/"
METADATA = "/computeMetadata/v1/"

_KINDS = {MEDIA: "media", SIGN: "sign", METADATA: "token"}


def kind_of(method: str, target: str, content_range: str) -> str:
    """What a request is about.

    begin, chunk, last (a chunk that completes), query, abort; read, delete, list, bucket, media, link; token, sign.
    """
    path = urlsplit(target).path
    if path.startswith(UPLOAD):
        return {"POST": "begin", "DELETE": "abort"}.get(method) or _part(content_range)
    if path.startswith(OBJECT):
        if method != "GET":
            return method.lower()
        return "bucket" if "/o" not in path else "list" if path.endswith("/o") else "read"
    if path == "/":  # how google-auth looks for a metadata server
        return "token"
    return next((kind for prefix, kind in _KINDS.items() if path.startswith(prefix)), "link")


def _part(content_range: str) -> str:
    span, _, total = content_range.partition("/")
    if span.startswith("bytes *"):
        return "last" if total == "0" else "query"
    return "last" if total != "*" and span.partition("-")[2] == str(int(total) - 1) else "chunk"
