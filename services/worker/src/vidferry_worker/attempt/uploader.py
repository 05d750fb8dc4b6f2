"""One video's way from its child's folder into the bucket, some of it while the rest is still downloaded."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from vidferry_common.bucket import NEW, PreconditionFailed, StorageUnavailable, StoredObject, Upload
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import thumbnail_beside
from vidferry_common.contract.stages import Stage
from vidferry_worker.attempt import bucket_outage
from vidferry_worker.attempt.progress import Sending
from vidferry_worker.attempt.result import ResultBuilder
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.children.protocol import Done, Growing, Thumbnail
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.context import WorkerContext
from vidferry_worker.metrics import Rise
from vidferry_worker.retry import retry_delay
from vidferry_worker.upload.plan import UploadPlan
from vidferry_worker.upload.speculative import SpeculativeUpload
from vidferry_worker.upload.thumbnail import keep_thumbnail

UPLOAD_SHARE = stages.UPLOADED.progress - stages.UPLOADING.progress


class Uploader:
    """The uploads of one attempt: its video's, and its thumbnail's."""

    def __init__(self, context: WorkerContext, state: AttemptState, results: ResultBuilder, folder: Path) -> None:
        self._context, self._state, self._results = context, state, results
        self._folder = folder
        self._thumbnail: asyncio.Task[None] | None = None
        self._speculative: SpeculativeUpload | None = None
        self._sending: Sending | None = None
        self._uploaded = Rise()

    def begin_thumbnail(self, plan: UploadPlan, report: Thumbnail) -> None:
        """A video has one; what is told beyond it is ignored."""
        if not self._thumbnail:
            keeping = self._keep_thumbnail(report.file, thumbnail_beside(plan.name))
            self._thumbnail = asyncio.create_task(keeping)

    def begin_growing_file(self, plan: UploadPlan, report: Growing) -> None:
        """Uploads what is there of a file, and what comes."""
        if not self._speculative:
            self._speculative = SpeculativeUpload.begin(
                self._context.bucket, self._folder, plan, report, self._tell_sent,
                max_bytes=self._context.settings.max_bytes,
            )  # fmt: skip

    def note_growth(self) -> None:
        """There may be more of the file that grows."""
        if self._speculative:
            self._speculative.note_growth()

    async def upload_video(self, plan: UploadPlan, done: Done) -> tuple[StoredObject, bool]:
        """What is in the bucket then, and whether it was another who put it there."""
        source, size = open_regular(self._folder, done.description.file)
        with source:
            if size > self._context.settings.max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            what = plan.describe_upload(source, done.description, done.evidence)
            self._state.enter_step(stages.UPLOADING)
            try:
                async with bucket_outage.tell_while_away(self._context.bucket, self._state):
                    stored = await self._finish_speculative(what, source, size) or await self._send(what, source, size)
            except PreconditionFailed:
                # Somebody else wrote the object while this attempt downloaded: what is there is the result.
                if there := await self._results.find_object(what.name):
                    return there, True
                # Or what it was to replace has been removed.
                stored = await self._send(replace(what, if_generation=NEW), source, size)
        self._context.metrics.uploaded.add(by=self._uploaded.to(size))
        return stored, False

    async def finish_thumbnail(self) -> None:
        if self._thumbnail:
            await self._thumbnail

    async def close(self) -> None:
        """Gives up what is not finished."""
        left: list[asyncio.Task[Any]] = []
        if self._thumbnail:
            self._thumbnail.cancel()
            left.append(self._thumbnail)
        if self._speculative:
            self._speculative.give_up()
            left.append(self._speculative.task)
        await asyncio.gather(*left, return_exceptions=True)

    async def _finish_speculative(self, what: Upload, source: BinaryIO, size: int) -> StoredObject | None:
        if not self._speculative:
            return None
        self._sending = Sending(size, self._speculative.sent, time.monotonic())
        if self._speculative.sent:
            self._tell_sent(self._speculative.sent)
        return await self._speculative.finish(what, source, size)

    async def _send(self, what: Upload, source: BinaryIO, size: int) -> StoredObject:
        """The bucket itself is patient; where it stays away for longer, the file that is here is sent again later."""
        loop = asyncio.get_running_loop()

        def sent(count: int) -> None:
            loop.call_soon_threadsafe(self._tell_sent, count)

        for retries in range(self._context.settings.retries + 1):
            self._sending = Sending(size, 0, time.monotonic())
            try:
                return await self._context.bucket.upload(what, source, size, sent, allow_link=True)
            except StorageUnavailable:  # which is in the log, once an outage (bucket/health.py)
                await asyncio.sleep(retry_delay(self._context.settings.retry_delay, retries))
        raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "it stayed away", final=True)

    def _tell_sent(self, sent: int) -> None:
        """Counts what was sent, also while all is not yet downloaded, and tells it once all is."""
        self._context.metrics.uploaded.add(by=self._uploaded.to(sent))
        current, sending, now = self._state.current, self._sending, time.monotonic()
        if not sending or current.stage is not Stage.UPLOADING or sent >= sending.size:
            return
        if current.progress >= stages.UPLOADED.progress:
            return
        progress = max(current.progress, stages.UPLOADING.progress + UPLOAD_SHARE * sent / sending.size)
        speed, eta = sending.speed(sent, now), sending.eta(sent, now)
        self._state.show_progress(progress=progress, message=stages.UPLOADING.message, speed=speed, eta=eta)

    async def _keep_thumbnail(self, file: str, name: str) -> None:
        if await keep_thumbnail(self._context.bucket, self._folder, file, name):
            await self._results.record_thumbnail(name)
