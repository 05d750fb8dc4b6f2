"""What is uploaded, read exactly: a short read is an error, never the end of an upload."""

import os
import threading
from time import monotonic
from typing import BinaryIO

from vidferry_common.bucket.checksum import Crc32c
from vidferry_common.bucket.growth import Growth
from vidferry_common.bucket.interface import BucketError

PIECE = 1024**2


class Stopped(Exception):
    """The upload's caller was cancelled; stays inside this package."""


class Source:
    """size bytes from a file's start, summed once however often they are read again.

    With growth the file is still written: what is to be read is waited for, and its last part until it is complete and
    the parts before it are what was read of them. Who writes it may have begun anew between two looks at its size, so
    only their sum tells.
    """

    def __init__(self, file: BinaryIO, size: int, stop: threading.Event, growth: Growth | None = None) -> None:
        self._file = file
        self._stop = stop
        self._growth = growth
        self._sum = Crc32c()
        self._summed = 0
        self.size = size
        self.waited = 0.0
        """seconds, for bytes that were not there yet"""

    @property
    def grows(self) -> bool:
        """Whether the file was still written when the upload began."""
        return self._growth is not None

    @property
    def crc32c(self) -> str:
        """Of all that was read so far, from the start without a gap."""
        return str(self._sum)

    def check(self) -> None:
        """Raises Stopped once the caller was cancelled, BucketError once a file that grows was given up."""
        if self._stop.is_set():
            raise Stopped
        if self._growth and self._growth.is_given_up:
            raise BucketError("the file that grew is not uploaded after all")

    def fileno(self) -> int:
        """The file's descriptor; Stopped or BucketError where it may be another's by now."""
        self.check()
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
        self.check()
        end = min(start + length, self.size)
        if self._growth:
            self._wait_for(self._growth, end)
        data = self._exactly(start, end - start)
        if start <= self._summed:
            self._sum.update(data[self._summed - start :])
            self._summed = max(self._summed, start + len(data))
        return data

    def _wait_for(self, growth: Growth, end: int) -> None:
        """Returns when the file has what stands before end, and is what was read of it, if that is all."""
        begun = monotonic()
        while not self._has(growth, end):
            growth.wait()
            self.check()
        self.waited += monotonic() - begun
        if end == self.size > self._summed:
            self._compare()

    def _has(self, growth: Growth, end: int) -> bool:
        complete = growth.is_complete  # asked before the size, which is the whole one then
        there = self._length()
        if not self._summed <= there <= self.size or (complete and there < self.size):
            raise BucketError(
                f"the file that grew has {there} bytes, of {self.size}, of which {self._summed} were read"
            )
        return complete if end == self.size else there >= end

    def _compare(self) -> None:
        """BucketError where the file has other bytes than were read from it."""
        again, at = Crc32c(), 0
        while at < self._summed:
            self.check()
            piece = self._exactly(at, min(PIECE, self._summed - at))
            again.update(piece)
            at += len(piece)
        if str(again) != self.crc32c:
            raise BucketError("the file that grew was written anew after it had been read")

    def _length(self) -> int:
        try:
            return self._file.seek(0, os.SEEK_END)
        except (OSError, ValueError) as error:
            raise BucketError(f"the source can't be read: {error}") from error

    def _exactly(self, start: int, length: int) -> bytes:
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
