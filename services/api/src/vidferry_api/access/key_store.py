"""The API keys that are valid now: the keys file, read again when it changes."""

import hashlib
import hmac
import logging
import re
import secrets
from pathlib import Path

from vidferry_api.access.keys_file import ApiKey, KeysFileWrong, KeyTable, parse_keys
from vidferry_common.watched_file import FileUnreadable, WatchedFile, poll
from vidferry_common.webhooks.owner_webhooks import MAX_BYTES

logger = logging.getLogger(__name__)

PREFIX = "vf_"
KEY = re.compile(r"vf_[A-Za-z0-9_-]{43}")


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
        self._file = WatchedFile(path, MAX_BYTES)
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
        await poll(self.refresh)  # in a thread, too, since parsing ten thousand keys takes a second

    def refresh(self) -> None:
        """Reads the file if it has changed. Logs an error once, however long it stays."""
        if not self._file.has_changed():
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
        try:
            content = self._file.read()
        except FileUnreadable as error:
            raise KeysFileWrong(str(error)) from None
        self.table = parse_keys(content)
