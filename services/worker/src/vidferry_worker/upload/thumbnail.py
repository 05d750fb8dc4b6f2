"""A video's picture, kept beside its object: pages show it from there, never from the site."""

import contextlib
import logging
from pathlib import Path

from vidferry_common.bucket import NEW, Bucket, BucketError, PreconditionFailed, Upload
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.children.work_dir import open_regular

logger = logging.getLogger(__name__)

_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
MAX_BYTES = 5 * 1024**2


async def keep_thumbnail(bucket: Bucket, folder: Path, file: str, name: str) -> bool:
    """Uploads a child's picture as the object name; False where it is none or can't be kept: the video is as good."""
    try:
        source, size = open_regular(folder, file)
        with source:
            kind = picture_type(source.read(16))
            if kind is None or size > MAX_BYTES:
                return False
            source.seek(0)
            known = await bucket.stat(name)
            what = Upload(name, kind, if_generation=known.generation if known else NEW)
            with contextlib.suppress(PreconditionFailed):  # another download of the video was quicker
                await bucket.upload(what, source, size, lambda _: None)
    except (BucketError, JobFailure, OSError) as error:
        logger.info("thumbnail not stored", extra={"object": name, "error": str(error)})
        return False
    return True


def picture_type(head: bytes) -> str | None:
    """The media type of a picture by its first bytes, None where it is none that browsers show."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES if head.startswith(magic)), None)
