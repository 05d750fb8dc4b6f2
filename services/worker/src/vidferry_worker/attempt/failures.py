"""Which error code an exception of an attempt stands for."""

import errno

from vidferry_common.bucket import BucketError, StorageDenied
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.child import ChildEnded


def find_error_code(error: BucketError | ChildEnded | OSError) -> ErrorCode:
    if isinstance(error, StorageDenied):
        return ErrorCode.STORAGE_DENIED
    if isinstance(error, BucketError):
        return ErrorCode.STORAGE_UNAVAILABLE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ErrorCode.DISK_FULL
    return ErrorCode.INTERNAL


def may_be_out_of_memory(error: ChildEnded | JobFailure) -> bool:
    """Whether it may be the kernel that killed the child, or ffmpeg: then the child can't say why it failed."""
    return isinstance(error, ChildEnded) or error.code is ErrorCode.CONVERSION_FAILED
