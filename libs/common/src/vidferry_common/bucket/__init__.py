"""The bucket: one interface, two homes. open_bucket makes the one that the settings name."""

from vidferry_common.bucket.disposition import content_disposition
from vidferry_common.bucket.folder import FolderBucket, OpenedObject
from vidferry_common.bucket.growth import Growth
from vidferry_common.bucket.interface import (
    NEW,
    Bucket,
    BucketError,
    ListedObject,
    ObjectNotFound,
    PreconditionFailed,
    SignedLink,
    StorageDenied,
    StorageUnavailable,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.links import LinkExpired, LinkInvalid, LinkRefused
from vidferry_common.bucket.settings import BucketSettings, FolderAddress

__all__ = [
    "NEW",
    "Bucket",
    "BucketError",
    "BucketSettings",
    "FolderBucket",
    "Growth",
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
    """The bucket named by the settings. A folder is made where it is missing; Cloud Storage is asked at first use.

    Raises StorageDenied or StorageUnavailable where the folder can't be used. Close it in the end.
    """
    address = settings.address
    if isinstance(address, FolderAddress):
        return FolderBucket(address.path, settings.signing_key)
    from vidferry_common.bucket.gcs import GcsBucket  # noqa: PLC0415 - half a second and 30 MB that a folder never needs

    return GcsBucket(address, settings)
