"""What is uploaded, read exactly: a short read is an error, never the end of an upload."""

import threading
from typing import BinaryIO

from vidferry_common.bucket.checksum import Crc32c
from vidferry_common.bucket.interface import BucketError


class Stopped(Exception):
    """The upload's caller was cancelled; stays inside this package."""


class Source:
    """size bytes from a file's start, summed once however often they are read again."""

    def __init__(self, file: BinaryIO, size: int, stop: threading.Event) -> None:
        self._file = file
        self._stop = stop
        self._sum = Crc32c()
        self._summed = 0
        self.size = size

    @property
    def crc32c(self) -> str:
        """Of all that was read so far, from the start without a gap."""
        return str(self._sum)

    def check(self) -> None:
        """Raises Stopped once the caller was cancelled."""
        if self._stop.is_set():
            raise Stopped

    def read(self, start: int, length: int) -> bytes:
        """Exactly length bytes from start, fewer only at the end; BucketError where the file has fewer."""
        self.check()
        data = self._exactly(start, min(length, self.size - start))
        if start <= self._summed:
            self._sum.update(data[self._summed - start :])
            self._summed = max(self._summed, start + len(data))
        return data

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
