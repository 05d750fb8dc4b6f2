"""What is done to a video within one attempt: extract, decide, download, upload. Each step is told as it happens."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from vidferry_common.bucket import NEW, PreconditionFailed, StorageUnavailable, StoredObject, Upload
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import thumbnail_beside
from vidferry_common.contract.messages import timestamp
from vidferry_common.contract.stages import Stage
from vidferry_common.store import Claim
from vidferry_worker import bucket_outage, evidence, media, pictures, wire
from vidferry_worker.children import Child
from vidferry_worker.conversion import Conversion
from vidferry_worker.delivery import Delivered, Delivery
from vidferry_worker.draft import Draft
from vidferry_worker.early import EarlyUpload
from vidferry_worker.found import Found
from vidferry_worker.identity import Known
from vidferry_worker.metrics import Rise
from vidferry_worker.parts import Parts
from vidferry_worker.patience import retry_delay, until_redis_answers
from vidferry_worker.progress import Pace, Sending, Transfer, number
from vidferry_worker.reporter import FenceLost, Reporter
from vidferry_worker.stall import Stall

UPLOAD_SHARE = stages.UPLOADED.progress - stages.UPLOADING.progress
SILENCE_SECONDS = 1.0
PAUSED = "The site asks for a pause"
ALL_QUARTERS = len(stages.DOWNLOAD_QUARTERS)


class Merged(Exception):
    """Another download makes the same object; the jobs of this one follow it now."""


class Pipeline:
    """One child's video, on its way to the bucket."""

    def __init__(self, parts: Parts, claim: Claim, reporter: Reporter, child: Child, folder: Path) -> None:
        self._parts, self._claim, self._reporter = parts, claim, reporter
        self._child, self._folder = child, folder
        self._delivery = Delivery(parts, claim, reporter)
        self._picture: asyncio.Task[None] | None = None
        self._early: EarlyUpload | None = None
        self._sending: Sending | None = None
        self._downloaded, self._uploaded = Rise(), Rise()

    async def run(self) -> Delivered:
        """Raises JobFailure, BucketError, ChildEnded, Merged, FenceLost."""
        try:
            return await self._run()
        finally:
            left: list[asyncio.Task[Any]] = []
            if self._picture:
                self._picture.cancel()
                left.append(self._picture)
            if self._early:
                self._early.give_up()
                left.append(self._early.task)
            await asyncio.gather(*left, return_exceptions=True)

    async def _run(self) -> Delivered:
        found = await self._extract()
        name = found.identity.object_name(self._claim.format.canonical())
        await self._identify(name)
        self._reporter.amend(title=found.title)
        self._step(stages.INFO)
        stored = await self._delivery.find(name)
        lasting = not found.identity.by_address
        if stored and await self._is_the_result(stored, found):
            self._child.order({"go": False})
            return await self._delivery.reuse(stored, lasting=lasting)
        draft = Draft(name, found, self._claim, stored.generation if stored else NEW)
        with self._parts.sites.share(found.identity.domain) as fragments:
            self._child.order({"go": True, "fragments": fragments, "growing": self._parts.early})
            file = await self._download(draft)
        await self._child.close()  # nobody writes to its file any more
        made, reused = await self._upload(draft, file)
        self._step(stages.UPLOADED, speed=None, eta=None)
        if self._picture:
            await self._picture
        return await self._delivery.done(made, reused=reused, lasting=lasting)

    async def _identify(self, name: str) -> None:
        mine = await until_redis_answers(lambda: self._parts.store.identify(self._claim, name))
        if mine is None:
            raise FenceLost
        if not mine:
            raise Merged

    async def _is_the_result(self, stored: StoredObject, found: Found) -> bool:
        """Whether what is in the bucket is what was asked for: an earlier attempt's own success always is."""
        if stored.metadata.get("download") == self._claim.download_id:
            return True
        if self._claim.force:
            return False
        return not found.identity.by_address or await self._is_still(stored)

    async def _is_still(self, stored: StoredObject) -> bool:
        """Whether the origin has what it had when the object was made, as far as it tells that."""
        before = evidence.of_object(stored.metadata)
        if not before:
            return False
        self._child.order({"ask": True})
        async with asyncio.timeout(self._parts.settings.extract_seconds):
            return evidence.is_same(before, evidence.read(await self._next("evidence")))

    async def _extract(self) -> Found:
        claim, settings = self._claim, self._parts.settings
        limits = {
            "max_duration": settings.max_duration, "max_bytes": settings.max_bytes,
            "stall_seconds": settings.stall_seconds,
        }  # fmt: skip
        self._child.order({"url": claim.url, "format": claim.format.canonical(), **limits})
        self._child.cpu_seconds = settings.extract_cpu_seconds
        async with asyncio.timeout(settings.extract_seconds):
            event = await self._next("found")
        found = Found.read(event, Known(claim.url, self._child.extractors, self._child.sites))
        self._child.cpu_seconds = None
        return found

    async def _next(self, *wanted: str) -> wire.Message:
        """The child's next event of those kinds; JobFailure where it failed."""
        while True:
            event = await self._child.event()
            if event.get("event") in wanted:
                return event
            if event.get("event") == "failed":
                # The child may not know why a connection failed; the broker, which refused it, does.
                code = ErrorCode.FORBIDDEN_ADDRESS if self._child.refused else _code(event.get("code"))
                raise JobFailure(code, str(event.get("detail"))[:2000], retry_after=number(event.get("retry_after")))

    async def _download(self, draft: Draft) -> wire.Message:
        """The child's last event, which tells of the finished file."""
        self._step(stages.DOWNLOAD_STARTED)
        settings = self._parts.settings
        transfer, told, conversion = Transfer(draft.found.streams), 0, Conversion()
        stall = Stall(settings.stall_seconds)
        pace = Pace(settings.min_rate, settings.min_rate_seconds, time.monotonic())
        while True:
            event = await self._next_or_silence("progress", "picture", "growing", "converting", "waiting", "done")
            match event["event"]:
                case "picture" | "growing":
                    self._begin_beside(draft, event)
                case "done":
                    self._tell_quarters(told, ALL_QUARTERS)
                    self._step(stages.DOWNLOADED)
                    return event
                case "converting":
                    conversion.update(event, time.monotonic())
                    self._tell_conversion(conversion)
                case "progress":
                    before = transfer.downloaded
                    transfer.update(event, time.monotonic())
                    if transfer.downloaded != before:
                        stall.move()
                    told = self._tell_transfer(transfer, told)
                case "waiting":
                    pace.wait(stall.wait(event))
                    self._tell_pause(stall)
                case _:
                    told = self._tell_silence(transfer, told, stall)
            is_too_slow = pace.is_too_slow(transfer.downloaded, time.monotonic())
            if (is_too_slow or stall.is_over) and not transfer.complete:
                raise JobFailure(ErrorCode.STALLED)

    def _begin_beside(self, draft: Draft, event: wire.Message) -> None:
        """What need not wait for the download's end: its picture, and of some files their own upload."""
        if event["event"] == "picture" and self._picture:
            return  # a video has one
        if event["event"] == "picture":
            keeping = self._keep_picture(str(event.get("file")), thumbnail_beside(draft.name))
            self._picture = asyncio.create_task(keeping)
        elif not self._early:
            self._early = EarlyUpload.begin(self._parts, self._folder, draft, event, self._tell_upload)

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
        if self._early:
            self._early.look()
        self._parts.metrics.downloaded.add(by=self._downloaded.to(transfer.downloaded))
        if transfer.downloaded > self._parts.settings.max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        now = time.monotonic()
        self._reporter.amend(
            downloaded_bytes=transfer.downloaded,
            total_bytes=transfer.total,
            speed=transfer.speed(now),
            eta=transfer.eta(now),
            retry_at=None,
        )
        reached = self._tell_quarters(told, transfer.quarters)
        update = self._reporter.update
        progress = max(update.progress, transfer.progress)
        if not transfer.complete and (reached == told or progress > update.progress):
            self._reporter.progress(replace(update, progress=progress, message=stages.DOWNLOAD_QUARTERS[0].message))
        return reached

    def _tell_silence(self, transfer: Transfer, told: int, stall: Stall) -> int:
        """That nothing comes any more, if something did, and why, if the site asked for it."""
        if self._reporter.update.speed:
            told = self._tell_transfer(transfer, told)
        self._tell_pause(stall)
        return told

    def _tell_pause(self, stall: Stall) -> None:
        """That the site asked for a pause in the middle of the download, while it lasts."""
        update, ends = self._reporter.update, stall.pause_ends
        if ends and update.retry_at is None:
            self._reporter.progress(replace(update, message=PAUSED, speed=None, eta=None, retry_at=timestamp(ends)))

    def _tell_conversion(self, conversion: Conversion) -> None:
        """That ffmpeg still works, once all is here."""
        update = self._reporter.update
        if update.stage is Stage.MERGING:
            progress = max(update.progress, conversion.progress)
            self._reporter.progress(replace(update, progress=progress, eta=conversion.eta(time.monotonic())))

    async def _upload(self, draft: Draft, done: wire.Message) -> tuple[StoredObject, bool]:
        """What is in the bucket then, and whether it was another who put it there."""
        source, size = media.open_regular(self._folder, str(done.get("file")))
        with source:
            if size > self._parts.settings.max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            what = draft.of(source, done)
            self._step(stages.UPLOADING)
            try:
                async with bucket_outage.told(self._parts.bucket, self._reporter):
                    stored = await self._finish_early(what, source, size) or await self._send(what, source, size)
            except PreconditionFailed:
                # Somebody else wrote the object while this attempt downloaded: what is there is the result.
                if there := await self._delivery.find(what.name):
                    return there, True
                # Or what it was to replace has been removed.
                stored = await self._send(replace(what, if_generation=NEW), source, size)
        self._parts.metrics.uploaded.add(by=self._uploaded.to(size))
        return stored, False

    async def _finish_early(self, what: Upload, source: BinaryIO, size: int) -> StoredObject | None:
        if not self._early:
            return None
        self._sending = Sending(size, self._early.sent, time.monotonic())
        if self._early.sent:
            self._tell_upload(self._early.sent)
        return await self._early.finish(what, source, size)

    async def _send(self, what: Upload, source: BinaryIO, size: int) -> StoredObject:
        """The bucket itself is patient; where it stays away for longer, the file that is here is sent again later."""
        loop = asyncio.get_running_loop()

        def sent(count: int) -> None:
            loop.call_soon_threadsafe(self._tell_upload, count)

        for retries in range(self._parts.settings.retries + 1):
            self._sending = Sending(size, 0, time.monotonic())
            try:
                return await self._parts.bucket.upload(what, source, size, sent, given=True)
            except StorageUnavailable:  # which is in the log, once an outage (bucket/health.py)
                await asyncio.sleep(retry_delay(self._parts.settings.retry_delay, retries))
        raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "it stayed away", final=True)

    def _tell_upload(self, sent: int) -> None:
        """Counts what was sent, also while all is not yet downloaded, and tells it once all is."""
        self._parts.metrics.uploaded.add(by=self._uploaded.to(sent))
        update, sending, now = self._reporter.update, self._sending, time.monotonic()
        if not sending or update.stage is not Stage.UPLOADING or sent >= sending.size:
            return
        if update.progress >= stages.UPLOADED.progress:
            return
        progress = max(update.progress, stages.UPLOADING.progress + UPLOAD_SHARE * sent / sending.size)
        speed, eta = sending.speed(sent, now), sending.eta(sent, now)
        message = stages.UPLOADING.message
        self._reporter.progress(replace(update, progress=progress, message=message, speed=speed, eta=eta))

    async def _keep_picture(self, file: str, name: str) -> None:
        if await pictures.keep(self._parts.bucket, self._folder, file, name):
            await self._delivery.note_picture(name)

    def _step(self, step: stages.Step, **changes: Any) -> None:
        self._reporter.step(self._reporter.update.at(step, **changes))


def _code(text: object) -> ErrorCode:
    try:
        return ErrorCode(str(text))
    except ValueError:
        return ErrorCode.INTERNAL
