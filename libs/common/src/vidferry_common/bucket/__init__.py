"""The bucket: one interface, three backends. open_bucket makes the one that the settings name."""

from vidferry_common.bucket.disposition import content_disposition
from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)
from vidferry_common.bucket.folder import FolderBucket, OpenedObject
from vidferry_common.bucket.folder.links import LinkExpired, LinkInvalid, LinkRefused
from vidferry_common.bucket.growing_file import GrowingFile
from vidferry_common.bucket.interface import EXPIRES_AT, NEW, Bucket, ListedObject, SignedLink, StoredObject, Upload
from vidferry_common.bucket.settings import BucketSettings, FolderLocation, S3Location

__all__ = [
    "EXPIRES_AT",
    "NEW",
    "Bucket",
    "BucketError",
    "BucketSettings",
    "FolderBucket",
    "GrowingFile",
    "LinkExpired",
    "LinkInvalid",
    "LinkRefused",
    "ListedObject",
    "ObjectNotFound",
    "OpenedObject",
    "PreconditionFailed",
    "SignedLink",
    "StorageDenied",
    "StorageUnavailable",
    "StoredObject",
    "Upload",
    "content_disposition",
    "open_bucket",
]


def open_bucket(settings: BucketSettings) -> Bucket:
    """The bucket that the settings name. A folder is made where it is missing; a store is asked at first use.

    Raises StorageDenied or StorageUnavailable where the folder can't be used. The caller closes the bucket.
    """
    location = settings.location
    if isinstance(location, FolderLocation):
        return FolderBucket(location.path, settings.signing_key)
    if isinstance(location, S3Location):
        from vidferry_common.bucket.s3 import S3Bucket  # noqa: PLC0415 - as below

        return S3Bucket(location, settings)
    from vidferry_common.bucket.gcs import GcsBucket  # noqa: PLC0415 - half a second and 30 MB that a folder never needs

    return GcsBucket(location, settings)
