"""The kinds of jobs."""

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does."""

    DOWNLOAD = "download"
    """fetches one video into the bucket"""
    BATCH = "batch"
    """makes download jobs, its children, of a list of URLs or of a playlist"""
    PROBE = "probe"
    """looks at a URL and fetches nothing"""
