"""A file that is read again when it changes, such as a Secret that is mounted."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 1.0
_Version = tuple[int, int, int, int]


class FileUnreadable(Exception):
    """The file can't be read. The text says why."""


class WatchedFile:
    """A file of bounded size, and whether it has changed since it was read."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._version: _Version | None = None
        """of the file that was read last; None if it could not be read"""

    def has_changed(self) -> bool:
        """Whether it is another one than the one that was read last, or can't be read."""
        try:
            return _version_of(self._path) != self._version
        except OSError:
            return True

    def read(self) -> bytes:
        """The file's first bytes, one more than it may have. Raises FileUnreadable."""
        self._version = None
        try:
            version = _version_of(self._path)  # before the reading: a change amid it is seen at the next look
            content = _read_regular_file(self._path, self._max_bytes + 1)
        except OSError as error:
            raise FileUnreadable(f"the file can't be read ({error.strerror or 'it is not a regular file'})") from None
        self._version = version
        return content


async def poll(refresh: Callable[[], None]) -> None:
    """Calls refresh every POLL_SECONDS in a thread, until cancelled: a mounted file may be on a network."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        await asyncio.to_thread(refresh)


def _version_of(path: Path) -> _Version:
    """What changes with the file, also where it is a link that is pointed elsewhere, as in a mounted Secret."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _read_regular_file(path: Path, count: int) -> bytes:
    """The file's first bytes. Raises OSError where it is a pipe or a device."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError
        return file.read(count)
