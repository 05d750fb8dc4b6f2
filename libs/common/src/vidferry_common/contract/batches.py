"""Batches: their entries, which entries of a playlist are asked for, and what a batch tells of its children.

The scripts write the messages of batches (store/scripts/batches.lua), since they count the children: BODY and the texts
here are what they write.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID, uuid5

import orjson
from pydantic import Field

from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.field_types import Int32, Int64, Uuid
from vidferry_common.contract.messages import JOB_MARK, ROOT_MARK, Update
from vidferry_common.contract.result import MarkedUri, WarningCode
from vidferry_common.contract.stages import Stage, Status

MAX_URLS = 1000
"""of a batch that is made of a list of URLs"""
MAX_ENTRIES = 10_000
"""of any batch, whatever the settings allow a playlist"""
MAX_ITEMS_TEXT = 1000
"""characters of `items`"""
MAX_POSITION = 1_000_000
"""the last place in a playlist that `items` may name"""
_RANGE = re.compile(r"([1-9]\d{0,6})(?:-([1-9]\d{0,6}))?")


@dataclass(frozen=True, slots=True)
class Entry:
    """A video that a batch makes a job for."""

    url: str
    """as the caller or the site wrote it, absolute; it may be one that no job can be made of"""
    title: str = ""
    """as the playlist tells it; empty: unknown"""
    duration: float | None = None
    """seconds, as the playlist tells it"""
    retry_of: str = ""
    """the job that the entry's job tries again"""


@dataclass(frozen=True, slots=True)
class PlaylistRequest:
    """A playlist, and which of its entries are asked for."""

    url: str
    """canonical"""
    items: str = ""
    """places in the playlist as parse_items() reads them; empty: all"""
    limit: int | None = None
    """the most entries; the first ones of those that `items` and `newest_first` select"""
    newest_first: bool = False
    """whether the entries are taken in the order of their dates, the newest first, instead of the playlist's"""


def parse_items(text: str) -> tuple[tuple[int, int], ...]:
    """The first and last place of each range in a text such as `1-50,60`. Places count from 1.

    Raises ValueError, with a sentence for the caller.
    """
    ranges = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    found = tuple((int(each[1]), int(each[2] or each[1])) for each in ranges if each)
    if len(found) < len(ranges) or any(not first <= last <= MAX_POSITION for first, last in found):
        raise ValueError("name places in the playlist, from 1 on, such as 1-50,60")
    return found


def child_id(batch_id: str, index: int) -> str:
    """The id of the job that a batch makes of its entry at that index, from 0 on. The same each time it is made."""
    return str(uuid5(UUID(batch_id), str(index)))


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """How many children a batch has, by their status."""

    total: Annotated[Int32 | None, Field(description="The entries; null while the playlist is being read.")]
    made: Annotated[Int32, Field(description="The entries of which jobs have been made so far.")]
    queued: Annotated[Int32, Field(description="The jobs that wait.")]
    processing: Annotated[Int32, Field(description="The jobs that run.")]
    completed: Annotated[Int32, Field(description="The jobs that have completed.")]
    failed: Annotated[Int32, Field(description="The jobs that have failed.")]
    cancelled: Annotated[Int32, Field(description="The jobs that were cancelled.")]


@dataclass(frozen=True, slots=True)
class BatchWarning:
    """Something that a person may not expect of a batch."""

    code: Annotated[WarningCode, Field(description="A stable code for programs.")]
    message: Annotated[str, Field(description="A sentence for a person.")]

    @classmethod
    def of_limit(cls, most: int) -> Self:
        """The warning of a playlist that has more of the videos that were asked for than a batch may take."""
        message = f"The playlist has more videos. One batch takes {most:,} of them at the most; `items` names others."
        return cls(WarningCode.VIDEOS_LEFT_OUT, message)

    @classmethod
    def of_long_list(cls, read: int) -> Self:
        """The same of a playlist that is not read to its end. read: the most entries that are."""
        return cls(
            WarningCode.VIDEOS_LEFT_OUT,
            f"The playlist is longer than what is read of it: {read:,} entries at the most.",
        )

    @classmethod
    def of_full_queue(cls) -> Self:
        """The same of a playlist whose other entries found no room in the queue for long."""
        message = "The queue had no room for the rest of the playlist. Try its other videos later; `items` names them."
        return cls(WarningCode.VIDEOS_LEFT_OUT, message)

    @classmethod
    def of_deleted_jobs(cls, count: int) -> Self:
        """The warning of a retry that can't find so many of the jobs that did not complete."""
        jobs = "1 job that did not complete was" if count == 1 else f"{count:,} jobs that did not complete were"
        return cls(WarningCode.JOBS_DELETED, f"{jobs} deleted. Create a batch of the URLs to fetch these videos.")


@dataclass(frozen=True, slots=True)
class BatchState:
    """What a batch tells of its children."""

    counts: Annotated[ChildCounts, Field(description="How many jobs the batch has, by their status.")]
    downloaded_bytes: Annotated[Int64, Field(description="Bytes that its jobs have downloaded so far.")]
    size: Annotated[Int64, Field(description="Bytes of the files of its completed jobs.")]
    children_url: Annotated[MarkedUri, Field(description="The list of its jobs.")]
    warnings: Annotated[list[BatchWarning], Field(description="What may not be expected of the batch.")]


@dataclass(frozen=True, slots=True)
class Parent:
    """The batch that made a job."""

    batch: Annotated[Uuid, Field(description="The id of the batch.")]
    index: Annotated[Int32, Field(description="The entry's place in the batch, from 1 on.", examples=[1])]


@dataclass(frozen=True, slots=True)
class ChildPlace:
    """Which entry of a batch a job is made of, as records tell it."""

    batch: str
    index: int
    """in the list of the batch's entries, from 0 on: what child_id() takes"""

    def describe(self) -> Parent:
        """What the job's document says of it. People count from 1, as `items` does."""
        return Parent(self.batch, self.index + 1)


WAITING = "Waiting for the first video"
READING = "%d videos have ended, of %d that were found so far"
RUNNING = "%d of %d videos have ended"
ENDED = "Completed: %d, failed: %d, cancelled: %d"
ERRORS = "".join(orjson.dumps(Failure.of(code)).decode() for code in ErrorCode)
"""the error of a batch all of whose children have failed with the same code, for each code. No sentence has a brace."""
MIXED_ERROR, LOST_ERROR = (
    orjson.dumps(Failure.of(code)).decode() for code in (ErrorCode.BATCH_FAILED, ErrorCode.WORKER_LOST)
)


def _make_body() -> str:
    """The format of a body, for string.format: as Update.body() writes that of a download, with `batch` behind it.

    It takes status, stage, timestamp, progress, message, downloaded bytes, title and total (JSON), the other counts,
    downloaded bytes, size, warnings (JSON).
    """
    written = orjson.loads(b"{" + Update(Status.QUEUED, Stage.QUEUED, 0, "").body() + b"}")
    texts = dict.fromkeys(("status", "stage", "timestamp", "message"), "%s")
    numbers = {name: orjson.Fragment(b"%s") for name in ("progress", "title")}
    state = {
        "counts": {"total": orjson.Fragment(b"%s"), **dict.fromkeys(_COUNTED, orjson.Fragment(b"%d"))},
        "downloaded_bytes": orjson.Fragment(b"%.0f"),
        "size": orjson.Fragment(b"%.0f"),
        "children_url": orjson.Fragment(f'"{ROOT_MARK}/api/jobs?batch={JOB_MARK}"'.encode()),
        "warnings": orjson.Fragment(b"%s"),
    }
    body = {**written, **texts, **numbers, "downloaded_bytes": orjson.Fragment(b"%.0f"), "batch": state}
    return orjson.dumps(body).decode()[1:-1]


_COUNTED = ("made", "queued", "processing", "completed", "failed", "cancelled")
BODY = _make_body()
