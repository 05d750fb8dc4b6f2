"""Whether the bucket answers, as the calls to it find."""

import logging

from vidferry_common.bucket.interface import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)

_log = logging.getLogger(__name__)


class Health:
    """What the last call found. For all threads: one reference is read and replaced."""

    def __init__(self) -> None:
        self.error: BucketError | None = None
        """why the last call failed; None where the bucket answered it"""

    @property
    def refuses(self) -> bool:
        """Whether it can be reached, and may not be used."""
        return isinstance(self.error, StorageDenied)

    def answered(self) -> None:
        """Takes note of a call that came through, whatever its answer said of one object."""
        if self.error is not None:
            self.error = None
            _log.warning("the bucket answers again")

    def failed(self, error: Exception) -> None:
        """Takes note of why a call failed."""
        if isinstance(error, ObjectNotFound | PreconditionFailed):
            self.answered()
        if not isinstance(error, StorageUnavailable | StorageDenied):
            return  # about a file of ours, or a call that was cancelled
        is_news = type(error) is not type(self.error)
        self.error = error
        if is_news:
            says = "the bucket refuses" if self.refuses else "the bucket can't be reached"
            _log.warning(says, extra={"error": str(error)})
