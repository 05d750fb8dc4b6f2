"""The thumbnail of a video, stored beside its object: web pages show it from there, never from the site."""

import contextlib
import logging
from pathlib import Path

from vidferry_common.bucket import NEW, Bucket, BucketError, PreconditionFailed, Upload
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.children.work_dir import open_regular

logger = logging.getLogger(__name__)

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
MAX_BYTES = 5 * 1024**2


async def upload_thumbnail(bucket: Bucket, folder: Path, file: str, name: str) -> bool:
    """Uploads a child's thumbnail as the object of that name. Whether it worked: a video does not fail without one."""
    try:
        source, size = open_regular(folder, file)
        with source:
            media_type = detect_image_type(source.read(16))
            if media_type is None or size > MAX_BYTES:
                return False
            source.seek(0)
            existing = await bucket.stat(name)
            upload = Upload(name, media_type, if_generation=existing.generation if existing else NEW)
            with contextlib.suppress(PreconditionFailed):  # another download of the video was quicker
                await bucket.upload(upload, source, size, lambda _: None)
    except (BucketError, JobFailure, OSError) as error:
        logger.info("a thumbnail is not kept", extra={"object": name, "error": str(error)})
        return False
    return True


def detect_image_type(head: bytes) -> str | None:
    """The media type of an image by its first bytes, None where browsers can't show it."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _SIGNATURES if head.startswith(magic)), None)
