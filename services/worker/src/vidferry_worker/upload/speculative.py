"""The upload of a file that is still downloaded: a speculation, kept only where the finished file bears it out.

It is begun with what the file's beginning tells, and nothing of that is trusted in the end. It is kept where the
finished file is the very one that was read, of the size and with the description that were foreseen, and where the
bytes that were sent are found in it again (bucket/source.py). Else it leaves nothing behind, and the file is uploaded
anew.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vidferry_common.bucket import Bucket, BucketError, Growth, StoredObject, Upload
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.children.protocol import Growing
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.upload.plan import UploadPlan

logger = logging.getLogger(__name__)


class SpeculativeUpload:
    """The upload of one file that is still downloaded."""

    def __init__(
        self, bucket: Bucket, what: Upload, source: BinaryIO, size: int, told: Callable[[int], object]
    ) -> None:
        self._what, self._size, self._told = what, size, told
        self._file = _identity(source)
        self._growth = Growth()
        self._loop = asyncio.get_running_loop()
        self.sent = 0
        """bytes"""
        self.task = asyncio.create_task(bucket.upload(what, source, size, self._progress, self._growth))
        self.task.add_done_callback(lambda _: source.close())

    @classmethod
    def begin(
        cls,
        bucket: Bucket,
        folder: Path,
        plan: UploadPlan,
        event: Growing,
        told: Callable[[int], object],
        *,
        max_bytes: int,
    ) -> "SpeculativeUpload | None":
        """The upload of what a child tells of as `growing`; None where that can't be so.

        told hears the bytes sent so far, in the event loop.
        """
        if not 0 < event.total <= max_bytes:
            return None
        try:
            source, _ = open_regular(folder, event.part)
        except JobFailure:
            return None
        try:
            what = plan.describe_upload(source, event.description, event.evidence)
        except JobFailure:
            source.close()
            return None
        return cls(bucket, what, source, event.total, told)

    def note_growth(self) -> None:
        """There may be more of the file."""
        self._growth.tell()

    async def finish(self, what: Upload, source: BinaryIO, size: int) -> StoredObject | None:
        """The object of the finished file; None where that is to be uploaded anew: then nothing of this one is left."""
        if (what, size, _identity(source)) == (self._what, self._size, self._file):
            self._growth.complete()
            try:
                return await self.task
            except BucketError as error:
                why = str(error)
        else:
            await self.close()
            why = "the finished file is another than was foreseen"
        logger.info("speculative upload discarded", extra={"object": what.name, "error": why})
        return None

    def give_up(self) -> None:
        """The task ends soon, and leaves nothing."""
        self._growth.give_up()
        self.task.cancel()

    async def close(self) -> None:
        self.give_up()
        await asyncio.gather(self.task, return_exceptions=True)

    def _progress(self, sent: int) -> None:
        self._loop.call_soon_threadsafe(self._note, sent)

    def _note(self, sent: int) -> None:
        if not self._growth.is_given_up:
            self.sent = sent
            self._told(sent)


def _identity(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino
