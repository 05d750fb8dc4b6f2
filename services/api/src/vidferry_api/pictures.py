"""Sends the thumbnails that Vidferry stores beside videos."""

import logging

from starlette.requests import Request
from starlette.responses import Response

from vidferry_api.http.conditional import is_not_modified, not_modified_response
from vidferry_api.http.content_policy import SANDBOXED
from vidferry_common.bucket import Bucket, BucketError, ObjectNotFound, StorageDenied, StorageUnavailable, StoredObject
from vidferry_common.contract import thumbnails

logger = logging.getLogger(__name__)


async def read_picture(bucket: Bucket, name: str) -> tuple[StoredObject, bytes] | None:
    """The stored object and its bytes; None if it is gone, too large to serve from memory, or not an image."""
    try:
        stored, content = await bucket.read(name, thumbnails.MAX_BYTES)
    except (StorageDenied, StorageUnavailable):
        raise
    except ObjectNotFound:
        return None
    except BucketError as error:
        logger.warning("can't serve a thumbnail", extra={"error": str(error)})
        return None
    return (stored, content) if stored.content_type in thumbnails.MEDIA_TYPES else None


def picture_response(request: Request, stored: StoredObject, content: bytes) -> Response:
    """The picture; 304 if the client has it."""
    headers = {
        "ETag": f'"{stored.version}"',
        "Cache-Control": "private, max-age=86400",
        "Content-Security-Policy": SANDBOXED,
    }
    if is_not_modified(request, headers["ETag"]):
        return not_modified_response(headers)
    return Response(content, media_type=stored.content_type, headers=headers)
