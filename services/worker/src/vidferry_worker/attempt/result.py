"""The result of a download: the last message, with a link to the object and what it is."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from vidferry_common.bucket import StoredObject
from vidferry_common.bucket.disposition import clean_filename
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import thumbnail_beside
from vidferry_common.contract.messages import Update, format_timestamp, job_link, public_link
from vidferry_common.contract.result import Result, ResultWarning
from vidferry_common.contract.stages import Status
from vidferry_common.objects.entry import entry_of
from vidferry_common.store import Claim, StoreUnavailable
from vidferry_worker.attempt import bucket_outage
from vidferry_worker.attempt.bounds import check_owner_limits
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import until_redis_answers
from vidferry_worker.upload import file_types

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """The result of a download that succeeded."""

    stored: StoredObject
    update: Update
    """the last message"""
    url_is_stable: bool
    """whether the URL will lead to the same video: the site names its videos by ids of its own"""


class ResultBuilder:
    """Builds the result of one attempt from an object in the bucket."""

    def __init__(self, context: WorkerContext, claim: Claim, state: AttemptState) -> None:
        self._context, self._claim, self._state = context, claim, state
        self._warnings: list[ResultWarning] = []

    def note_other_videos(self, videos: int, other_urls: Sequence[str]) -> None:
        """Warns in the result if the page has more videos than this one."""
        if videos > 1:
            self._warnings = [ResultWarning.of_several_videos(videos, list(other_urls))]

    async def find_and_pin_object(self, name: str) -> StoredObject | None:
        """The object, if there is one; retention then keeps it until a link to it has been sent and followed.

        JobFailure where retention is deleting it at this moment: the next try downloads the video anew.
        """
        if not await until_redis_answers(lambda: self._context.store.objects.pin(name)):
            raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "retention is removing the object")
        async with bucket_outage.show_outage(self._context.bucket, self._state):
            return await self._context.bucket.stat(name)

    async def pin_stored(self, stored: StoredObject) -> None:
        """Pins an object that this attempt has just made. JobFailure where the one before is being deleted just now."""
        if not await until_redis_answers(lambda: self._context.store.objects.pin(stored.name)):
            raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "the object is being removed")

    async def index_object(self, stored: StoredObject, *, has_thumbnail: bool) -> None:
        """Puts the object into the index. The next walk of the bucket does it where Redis is away."""
        entry = entry_of(stored, has_thumbnail=has_thumbnail)
        try:
            await self._context.store.object_index.put(entry, self._context.settings.indexed_objects)
        except StoreUnavailable as error:
            logger.warning("an object is not indexed yet", extra={"object": stored.name, "error": str(error)})

    async def build_reused(self, stored: StoredObject, *, url_is_stable: bool = True) -> DownloadResult:
        """Shows the steps of a video that is in the bucket already, and builds its result.

        JobFailure where it is longer or larger than the owner of the download may have.
        """
        check_owner_limits(self._claim, stored)
        for step in stages.STORED_VIDEO[2:-2]:
            self._state.enter_step(step)
        thumbnail = await self._context.bucket.stat(thumbnail_beside(stored.name))
        if thumbnail:
            await self.record_thumbnail(thumbnail.name)
        await self.index_object(stored, has_thumbnail=thumbnail is not None)
        self._state.enter_step(stages.STORED_VIDEO[-2])
        return await self.build(stored, reused=True, url_is_stable=url_is_stable)

    async def build(self, stored: StoredObject, *, reused: bool, url_is_stable: bool) -> DownloadResult:
        """Builds the last message: what the object is, under the video's present title, and a link to it."""
        if reused:
            check_owner_limits(self._claim, stored)
        title = self._state.current.title or stored.metadata.get("title")
        filename = stored.filename
        if title and title != stored.metadata.get("title"):  # renamed at its source since
            filename = clean_filename(file_types.make_file_name(title, filename.rpartition(".")[2]))
        link = await self._context.bucket.sign_link(stored, self._context.settings.link_lifetime, filename)
        duration = stored.metadata.get("duration")
        result = Result(
            title=title,
            duration=float(duration) if duration else None,
            size=stored.size,
            media_type=stored.content_type,
            filename=filename,
            url=public_link(link.url),
            expires_at=format_timestamp(link.expires_at),
            file_url=job_link("file"),
            reused=reused,
            warnings=self._warnings,
        )
        update = self._state.current.at_step(
            stages.DONE, status=Status.COMPLETED, title=title, speed=None, eta=None, result=result
        )
        return DownloadResult(stored, update, url_is_stable)

    async def record_thumbnail(self, name: str) -> None:
        """Records that the job has a thumbnail to show."""
        with contextlib.suppress(StoreUnavailable):
            await self._context.store.downloads.record_thumbnail(self._claim.download_id, name)
            self._state.add_facts(has_thumbnail=True)
