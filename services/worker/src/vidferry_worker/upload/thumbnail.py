"""The thumbnail of a video, stored beside its object: web pages show it from there, never from the site."""

import contextlib
import logging
from pathlib import Path

from vidferry_common.bucket import NEW, Bucket, BucketError, PreconditionFailed, Upload
from vidferry_common.contract import thumbnails
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.children.work_dir import open_regular

logger = logging.getLogger(__name__)


async def upload_thumbnail(bucket: Bucket, folder: Path, file: str, name: str) -> bool:
    """Uploads a child's thumbnail as the object of that name. Whether it worked: a video does not fail without one."""
    try:
        source, size = open_regular(folder, file)
        with source:
            media_type = thumbnails.media_type_of(source.read(thumbnails.HEAD_BYTES))
            if media_type is None or size > thumbnails.MAX_BYTES:
                return False
            source.seek(0)
            existing = await bucket.stat(name)
            upload = Upload(name, media_type, if_version=existing.version if existing else NEW)
            with contextlib.suppress(PreconditionFailed):  # another download of the video was quicker
                await bucket.upload(upload, source, size, lambda _: None)
    except (BucketError, JobFailure, OSError) as error:
        logger.info("thumbnail not stored", extra={"object": name, "error": str(error)})
        return False
    return True
