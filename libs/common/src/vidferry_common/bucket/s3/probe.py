"""Finds out which conditional requests a store keeps, with an object of its own that nobody else knows.

A store that knows no condition may say so (501), or do as if there were none. Then Vidferry's own look at the object
before each write is all that keeps two writers apart.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from vidferry_common.bucket.errors import BucketError, PreconditionFailed, StorageDenied, StorageUnavailable
from vidferry_common.bucket.s3.errors import NotImplementedByStore
from vidferry_common.bucket.s3.requests import Requests

CREATE = "PutObject If-None-Match"
REPLACE = "PutObject If-Match"
COMPLETE = "CompleteMultipartUpload If-None-Match"
DELETE = "DeleteObject If-Match"
_WRONG = '"00000000000000000000000000000000"'
_log = logging.getLogger(__name__)


def find_missing_conditions(requests: Requests, options: Mapping[str, Any]) -> list[str]:
    """The conditional requests that the store does not keep. Raises BucketErrors where objects can't be written."""
    name = f"vidferry-check-{uuid4().hex}"
    kept: list[str] = []

    def put(**conditions: str) -> Any:
        return requests.once("put_object", name, Body=b"check", **options, **conditions)

    try:
        put(IfNoneMatch="*")
    except NotImplementedByStore:
        put()
    try:
        kept += [CREATE] if _is_kept(lambda: put(IfNoneMatch="*")) else []
        kept += [REPLACE] if _is_kept(lambda: put(IfMatch=_WRONG)) else []
        kept += [COMPLETE] if _is_kept(lambda: _complete(requests, name, options)) else []
        kept += [DELETE] if _is_kept(lambda: requests.once("delete_object", name, IfMatch=_WRONG)) else []
    finally:
        with suppress(BucketError):
            requests.once("delete_object", name)
    return [each for each in (CREATE, REPLACE, COMPLETE, DELETE) if each not in kept]


def _is_kept(call: Callable[[], Any]) -> bool:
    """Whether the store refuses what it must not do."""
    try:
        call()
    except PreconditionFailed:
        return True
    except (StorageDenied, StorageUnavailable):
        raise
    except BucketError as error:
        _log.debug("a condition was refused", extra={"error": str(error)})
    return False


def _complete(requests: Requests, name: str, options: Mapping[str, Any]) -> None:
    number = requests.once("create_multipart_upload", name, **options)["UploadId"]
    try:
        part = requests.once("upload_part", name, UploadId=number, PartNumber=1, Body=b"check")
        requests.once(
            "complete_multipart_upload", name, UploadId=number, IfNoneMatch="*",
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )  # fmt: skip
    finally:
        with suppress(BucketError):
            requests.once("abort_multipart_upload", name, UploadId=number)
