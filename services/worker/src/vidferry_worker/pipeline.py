"""What is done to a video within one attempt: extract, decide, download, upload. Each step is told as it happens."""

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidferry_common.bucket import NEW, PreconditionFailed, StoredObject, Upload
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.messages import Update, job_link, public_link, timestamp
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.store import Claim, StoreUnavailable
from vidferry_common.store.records import THUMBNAIL
from vidferry_worker import media, pictures, wire
from vidferry_worker.children import Child
from vidferry_worker.found import Found
from vidferry_worker.metrics import Rise
from vidferry_worker.parts import Parts
from vidferry_worker.progress import Transfer
from vidferry_worker.reporter import Reporter

UPLOAD_SHARE = stages.UPLOADED.progress - stages.UPLOADING.progress
SILENCE_SECONDS = 1.0
ALL_QUARTERS = len(stages.DOWNLOAD_QUARTERS)


class Pipeline:
    """One child's video, on its way to the bucket."""

    def __init__(self, parts: Parts, claim: Claim, reporter: Reporter, child: Child, folder: Path) -> None:
        self._parts, self._claim, self._reporter = parts, claim, reporter
        self._child, self._folder = child, folder
        self._picture: asyncio.Task[None] | None = None
        self._downloaded, self._uploaded = Rise(), Rise()

    async def run(self) -> tuple[StoredObject, Update]:
        """The object and the last message. Raises JobFailure, BucketError, ChildEnded."""
        try:
            return await self._run()
        finally:
            if self._picture:
                self._picture.cancel()
                await asyncio.gather(self._picture, return_exceptions=True)

    async def _run(self) -> tuple[StoredObject, Update]:
        found = await self._extract()
        self._reporter.amend(title=found.title)
        self._step(stages.INFO)
        name = found.identity.object_name(self._claim.format.canonical())
        stored = await self._parts.bucket.stat(name)
        if stored and (stored.metadata.get("download") == self._claim.download_id or found.is_still(stored.metadata)):
            self._child.order({"go": False})
            return stored, await self._reuse(stored, found)
        self._child.order({"go": True})
        file, duration = await self._download(found)
        found = replace(found, duration=duration or found.duration)
        return await self._upload(file, Upload(
            name,
            media.media_type(file, self._claim.format),
            filename=media.file_name(found.title, file),
            metadata=found.metadata(self._claim.download_id),
            if_generation=stored.generation if stored else NEW,
        ))  # fmt: skip

    async def _extract(self) -> Found:
        claim, settings = self._claim, self._parts.settings
        limits = {"max_duration": settings.max_duration, "max_bytes": settings.max_bytes}
        self._child.order({"url": claim.url, "format": claim.format.canonical(), **limits})
        async with asyncio.timeout(settings.extract_seconds):
            return Found.read(await self._next("found"))

    async def _next(self, *wanted: str) -> wire.Message:
        """The child's next event of those kinds; JobFailure where it failed."""
        while True:
            event = await self._child.event()
            if event.get("event") in wanted:
                return event
            if event.get("event") == "failed":
                # The child may not know why a connection failed; the broker, which refused it, does.
                code = ErrorCode.FORBIDDEN_ADDRESS if self._child.refused else _code(event.get("code"))
                raise JobFailure(code, str(event.get("detail"))[:2000])

    async def _download(self, found: Found) -> tuple[str, float | None]:
        """The name of the finished file, and its duration in seconds."""
        self._step(stages.DOWNLOAD_STARTED)
        transfer, told = Transfer(found.streams), 0
        while True:
            event = await self._next_or_silence("progress", "picture", "done")
            match event["event"]:
                case "picture":
                    self._picture = asyncio.create_task(self._keep_picture(str(event.get("file")), found))
                case "done":
                    self._tell_quarters(told, ALL_QUARTERS)
                    self._step(stages.DOWNLOADED)
                    duration = event.get("duration")
                    return str(event.get("file")), duration if isinstance(duration, float) else None
                case "progress":
                    transfer.update(event, time.monotonic())
                    told = self._tell_transfer(transfer, told)
                case _ if self._reporter.update.speed:
                    told = self._tell_transfer(transfer, told)

    async def _next_or_silence(self, *wanted: str) -> wire.Message:
        """As _next; `silence` where nothing comes for a while: then the speed that was told is not true any more."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await self._next(*wanted)
        except TimeoutError:
            return {"event": "silence"}

    def _tell_quarters(self, told: int, reached: int) -> int:
        """Every step of the download that was not told yet, and merging after the last."""
        for step in stages.DOWNLOAD_QUARTERS[told:reached]:
            self._step(step)
        if told < reached == ALL_QUARTERS:
            self._step(stages.MERGING, speed=None, eta=None)
        return max(told, reached)

    def _tell_transfer(self, transfer: Transfer, told: int) -> int:
        """The steps that were reached, then how far beyond the last of them the download is."""
        self._parts.metrics.downloaded.add(by=self._downloaded.to(transfer.downloaded))
        if transfer.downloaded > self._parts.settings.max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        now = time.monotonic()
        self._reporter.amend(
            downloaded_bytes=transfer.downloaded,
            total_bytes=transfer.total,
            speed=transfer.speed(now),
            eta=transfer.eta(now),
        )
        reached = self._tell_quarters(told, transfer.quarters)
        update = self._reporter.update
        progress = max(update.progress, transfer.progress)
        if not transfer.complete and (reached == told or progress > update.progress):
            self._reporter.progress(replace(update, progress=progress, message=stages.DOWNLOAD_QUARTERS[0].message))
        return reached

    async def _upload(self, file: str, what: Upload) -> tuple[StoredObject, Update]:
        source, size = media.open_regular(self._folder, file)
        with source:
            if size > self._parts.settings.max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            self._step(stages.UPLOADING)
            loop, begun = asyncio.get_running_loop(), time.monotonic()

            def sent(count: int) -> None:
                loop.call_soon_threadsafe(self._tell_upload, count, size, begun)

            try:
                stored = await self._parts.bucket.upload(what, source, size, sent)
            except PreconditionFailed:
                return await self._take_over(what.name)
        self._parts.metrics.uploaded.add(by=self._uploaded.to(size))
        self._step(stages.UPLOADED, speed=None, eta=None)
        return stored, await self._done(stored, reused=False)

    def _tell_upload(self, count: int, size: int, begun: float) -> None:
        self._parts.metrics.uploaded.add(by=self._uploaded.to(count))
        update = self._reporter.update
        if update.stage is not Stage.UPLOADING or update.progress >= stages.UPLOADED.progress or count >= size:
            return
        speed = count / max(time.monotonic() - begun, 0.001)
        progress = stages.UPLOADING.progress + UPLOAD_SHARE * count / size
        self._reporter.progress(replace(update, progress=progress, speed=speed, eta=(size - count) / max(speed, 1)))

    async def _take_over(self, name: str) -> tuple[StoredObject, Update]:
        """Somebody else wrote the object while this attempt downloaded: what is there is the result."""
        stored = await self._parts.bucket.stat(name)
        if stored is None:
            raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "the object was replaced and removed at once")
        self._step(stages.UPLOADED, speed=None, eta=None)
        return stored, await self._done(stored, reused=True)

    async def _reuse(self, stored: StoredObject, found: Found) -> Update:
        for step in stages.STORED_VIDEO[2:-2]:
            self._step(step)
        picture = await self._parts.bucket.stat(found.identity.thumbnail_name())
        if picture:
            await self._note_picture(picture.name)
        self._step(stages.STORED_VIDEO[-2])
        return await self._done(stored, reused=True)

    async def _done(self, stored: StoredObject, *, reused: bool) -> Update:
        """The last message: what was made, and the link to it."""
        if self._picture:
            await self._picture
        link = await self._parts.bucket.sign(stored, self._parts.settings.link_lifetime)
        duration = stored.metadata.get("duration")
        title = stored.metadata.get("title") or self._reporter.update.title
        result = {
            "title": title,
            "duration": float(duration) if duration else None,
            "size": stored.size,
            "media_type": stored.content_type,
            "filename": stored.filename,
            "url": public_link(link.url),
            "expires_at": timestamp(link.expires_at),
            "file_url": job_link("file"),
            "reused": reused,
        }
        return self._reporter.update.at(
            stages.DONE, status=Status.COMPLETED, title=title, speed=None, eta=None, result=result
        )

    async def _keep_picture(self, file: str, found: Found) -> None:
        name = found.identity.thumbnail_name()
        if await pictures.keep(self._parts.bucket, self._folder, file, name):
            await self._note_picture(name)

    async def _note_picture(self, name: str) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._parts.store.note(self._claim.download_id, {THUMBNAIL: name})
            self._reporter.amend(has_thumbnail=True)

    def _step(self, step: stages.Step, **changes: Any) -> None:
        self._reporter.step(self._reporter.update.at(step, **changes))


def _code(text: object) -> ErrorCode:
    try:
        return ErrorCode(str(text))
    except ValueError:
        return ErrorCode.INTERNAL
