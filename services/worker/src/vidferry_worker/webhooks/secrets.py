"""The secrets that webhooks are signed with, by owner: those of the keys file, read again when it changes."""

import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from vidferry_common.watched_file import FileUnreadable, WatchedFile, poll
from vidferry_common.webhooks.owner_webhooks import MAX_BYTES, OwnerWebhook, read_owner_webhooks

logger = logging.getLogger(__name__)


class SigningSecrets:
    """The secrets of all owners. If a changed file can't be used, those before stay."""

    def __init__(self, path: Path | None, for_open_access: tuple[SecretStr, ...]) -> None:
        """path: the keys file; None where there is none. for_open_access: those for jobs without an owner."""
        self._file = WatchedFile(path, MAX_BYTES) if path else None
        self._open = for_open_access
        self._owners: Mapping[str, OwnerWebhook] = {}
        self._logged = ""
        """the error that was logged last"""
        self._unsigned: set[str] = set()
        """owners without a secret that were logged"""
        self.refresh()

    def find(self, owner: str) -> tuple[SecretStr, ...]:
        """The owner's secrets, the newest first; none where there are none, which is logged once."""
        found = self._open if not owner else self._owners[owner].secrets if owner in self._owners else ()
        if not found and owner not in self._unsigned:
            self._unsigned.add(owner)
            setting = "VIDFERRY_ACCESS_KEYS_FILE" if owner else "VIDFERRY_WEBHOOK_SECRETS"
            logger.warning(
                "jobs have webhooks, and this worker has no secret to sign them with",
                extra={"owner": owner, "setting": setting},
            )
        return found

    async def watch(self) -> None:
        """Reads the file again whenever it has changed."""
        await poll(self.refresh)

    def refresh(self) -> None:
        """Reads the file if it has changed. Logs an error once, however long it stays."""
        if self._file is None or not self._file.has_changed():
            return
        try:
            self._owners = read_owner_webhooks(self._file.read())
        except (FileUnreadable, ValueError) as error:
            if str(error) != self._logged:
                self._logged = str(error)
                # Without a traceback, which could show what stands in the file.
                logger.error("the keys file can't be used for webhooks", extra={"error": self._logged})  # noqa: TRY400
        else:
            self._logged = ""
            self._unsigned.clear()
            logger.info("the secrets of webhooks were read", extra={"owners": len(self._owners)})
