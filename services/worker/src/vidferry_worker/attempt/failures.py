"""Which failure an exception of an attempt stands for."""

import errno

from vidferry_common.bucket import BucketError, StorageDenied
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.child import ChildEnded

MAX_DETAIL = 1000
"""characters: a bucket answers errors with whole documents"""


def _find_code(error: Exception) -> ErrorCode | None:
    if isinstance(error, StorageDenied):
        return ErrorCode.STORAGE_DENIED
    if isinstance(error, BucketError):
        return ErrorCode.STORAGE_UNAVAILABLE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ErrorCode.DISK_FULL
    if isinstance(error, TimeoutError):
        return ErrorCode.TIMED_OUT
    return ErrorCode.INTERNAL if isinstance(error, ChildEnded) else None


def find_failure(error: Exception) -> JobFailure | None:
    """The failure, with what the log tells of it; None where the error is a fault of Vidferry's own."""
    if isinstance(error, JobFailure):
        return error
    code = _find_code(error)
    return JobFailure(code, f"{type(error).__name__}: {error}".rstrip(": ")[:MAX_DETAIL]) if code else None


def may_be_out_of_memory(error: ChildEnded | JobFailure) -> bool:
    """Whether it may be the kernel that killed the child, or ffmpeg: then the child can't say why it failed."""
    return isinstance(error, ChildEnded) or error.code is ErrorCode.CONVERSION_FAILED
