"""What an owner's jobs may use, as far as Redis and the workers hold it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits that a job is created under; 0: no limit."""

    jobs_waiting: int = 0
    """of one owner, that have not ended and don't run"""
    jobs_running: int = 0
    """downloads that the owner began, over all workers"""
    bytes_per_day: int = 0
    """that are uploaded for the owner on one day (UTC)"""
    max_duration: int = 0
    """seconds of the video"""
    max_bytes: int = 0
    """of the file"""


def describe_bounds(max_duration: int, max_bytes: int) -> str:
    """What keeps downloads of different bounds apart: the video that one may have fails another. Empty: no bounds."""
    return f"limits {max_duration} {max_bytes}" if max_duration or max_bytes else ""


NO_JOB_LIMITS = JobLimits()


class QuotaExceeded(Exception):
    """An owner has used what a limit allows. The limit is the name of a field of JobLimits, or `events_waiting`: the
    bytes of events that wait for the receivers of the owner's webhooks.
    """

    def __init__(self, limit: str, most: int, retry_after: int) -> None:
        super().__init__(limit)
        self.limit, self.most, self.retry_after = limit, most, retry_after
