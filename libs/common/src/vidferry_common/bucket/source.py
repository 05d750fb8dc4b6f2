"""The file that is uploaded. Reads are exact: a short one is an error, never the end of the upload."""

import os
import threading
from time import monotonic
from typing import BinaryIO

from vidferry_common.bucket.checksum import Crc32c
from vidferry_common.bucket.errors import BucketError
from vidferry_common.bucket.growing_file import GrowingFile

PIECE = 1024**2


class Stopped(Exception):
    """The upload's caller was cancelled. It never leaves this package."""


class Source:
    """The first size bytes of a file, as an upload reads them, and their checksum.

    A byte counts once for the checksum, however often it is read. A growing file is still written: a read waits until
    its bytes are there. The last read waits until the file is complete, and then compares what was read before with
    what the file has now: its writer may have begun anew between two looks at the size.
    """

    def __init__(self, file: BinaryIO, size: int, stop: threading.Event, growing: GrowingFile | None = None) -> None:
        self._file = file
        self._stop = stop
        self._growing = growing
        self._sum = Crc32c()
        self._summed = 0
        self.size = size
        self.waited = 0.0
        """seconds spent waiting for bytes that were not written yet"""

    @property
    def grows(self) -> bool:
        """Whether the file was still written when the upload began."""
        return self._growing is not None

    @property
    def crc32c(self) -> str:
        """Of all that was read so far, from the start without a gap."""
        return str(self._sum)

    def raise_if_stopped(self) -> None:
        """Raises Stopped once the caller was cancelled, BucketError once a growing file was given up."""
        if self._stop.is_set():
            raise Stopped
        if self._growing and self._growing.is_given_up:
            raise BucketError("the file that grew is not uploaded after all")

    def fileno(self) -> int:
        """The file's descriptor; Stopped or BucketError where it may be another's by now."""
        self.raise_if_stopped()
        try:
            return self._file.fileno()
        except (OSError, ValueError) as error:
            raise BucketError(f"the source is no open file: {error}") from error

    def pause(self, seconds: float) -> None:
        """Waits; Stopped once the caller was cancelled."""
        if self._stop.wait(seconds):
            raise Stopped

    def read(self, start: int, length: int) -> bytes:
        """Exactly length bytes from start, fewer only at the end; BucketError where the file has fewer."""
        self.raise_if_stopped()
        end = min(start + length, self.size)
        if self._growing:
            self._wait_for(self._growing, end)
        data = self._read_exactly(start, end - start)
        if start <= self._summed:
            self._sum.update(data[self._summed - start :])
            self._summed = max(self._summed, start + len(data))
        return data

    def _wait_for(self, growing: GrowingFile, end: int) -> None:
        """Returns once the file has the bytes before end; if that is all, once they are those that were read before."""
        begun = monotonic()
        while not self._has_bytes(growing, end):
            growing.wait_for_news()
            self.raise_if_stopped()
        self.waited += monotonic() - begun
        if end == self.size > self._summed:
            self._compare_with_read()

    def _has_bytes(self, growing: GrowingFile, end: int) -> bool:
        complete = growing.is_complete  # asked before the size, which is the whole one then
        there = self._file_size()
        if not self._summed <= there <= self.size or (complete and there < self.size):
            raise BucketError(
                f"the file that grew has {there} bytes, of {self.size}, of which {self._summed} were read"
            )
        return complete if end == self.size else there >= end

    def _compare_with_read(self) -> None:
        """BucketError where the file has other bytes now than were read from it."""
        again, at = Crc32c(), 0
        while at < self._summed:
            self.raise_if_stopped()
            piece = self._read_exactly(at, min(PIECE, self._summed - at))
            again.update(piece)
            at += len(piece)
        if str(again) != self.crc32c:
            raise BucketError("the file that grew was written anew after it had been read")

    def _file_size(self) -> int:
        try:
            return self._file.seek(0, os.SEEK_END)
        except (OSError, ValueError) as error:
            raise BucketError(f"the source can't be read: {error}") from error

    def _read_exactly(self, start: int, length: int) -> bytes:
        try:
            self._file.seek(start)
            data = self._file.read(length)
            while len(data) < length and (more := self._file.read(length - len(data))):
                data += more
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise BucketError(f"the source can't be read: {error}") from error
        if len(data) < length:
            raise BucketError(f"the source ends after {start + len(data)} of {self.size} bytes")
        return data
