"""What every backend requires of an upload before its first byte is sent."""

from collections.abc import Mapping
from dataclasses import replace

from vidferry_common.bucket.disposition import clean_filename
from vidferry_common.bucket.errors import BucketError
from vidferry_common.bucket.interface import NEW, StoredObject, Upload
from vidferry_common.bucket.names import checked_name

METADATA_BYTES = 8 * 1024
"""of UTF-8, keys and values together: Cloud Storage's limit for custom metadata"""


def prepare_upload(what: Upload) -> Upload:
    """The upload with a file name that is safe in a header; BucketError where some backend could not store it."""
    checked_name(what.name)
    if not what.content_type.isascii() or not what.content_type.isprintable() or "/" not in what.content_type:
        raise BucketError(f"not a content type: {what.content_type!r}")
    check_metadata(what.metadata)
    return replace(what, filename=clean_filename(what.filename))


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """The metadata itself; BucketError where it is too long for some backend."""
    used = sum(
        len(key.encode(errors="replace")) + len(value.encode(errors="replace")) for key, value in metadata.items()
    )
    if used > METADATA_BYTES:
        raise BucketError(f"{used} bytes of metadata are more than {METADATA_BYTES}")
    return metadata


def version_of(stored: StoredObject | None) -> str:
    """The object's version; NEW where there is no object."""
    return stored.version if stored else NEW
