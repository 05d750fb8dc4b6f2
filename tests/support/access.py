"""Keys files and API keys for tests."""

from collections.abc import Sequence
from pathlib import Path

from vidferry_api.access.key_store import key_digest, make_key

TICKET_KEY = "t" * 32
ALL_SCOPES = ("jobs:write", "jobs:read", "objects:read")


class KeysFile:
    """A keys file that grows by each key that is made."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        self.path.write_text(text)

    def add(self, name: str, owner: str = "", scopes: Sequence[str] = ALL_SCOPES, more: str = "") -> str:
        """A new key. more: further lines of its table."""
        key = make_key()
        entry = (
            f'[[keys]]\nname = "{name}"\nowner = "{owner or name}"\nsha256 = "{key_digest(key).hex()}"\n'
            f"scopes = {list(scopes)}\n{more}\n"
        )
        self.path.write_text(self.path.read_text() + entry)
        return key

    def settings(self) -> dict[str, str]:
        """The api's settings, for access with the keys of this file."""
        return {"access": "keys", "access_keys_file": str(self.path), "ticket_keys": TICKET_KEY}


def bearer(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials}"}
