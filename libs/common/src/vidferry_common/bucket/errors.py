"""Why the bucket failed.

BucketError
├── ObjectNotFound         no object of that name (or of that version)
├── PreconditionFailed     the object's version is not the one the caller named; nothing was written
├── StorageDenied          credentials or permissions: trying again does not help
├── StorageUnavailable     the bucket can't be reached, or answers 429 or 5xx; trying again may help
└── LinkRefused            see folder/links: a link to a folder's file that opens nothing
"""


class BucketError(Exception):
    """A failure of the bucket. Its text is for operators' logs, not for callers."""


class ObjectNotFound(BucketError):
    """No object of that name, or not of that version."""


class PreconditionFailed(BucketError):
    """The object's version is another than the one named; nothing was written."""


class StorageDenied(BucketError):
    """Credentials or permissions are missing; trying again does not help."""


class StorageUnavailable(BucketError):
    """The bucket can't be reached, or refuses for now; trying again may help."""


def find_error_kind(error: Exception) -> str:
    """What kind of failure of the bucket it is; empty where the bucket has answered, if only about one object."""
    if isinstance(error, ObjectNotFound | PreconditionFailed):
        return ""
    if isinstance(error, StorageDenied):
        return "denied"
    return "unavailable" if isinstance(error, StorageUnavailable) else "failed"
