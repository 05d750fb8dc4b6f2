"""The kinds of jobs."""

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does."""

    DOWNLOAD = "download"
