"""Signed links to a folder's files: an HMAC over object, version and expiry, verified by the api.

    BucketError
    └── LinkRefused
        ├── LinkInvalid    not signed with this key, or changed afterwards
        └── LinkExpired    signed here, but its time is over: ask for a fresh one

The name is the path below /files/, the rest are query parameters: generation (the version), expires (seconds since
1970), signature, and filename where the file is saved under another one than its object's.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from vidferry_common.bucket.errors import BucketError, StorageDenied

PATH = "/files/"
VERSION = "v1"


class LinkRefused(BucketError):
    """A link that opens no object."""


class LinkInvalid(LinkRefused):
    """The link is not signed with this key, or was changed afterwards."""


class LinkExpired(LinkRefused):
    """The link's time is over."""


class LinkSigner:
    """Signs and checks links with one key; StorageDenied on use where there is no key."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key

    def make_link(self, name: str, version: str, expires: int, filename: str = "") -> str:
        """The link's path and query, to stand below the api's public address. expires: seconds since 1970."""
        query = {"generation": version, "expires": str(expires)}
        if filename:
            query["filename"] = filename
        query["signature"] = self._sign(name, query["generation"], query["expires"], filename)
        return f"{PATH}{quote(name)}?{urlencode(query)}"

    def verify_link(self, name: str, query: Mapping[str, str], now: float) -> str:
        """The version a link names; LinkInvalid, LinkExpired. name is the decoded path below PATH."""
        generation, expires = query.get("generation", ""), query.get("expires", "")
        expected = self._sign(name, generation, expires, query.get("filename", ""))
        given = query.get("signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode(errors="replace")):
            raise LinkInvalid("the link's signature is not ours")
        # Only make_link() signs, so from here on both are what it wrote.
        if now >= int(expires):
            raise LinkExpired("the link has expired")
        return generation

    def _sign(self, name: str, generation: str, expires: str, filename: str) -> str:
        if self._key is None:
            raise StorageDenied("links to a folder need VIDFERRY_SIGNING_KEY")
        # What make_link() signs holds no further line break, so no other parts can make the same message.
        kind = f"vidferry-named-link\n{filename}" if filename else "vidferry-link"
        message = f"{kind}\n{VERSION}\n{generation}\n{expires}\n{name}".encode(errors="replace")
        digest = hmac.digest(self._key.get_secret_value().encode(), message, hashlib.sha256)
        return f"{VERSION}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"
