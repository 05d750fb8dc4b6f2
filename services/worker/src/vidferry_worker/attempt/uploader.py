"""Uploads a video and its thumbnail from the child's folder, where possible while the video is still downloaded."""

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
from vidferry_worker.attempt.progress import UploadProgress
from vidferry_worker.attempt.result import ResultBuilder
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.children.protocol import Done, Growing, Thumbnail
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.context import WorkerContext
from vidferry_worker.metrics import HighWaterMark
from vidferry_worker.retry import retry_delay
from vidferry_worker.upload.plan import UploadPlan
from vidferry_worker.upload.speculative import SpeculativeUpload
from vidferry_worker.upload.thumbnail import upload_thumbnail

UPLOAD_SHARE = stages.UPLOADED.progress - stages.UPLOADING.progress


class Uploader:
    """The uploads of one attempt: its video and its thumbnail."""

    def __init__(
        self, context: WorkerContext, state: AttemptState, results: ResultBuilder, folder: Path, max_bytes: int,
        *, allow_link: bool = True,
    ) -> None:  # fmt: skip
        """allow_link: nobody can write to the files of the folder when the child has ended."""
        self._allow_link = allow_link
        self._context, self._state, self._results = context, state, results
        self._folder, self._max_bytes = folder, max_bytes
        self._thumbnail: asyncio.Task[None] | None = None
        self._has_thumbnail = False
        self._speculative: SpeculativeUpload | None = None
        self._progress: UploadProgress | None = None
        self._uploaded = HighWaterMark()

    def start_thumbnail(self, plan: UploadPlan, report: Thumbnail) -> None:
        """Starts to upload the thumbnail; a second one is ignored."""
        if not self._thumbnail:
            upload = self._upload_thumbnail(report.file, thumbnail_beside(plan.name))
            self._thumbnail = asyncio.create_task(upload)

    def start_growing_file(self, plan: UploadPlan, report: Growing) -> None:
        """Starts to upload a file that is still being downloaded."""
        if not self._speculative:
            self._speculative = SpeculativeUpload.start(
                self._context.bucket, self._folder, plan, report, self._show_sent,
                max_bytes=self._max_bytes,
            )  # fmt: skip

    def note_growth(self) -> None:
        """Takes note that the file may have grown."""
        if self._speculative:
            self._speculative.note_growth()

    async def upload_video(self, plan: UploadPlan, done: Done) -> tuple[StoredObject, bool]:
        """The object in the bucket, and whether another download made it."""
        source, size = open_regular(self._folder, done.description.file)
        with source:
            if size > self._max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            upload = plan.describe_upload(source, done.description, done.evidence)
            self._state.enter_step(stages.UPLOADING)
            try:
                async with bucket_outage.show_outage(self._context.bucket, self._state):
                    stored = await self._finish_speculative(upload, source, size)
                    if stored is None:
                        stored = await self._send_file(upload, source, size)
            except PreconditionFailed:
                # Another download made the object while this one ran: that object is the result.
                if other := await self._results.find_and_pin_object(upload.name):
                    return other, True
                # Or the object that was to be replaced has been removed.
                stored = await self._send_file(replace(upload, if_version=NEW), source, size)
        self._context.metrics.uploaded.add(by=self._uploaded.raise_to(size))
        await self._results.pin_stored(stored)
        await self._results.index_object(stored, has_thumbnail=self._has_thumbnail)
        return stored, False

    async def finish_thumbnail(self, stored: StoredObject) -> None:
        """Waits for the upload of the thumbnail, which may come after the video's."""
        if not self._thumbnail:
            return
        was_there = self._has_thumbnail
        await self._thumbnail
        if self._has_thumbnail and not was_there:
            await self._results.index_object(stored, has_thumbnail=True)

    async def close(self) -> None:
        """Gives up whatever is not finished."""
        tasks: list[asyncio.Task[Any]] = []
        if self._thumbnail:
            self._thumbnail.cancel()
            tasks.append(self._thumbnail)
        if self._speculative:
            self._speculative.give_up()
            tasks.append(self._speculative.task)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish_speculative(self, upload: Upload, source: BinaryIO, size: int) -> StoredObject | None:
        if not self._speculative:
            return None
        self._progress = UploadProgress(size, self._speculative.sent, time.monotonic())
        if self._speculative.sent:
            self._show_sent(self._speculative.sent)
        return await self._speculative.finish(upload, source, size)

    async def _send_file(self, upload: Upload, source: BinaryIO, size: int) -> StoredObject:
        """Uploads the file. The bucket itself retries for a while; after that, the upload is started again."""
        loop = asyncio.get_running_loop()

        def report_sent(count: int) -> None:
            loop.call_soon_threadsafe(self._show_sent, count)

        for retries in range(self._context.settings.retries + 1):
            self._progress = UploadProgress(size, 0, time.monotonic())
            try:
                return await self._context.bucket.upload(upload, source, size, report_sent, allow_link=self._allow_link)
            except StorageUnavailable:  # logged once for each outage (bucket/health.py)
                await asyncio.sleep(retry_delay(self._context.settings.retry_delay, retries))
        raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "it stayed away", final=True)

    def _show_sent(self, sent: int) -> None:
        """Counts the bytes that were sent, and shows them once the download is complete."""
        self._context.metrics.uploaded.add(by=self._uploaded.raise_to(sent))
        current, upload, now = self._state.current, self._progress, time.monotonic()
        if not upload or current.stage is not Stage.UPLOADING or sent >= upload.size:
            return
        if current.progress >= stages.UPLOADED.progress:
            return
        progress = max(current.progress, stages.UPLOADING.progress + UPLOAD_SHARE * sent / upload.size)
        speed, eta = upload.speed(sent, now), upload.eta(sent, now)
        self._state.show_progress(progress=progress, message=stages.UPLOADING.message, speed=speed, eta=eta)

    async def _upload_thumbnail(self, file: str, name: str) -> None:
        if await upload_thumbnail(self._context.bucket, self._folder, file, name):
            self._has_thumbnail = True
            await self._results.record_thumbnail(name)
