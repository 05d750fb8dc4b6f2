"""What a watcher sees of a job, step by step, and the share of the bar that each step stands for."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """The status of a job; the last three are terminal."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


class Stage(StrEnum):
    """What a job is doing now."""

    QUEUED = "queued"
    STARTED = "started"
    INFO = "info"
    DOWNLOADING = "downloading"
    MERGING = "merging"
    DOWNLOADED = "downloaded"
    UPLOADING = "uploading"
    FILENAME = "filename"
    LINK = "link"
    METADATA = "metadata"
    RESPONSE = "response"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """A change of stage: always sent, in order, and kept in the job's history."""

    stage: Stage
    progress: float
    """per cent of the whole job"""
    message: str


STARTED = Step(Stage.STARTED, 5, "Processing started")
INFO = Step(Stage.INFO, 10, "Video info fetched")

DOWNLOAD_STARTED = Step(Stage.DOWNLOADING, 20, "Download started")
DOWNLOAD_QUARTERS = tuple(Step(Stage.DOWNLOADING, progress, "Downloading video") for progress in (35, 50, 65, 80))
"""at 25, 50, 75 and 100 % of all bytes of all streams"""
MERGING = Step(Stage.MERGING, 85, "Merging video and audio")
DOWNLOADED = Step(Stage.DOWNLOADED, 90, "Download complete")
UPLOADING = Step(Stage.UPLOADING, 92, "Uploading to cloud storage")
UPLOADED = Step(Stage.UPLOADING, 98, "Upload complete")
DONE = Step(Stage.DONE, 100, "Done")

NEW_VIDEO = (STARTED, INFO, DOWNLOAD_STARTED, *DOWNLOAD_QUARTERS, MERGING, DOWNLOADED, UPLOADING, UPLOADED, DONE)
STORED_VIDEO = (
    STARTED,
    INFO,
    Step(Stage.FILENAME, 30, "Extracting filename"),
    Step(Stage.LINK, 50, "Generating signed link"),
    Step(Stage.METADATA, 70, "Retrieving metadata"),
    Step(Stage.RESPONSE, 90, "Preparing response"),
    DONE,
)

_DOWNLOAD_SPAN = DOWNLOAD_QUARTERS[-1].progress - DOWNLOAD_STARTED.progress


def download_progress(fraction: float) -> float:
    """Per cent of the whole job, at that fraction (0 to 1) of the download."""
    return DOWNLOAD_STARTED.progress + _DOWNLOAD_SPAN * fraction


def count_quarters(fraction: float) -> int:
    """How many of DOWNLOAD_QUARTERS are reached, at that fraction (0 to 1) of the download."""
    return int(fraction * len(DOWNLOAD_QUARTERS))


TRIED_AGAIN = "Vidferry will try again automatically."
"""follows the sentence that tells why a download waits for its next attempt"""
GOES_ON = " This download goes on after "
"""stands between the sentence that tells why a site pauses, and the time"""
RELEASED_TO = " This download waits for a worker again."
"""follows the sentence that tells why a site's pause is over"""
LOOKS_FOR_NEWER = "This service doesn't understand what the site sent, and looks for a newer yt-dlp."
"""why a download waits longer than usual for its next attempt"""
WORKER_GONE = "The previous worker stopped."


def first_step(attempt: int, waited: str) -> Step:
    """The first step of an attempt. From the second attempt on, its message says that it begins anew, and why.

    waited: the message that watchers saw while the download waited.
    """
    if attempt <= 1:
        return STARTED
    reason = WORKER_GONE
    for end in (TRIED_AGAIN, GOES_ON, RELEASED_TO):
        sentence, tail, _ = waited.partition(end)
        if tail:
            reason = sentence.strip()
    return replace(STARTED, message=f"Restarted: {reason[:1].lower()}{reason[1:]}")
