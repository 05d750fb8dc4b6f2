"""The life of one attempt of a download: extract, decide, download, upload, end.

Whatever happens, it ends the record, or puts it back on the queue, or has lost it to another attempt; and its child,
its files and its tasks are gone.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vidferry_common.bucket import (
    NEW,
    Bucket,
    BucketError,
    PreconditionFailed,
    StorageDenied,
    StoredObject,
    Upload,
)
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import Identity
from vidferry_common.contract.messages import Update, job_link, public_link
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.store import Cause, Claim, Requeue, Store, StoreUnavailable
from vidferry_common.store.records import GENERATION, OBJECT, THUMBNAIL
from vidferry_worker import media
from vidferry_worker.children import Child, ChildEnded, Zygote
from vidferry_worker.found import Found
from vidferry_worker.progress import Transfer
from vidferry_worker.reporter import FenceLost, Reporter
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

STORE_RETRY = 0.5
UPLOAD_SHARE = stages.UPLOADED.progress - stages.UPLOADING.progress


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker's attempts share."""

    settings: WorkerSettings
    store: Store
    bucket: Bucket
    zygote: Zygote
    folder: Path


class Attempt:
    """One claim, from its first message to its last."""

    def __init__(self, parts: Parts, claim: Claim) -> None:
        self._parts, self._claim = parts, claim
        self._folder = parts.folder / f"{claim.download_id}-{claim.attempt}"
        self._task = asyncio.current_task()
        self._lost = False
        self._picture: asyncio.Task[None] | None = None
        started = Update(Status.PROCESSING, Stage.STARTED, 0, "", claim.attempt, retries=claim.retries)
        self._reporter = Reporter(parts.store, claim, started, self.lose)

    def lose(self) -> None:
        """Another attempt has taken over: this one stops and says nothing more."""
        self._lost = True
        if self._task:
            self._task.cancel()

    async def run(self) -> None:
        """Never raises but what arq must see: nothing."""
        log = {"download_id": self._claim.download_id, "attempt": self._claim.attempt}
        try:
            async with asyncio.timeout(self._parts.settings.max_seconds):
                await self._work()
        except JobFailure as failure:
            logger.warning("attempt failed", extra={**log, "code": failure.code, "detail": failure.detail})
            await self._fail(failure.code)
        except TimeoutError:
            await self._fail(ErrorCode.TIMED_OUT)
        except (asyncio.CancelledError, FenceLost):
            if self._lost:
                logger.warning("attempt lost to another", extra=log)
            else:
                await self._give_back()
        except Exception:
            logger.exception("attempt broke", extra=log)
            await self._fail(ErrorCode.INTERNAL)
        finally:
            await self._reporter.close()

    async def _work(self) -> None:
        self._step(stages.STARTED)
        self._folder.mkdir(mode=0o700, parents=True)
        try:
            child = await self._parts.zygote.fork(self._folder)
            try:
                await self._with_child(child)
            except ChildEnded as error:
                raise JobFailure(ErrorCode.INTERNAL, "the child ended without a word") from error
            finally:
                await _finish_task(self._picture)
                await child.close()
        except BucketError as error:
            raise _bucket_failure(error) from error
        except OSError as error:
            raise JobFailure(ErrorCode.DISK_FULL if error.errno == 28 else ErrorCode.INTERNAL, str(error)) from error  # noqa: PLR2004
        finally:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _with_child(self, child: Child) -> None:
        claim, settings = self._claim, self._parts.settings
        child.order({"url": claim.url, "format": claim.format.canonical(), "max_duration": settings.max_duration})
        async with asyncio.timeout(settings.extract_seconds) as deadline:
            found = Found.read(await self._next(child, "found"))
            deadline.reschedule(None)
        self._reporter.update = replace(self._reporter.update, title=found.title)
        self._step(stages.INFO)
        name = found.identity.object_name(claim.format.canonical())
        stored = await self._parts.bucket.stat(name)
        if stored and (stored.metadata.get("download") == claim.download_id or found.is_still(stored.metadata)):
            child.order({"go": False})
            await self._reuse(stored, found.identity)
            return
        child.order({"go": True})
        file = await self._download(child, found)
        await self._upload(file, found, Upload(name, media.media_type(file, claim.format),
                           if_generation=stored.generation if stored else NEW))  # fmt: skip

    async def _next(self, child: Child, *wanted: str) -> dict[str, object]:
        """The child's next event of those kinds; JobFailure where it failed."""
        while True:
            event = await child.event()
            if event.get("event") in wanted:
                return event
            if event.get("event") == "failed":
                code = ErrorCode.FORBIDDEN_ADDRESS if child.refused else _code(event.get("code"))
                raise JobFailure(code, str(event.get("detail"))[:2000])

    async def _download(self, child: Child, found: Found) -> str:
        """The name of the finished file."""
        self._step(stages.DOWNLOAD_STARTED)
        transfer = Transfer(found.streams)
        told = 0
        while True:
            event = await self._next(child, "progress", "picture", "done")
            if event["event"] == "picture":
                self._picture = asyncio.create_task(self._keep_picture(str(event.get("file")), found.identity))
                continue
            if event["event"] == "progress":
                transfer.update(event, time.monotonic())
                self._tell_progress(transfer)
            if transfer.downloaded > self._parts.settings.max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            ended = event["event"] == "done"
            quarters = len(stages.DOWNLOAD_QUARTERS) if ended else transfer.quarters
            for step in stages.DOWNLOAD_QUARTERS[told:quarters]:
                self._step(step)
            if told < quarters == len(stages.DOWNLOAD_QUARTERS):
                self._step(stages.MERGING, speed=None, eta=None)
            told = quarters
            if ended:
                self._step(stages.DOWNLOADED)
                return str(event.get("file"))

    def _tell_progress(self, transfer: Transfer) -> None:
        now = time.monotonic()
        self._reporter.progress(
            replace(
                self._reporter.update,
                progress=max(transfer.progress, self._reporter.update.progress)
                if not transfer.complete
                else self._reporter.update.progress,
                downloaded_bytes=transfer.downloaded,
                total_bytes=transfer.total,
                speed=transfer.speed(now),
                eta=transfer.eta(now),
                message=stages.DOWNLOAD_QUARTERS[0].message,
            )
        )

    async def _upload(self, file: str, found: Found, what: Upload) -> None:
        source, size = media.open_regular(self._folder, file)
        with source:
            if size > self._parts.settings.max_bytes:
                raise JobFailure(ErrorCode.TOO_LARGE)
            self._step(stages.UPLOADING)
            what = replace(
                what, filename=media.file_name(found.title, file), metadata=found.metadata(self._claim.download_id)
            )
            loop, begun = asyncio.get_running_loop(), time.monotonic()

            def sent(count: int) -> None:
                loop.call_soon_threadsafe(self._tell_upload, count, size, begun)

            try:
                stored = await self._parts.bucket.upload(what, source, size, sent)
            except PreconditionFailed:
                await self._take_over(what.name)
                return
        self._step(stages.UPLOADED, speed=None, eta=None)
        await self._finish(stored, reused=False)

    def _tell_upload(self, count: int, size: int, begun: float) -> None:
        update = self._reporter.update
        if update.stage is not Stage.UPLOADING or update.progress >= stages.UPLOADED.progress or not size:
            return
        speed = count / max(time.monotonic() - begun, 0.001)
        progress = stages.UPLOADING.progress + UPLOAD_SHARE * count / size
        self._reporter.progress(
            replace(
                update,
                progress=min(progress, stages.UPLOADED.progress - 0.1),
                speed=speed,
                eta=(size - count) / max(speed, 1),
            )
        )

    async def _take_over(self, name: str) -> None:
        """Somebody else wrote the object while this attempt downloaded: what is there is the result."""
        stored = await self._parts.bucket.stat(name)
        if stored is None:
            raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "the object was replaced and removed at once")
        await self._finish(stored, reused=True)

    async def _reuse(self, stored: StoredObject, identity: Identity) -> None:
        filename, link, metadata, response = stages.STORED_VIDEO[2:6]
        self._step(filename)
        self._step(link)
        self._step(metadata)
        picture = await self._parts.bucket.stat(identity.thumbnail_name())
        if picture:
            await self._note_picture(picture.name)
        self._step(response)
        await self._finish(stored, reused=True)

    async def _finish(self, stored: StoredObject, *, reused: bool) -> None:
        await _finish_task(self._picture)
        link = await self._parts.bucket.sign(stored, self._parts.settings.link_lifetime)
        duration = stored.metadata.get("duration")
        done = replace(
            self._reporter.update.at(stages.DONE),
            status=Status.COMPLETED,
            title=stored.metadata.get("title") or self._reporter.update.title,
            speed=None,
            eta=None,
            result={
                "title": stored.metadata.get("title"),
                "duration": float(duration) if duration else None,
                "size": stored.size,
                "media_type": stored.content_type,
                "filename": stored.filename,
                "url": public_link(link.url),
                "expires_at": link.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "file_url": job_link("file"),
                "reused": reused,
            },
        )
        await self._end(done, {OBJECT: stored.name, GENERATION: str(stored.generation)})

    async def _end(self, update: Update, facts: dict[bytes, str]) -> None:
        """The last message; it waits for Redis as long as the attempt may take."""
        await self._reporter.flush()
        while True:
            try:
                told = await self._parts.store.finish(self._claim, update.body(), facts)
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY)
                continue
            if told is None:
                self._lost = True
                raise FenceLost
            for job_id in told:
                logger.debug("published", extra={"job_id": job_id, "stage": update.stage, "progress": update.progress})
            logger.info("download ended", extra={"download_id": self._claim.download_id, "status": update.status})
            return

    async def _fail(self, code: ErrorCode) -> None:
        """Another try where that may help, else the end."""
        with contextlib.suppress(FenceLost):
            if not code.retryable:
                await self._end(self._reporter.update.failed(code), {})
                return
            await self._reporter.flush()
            retries, settings = self._claim.retries, self._parts.settings
            delay = settings.retry_delay * 3**retries
            waiting = replace(
                self._reporter.update,
                status=Status.QUEUED,
                stage=Stage.QUEUED,
                message=f"{code.sentence} Trying again by itself.",
                speed=None,
                eta=None,
                retries=min(retries + 1, settings.retries),
                retry_at=(datetime.now(UTC) + timedelta(seconds=delay))
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z"),
            )
            await self._requeue(Requeue(Cause.RETRY, waiting, delay, settings.retries, code))

    async def _give_back(self) -> None:
        """The worker stops: another one continues at once, and it costs the download no try."""
        waiting = replace(self._reporter.update, status=Status.QUEUED, stage=Stage.QUEUED, speed=None, eta=None,
                          message="Waiting for a worker")  # fmt: skip
        await self._requeue(Requeue(Cause.HANDOVER, waiting))

    async def _requeue(self, how: Requeue) -> None:
        while True:
            try:
                await self._parts.store.requeue(self._claim.download_id, self._claim.attempt, how)
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY)
            else:
                return

    async def _keep_picture(self, file: str, identity: Identity) -> None:
        """Puts the video's picture beside its object; without one the video is as good."""
        try:
            source, size = media.open_regular(self._folder, file)
            with source:
                kind = media.picture_type(source.read(16))
                source.seek(0)
                if kind and size <= media.MAX_PICTURE:
                    name = identity.thumbnail_name()
                    known = await self._parts.bucket.stat(name)
                    what = Upload(name, kind, if_generation=known.generation if known else NEW)
                    with contextlib.suppress(PreconditionFailed):
                        await self._parts.bucket.upload(what, source, size, lambda _: None)
                    await self._note_picture(name)
        except (BucketError, JobFailure, StoreUnavailable, OSError) as error:
            logger.info("no picture", extra={"download_id": self._claim.download_id, "error": str(error)})

    async def _note_picture(self, name: str) -> None:
        await self._parts.store.note(self._claim.download_id, {THUMBNAIL: name})
        self._reporter.update = replace(self._reporter.update, has_thumbnail=True)

    def _step(self, step: stages.Step, **changes: object) -> None:
        self._reporter.step(self._reporter.update.at(step, **changes))


async def _finish_task(task: asyncio.Task[None] | None) -> None:
    if task:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _code(text: object) -> ErrorCode:
    try:
        return ErrorCode(str(text))
    except ValueError:
        return ErrorCode.INTERNAL


def _bucket_failure(error: BucketError) -> JobFailure:
    code = ErrorCode.STORAGE_DENIED if isinstance(error, StorageDenied) else ErrorCode.STORAGE_UNAVAILABLE
    return JobFailure(code, str(error))
