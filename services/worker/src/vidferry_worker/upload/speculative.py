"""The upload of a file while it is still downloaded: kept only if the finished file turns out to be what was expected.

It starts with what the beginning of the file says, which is not trusted in the end. The upload is kept if the finished
file is the very file that was read, has the expected size and description, and contains the bytes that were sent
(bucket/source.py). Otherwise it leaves nothing behind, and the file is uploaded anew.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vidferry_common.bucket import Bucket, BucketError, GrowingFile, StoredObject, Upload
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.children.protocol import Growing
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.upload.plan import UploadPlan

logger = logging.getLogger(__name__)


class SpeculativeUpload:
    """The upload of one file that is still downloaded."""

    def __init__(
        self, bucket: Bucket, upload: Upload, source: BinaryIO, size: int, on_sent: Callable[[int], object]
    ) -> None:
        self._upload, self._size, self._on_sent = upload, size, on_sent
        self._file = _file_identity(source)
        self._growing = GrowingFile()
        self._loop = asyncio.get_running_loop()
        self.sent = 0
        """bytes"""
        self.task = asyncio.create_task(bucket.upload(upload, source, size, self._report_sent, self._growing))
        self.task.add_done_callback(lambda _: source.close())

    @classmethod
    def start(
        cls,
        bucket: Bucket,
        folder: Path,
        plan: UploadPlan,
        event: Growing,
        on_sent: Callable[[int], object],
        *,
        max_bytes: int,
    ) -> "SpeculativeUpload | None":
        """Starts to upload the file that a child reported; None where the report can't be true.

        on_sent is called in the event loop with the number of bytes sent so far.
        """
        if not 0 < event.total <= max_bytes:
            return None
        try:
            source, _ = open_regular(folder, event.part)
        except JobFailure:
            return None
        try:
            upload = plan.describe_upload(source, event.description, event.evidence)
        except JobFailure:
            source.close()
            return None
        return cls(bucket, upload, source, event.total, on_sent)

    def note_growth(self) -> None:
        """Takes note that the file may have grown."""
        self._growing.note_growth()

    async def finish(self, upload: Upload, source: BinaryIO, size: int) -> StoredObject | None:
        """The object of the finished file; None, with nothing left behind, where the file is to be uploaded anew."""
        if (upload, size, _file_identity(source)) == (self._upload, self._size, self._file):
            self._growing.mark_complete()
            try:
                return await self.task
            except BucketError as error:
                why = str(error)
        else:
            await self.close()
            why = "the finished file is another than was foreseen"
        logger.info("speculative upload discarded", extra={"object": upload.name, "error": why})
        return None

    def give_up(self) -> None:
        """Cancels the upload. Its task ends soon and leaves nothing behind."""
        self._growing.give_up()
        self.task.cancel()

    async def close(self) -> None:
        self.give_up()
        await asyncio.gather(self.task, return_exceptions=True)

    def _report_sent(self, sent: int) -> None:
        self._loop.call_soon_threadsafe(self._note_sent, sent)

    def _note_sent(self, sent: int) -> None:
        if not self._growing.is_given_up:
            self.sent = sent
            self._on_sent(sent)


def _file_identity(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino
