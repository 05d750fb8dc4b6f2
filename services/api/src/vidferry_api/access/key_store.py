"""The API keys that are valid now: the keys file, read again when it changes."""

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from pathlib import Path

from vidferry_api.access.keys_file import MAX_BYTES, ApiKey, KeysFileWrong, KeyTable, parse_keys

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PREFIX = "vf_"
KEY = re.compile(r"vf_[A-Za-z0-9_-]{43}")

_Version = tuple[int, int, int, int]


def make_key() -> str:
    """A new key, of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def key_digest(key: str) -> bytes:
    """The SHA-256 of a key, under which it is declared."""
    return hashlib.sha256(key.encode()).digest()


class KeyStore:
    """The keys of a file. If a changed file can't be used, the keys before stay valid."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises KeysFileWrong if that is not possible."""
        self._path = path
        self._version: _Version | None = None
        """of the file that was read last, whether or not it could be used; None if it could not be read"""
        self._logged = ""
        """the error that was logged last"""
        self.table = KeyTable()
        self._read()

    def find(self, key: str) -> ApiKey | None:
        """The key's entry, whether or not it has expired; None if it is unknown.

        The time that this takes doesn't help to guess a key. What is looked up is its SHA-256, and nobody can choose
        keys by the first bits of their digests and of Python's secret hash of these. The comparison after that takes
        the same time for all.
        """
        digest = key_digest(key)
        found = self.table.keys.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest) or not KEY.fullmatch(key):
            return None
        return found

    async def watch(self) -> None:
        """Reads the file again whenever it has changed."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            # A mounted file may be on a network, and parsing ten thousand keys takes a second.
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Reads the file if it has changed. Logs an error once, however long it stays."""
        with contextlib.suppress(OSError):
            if _version_of(self._path) == self._version:
                return
        try:
            self._read()
        except KeysFileWrong as error:
            if str(error) != self._logged:
                self._logged = str(error)
                # Without a traceback, which could show what stands in the file.
                logger.error("the keys file can't be used; the keys before stay valid", extra={"error": self._logged})  # noqa: TRY400
        else:
            self._logged = ""
            logger.info("read the keys file", extra={"keys": len(self.table.keys)})

    def _read(self) -> None:
        self._version = None
        try:
            version = _version_of(self._path)
            content = _read_regular_file(self._path)
        except OSError as error:
            raise KeysFileWrong(f"the file can't be read ({error.strerror or 'it is not a regular file'})") from None
        self._version = version  # from before the reading: a change amid it is seen at the next look
        self.table = parse_keys(content)


def _version_of(path: Path) -> _Version:
    """What changes with the file, also where it is a link that is pointed elsewhere, as in a mounted Secret."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _read_regular_file(path: Path) -> bytes:
    """The file's first bytes, one more than it may have. Raises OSError where it is a pipe or a device."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError
        return file.read(MAX_BYTES + 1)
