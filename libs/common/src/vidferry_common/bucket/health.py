"""Whether the bucket answers, as the calls to it find."""

import logging

from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)

_log = logging.getLogger(__name__)


class Health:
    """The outcome of the last call to the bucket. Any thread may use it: one reference is read and replaced."""

    def __init__(self) -> None:
        self.error: BucketError | None = None
        """why the last call failed; None where the bucket answered it"""

    @property
    def refuses(self) -> bool:
        """Whether the bucket can be reached, but refuses our credentials or permissions."""
        return isinstance(self.error, StorageDenied)

    def record_answer(self) -> None:
        """The bucket answered a call, whatever the answer said of one object."""
        if self.error is not None:
            self.error = None
            _log.warning("the bucket answers again")

    def record_error(self, error: Exception) -> None:
        """A call failed with that error."""
        if isinstance(error, ObjectNotFound | PreconditionFailed):
            self.record_answer()
        if not isinstance(error, StorageUnavailable | StorageDenied):
            return  # about a file of ours, or a call that was cancelled
        is_news = type(error) is not type(self.error)
        self.error = error
        if is_news and self.refuses:
            _log.error("the bucket refuses", extra={"error": str(error)})
        elif is_news:
            _log.warning("the bucket can't be reached", extra={"error": str(error)})
